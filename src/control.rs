//! How to talk to a running listener, as `logboom ctl` does.

use std::time::Duration;

pub use crate::queue::status::{
    ConfigRefusal, ConfigStatus, DoorStatus, Flushed, HandlerStatus, LevelCount, LevelReport,
    LevelStatus, Rotated, Status, StopReport, SyncStatus, Trouble, WorkerName, WorkerStatus,
};

use crate::queue::QueueDir;
use crate::queue::control::{HelloBody, MAX_CONFIG_BYTES, Reply, Request, Role, SetLevel};
use crate::queue::rendezvous::{AttachError, Patience, Rendezvous};
use crate::{Certainty, Level};

/// How long a listener may take to tell its status.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take when its time is up.
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
    let request = Request::Flush { sync, timeout_ms: milliseconds(timeout) };
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

/// Sets the level of a logger in the listener of `queue`, as Python's `setLevel`: the empty name or
/// `root` is the root, [`Level::NOTSET`] leaves it to the nearest logger above that has a level. Then
/// waits until all workers obey, or `timeout` has passed; the answer may take up to two seconds more.
///
/// With `duration` the level is set back after that time, a year at most, to what it was. Without, it
/// stays until it is set again or the listener ends, whose successor knows nothing of it. At most 4096
/// loggers have a level in this way. Workers that attach later obey from their beginning; children of a
/// fork keep the levels they have.
///
/// # Errors
/// There is no listener, it does not answer, or it refuses because of a limit; see [`AttachError`].
pub fn set_level(
    queue: &QueueDir,
    logger: &str,
    level: Level,
    duration: Option<Duration>,
    timeout: Duration,
) -> Result<LevelReport, AttachError> {
    let setting = SetLevel {
        logger: logger.to_owned(),
        level,
        for_ms: duration.map(milliseconds),
        timeout_ms: milliseconds(timeout),
    };
    match ask(queue, Request::SetLevel(setting), timeout.saturating_add(ANSWER_TIMEOUT))? {
        Reply::LevelSet(report) => Ok(report),
        _ => Err(unexpected()),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Why a listener did not take a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// There is no listener, or it does not answer.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The configuration has more bytes than are sent.
    #[error("{name} has more than {MAX_CONFIG_BYTES} bytes: a configuration has to be smaller")]
    TooLarge {
        /// What the configuration was called.
        name: String,
    },
    /// The listener goes on with the one it had before.
    #[error("{reason}")]
    Refused {
        /// What is wrong with it, where.
        reason: String,
    },
}

/// Gives the listener of `queue` another configuration until the next one or its end, and waits until
/// it is in effect, at most `timeout`. The name says in which form the text is, as that of a file, and
/// stands for it in errors. Relative paths in it are those of the listener.
///
/// # Errors
/// There is no listener, it did not answer in time, or it has refused the configuration, and works
/// as before.
pub fn push_config(
    queue: &QueueDir,
    name: &str,
    text: &[u8],
    timeout: Duration,
) -> Result<(), PushError> {
    let bytes = u32::try_from(text.len()).ok().filter(|_| text.len() <= MAX_CONFIG_BYTES);
    let bytes = bytes.ok_or_else(|| PushError::TooLarge { name: name.to_owned() })?;
    let request = Request::PushConfig { name: name.to_owned(), bytes };
    let rendezvous = Rendezvous { dir: queue, patience: Patience::from_now(timeout) };
    let (reply, answers) = rendezvous.channel()?;
    let mut stream = rendezvous.hello(Role::Control, HelloBody::Control { request, reply })?;
    rendezvous.send(&mut stream, text)?;
    match rendezvous.receive(&answers)? {
        Reply::Config(taken) => taken.map_err(|reason| PushError::Refused { reason }),
        _ => Err(unexpected().into()),
    }
}

fn ask(queue: &QueueDir, request: Request, timeout: Duration) -> Result<Reply, AttachError> {
    let rendezvous = Rendezvous { dir: queue, patience: Patience::from_now(timeout) };
    let (reply, answers) = rendezvous.channel()?;
    let _stream = rendezvous.hello(Role::Control, HelloBody::Control { request, reply })?;
    match rendezvous.receive(&answers)? {
        Reply::Refused(reason) => Err(AttachError::Refused { reason }),
        reply => Ok(reply),
    }
}

fn unexpected() -> AttachError {
    AttachError::Refused { reason: "its answer is to another question".into() }
}
