//! What a listener tells of itself: its counts, and how a flush or a stop went.

use serde::{Deserialize, Serialize};

/// What became of a flush for which `ctl` has asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Flushed {
    /// Workers that did not send what they have within the time given.
    pub silent_workers: u64,
    /// Whether the log is on the disk, where that was asked for.
    pub synced: bool,
}

/// What a listener did in its life, said when it stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StopReport {
    /// Records given to the handlers.
    pub drained: u64,
    /// Records dropped by the workers' overflow policy.
    pub dropped: u64,
    /// Records that were accepted and neither written nor left for a successor.
    pub missing: u64,
    /// Lanes that had not ended by the drain deadline.
    pub left_lanes: u64,
}

impl std::fmt::Display for StopReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let StopReport { drained, dropped, missing, left_lanes } = self;
        write!(
            f,
            "drained {drained}, dropped {dropped}, missing {missing}, left {left_lanes} lanes"
        )
    }
}

/// A listener's answer to `ctl status`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// Process id of the listener.
    pub pid: u32,
    /// The queue directory.
    pub queue: String,
    /// Seconds since the listener started.
    pub uptime_s: u64,
    /// Current log files.
    pub logs: Vec<String>,
    /// The workers attached now.
    pub workers: Vec<WorkerStatus>,
    /// Records given to the handlers.
    pub records: u64,
    /// Records dropped by the workers' overflow policy.
    pub dropped: u64,
    /// Records that never arrived: gaps in the sequence of a lane.
    pub missing: u64,
    /// Peers and batches that were refused, with the reason and how many.
    pub refused: Vec<(String, u64)>,
    /// The handlers beside the log files.
    pub handlers: Vec<HandlerStatus>,
    /// Why the log file cannot be written at the moment.
    pub trouble: Option<String>,
    /// Whether the listener is stopping.
    pub stopping: bool,
}

/// One attached worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// Display name.
    pub name: String,
    /// Process id the worker's records carry.
    pub pid: u32,
    /// File name of its program.
    pub program: String,
    /// Its lane, 16 hexadecimal digits.
    pub lane: String,
    /// Records received from it.
    pub records: u64,
    /// Records it dropped.
    pub dropped: u64,
}

/// One handler beside the log files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HandlerStatus {
    /// The name it was given.
    pub name: String,
    /// Records it has handled.
    pub handled: u64,
    /// Records it refused with an error.
    pub failed: u64,
    /// Records dropped because it was slower than its queue could bear.
    pub dropped: u64,
    /// Its last error.
    pub last_error: Option<String>,
}
