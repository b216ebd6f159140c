//! How to talk to a running listener, as `logboom ctl` does.

use std::time::Duration;

pub use crate::queue::status::{
    Flushed, HandlerStatus, LevelCount, Rotated, Status, StopReport, SyncStatus, Trouble,
    WorkerStatus,
};

use crate::Certainty;
use crate::queue::QueueDir;
use crate::queue::control::{HelloBody, Reply, Request, Role};
use crate::queue::rendezvous::{AttachError, Patience, Rendezvous};

/// How long a listener may take to tell its status.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the answer to a flush may take when its time is up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks the listener of `queue` how it is. Blocks for at most five seconds.
///
/// # Errors
/// There is no listener, or it does not answer; see [`AttachError`].
pub fn status(queue: &QueueDir) -> Result<Status, AttachError> {
    match ask(queue, Request::Status, STATUS_TIMEOUT)? {
        Reply::Status(status) => Ok(*status),
        _ => Err(unexpected()),
    }
}

/// Waits until the records of all workers attached to `queue` are as certain as asked, or `timeout`
/// has passed; the answer says what was reached, and may take up to two seconds more.
///
/// # Errors
/// There is no listener, or it does not answer; see [`AttachError`].
pub fn flush(
    queue: &QueueDir,
    certainty: Certainty,
    timeout: Duration,
) -> Result<Flushed, AttachError> {
    let sync = certainty == Certainty::Synced;
    let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    let request = Request::Flush { sync, timeout_ms };
    match ask(queue, request, timeout.saturating_add(ANSWER_TIMEOUT))? {
        Reply::Flushed(flushed) => Ok(flushed),
        _ => Err(unexpected()),
    }
}

/// Asks the listener of `queue` to rotate its log files and waits until it has, at most `timeout`. What
/// it has read by then goes to the files that become backups.
///
/// # Errors
/// There is no listener, or it did not rotate within `timeout`, as where it cannot write.
pub fn rotate(queue: &QueueDir, timeout: Duration) -> Result<Rotated, AttachError> {
    match ask(queue, Request::Rotate, timeout)? {
        Reply::Rotated(rotated) => Ok(rotated),
        _ => Err(unexpected()),
    }
}

/// Asks the listener of `queue` to stop and waits until it has: its log is written, its queue free.
///
/// # Errors
/// There is no listener, or it did not stop within `timeout`.
pub fn stop(queue: &QueueDir, timeout: Duration) -> Result<StopReport, AttachError> {
    match ask(queue, Request::Stop, timeout)? {
        Reply::Stopped(report) => Ok(report),
        _ => Err(unexpected()),
    }
}

fn ask(queue: &QueueDir, request: Request, timeout: Duration) -> Result<Reply, AttachError> {
    let rendezvous = Rendezvous { dir: queue, patience: Patience::from_now(timeout) };
    let (reply, answers) = rendezvous.channel()?;
    let _stream = rendezvous.hello(Role::Control, HelloBody::Control { request, reply })?;
    rendezvous.receive(&answers)
}

fn unexpected() -> AttachError {
    AttachError::Refused { reason: "its answer is to another question".into() }
}
