//! Loggers that add something to each record: Python's `LoggerAdapter`.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use log::kv;

use super::handler::encode_pairs;
use super::logger::level_methods;
use super::{GLOBAL, Logger};
use crate::codec::{Attributes, Draft, FieldEncoder, MAX_CONTEXT_BYTES};
use crate::record::now_ns;
use crate::{Context, Level};

#[cfg(any(all(test, feature = "formatter"), feature = "tracing"))]
use crate::codec::SpanEncoder;

/// What a [`LoggerAdapter`] adds to each record: a [`Context`] for fields that are always the same, a
/// closure for fields that are computed at each call, or a type of your own.
///
/// Called on the thread that logs, once for each record that the levels let pass. If `add_fields` panics,
/// what it has not added yet is left out and counted in the record's field `omitted_fields`.
pub trait Extra: Send + Sync {
    /// Adds fields.
    fn add_fields(&self, to: &mut FieldEncoder<'_>);

    /// Writes the message, changed as it likes. Default: as it is.
    ///
    /// # Errors
    /// Those of `out`; the message ends there with a mark.
    fn process(&self, message: fmt::Arguments<'_>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_fmt(message)
    }
}

impl Extra for Context {
    fn add_fields(&self, to: &mut FieldEncoder<'_>) {
        self.fields().iter().for_each(|field| to.value(&field.key, &field.value));
    }
}

impl<F: Fn(&mut FieldEncoder<'_>) + Send + Sync> Extra for F {
    fn add_fields(&self, to: &mut FieldEncoder<'_>) {
        self(to);
    }
}

/// A [`Logger`] that adds fields to each record, and may change its message. Cheap to clone.
///
/// Adapters may be nested. Of fields with the same key that of the adapter that was put on last
/// counts, and that of the call itself before all; what the last one makes of the message goes
/// through the others. All adapters together add at most 8 KiB to a record.
///
/// ```
/// use logboom::{Context, FieldEncoder, LoggerAdapter};
///
/// let user = Context::new([("ip", "123.231.231.123"), ("user", "sheila")]);
/// let logger = LoggerAdapter::new(logboom::logger("a.b.c"), user);
/// log::info!(logger: logger, "with {}", "some parameters");
///
/// let load = |to: &mut FieldEncoder<'_>| to.add("threads", 7);
/// let logger = LoggerAdapter::new(logger, load);
/// logger.critical(format_args!("with ip, user and threads"));
/// ```
#[derive(Clone)]
pub struct LoggerAdapter {
    logger: Logger,
    /// The one that was put on first comes first.
    extras: Arc<[Arc<dyn Extra>]>,
}

impl LoggerAdapter {
    /// Puts `extra` on a logger, or on another adapter.
    pub fn new(logger: impl Into<LoggerAdapter>, extra: impl Extra + 'static) -> LoggerAdapter {
        let LoggerAdapter { logger, extras } = logger.into();
        let extra: Arc<dyn Extra> = Arc::new(extra);
        LoggerAdapter { logger, extras: extras.iter().cloned().chain([extra]).collect() }
    }

    /// Name of the logger.
    pub fn name(&self) -> &str {
        self.logger.name()
    }

    /// Logs at any level. File and line of the record are the caller's.
    #[track_caller]
    pub fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        let Some(handler) = GLOBAL.get().filter(|_| self.is_enabled_for(level)) else {
            return;
        };
        let caller = Location::caller();
        let attributes = AdapterAttributes { extras: &self.extras, pairs: None };
        let processed = Processed { extras: &self.extras, message };
        handler.send(Draft {
            file: Some(caller.file()),
            line: Some(caller.line()),
            attributes: Some(&attributes),
            ..Draft::new(now_ns(), level, self.name(), format_args!("{processed}"))
        });
    }

    level_methods!();

    /// Whether a call of this level would be queued.
    pub fn is_enabled_for(&self, level: Level) -> bool {
        self.logger.is_enabled_for(level)
    }
}

impl From<Logger> for LoggerAdapter {
    fn from(logger: Logger) -> LoggerAdapter {
        LoggerAdapter { logger, extras: Arc::new([]) }
    }
}

impl fmt::Debug for LoggerAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("LoggerAdapter");
        debug.field("name", &self.name()).field("extras", &self.extras.len()).finish()
    }
}

/// For the macros of `log`: `log::info!(logger: adapter, "…")`.
impl log::Log for LoggerAdapter {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.logger.enabled(metadata)
    }

    fn log(&self, record: &log::Record<'_>) {
        if let Some(handler) = GLOBAL.get() {
            handler.log_as(self.name(), record, &self.extras);
        }
    }

    /// Waits up to one second for all records to be in the log file.
    fn flush(&self) {
        log::Log::flush(&self.logger);
    }
}

/// The fields of adapters and of the call.
pub(super) struct AdapterAttributes<'a> {
    pub(super) extras: &'a [Arc<dyn Extra>],
    pub(super) pairs: Option<&'a dyn kv::Source>,
}

impl Attributes for AdapterAttributes<'_> {
    fn fields(&self, to: &mut FieldEncoder<'_>) {
        to.within(MAX_CONTEXT_BYTES, |to| {
            for extra in self.extras {
                if catch_unwind(AssertUnwindSafe(|| extra.add_fields(to))).is_err() {
                    to.omit();
                }
            }
        });
        if let Some(pairs) = self.pairs {
            encode_pairs(pairs, to);
        }
    }
}

/// The message as the adapters make it.
pub(super) struct Processed<'a> {
    pub(super) extras: &'a [Arc<dyn Extra>],
    pub(super) message: fmt::Arguments<'a>,
}

impl fmt::Display for Processed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.extras {
            [] => f.write_fmt(self.message),
            [first, extras @ ..] => {
                let processed = Processed { extras, message: self.message };
                first.process(format_args!("{processed}"), f)
            }
        }
    }
}

/// The fields of the scopes that are open on this thread, before those of the call.
pub(super) struct ScopedAttributes<'a>(pub(super) Option<&'a dyn Attributes>);

impl Attributes for ScopedAttributes<'_> {
    fn fields(&self, to: &mut FieldEncoder<'_>) {
        to.within(MAX_CONTEXT_BYTES, |to| {
            crate::context::each_field(|field| to.value(&field.key, &field.value));
        });
        if let Some(call) = self.0 {
            call.fields(to);
        }
    }

    #[cfg(any(all(test, feature = "formatter"), feature = "tracing"))]
    fn spans(&self, to: &mut SpanEncoder<'_>) {
        if let Some(call) = self.0 {
            call.spans(to);
        }
    }
}
