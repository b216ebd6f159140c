//! The panic hook: a panic becomes a record, and reaches the log before the program may end.

use std::panic::PanicHookInfo;
use std::time::Duration;

use super::QueueHandler;
use crate::Level;
use crate::codec::Draft;
use crate::queue::Certainty;
use crate::record::now_ns;

/// How long a panicking thread waits for its record to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Logs every panic under the logger `panic`, then calls the hook that was there before.
pub(super) fn install(handler: QueueHandler) {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        record(&handler, info);
        previous(info);
    }));
}

fn record(handler: &QueueHandler, info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a value that is no text");
    let backtrace = std::backtrace::Backtrace::force_capture();
    handler.send(Draft {
        file: info.location().map(|location| location.file()),
        line: info.location().map(|location| location.line()),
        exception: Some(&backtrace),
        ..Draft::new(now_ns(), Level::ERROR, "panic", format_args!("{message}"))
    });
    let _pending = handler.flush(Certainty::Written, FLUSH_TIMEOUT);
}
