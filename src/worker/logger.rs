//! Loggers by name.

use std::fmt;
use std::sync::Arc;

use super::GLOBAL;
use crate::Level;

/// The methods of a logger that are named after the levels.
macro_rules! level_methods {
    () => {
        level_methods! {
            critical CRITICAL, error ERROR, warning WARNING, info INFO, debug DEBUG, trace TRACE,
        }
    };
    ($($name:ident $level:ident,)+) => {
        $(
            #[doc = concat!("Logs at [`", stringify!($level), "`](crate::Level::", stringify!($level), ").")]
            #[track_caller]
            pub fn $name(&self, message: std::fmt::Arguments<'_>) {
                self.log(crate::Level::$level, message);
            }
        )+
    };
}
pub(super) use level_methods;

/// A name under which records are logged. Cheap to clone.
///
/// Its methods, and the macros of `log` with `logger:`, put records of this name on the queue of the
/// worker that [`init`](crate::init) installed; before that they do nothing. Blocks as long as the
/// [`Overflow`](crate::Overflow) policy says. A call allocates nothing.
///
/// The name decides, in the worker's level table too: a `target:` that a macro gives beside
/// `logger:` is not used.
///
/// ```
/// let logger = logboom::logger("spam_application.auxiliary");
/// log::info!(logger: logger, eggs = 2; "doing something");
/// logger.critical(format_args!("out of {}", "spam"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Logger {
    name: Arc<str>,
}

/// The logger of this name, whose parts are separated by dots or `::`; any two of the same name are
/// as good as one.
pub fn logger(name: impl Into<Arc<str>>) -> Logger {
    Logger { name: name.into() }
}

impl Logger {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Logs at any level. File and line of the record are the caller's.
    #[track_caller]
    pub fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        super::log(level, &self.name, message);
    }

    level_methods!();

    /// Whether a call of this level would be queued.
    pub fn is_enabled_for(&self, level: Level) -> bool {
        GLOBAL.get().is_some_and(|handler| handler.enabled(level, &self.name))
    }
}

/// For the macros of `log`: `log::info!(logger: logger, "…")`.
impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.is_enabled_for(metadata.level().into())
    }

    fn log(&self, record: &log::Record<'_>) {
        if let Some(handler) = GLOBAL.get() {
            handler.log_as(&self.name, record, &[]);
        }
    }

    /// Waits up to one second for all records to be in the log file.
    fn flush(&self) {
        if let Some(handler) = GLOBAL.get() {
            log::Log::flush(handler);
        }
    }
}
