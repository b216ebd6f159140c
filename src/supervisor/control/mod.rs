//! Talking to a running supervisor, as `logboom ctl` does: short lines of JSON over the socket
//! `run.sock` in the directory of its queue. The listener has no part in it, so that workers can be
//! started and stopped while it is away.

mod line;
mod messages;
mod server;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use self::line::{MAX_ANSWER_BYTES, MAX_REQUEST_BYTES};
pub use self::messages::{Action, Changed, RunStatus, RunWorker, WorkerState};
pub(super) use self::messages::{Answer, Request};
pub(super) use self::server::{Asked, ControlServer};
use crate::QueueDir;
use crate::queue::rendezvous::{connect_within, stranger};

/// How long a supervisor may take to tell its status.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a supervisor did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Nobody supervises workers there.
    #[error("there is no run on queue {path}: start one with `logboom run`")]
    NoRun {
        /// The queue directory.
        path: PathBuf,
    },
    /// A worker was named that there is not.
    #[error("there is no worker `{name}`; there are {}", .known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The names of the others.
        known: Vec<String>,
    },
    /// It refuses.
    #[error("{reason}")]
    Refused {
        /// Why, and what to do.
        reason: String,
    },
    /// It has not answered by now; what it was asked for it goes on with.
    #[error("not done within {} s, and goes on: see `logboom ctl status`", .after.as_secs())]
    Timeout {
        /// How long it was waited for.
        after: Duration,
    },
    /// The socket belongs to another user.
    #[error("the run on queue {path} belongs to user {uid}: ask it as that user")]
    Foreign {
        /// The queue directory.
        path: PathBuf,
        /// The user.
        uid: u32,
    },
    /// The operating system refused.
    #[error("cannot ask the run on queue {path}")]
    Io {
        /// The queue directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Asks the supervisor of `queue` how its workers are. Blocks for at most five seconds.
///
/// # Errors
/// There is none, or it does not answer.
pub fn run_status(queue: &QueueDir) -> Result<RunStatus, ControlError> {
    match ask(queue, &Request::Status, STATUS_TIMEOUT)? {
        Answer::Status(status) => Ok(status),
        _ => Err(unexpected()),
    }
}

/// Asks the supervisor of `queue` to start, stop or restart workers, and waits until that is done, at
/// most `timeout`: started workers are ready, or have failed, which the answer says; of stopped ones no
/// process is left. A name is that of a worker, or that of all the processes of one.
///
/// Workers are stopped in the reverse of their order, and started in it. Those that are not named go on
/// as they are. A worker that was stopped is started by nothing else, and its supervisor does not end as
/// long as it can be; one that is up already is not started again.
///
/// # Errors
/// There is no supervisor, no such worker, or the time was too short.
pub fn change_workers(
    queue: &QueueDir,
    action: Action,
    names: &[String],
    timeout: Duration,
) -> Result<Changed, ControlError> {
    match ask(queue, &Request::Change { action, names: names.to_vec() }, timeout)? {
        Answer::Changed(changed) => Ok(changed),
        _ => Err(unexpected()),
    }
}

fn ask(queue: &QueueDir, request: &Request, timeout: Duration) -> Result<Answer, ControlError> {
    let path = queue.path().to_owned();
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ControlError::NoRun { path: path.clone() }
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            ControlError::Timeout { after: timeout }
        }
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => {
            ControlError::Refused { reason: "the run has ended meanwhile".into() }
        }
        _ => ControlError::Io { path: path.clone(), source },
    };
    let deadline = Instant::now() + timeout.min(super::MAX_TIMEOUT);
    let mut stream = connect_within(&queue.run_socket(), timeout).map_err(refused)?;
    if let Some(uid) = stranger(&stream).map_err(refused)? {
        return Err(ControlError::Foreign { path: path.clone(), uid });
    }
    line::send(&mut stream, request, MAX_REQUEST_BYTES, deadline).map_err(refused)?;
    match line::receive(&mut stream, MAX_ANSWER_BYTES, deadline).map_err(refused)? {
        Answer::Unknown { name, known } => Err(ControlError::Unknown { name, known }),
        Answer::Refused { reason } => Err(ControlError::Refused { reason }),
        answer => Ok(answer),
    }
}

fn unexpected() -> ControlError {
    ControlError::Refused { reason: "the answer of the run is to another question".into() }
}
