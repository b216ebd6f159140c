//! Which log files and handlers get a record: by its logger, and by their own level and filters.

use std::borrow::Cow;

use super::filters::Filters;
use super::{LevelRules, LoggerTree, Loggers, Route};
use crate::filter::Filter;
use crate::{Level, Record};

/// How a record finds its way, as a configuration says.
pub(crate) struct Plan {
    pub(crate) loggers: Loggers,
    /// Of the loggers, each with a name for notices.
    pub(crate) filters: Vec<(String, Vec<Box<dyn Filter>>)>,
    pub(crate) targets: Vec<TargetPlan>,
}

/// A log file or a handler that is attached to loggers.
pub(crate) struct TargetPlan {
    pub(crate) name: String,
    pub(crate) level: Level,
    pub(crate) filters: Vec<Box<dyn Filter>>,
    pub(crate) destination: Destination,
}

/// Where a record goes, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    File(usize),
    /// A log file that the record itself names.
    Route(usize),
    Handler(usize),
}

impl Plan {
    /// Everything goes everywhere.
    pub(crate) fn plain() -> Plan {
        Plan { loggers: Loggers::default(), filters: Vec::new(), targets: Vec::new() }
    }

    /// Attaches to the root what is not attached to any logger.
    pub(crate) fn attach_rest(&mut self, destinations: impl Iterator<Item = Destination>) {
        for destination in destinations {
            if self.targets.iter().all(|target| target.destination != destination) {
                self.loggers.root.handlers.push(self.targets.len());
                self.targets.push(TargetPlan {
                    name: String::new(),
                    level: Level::NOTSET,
                    filters: Vec::new(),
                    destination,
                });
            }
        }
    }

    /// Gives the destinations other numbers.
    pub(crate) fn renumber(&mut self, number: impl Fn(Destination) -> Destination) {
        for target in &mut self.targets {
            target.destination = number(target.destination);
        }
    }
}

pub(crate) struct Routing {
    rules: LevelRules,
    tree: LoggerTree,
    filters: Vec<Filters>,
    targets: Vec<Target>,
    reach: Reach,
    /// Somebody may have something to say of records that were hidden.
    has_filters: bool,
}

/// What the destinations get.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Every record goes everywhere.
    All,
    /// Every record whose level its logger lets pass.
    AllOfLevel,
    /// Some get what others do not.
    Some,
}

struct Target {
    level: Level,
    filters: Filters,
    destination: Destination,
}

impl Target {
    /// The lowest level that it may take, as far as that is known.
    fn lowest_level(&self) -> Level {
        self.level.max(self.filters.lowest_of_first())
    }
}

/// One destination of a record, with the copy that its filters have changed, if they have.
pub(crate) struct Delivery {
    pub(crate) destination: Destination,
    pub(crate) changed: Option<Record<'static>>,
}

/// A record that a filter has made, and where it goes on.
pub(crate) struct Summary {
    pub(crate) record: Record<'static>,
    pub(crate) deliveries: Vec<Delivery>,
}

impl Routing {
    pub(crate) fn new(plan: Plan) -> Routing {
        let filters = plan.filters.into_iter();
        let filters: Vec<_> = filters
            .map(|(name, filters)| Filters::of(format!("logger {name}: "), filters))
            .collect();
        let targets =
            plan.targets.into_iter().map(|TargetPlan { name, level, filters, destination }| {
                Target {
                    level,
                    filters: Filters::of(format!("handler {name}: "), filters),
                    destination,
                }
            });
        let targets: Vec<_> = targets.collect();
        let has_filters =
            !filters.is_empty() || targets.iter().any(|target| !target.filters.is_empty());
        let rules = LevelRules {
            loggers: plan.loggers,
            handlers: targets.iter().map(Target::lowest_level).collect(),
            filters: filters.iter().map(Filters::lowest_level).collect(),
            lowest_level: Level::NOTSET,
        };
        let tree = rules.loggers.tree();
        let reach = Reach::of(&tree, &targets);
        Routing { rules, tree, filters, targets, reach, has_filters }
    }

    /// What decides about levels, where all records pass these filters before.
    pub(crate) fn rules(&self, before: &Filters) -> LevelRules {
        LevelRules { lowest_level: before.lowest_of_first(), ..self.rules.clone() }
    }

    /// Takes a tree with the same handlers and filters, and other levels.
    pub(crate) fn set_tree(&mut self, tree: LoggerTree) {
        self.reach = Reach::of(&tree, &self.targets);
        self.tree = tree;
    }

    /// Whether every record goes everywhere, as it is.
    pub(crate) fn is_plain(&self) -> bool {
        self.reach == Reach::All
    }

    /// Whether some destinations do not get all that others get.
    pub(crate) fn is_selective(&self) -> bool {
        self.reach == Reach::Some
    }

    pub(crate) fn has_filters(&self) -> bool {
        self.has_filters
    }

    /// The lowest level that is not lost whatever the logger is.
    #[cfg(feature = "config")]
    pub(crate) fn lowest_level(&self) -> Level {
        self.rules.table(&self.tree).lowest_level()
    }

    /// Finds the destinations of a record. The filters of its logger change it for all of them. A
    /// destination that is on the way twice gets it once.
    pub(crate) fn route(
        &mut self,
        record: &mut Cow<'_, Record<'_>>,
        deliveries: &mut Vec<Delivery>,
    ) {
        let route = self.tree.route(&record.logger);
        if !route.is_enabled_for(record.level) {
            return;
        }
        if let Some(filters) = route.filters
            && !self.filters[filters].pass(record)
        {
            return;
        }
        deliver(&mut self.targets, &route.handlers, record, deliveries);
    }

    /// What filters say of records they have hidden: of loggers to the handlers of these, of
    /// handlers to these.
    pub(crate) fn take_summaries(&mut self, now_ns: i64) -> Vec<Summary> {
        let mut summaries = Vec::new();
        for filters in self.filters.iter_mut().filter(|filters| !filters.is_empty()) {
            for record in filters.take_summaries(now_ns) {
                let route = self.tree.route(&record.logger);
                let mut deliveries = Vec::new();
                deliver(&mut self.targets, &route.handlers, &record, &mut deliveries);
                summaries.push(Summary { record, deliveries });
            }
        }
        for target in self.targets.iter_mut().filter(|target| !target.filters.is_empty()) {
            let destination = target.destination;
            summaries.extend(target.filters.take_summaries(now_ns).into_iter().map(|record| {
                Summary { record, deliveries: vec![Delivery { destination, changed: None }] }
            }));
        }
        summaries
    }

    pub(crate) fn panics(&self) -> u64 {
        self.all_filters().map(Filters::panics).sum()
    }

    /// What the log should say of the filters.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        let of_targets = self.targets.iter_mut().map(|target| &mut target.filters);
        self.filters.iter_mut().chain(of_targets).flat_map(Filters::take_notices).collect()
    }

    fn all_filters(&self) -> impl Iterator<Item = &Filters> {
        self.filters.iter().chain(self.targets.iter().map(|target| &target.filters))
    }
}

impl Reach {
    fn of(tree: &LoggerTree, targets: &[Target]) -> Reach {
        let leads_everywhere = |route: &Route| {
            (route.filters, route.disabled) == (None, false)
                && (0..targets.len()).all(|target| route.handlers.contains(&target))
        };
        let is_plain = |target: &Target| target.level == Level::NOTSET && target.filters.is_empty();
        let routes = || tree.routes().flat_map(|(_, own, below)| [own, below]);
        if !targets.iter().all(is_plain) || !routes().all(leads_everywhere) {
            Reach::Some
        } else if routes().any(|route| route.level > Level::NOTSET) {
            Reach::AllOfLevel
        } else {
            Reach::All
        }
    }
}

fn deliver(
    targets: &mut [Target],
    handlers: &[usize],
    record: &Record<'_>,
    deliveries: &mut Vec<Delivery>,
) {
    for index in handlers {
        let Target { level, filters, destination } = &mut targets[*index];
        let is_known = deliveries.iter().any(|delivery| delivery.destination == *destination);
        if is_known || record.level < *level {
            continue;
        }
        let mut seen = Cow::Borrowed(record);
        if filters.pass(&mut seen) {
            let changed = match seen {
                Cow::Borrowed(_) => None,
                Cow::Owned(record) => Some(record.into_owned()),
            };
            deliveries.push(Delivery { destination: *destination, changed });
        }
    }
}
