//! Which calls a worker encodes at all: `LOGBOOM_FILTER` pins; else what the listener pushed; else, and
//! where the listener leaves it to the worker, `RUST_LOG`; else the program's default; else INFO.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, TryLockError};

use env_filter::{Builder, Filter};
use log::{LevelFilter, Metadata};

use crate::Level;
use crate::level_table::{LevelTable, Wanted};
use crate::queue::rendezvous::AttachError;

/// The levels of one worker.
pub(super) struct Levels {
    own: OwnTable,
    pushed: RwLock<LevelTable>,
    /// Nobody wants a level below this number: most calls that are not wanted end here.
    lowest: AtomicU16,
    /// From this number on every level is wanted of every logger: most other calls end here.
    common: AtomicU16,
    pinned: bool,
    /// Whether the macros of the program look at this table: only then a push is theirs to know.
    installed: AtomicBool,
    /// Who tells the macros tells the newest.
    telling: Mutex<()>,
    /// A variable that could not be read, and why.
    pub(super) complaint: Option<String>,
}

impl Levels {
    /// The levels from the environment, or `default`.
    pub(super) fn from_env(default: &str) -> Result<Levels, AttachError> {
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        if let Some(text) = variable("LOGBOOM_FILTER") {
            return Levels::pinned(&text, "LOGBOOM_FILTER");
        }
        let fallback = OwnTable::parse(default)
            .map_err(|reason| AttachError::Filter { origin: "the default filter", reason })?;
        // RUST_LOG is shared with other libraries, some of which understand more.
        match variable("RUST_LOG").map(|text| OwnTable::parse(&text)) {
            Some(Ok(own)) => Ok(Levels::new(own, false, None)),
            Some(Err(reason)) => {
                Ok(Levels::new(fallback, false, Some(format!("RUST_LOG is not used: {reason}"))))
            }
            None => Ok(Levels::new(fallback, false, None)),
        }
    }

    /// Levels that no listener replaces; `origin` is who named them.
    pub(super) fn pinned(table: &str, origin: &'static str) -> Result<Levels, AttachError> {
        let own =
            OwnTable::parse(table).map_err(|reason| AttachError::Filter { origin, reason })?;
        Ok(Levels::new(own, true, None))
    }

    fn new(own: OwnTable, pinned: bool, complaint: Option<String>) -> Levels {
        let pushed = LevelTable::default();
        let (lowest, common) = pushed.range(own.range);
        Levels {
            own,
            pushed: RwLock::new(pushed),
            lowest: AtomicU16::new(lowest),
            common: AtomicU16::new(common),
            pinned,
            installed: AtomicBool::new(false),
            telling: Mutex::new(()),
            complaint,
        }
    }

    /// Whether no listener replaces them.
    pub(super) fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// Takes what the listener says, unless pinned: calls that begin later obey.
    pub(super) fn push(&self, table: LevelTable) {
        if self.pinned {
            return;
        }
        let (lowest, common) = table.range(self.own.range);
        *self.pushed.write().unwrap_or_else(PoisonError::into_inner) = table;
        self.lowest.store(lowest, Ordering::Release);
        self.common.store(common, Ordering::Release);
        if self.installed.load(Ordering::Acquire) {
            self.tell_macros();
        }
    }

    /// Lets the macros of `log` and `tracing` know these levels, now and after every push.
    pub(super) fn install(&self) {
        self.installed.store(true, Ordering::Release);
        self.tell_macros();
    }

    fn tell_macros(&self) {
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        log::set_max_level(self.max());
        #[cfg(feature = "tracing")]
        tracing_core::callsite::rebuild_interest_cache();
    }

    /// Whether a call of this level and logger is wanted.
    #[inline]
    pub(super) fn enabled(&self, level: Level, logger: &str) -> bool {
        let number = u16::from(level.number());
        number >= self.lowest.load(Ordering::Relaxed)
            && (number >= self.common.load(Ordering::Relaxed) || self.is_wanted(level, logger))
    }

    fn is_wanted(&self, level: Level, logger: &str) -> bool {
        let table = match self.pushed.try_read() {
            Ok(table) => table,
            Err(TryLockError::Poisoned(table)) => table.into_inner(),
            // It is being replaced, or was when this process was forked: then waiting has no end.
            Err(TryLockError::WouldBlock) => return true,
        };
        table.wants(level, logger, || self.own.enabled(level, logger))
    }

    /// The most verbose level of the macros that any logger wants.
    pub(super) fn max(&self) -> LevelFilter {
        let lowest = self.lowest.load(Ordering::Acquire);
        let wanted = |level: &log::Level| u16::from(Level::from(*level).number()) >= lowest;
        log::Level::iter()
            .filter(wanted)
            .max()
            .map_or(LevelFilter::Off, |level| level.to_level_filter())
    }
}

/// What the worker wants itself, as `RUST_LOG` has it.
struct OwnTable {
    filter: Filter,
    /// As [`LevelTable::range`].
    range: (u16, u16),
}

impl OwnTable {
    fn parse(text: &str) -> Result<OwnTable, String> {
        let mut builder = Builder::new();
        builder.try_parse(text).map_err(|error| error.to_string())?;
        let filter = builder.build();
        let lowest = lowest(filter.filter());
        // A table that is no more than a level has it for every logger.
        let is_level = text.trim().parse::<LevelFilter>().is_ok();
        let common = if is_level { lowest } else { Wanted::NO_LEVEL };
        Ok(OwnTable { filter, range: (lowest, common) })
    }

    fn enabled(&self, level: Level, logger: &str) -> bool {
        self.filter.enabled(&Metadata::builder().level(level.to_facade()).target(logger).build())
    }
}

/// Number of the lowest level that such a filter lets pass.
fn lowest(filter: LevelFilter) -> u16 {
    match filter.to_level() {
        None => Wanted::NO_LEVEL,
        // Whatever is finer than DEBUG.
        Some(log::Level::Trace) => 0,
        Some(level) => Level::from(level).number().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(own: &str) -> Levels {
        Levels::new(OwnTable::parse(own).expect("a filter"), false, None)
    }

    #[test]
    fn levels_of_ones_own_are_those_of_the_facade() {
        for filter in LevelFilter::iter() {
            let levels = levels(filter.as_str());
            assert_eq!(levels.max(), filter);
            for level in (0..=u8::MAX).map(Level::new) {
                assert_eq!(levels.enabled(level, "a"), level.to_facade() <= filter, "{level}");
            }
        }
    }

    #[test]
    fn what_a_filter_says_of_a_logger_counts_where_the_table_leaves_it_to_the_worker() {
        let levels = levels("warn,a::b=debug");
        assert!(!levels.enabled(Level::INFO, "a") && levels.enabled(Level::DEBUG, "a::b"));
        assert_eq!(levels.max(), LevelFilter::Debug);
        levels.push(LevelTable::default());
        assert!(!levels.enabled(Level::INFO, "a") && levels.enabled(Level::DEBUG, "a::b"));
    }

    #[cfg(feature = "listener")]
    mod pushed {
        use super::*;
        use crate::level_table::Entry;

        fn entry(name: &str, wanted: Wanted) -> Entry {
            Entry { name: name.to_owned(), own: wanted, below: wanted }
        }

        #[test]
        fn a_pushed_table_replaces_all_but_a_pinned_one() {
            let levels = levels("info,c=debug");
            let from = Wanted::from;
            levels.push(LevelTable::from(vec![
                entry("", from(Level::WARNING)),
                entry("a.b", from(Level::DEBUG)),
                entry("c", Wanted::of_worker_from(Level::new(7))),
                entry("d", Wanted::NOTHING),
            ]));
            assert!(!levels.enabled(Level::INFO, "a") && levels.enabled(Level::WARNING, "a"));
            assert!(
                levels.enabled(Level::DEBUG, "a::b::c") && !levels.enabled(Level::TRACE, "a.b")
            );
            assert!(levels.enabled(Level::DEBUG, "c") && !levels.enabled(Level::TRACE, "c"));
            assert!(!levels.enabled(Level::CRITICAL, "d"));
            assert_eq!(levels.max(), LevelFilter::Debug);
            levels.push(LevelTable::from(vec![entry("", from(Level::new(45)))]));
            assert_eq!(levels.max(), LevelFilter::Off);
            assert!(levels.enabled(Level::CRITICAL, "a") && !levels.enabled(Level::ERROR, "a"));
            levels.push(LevelTable::default());
            assert!(levels.enabled(Level::INFO, "a") && !levels.enabled(Level::DEBUG, "a"));
            let pinned = Levels::pinned("error", "a test").expect("a filter");
            pinned.push(LevelTable::from(vec![entry("", from(Level::NOTSET))]));
            assert!(!pinned.enabled(Level::WARNING, "a"));
        }
    }
}
