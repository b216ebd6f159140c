//! The record that is logged, and its line in the log.
//!
//! The programs that logboom is compared with log the same one; they share this file.

/// Logger of every record.
pub(crate) const LOGGER: &str = "bench.worker";

/// Bytes of a line before the worker's name: `2026-11-22 04:48:23,123 `.
pub(crate) const TIME_BYTES: usize = 24;

/// What is in a line between the worker's name and the message: logger and level.
pub(crate) const BETWEEN: &str = " bench.worker INFO ";

/// A message without arguments, as a literal: only these are not formatted at run time.
macro_rules! constant_message {
    () => {
        "worker handled request 123456 for /api/v1/items/654321 status=200 bytes=54321 in 1.234ms"
    };
}
pub(crate) use constant_message;

/// The arguments of a record, beside worker and index.
pub(crate) struct Request {
    pub(crate) item: u64,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
}

impl Request {
    /// Those of record `index`, which has to be below [`MAX_RECORDS`].
    pub(crate) fn new(index: u64) -> Request {
        let item = index * 7919 % 1_000_003;
        Request { item, status: 200, bytes: 1000 + index * 31 % 90_000 }
    }
}

/// Most records of one run: so many that the largest machine is measured, and few enough to keep
/// a bit for each.
pub(crate) const MAX_RECORDS: u64 = 1_000_000_000;

/// The display name of a worker.
pub(crate) fn worker_name(worker: u32) -> String {
    format!("worker-{worker}")
}
