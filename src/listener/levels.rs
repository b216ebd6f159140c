//! The levels of loggers while the listener runs: those it has begun with, and over them those that
//! `ctl level` has set.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::Level;
use crate::level_table::LevelTable;
use crate::logger::{LevelRules, LoggerTree};
use crate::logger_names::{MAX_NAME_BYTES, ROOT, canonical};
use crate::queue::status::LevelStatus;
use crate::record::now_ns;

/// Most loggers whose level is set.
const MAX_SET: usize = 4096;

#[derive(Default)]
pub(super) struct Levels {
    rules: LevelRules,
    /// By canonical name.
    set: BTreeMap<String, Override>,
    /// Of the table, counted from 1.
    number: u64,
    table: LevelTable,
    /// The table is too large for a message: one level has to do.
    is_coarse: bool,
    /// Not yet taken by the drain.
    tree: Option<LoggerTree>,
}

/// What is set for a logger.
#[derive(Default)]
struct Override {
    permanent: Option<Level>,
    /// Until then it comes before the permanent one.
    temporary: Option<(Level, Instant)>,
}

impl Override {
    fn level(&self) -> Option<Level> {
        self.temporary.map(|(level, _)| level).or(self.permanent)
    }
}

impl Levels {
    /// Takes what the listener begins with, or goes on with; what is set stays so.
    pub(super) fn set_rules(&mut self, rules: LevelRules) {
        self.rules = rules;
        self.make();
    }

    /// Sets the level of a logger, until `until` where that is given.
    ///
    /// # Errors
    /// A limit, as text.
    pub(super) fn set(
        &mut self,
        logger: &str,
        level: Level,
        until: Option<Instant>,
    ) -> Result<(), String> {
        let name = canonical(logger);
        if name.len() > MAX_NAME_BYTES {
            return Err(format!("the name of a logger has at most {MAX_NAME_BYTES} bytes"));
        }
        if self.set.len() >= MAX_SET && !self.set.contains_key(&*name) {
            return Err(format!(
                "the levels of {MAX_SET} loggers are set, and no more can be: set that of a logger above"
            ));
        }
        let set = self.set.entry(name.into_owned()).or_default();
        set.temporary = until.map(|until| (level, until));
        if until.is_none() {
            set.permanent = Some(level);
        }
        self.make();
        Ok(())
    }

    /// Sets back what was set until now.
    pub(super) fn set_back(&mut self, now: Instant) {
        if self.next_end().is_none_or(|end| end > now) {
            return;
        }
        self.set.retain(|_, set| {
            set.temporary = set.temporary.filter(|(_, until)| *until > now);
            set.level().is_some()
        });
        self.make();
    }

    /// When a level is set back next.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.set.values().filter_map(|set| set.temporary).map(|(_, until)| until).min()
    }

    /// Makes tree and table from what counts now.
    fn make(&mut self) {
        let mut rules = self.rules.clone();
        let set = self.set.iter().filter_map(|(name, set)| Some((&**name, set.level()?)));
        rules.loggers.set_levels(set);
        let tree = rules.loggers.tree();
        let (table, is_whole) = rules.table(&tree).within_message();
        if self.number == 0 || table != self.table {
            self.table = table;
            self.number += 1;
        }
        self.is_coarse = !is_whole;
        self.tree = Some(tree);
    }

    /// A tree that the drain does not have yet.
    pub(super) fn take_tree(&mut self) -> Option<LoggerTree> {
        self.tree.take()
    }

    /// What workers are told.
    pub(super) fn table(&self) -> &LevelTable {
        &self.table
    }

    /// The number of the table.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn is_coarse(&self) -> bool {
        self.is_coarse
    }

    /// What is set, the root first.
    pub(super) fn status(&self) -> impl Iterator<Item = LevelStatus> {
        let now = Instant::now();
        self.set.iter().filter_map(move |(name, set)| {
            let until_ns = set.temporary.map(|(_, until)| {
                let left = until.saturating_duration_since(now);
                now_ns().saturating_add_unsigned(nanoseconds(left))
            });
            Some(LevelStatus { logger: printed(name), level: set.level()?, until_ns })
        })
    }
}

/// The canonical name of a logger, for people.
pub(super) fn printed(name: &str) -> String {
    if name.is_empty() { ROOT.to_owned() } else { name.to_owned() }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_levels_are_set_and_no_name_is_too_long() {
        let mut levels = Levels::default();
        for number in 0..MAX_SET - 1 {
            levels.set.insert(number.to_string(), Override::default());
        }
        let mut set = |name: &str| levels.set(name, Level::DEBUG, None);
        let long = "x".repeat(MAX_NAME_BYTES);
        assert_eq!(
            (set(&long), set("a").is_err(), set(&long), set("0")),
            (Ok(()), true, Ok(()), Ok(()))
        );
        assert!(set(&(long + "x")).is_err());
    }

    #[test]
    fn what_is_set_for_some_time_hides_what_is_set_for_good() {
        let (mut levels, now) = (Levels::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        let shown = |levels: &Levels| -> Vec<_> {
            levels.status().map(|set| (set.logger, set.level.number())).collect()
        };
        levels.set("a", Level::new(10), None).expect("room");
        levels.set("a", Level::new(20), Some(after(5))).expect("room");
        levels.set("root", Level::new(30), Some(after(3))).expect("room");
        let number = levels.number();
        assert_eq!(levels.next_end(), Some(after(3)));
        assert_eq!(shown(&levels), [("root".to_owned(), 30), ("a".to_owned(), 20)]);
        levels.set_back(after(2));
        assert_eq!(levels.number(), number);
        levels.set_back(after(3));
        assert_eq!(shown(&levels), [("a".to_owned(), 20)]);
        levels.set_back(after(9));
        assert_eq!((shown(&levels), levels.next_end()), (vec![("a".to_owned(), 10)], None));
        levels.set("a", Level::new(50), Some(after(50))).expect("room");
        levels.set("a", Level::new(40), None).expect("room");
        levels.set_back(after(60));
        assert_eq!(shown(&levels), [("a".to_owned(), 40)]);
    }

    #[test]
    fn a_level_that_changes_nothing_for_workers_is_no_news_for_them() {
        let mut levels = Levels::default();
        levels.set("a", Level::DEBUG, None).expect("room");
        let number = levels.number();
        let until = Instant::now() + Duration::from_secs(60);
        levels.set("a", Level::DEBUG, Some(until)).expect("room");
        assert_eq!(levels.number(), number);
        assert!(levels.take_tree().is_some() && levels.take_tree().is_none());
    }
}
