//! What a queue promises to its workers, and the transports that keep the promise.

mod batch;
pub(crate) mod channel;
#[cfg(all(test, feature = "listener"))]
mod contract;
pub(crate) mod control;
mod directory;
pub(crate) mod rendezvous;
pub(crate) mod ring;
pub(crate) mod status;

use std::fmt;
use std::time::Duration;

#[cfg(any(all(test, feature = "listener"), feature = "benches"))]
pub(crate) use batch::push_entry;
#[cfg(feature = "listener")]
pub(crate) use batch::{BatchHeader, Entries, HEADER_BYTES, MAX_BATCH_BYTES};
pub use directory::{QueueDir, QueueDirError};

use crate::Level;
use crate::codec::Draft;

/// Carries the records of one worker to the listener.
///
/// A transport owns the lane's sequence numbers: every call of [`send`](Transport::send) uses one,
/// whether the record is queued or dropped by policy.
pub(crate) trait Transport: Send + Sync {
    /// Queues one record, or drops and counts it by the [`Overflow`] policy. Blocks only as long as
    /// the policy says, never on the listener itself.
    fn send(&self, draft: &Draft<'_>);

    /// Waits until all records sent before are as certain as asked, or `timeout` has passed.
    fn flush(&self, certainty: Certainty, timeout: Duration) -> FlushReport;

    /// Waits, before the process ends, until the records sent before survive its end; and, where a
    /// listener is attached, until they are in its log files; at most `timeout`.
    fn settle(&self, timeout: Duration) {
        let _pending = self.flush(Certainty::Written, timeout);
    }

    /// Ends the lane once its queue is empty. Does not wait.
    fn close(&self);

    /// What happened so far.
    fn stats(&self) -> QueueStats;
}

/// What a log call does when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Waits for room for ever. Loses nothing; a listener that stands still stops the worker.
    Block,
    /// Waits for room this long, once per outage; then drops until the listener takes something.
    BlockFor(Duration),
    /// Drops the record at once.
    DropNewest,
    /// Drops at once as well, and records below this level sooner: when less than an eighth of the
    /// queue (of the thread's lane, where each has its own) would stay free. That eighth is kept for
    /// records of this level and above; [`Level::WARNING`] is what most want.
    DropBelow(Level),
}

impl Default for Overflow {
    /// [`Overflow::BlockFor`] 50 ms.
    fn default() -> Overflow {
        Overflow::BlockFor(Duration::from_millis(50))
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Overflow::Block => f.write_str("block"),
            Overflow::BlockFor(timeout) => write!(f, "block-for {timeout:?}"),
            Overflow::DropNewest => f.write_str("drop-newest"),
            Overflow::DropBelow(level) => write!(f, "drop-below {level}"),
        }
    }
}

/// How certain it is that a record will not be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// In the worker's queue.
    Queued,
    /// In the log files the listener has: it survives the end of any process. A listener without
    /// log files confirms what it has handed on.
    Written,
    /// On the disk: it survives a power loss. Records that were written and not synced when a sync of the
    /// listener failed never become so, and neither do later ones of the same lane.
    Synced,
}

/// What [`flush`](crate::flush) reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a flush that timed out leaves records pending"]
pub struct FlushReport {
    /// Records that are not yet as certain as asked; 0: all are.
    pub pending_records: u64,
}

impl FlushReport {
    /// Whether everything is as certain as asked.
    pub fn is_complete(&self) -> bool {
        self.pending_records == 0
    }
}

/// Counts of one worker's queue since it attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Records that passed the level, queued or dropped.
    pub records: u64,
    /// Records dropped by the [`Overflow`] policy.
    pub dropped: u64,
}
