//! Which calls a worker encodes at all: `LOGBOOM_FILTER` pins; else what the listener pushed; else
//! `RUST_LOG`; else the program's default; else INFO.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, TryLockError};

use env_filter::{Builder, Filter};
use log::{LevelFilter, Metadata};

use crate::queue::rendezvous::AttachError;

/// The level table of one worker.
pub(super) struct Levels {
    filter: RwLock<Filter>,
    /// The most verbose level of the table: most calls that are not wanted end here.
    max: AtomicUsize,
    /// The most verbose level that is wanted of every target: most other calls end here.
    common: AtomicUsize,
    pinned: bool,
    /// Whether the macros of the program look at this table: only then a push is theirs to know.
    installed: AtomicBool,
    /// A variable that could not be read, and why.
    pub(super) complaint: Option<String>,
}

impl Levels {
    /// The table from the environment, or `default`.
    pub(super) fn from_env(default: &str) -> Result<Levels, AttachError> {
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        if let Some(text) = variable("LOGBOOM_FILTER") {
            return Levels::pinned(&text, "LOGBOOM_FILTER");
        }
        let fallback = Table::parse(default)
            .map_err(|reason| AttachError::Filter { origin: "the default filter", reason })?;
        // RUST_LOG is shared with other libraries, some of which understand more.
        match variable("RUST_LOG").map(|text| Table::parse(&text)) {
            Some(Ok(table)) => Ok(Levels::new(table, false, None)),
            Some(Err(reason)) => {
                Ok(Levels::new(fallback, false, Some(format!("RUST_LOG is not used: {reason}"))))
            }
            None => Ok(Levels::new(fallback, false, None)),
        }
    }

    /// A table that no listener replaces; `origin` is who named it.
    pub(super) fn pinned(table: &str, origin: &'static str) -> Result<Levels, AttachError> {
        let table = Table::parse(table).map_err(|reason| AttachError::Filter { origin, reason })?;
        Ok(Levels::new(table, true, None))
    }

    fn new(table: Table, pinned: bool, complaint: Option<String>) -> Levels {
        Levels {
            max: AtomicUsize::new(table.filter.filter() as usize),
            common: AtomicUsize::new(table.common as usize),
            filter: RwLock::new(table.filter),
            pinned,
            installed: AtomicBool::new(false),
            complaint,
        }
    }

    /// Takes a table the listener pushed; tells whether it was taken.
    pub(super) fn push(&self, text: &str) -> bool {
        let Some(Table { filter, common }) = Table::parse(text).ok().filter(|_| !self.pinned)
        else {
            return false;
        };
        let max = filter.filter() as usize;
        *self.filter.write().unwrap_or_else(PoisonError::into_inner) = filter;
        self.max.store(max, Ordering::Relaxed);
        self.common.store(common as usize, Ordering::Relaxed);
        if self.installed.load(Ordering::Acquire) {
            self.tell_macros();
        }
        true
    }

    /// Lets the macros of `log` and `tracing` know this table, now and after every push.
    pub(super) fn install(&self) {
        self.installed.store(true, Ordering::Release);
        self.tell_macros();
    }

    fn tell_macros(&self) {
        log::set_max_level(self.max());
        #[cfg(feature = "tracing")]
        tracing_core::callsite::rebuild_interest_cache();
    }

    /// Whether a call at this level and target is wanted.
    pub(super) fn enabled(&self, level: log::Level, target: &str) -> bool {
        if level as usize > self.max.load(Ordering::Relaxed) {
            return false;
        }
        if level as usize <= self.common.load(Ordering::Relaxed) {
            return true;
        }
        let filter = match self.filter.try_read() {
            Ok(filter) => filter,
            Err(TryLockError::Poisoned(filter)) => filter.into_inner(),
            // It is being replaced, or was when this process was forked: then waiting has no end.
            Err(TryLockError::WouldBlock) => return true,
        };
        filter.enabled(&Metadata::builder().level(level).target(target).build())
    }

    /// The most verbose level that any target wants.
    pub(super) fn max(&self) -> LevelFilter {
        self.filter.read().unwrap_or_else(PoisonError::into_inner).filter()
    }
}

/// A table as it was read.
struct Table {
    filter: Filter,
    /// The level that the table has for every target, where it is no more than a level.
    common: LevelFilter,
}

impl Table {
    fn parse(text: &str) -> Result<Table, String> {
        let mut builder = Builder::new();
        builder.try_parse(text).map_err(|error| error.to_string())?;
        let filter = builder.build();
        let is_level = text.trim().parse::<LevelFilter>().is_ok();
        let common = if is_level { filter.filter() } else { LevelFilter::Off };
        Ok(Table { filter, common })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pushed_table_replaces_all_but_a_pinned_one() {
        let levels = Levels::new(Table::parse("info").expect("a filter"), false, None);
        assert!(levels.enabled(log::Level::Info, "a") && !levels.enabled(log::Level::Debug, "a"));
        assert!(levels.push("warn,a::b=debug"));
        assert!(
            !levels.enabled(log::Level::Info, "a") && levels.enabled(log::Level::Debug, "a::b")
        );
        assert_eq!(levels.max(), LevelFilter::Debug);
        assert!(!levels.push("a=loud") && levels.enabled(log::Level::Debug, "a::b"));
        let pinned = Levels::new(Table::parse("error").expect("a filter"), true, None);
        assert!(!pinned.push("trace") && !pinned.enabled(log::Level::Warn, "a"));
    }
}
