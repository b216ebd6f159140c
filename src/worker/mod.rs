//! The worker's side: from a log call to the queue.

mod adapter;
mod attached;
mod choice;
mod connect;
mod facts;
mod handler;
mod inherit;
#[cfg(feature = "tracing")]
mod layer;
mod levels;
mod logger;
mod panic;
mod start;
#[cfg(feature = "formatter")]
mod stderr;

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

pub use adapter::{Extra, LoggerAdapter};
pub use choice::TransportChoice;
pub use handler::QueueHandler;
#[cfg(feature = "supervisor")]
pub(crate) use inherit::hand_on;
pub use inherit::inherit;
pub use logger::{Logger, logger};
pub use start::{Builder, Guard, builder, init};

use crate::Level;
use crate::queue::{Certainty, FlushReport};

static GLOBAL: OnceLock<QueueHandler> = OnceLock::new();

/// Waits until all records this process has logged are as certain as asked, or `timeout` has passed.
///
/// Works without the [`Guard`]: call it before `std::process::exit` or an abort. Complete at once in
/// a process that never called [`init`].
pub fn flush(certainty: Certainty, timeout: Duration) -> FlushReport {
    match GLOBAL.get() {
        Some(handler) => handler.flush(certainty, timeout),
        None => FlushReport { pending_records: 0 },
    }
}

/// Logs a record of any [`Level`], for what the macros of `log` cannot say.
///
/// Does nothing before [`init`]. Blocks as long as the [`Overflow`](crate::Overflow) policy says.
/// File and line of the record are the caller's.
///
/// ```
/// logboom::log(logboom::Level::CRITICAL, "a.b.c", format_args!("out of {}", "paper"));
/// ```
#[track_caller]
pub fn log(level: Level, logger: &str, message: fmt::Arguments<'_>) {
    if let Some(handler) = GLOBAL.get() {
        handler.log(level, logger, message);
    }
}
