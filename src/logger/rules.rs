//! What decides about levels, without the handlers and filters themselves: when a level is set, tree and
//! level table are made from it anew.

use std::collections::HashMap;

use super::{LoggerSettings, LoggerTree, Route};
use crate::Level;
use crate::level_table::{Entry, LevelTable, Wanted};
use crate::logger_names::canonical;

/// What is configured of loggers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loggers {
    pub(crate) root: LoggerSettings,
    /// Somebody has set the level of the root, which may be [`Level::NOTSET`]. While nobody has, workers
    /// decide for all loggers that have no level.
    pub(crate) has_root_level: bool,
    pub(crate) others: Vec<(String, LoggerSettings)>,
}

impl Loggers {
    /// Sets the levels of loggers, as Python's `setLevel`; of two for one logger the later counts.
    pub(crate) fn set_levels<'a>(&mut self, levels: impl IntoIterator<Item = (&'a str, Level)>) {
        let known = self.others.iter().enumerate();
        let mut known: HashMap<String, usize> =
            known.map(|(place, (name, _))| (canonical(name).into_owned(), place)).collect();
        for (name, level) in levels {
            let name = canonical(name);
            if name.is_empty() {
                self.root.level = level;
                self.has_root_level = true;
                continue;
            }
            let place = *known.entry(name.into_owned()).or_insert_with_key(|name| {
                self.others.push((name.clone(), LoggerSettings::default()));
                self.others.len() - 1
            });
            self.others[place].1.level = level;
        }
    }

    pub(crate) fn tree(&self) -> LoggerTree {
        LoggerTree::new(self.root.clone(), self.others.clone())
    }
}

/// Loggers, and from which level on their handlers take a record.
#[derive(Clone, Debug)]
pub(crate) struct LevelRules {
    pub(crate) loggers: Loggers,
    /// The lowest level that each handler takes.
    pub(super) handlers: Vec<Level>,
    /// Of the filters of loggers, as [`Filter::lowest_level`](crate::filter::Filter::lowest_level).
    pub(super) filters: Vec<Option<Level>>,
    /// Of the filters that all records pass before they come to the tree.
    pub(super) lowest_level: Level,
}

impl Default for LevelRules {
    fn default() -> LevelRules {
        LevelRules {
            loggers: Loggers::default(),
            handlers: Vec::new(),
            filters: Vec::new(),
            lowest_level: Level::NOTSET,
        }
    }
}

impl LevelRules {
    /// For each logger the lowest level that any of its handlers gets.
    pub(crate) fn table(&self, tree: &LoggerTree) -> LevelTable {
        let entry = |(name, own, below): (&str, &Route, &Route)| Entry {
            name: name.to_owned(),
            own: self.wanted(own),
            below: self.wanted(below),
        };
        tree.routes().map(entry).collect::<Vec<_>>().into()
    }

    fn wanted(&self, route: &Route) -> Wanted {
        // A listener without any handler counts what comes.
        if self.handlers.is_empty() {
            return Wanted::of_worker_from(Level::NOTSET);
        }
        let Some(handlers) = route.handlers.iter().map(|handler| self.handlers[*handler]).min()
        else {
            return Wanted::NOTHING;
        };
        if route.disabled {
            return Wanted::NOTHING;
        }
        let kept = match route.filters {
            None => handlers,
            // One that may raise the level of a record lets it reach any handler.
            Some(filters) => {
                self.filters[filters].map_or(Level::NOTSET, |level| level.max(handlers))
            }
        };
        let lowest = kept.max(route.level).max(self.lowest_level);
        if route.level == Level::NOTSET && !self.loggers.has_root_level {
            Wanted::of_worker_from(lowest)
        } else {
            Wanted::from(lowest)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::routing::TargetPlan;
    use super::super::tests::Random;
    use super::super::{Delivery, Destination, Filters, Plan, Routing};
    use super::*;
    use crate::Record;
    use crate::filter::{
        CallbackFilter, Filter, LevelFilter, LevelRangeFilter, LoggerFilter, Verdict,
    };

    const HANDLERS: usize = 3;

    /// By level only, or also such that may change a level.
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Known,
        Any,
    }

    fn level(random: &mut Random) -> Level {
        Level::new(random.pick(&[0, 5, 7, 10, 20, 25, 30, 40, 50, 255]))
    }

    fn filters(random: &mut Random, kind: Kind) -> Vec<Box<dyn Filter>> {
        let filter = |random: &mut Random| -> Box<dyn Filter> {
            match (random.below(3), kind) {
                (0, _) => Box::new(LevelFilter(level(random))),
                (1, Kind::Any) => Box::new(CallbackFilter::new(|record| {
                    record.to_mut().level = Level::CRITICAL;
                    Verdict::Pass
                })),
                _ => Box::new(LoggerFilter::new("")),
            }
        };
        (0..random.below(3)).map(|_| filter(random)).collect()
    }

    fn plan(random: &mut Random, kind: Kind) -> Plan {
        let mut plan = Plan::plain();
        let filters_of_loggers = (0..2).map(|_| (String::new(), filters(random, kind)));
        plan.filters = filters_of_loggers.collect();
        let settings = |random: &mut Random| LoggerSettings {
            handlers: (0..random.below(3)).map(|_| random.below(HANDLERS)).collect(),
            filters: (random.below(3) == 0).then(|| random.below(2)),
            ..random.settings()
        };
        plan.loggers.root = settings(random);
        plan.loggers.has_root_level = random.below(2) == 0;
        for _ in 0..random.below(7) {
            let name = random.name();
            let settings = settings(random);
            plan.loggers.others.push((name, settings));
        }
        let target = |random: &mut Random, index| TargetPlan {
            name: String::new(),
            level: level(random),
            filters: filters(random, kind),
            destination: Destination::Handler(index),
        };
        plan.targets = (0..HANDLERS).map(|index| target(random, index)).collect();
        plan
    }

    fn is_delivered(routing: &mut Routing, name: &str, level: Level) -> bool {
        let record = Record::new(0, level, name, "");
        let mut deliveries: Vec<Delivery> = Vec::new();
        routing.route(&mut Cow::Borrowed(&record), &mut deliveries);
        !deliveries.is_empty()
    }

    fn check(kind: Kind) {
        let mut random = Random(47);
        for _ in 0..100 {
            let mut routing = Routing::new(plan(&mut random, kind));
            let rules = routing.rules(&Filters::new(Vec::new()));
            let mut tree = rules.loggers.tree();
            let table = rules.table(&tree);
            assert_eq!(LevelTable::from(Vec::from(table.clone())), table);
            let (lowest, common) = table.range((20, 20));
            for name in (0..8).map(|_| random.name()) {
                let path = name.replace('.', "::");
                let asks =
                    tree.route(&name).level == Level::NOTSET && !rules.loggers.has_root_level;
                for level in (0..=u8::MAX).map(Level::new) {
                    let by_worker = || level >= Level::INFO;
                    let wants = table.wants(level, &name, by_worker);
                    assert_eq!(table.wants(level, &path, by_worker), wants, "{name}");
                    let delivered = is_delivered(&mut routing, &name, level);
                    let expected = delivered && (!asks || by_worker());
                    let is_right =
                        if kind == Kind::Known { wants == expected } else { wants >= expected };
                    assert!(is_right, "{name:?} at {level}: wants {wants}, {expected} {rules:?}");
                    let number = u16::from(level.number());
                    assert!(number >= lowest || !wants, "{name:?} at {level}: {lowest}");
                    assert!(number < common || wants, "{name:?} at {level}: {common}");
                }
            }
        }
    }

    #[test]
    fn exactly_what_a_handler_gets_is_wanted() {
        check(Kind::Known);
    }

    #[test]
    fn whatever_filters_do_with_levels_nothing_is_missing_that_a_handler_gets() {
        check(Kind::Any);
    }

    #[test]
    fn ranges_of_handlers_and_of_all_records_count() {
        let mut plan = Plan::plain();
        plan.loggers.root.level = Level::DEBUG;
        plan.attach_rest([Destination::File(0)].into_iter());
        let from = Level::WARNING..=Level::ERROR;
        plan.targets[0].filters.push(Box::new(LevelRangeFilter(from)));
        let routing = Routing::new(plan);
        let lowest = |before: Vec<Box<dyn Filter>>| {
            let rules = routing.rules(&Filters::new(before));
            rules.table(&rules.loggers.tree()).range((0, 0)).0
        };
        assert_eq!(lowest(Vec::new()), 30);
        assert_eq!(lowest(vec![Box::new(LevelFilter(Level::ERROR))]), 40);
    }

    #[test]
    fn a_listener_without_handlers_gets_what_its_workers_want() {
        let rules = Routing::new(Plan::plain()).rules(&Filters::new(Vec::new()));
        assert_eq!(rules.table(&rules.loggers.tree()), LevelTable::default());
    }

    #[test]
    fn a_level_is_set_by_any_form_of_a_name() {
        let mut loggers = Loggers::default();
        loggers.others.push(("c::d".to_owned(), LoggerSettings::default()));
        let levels = [("a::b", 10), ("a.b", 20), ("root", 30), ("c.d", 40), ("", 35)];
        loggers.set_levels(levels.map(|(name, level)| (name, Level::new(level))));
        assert_eq!((loggers.root.level, loggers.has_root_level), (Level::new(35), true));
        let others: Vec<_> =
            loggers.others.iter().map(|(name, logger)| (&**name, logger.level.number())).collect();
        assert_eq!(others, [("c::d", 40), ("a.b", 20)]);
    }

    #[test]
    fn a_table_that_is_too_large_for_a_message_becomes_one_level() {
        let mut rules = LevelRules { handlers: vec![Level::NOTSET], ..LevelRules::default() };
        rules.loggers.root.handlers = vec![0];
        let mut table_with = |count: usize| {
            let names: Vec<_> = (0..count).map(|number| format!("logger.{number}")).collect();
            let levels = names.iter().map(|name| (&**name, Level::new(11)));
            rules.loggers.set_levels(levels.chain([("", Level::INFO)]));
            rules.table(&rules.loggers.tree()).within_message()
        };
        let (small, is_whole) = table_with(4000);
        assert!(is_whole && !small.wants(Level::new(15), "other", || false));
        let (large, is_whole) = table_with(8000);
        assert!(!is_whole && large.wants(Level::new(11), "other", || false));
        assert_eq!(large.range((0, 0)), (11, 11));
    }
}
