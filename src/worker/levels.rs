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
        let fallback = parse(default)
            .map_err(|reason| AttachError::Filter { origin: "the default filter", reason })?;
        // RUST_LOG is shared with other libraries, some of which understand more.
        match variable("RUST_LOG").map(|text| parse(&text)) {
            Some(Ok(filter)) => Ok(Levels::new(filter, false, None)),
            Some(Err(reason)) => {
                Ok(Levels::new(fallback, false, Some(format!("RUST_LOG is not used: {reason}"))))
            }
            None => Ok(Levels::new(fallback, false, None)),
        }
    }

    /// A table that no listener replaces; `origin` is who named it.
    pub(super) fn pinned(table: &str, origin: &'static str) -> Result<Levels, AttachError> {
        let filter = parse(table).map_err(|reason| AttachError::Filter { origin, reason })?;
        Ok(Levels::new(filter, true, None))
    }

    fn new(filter: Filter, pinned: bool, complaint: Option<String>) -> Levels {
        let max = AtomicUsize::new(filter.filter() as usize);
        let installed = AtomicBool::new(false);
        Levels { filter: RwLock::new(filter), max, pinned, installed, complaint }
    }

    /// Takes a table the listener pushed; tells whether it was taken.
    pub(super) fn push(&self, text: &str) -> bool {
        let Some(filter) = parse(text).ok().filter(|_| !self.pinned) else {
            return false;
        };
        let max = filter.filter() as usize;
        *self.filter.write().unwrap_or_else(PoisonError::into_inner) = filter;
        self.max.store(max, Ordering::Relaxed);
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

fn parse(text: &str) -> Result<Filter, String> {
    let mut builder = Builder::new();
    builder.try_parse(text).map_err(|error| error.to_string())?;
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pushed_table_replaces_all_but_a_pinned_one() {
        let levels = Levels::new(parse("info").expect("a filter"), false, None);
        assert!(levels.enabled(log::Level::Info, "a") && !levels.enabled(log::Level::Debug, "a"));
        assert!(levels.push("warn,a::b=debug"));
        assert!(
            !levels.enabled(log::Level::Info, "a") && levels.enabled(log::Level::Debug, "a::b")
        );
        assert_eq!(levels.max(), LevelFilter::Debug);
        assert!(!levels.push("a=loud") && levels.enabled(log::Level::Debug, "a::b"));
        let pinned = Levels::new(parse("error").expect("a filter"), true, None);
        assert!(!pinned.push("trace") && !pinned.enabled(log::Level::Warn, "a"));
    }
}
