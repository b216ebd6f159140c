//! What a listener tells of itself: its counts, and how a flush or a stop went.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Level;
use crate::record::now_ns;

/// What became of a flush for which `ctl` has asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Flushed {
    /// Workers that did not send what they have within the time given.
    pub silent_workers: u64,
    /// Whether all that was queued when it was asked is in the log files.
    pub written: bool,
    /// Whether the log is on the disk, where that was asked for. Never where a sync has failed in the
    /// listener's life: what was not on the disk by then may never get there.
    pub synced: bool,
}

/// What became of a rotation for which `ctl` has asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rotated {
    /// Log files that were rotated. Those that are empty, or of which no backup may be kept, were not.
    pub files: u64,
    /// Why a log file could not be rotated, where one could not.
    pub error: Option<String>,
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
    /// Records of the Channel transport that workers had handed to a listener before this one, which
    /// ended before it said that they were written: they may be in the log or missing.
    pub unconfirmed: u64,
    /// Lanes that had not ended by the drain deadline.
    pub left_lanes: u64,
    /// Whether in the end a log file could not be written, synced or closed. Which one, and why, is in
    /// the listener's error, and was in its [`Status::trouble`].
    pub log_failed: bool,
}

/// What [`StopReport::log_failed`] means, for people.
const LOG_FAILED: &str =
    "the log could not be written or synced to the end: the listener's last line says why";

impl fmt::Display for StopReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StopReport { drained, dropped, missing, unconfirmed, left_lanes, log_failed } = self;
        write!(f, "drained {drained}, dropped {dropped}, missing {missing}, ")?;
        if *unconfirmed > 0 {
            write!(f, "unconfirmed {unconfirmed}, ")?;
        }
        write!(f, "left {left_lanes} lanes")?;
        if *log_failed {
            write!(f, "; {LOG_FAILED}")?;
        }
        Ok(())
    }
}

impl StopReport {
    /// Whether every record that was accepted and not left for a successor is in the log for certain,
    /// and no log file failed.
    pub fn is_complete(&self) -> bool {
        self.missing == 0 && self.unconfirmed == 0 && !self.log_failed
    }
}

/// What became of a level that was set while the listener runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LevelReport {
    /// The logger, with dots between the parts of its name; `root` for the root.
    pub logger: String,
    /// Its level now.
    pub level: Level,
    /// Workers that obey: it counts for all their calls that begin from now on.
    pub obeying: u64,
    /// Workers that did not acknowledge in time. They will obey, unless they end before.
    pub pending: Vec<WorkerName>,
    /// How many more did not than are listed.
    pub more_pending: u64,
    /// Workers whose levels are pinned, by `LOGBOOM_FILTER` or their program. What they send all the
    /// same, the listener sorts out.
    pub pinned: Vec<WorkerName>,
    /// How many more are than are listed.
    pub more_pinned: u64,
}

impl LevelReport {
    /// Whether all workers obey that can.
    pub fn is_complete(&self) -> bool {
        self.pending.is_empty()
    }
}

/// Which worker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerName {
    /// Display name.
    pub name: String,
    /// Process id the worker's records carry.
    pub pid: u32,
}

/// A level that was set while the listener runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LevelStatus {
    /// The logger, with dots between the parts of its name; `root` for the root.
    pub logger: String,
    /// Its level.
    pub level: Level,
    /// When it is set back, in nanoseconds since the Unix epoch.
    pub until_ns: Option<i64>,
}

impl fmt::Display for LevelStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LevelStatus { logger, level, until_ns } = self;
        write!(f, "{logger} {level}")?;
        match until_ns {
            Some(until_ns) => write!(f, " for {} s more", until(*until_ns).as_secs()),
            None => Ok(()),
        }
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
    /// The levels that were set while the listener runs, as by `ctl level`.
    pub levels: Vec<LevelStatus>,
    /// How many more are set than are listed.
    pub more_levels: u64,
    /// Whether there are too many loggers with levels for a message: then workers send what any logger
    /// wants, and the listener sorts it out.
    pub has_coarse_levels: bool,
    /// The workers attached now.
    pub workers: Vec<WorkerStatus>,
    /// How many more are attached than are listed.
    pub more_workers: u64,
    /// Records given to the handlers.
    pub records: u64,
    /// Records dropped by the workers' overflow policy.
    pub dropped: u64,
    /// The same for each level with any, the lowest first.
    pub dropped_by_level: Vec<LevelCount>,
    /// Records that never arrived: gaps in the sequence of a lane.
    pub missing: u64,
    /// As in [`StopReport::unconfirmed`].
    pub unconfirmed: u64,
    /// How often a log file was found shorter than it was, as after `copytruncate`: each time is told in
    /// the log.
    pub truncations: u64,
    /// Log files that are open now because records have chosen them, by routes.
    pub routed_files: u64,
    /// Records that are not in the file that a route has for them, because it is the log of another handler,
    /// or no log can be there. The first of them is told in the log.
    pub unrouted: u64,
    /// Lanes that could not be read to their end: each is told in the log, with where it is kept.
    pub damaged_lanes: u64,
    /// How often a filter has panicked; the records have passed it.
    pub filter_panics: u64,
    /// Peers and batches that were refused, with the reason and how many.
    pub refused: Vec<(String, u64)>,
    /// The handlers beside the log files.
    pub handlers: Vec<HandlerStatus>,
    /// The doors for records of other programs.
    pub doors: Vec<DoorStatus>,
    /// What cannot be done with a log file at the moment.
    pub trouble: Option<Trouble>,
    /// How the log files are brought to the disk.
    pub sync: SyncStatus,
    /// The configuration.
    pub config: ConfigStatus,
    /// Whether the listener is stopping.
    pub stopping: bool,
}

/// The configuration by which a listener works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConfigStatus {
    /// Where it is from: a file, or whoever has sent it; nothing where there is none.
    pub source: Option<String>,
    /// When it was loaded, in nanoseconds since the Unix epoch.
    pub loaded_ns: Option<i64>,
    /// The last one that was refused.
    pub refusal: Option<ConfigRefusal>,
}

impl ConfigStatus {
    /// How long ago it was loaded.
    pub fn age(&self) -> Option<Duration> {
        self.loaded_ns.map(since)
    }
}

/// A configuration that a running listener has refused; the one before stayed in effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConfigRefusal {
    /// Where it was from.
    pub source: String,
    /// What is wrong with it.
    pub reason: String,
    /// When it was refused, in nanoseconds since the Unix epoch.
    pub time_ns: i64,
}

impl ConfigRefusal {
    /// How long ago that was.
    pub fn age(&self) -> Duration {
        since(self.time_ns)
    }
}

/// What cannot be done at the moment and is tried again until it can. A write that fails holds the
/// workers up, a sync that fails does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trouble {
    /// What is tried, as a verb: `write`, `rename`, `open`, `sync`.
    pub operation: String,
    /// The file or directory.
    pub path: String,
    /// What the system said last.
    pub cause: String,
    /// When it failed first, in nanoseconds since the Unix epoch.
    pub since_ns: i64,
    /// How often it has failed since then.
    pub tries: u64,
}

impl Trouble {
    /// How long it has lasted by now.
    pub fn lasted(&self) -> Duration {
        since(self.since_ns)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trouble { operation, path, cause, .. } = self;
        write!(f, "cannot {operation} {path}: {cause}")
    }
}

/// The time since `time_ns`, in nanoseconds since the Unix epoch; none where clocks were set back.
fn since(time_ns: i64) -> Duration {
    Duration::from_nanos(now_ns().saturating_sub(time_ns).try_into().unwrap_or(0))
}

/// The time until `time_ns`, in nanoseconds since the Unix epoch; none where that has passed.
fn until(time_ns: i64) -> Duration {
    Duration::from_nanos(time_ns.saturating_sub(now_ns()).try_into().unwrap_or(0))
}

/// How the log files are brought to the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SyncStatus {
    /// The policy, as its text form.
    pub policy: String,
    /// How often all log files were brought to the disk.
    pub syncs: u64,
    /// How often one could not be.
    pub failed: u64,
    /// When it succeeded last, in nanoseconds since the Unix epoch.
    pub last_sync_ns: Option<i64>,
}

impl fmt::Display for SyncStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SyncStatus { policy, syncs, failed, last_sync_ns } = self;
        write!(f, "{policy}: {syncs} syncs")?;
        if let Some(last_ns) = last_sync_ns {
            write!(f, ", the last {} s ago", since(*last_ns).as_secs())?;
        }
        write!(f, ", {failed} failed")
    }
}

/// One attached worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// Display name.
    pub name: String,
    /// Process id the worker's records carry.
    pub pid: u32,
    /// File name of its program.
    pub program: String,
    /// The lane it attached with, 16 hexadecimal digits.
    pub lane: String,
    /// How its records travel: `ring` or `channel`.
    pub transport: String,
    /// What its log calls do when its queue is full, as `block-for 50ms`.
    pub overflow: String,
    /// Records received from it.
    pub records: u64,
    /// How many of them a second, over the last five to ten seconds.
    pub records_per_s: f64,
    /// Records it dropped.
    pub dropped: u64,
    /// The same for each level with any, the lowest first.
    pub dropped_by_level: Vec<LevelCount>,
    /// How often it began to drop records.
    pub outages: u64,
    /// Log calls that waited for room in its queue.
    pub waits: u64,
    /// Records of it that never arrived: gaps in the sequence of a lane.
    pub missing: u64,
}

/// How many records of one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LevelCount {
    /// The level.
    pub level: Level,
    /// How many.
    pub records: u64,
}

impl LevelCount {
    #[cfg(feature = "listener")]
    pub(crate) fn new(level: Level, records: u64) -> LevelCount {
        LevelCount { level, records }
    }
}

/// A door for records of other programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DoorStatus {
    /// What comes in, and where: `python tcp 127.0.0.1:9020`.
    pub name: String,
    /// Connections that are open; of a door for datagrams, peers that it remembers.
    pub peers: u64,
    /// Records received.
    pub records: u64,
    /// Records received and dropped: a datagram that came when the log could not follow, or beyond
    /// what one peer may send. The log says so in their place.
    pub dropped: u64,
    /// Datagrams that the kernel dropped because they came faster than they were received.
    pub overflowed: u64,
    /// How often streams were not read for a while, because the log could not follow or one peer sent
    /// more than it may: who sends waits meanwhile.
    pub pauses: u64,
    /// Connections that were closed and datagrams that were refused, by the reason.
    pub refused: Vec<(String, u64)>,
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
