//! How to talk to a running listener, as `logboom ctl` does.

use std::time::Duration;

pub use crate::queue::status::{
    ConfigRefusal, ConfigStatus, Flushed, HandlerStatus, LevelCount, Status, StopReport,
    SyncStatus, Trouble, WorkerStatus,
};

use crate::Certainty;
use crate::queue::QueueDir;
use crate::queue::control::{HelloBody, MAX_CONFIG_BYTES, Reply, Request, Role};
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
    rendezvous.receive(&answers)
}

fn unexpected() -> AttachError {
    AttachError::Refused { reason: "its answer is to another question".into() }
}
