//! How a worker, or `ctl`, finds its listener: the client side of `control.sock`.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ipc_channel::TryRecvError;
use ipc_channel::ipc::{self, IpcBytesSender, IpcReceiver, IpcSender};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use serde::{Deserialize, Serialize};

use super::control::{
    Answer, Greeting, Hello, HelloBody, PROTOCOL_VERSION, Role, ToWorker, WorkerFacts,
};
use super::{QueueDir, QueueDirError};
use crate::level_table::LevelTable;

/// How long a listener may take for each step of the rendezvous.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest single wait where no end is in sight.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Longest socket address.
const MAX_ADDRESS_BYTES: usize = 107;

/// Why a worker could not be attached to a queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// No queue was named.
    #[error(
        "no queue: start the program under `logboom run`, or set LOGBOOM_QUEUE to a queue directory"
    )]
    NoQueue,
    /// The queue directory cannot be used.
    #[error(transparent)]
    Directory(#[from] QueueDirError),
    /// Nobody listens in the queue directory.
    #[error("no listener in {0}: start one with `logboom listen --queue-dir {0}`", .path.display())]
    NoListener {
        /// The queue directory.
        path: PathBuf,
    },
    /// The listener said no.
    #[error("the listener refused: {reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
    /// The listener is of another release.
    #[error(
        "the listener speaks protocol {theirs}, this program {ours}: use one release of logboom for both"
    )]
    Version {
        /// The version of this program.
        ours: u16,
        /// The version of the listener.
        theirs: u16,
    },
    /// Somebody else's process answers in the queue directory.
    #[error("the listener in {path} runs as user {uid}, not as this user: remove the directory")]
    Foreign {
        /// The queue directory.
        path: PathBuf,
        /// The user it runs as.
        uid: u32,
    },
    /// The listener does not answer in time.
    #[error("the listener in {path} did not answer within {:.1} s: it may stand still", .after.as_secs_f64())]
    Timeout {
        /// The queue directory.
        path: PathBuf,
        /// How long was waited.
        after: Duration,
    },
    /// The operating system refused.
    #[error("cannot {operation} in {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The queue directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A level table cannot be read.
    #[error("{origin} is no level table: {reason}; write it like `info,my_crate::part=debug`")]
    Filter {
        /// Where it came from.
        origin: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No transport has this name.
    #[error(
        "LOGBOOM_TRANSPORT or an option names the transport `{name}`: use auto, ring or channel"
    )]
    Transport {
        /// The name.
        name: String,
    },
    /// Records cannot go through shared memory.
    #[error("no lane for the Ring transport: mend what follows, or use the Channel transport")]
    Lane {
        /// Why there is no lane.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another logger was installed before.
    #[error("another logger is installed already: call logboom first, or once")]
    LoggerSet,
}

/// A worker's end of an attachment.
pub(crate) struct Attachment {
    pub(crate) stream: UnixStream,
    pub(crate) updates: IpcReceiver<ToWorker>,
    pub(crate) data: IpcBytesSender,
    pub(crate) levels: LevelTable,
}

/// Attaches a worker to the listener in `dir`. Blocks for a few steps of at most 5 s each.
pub(crate) fn attach(dir: &QueueDir, facts: WorkerFacts) -> Result<Attachment, AttachError> {
    dir.verify().map_err(|error| no_listener_if_missing(dir, error))?;
    let rendezvous = Rendezvous { dir, patience: Patience::EachStep(STEP_TIMEOUT) };
    let (reply, updates) = rendezvous.channel()?;
    let stream = rendezvous.hello(Role::Worker, HelloBody::Worker { facts, reply })?;
    match rendezvous.receive(&updates)? {
        ToWorker::Welcome { data, levels } => Ok(Attachment { stream, updates, data, levels }),
        ToWorker::Update(_) => Err(AttachError::Refused { reason: "it sent no welcome".into() }),
    }
}

/// Receives the next message; retries interrupted waits. `None` where the sender is gone or what
/// it sent cannot be read.
pub(crate) fn receive<T>(from: &IpcReceiver<T>) -> Option<T>
where
    T: for<'de> Deserialize<'de> + Serialize,
{
    loop {
        match from.recv() {
            Ok(message) => return Some(message),
            Err(ipc_channel::IpcError::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {
            }
            Err(_) => return None,
        }
    }
}

fn no_listener_if_missing(dir: &QueueDir, error: QueueDirError) -> AttachError {
    match error {
        QueueDirError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            AttachError::NoListener { path: dir.path().to_owned() }
        }
        error => AttachError::Directory(error),
    }
}

/// How long a listener may take.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// This long for each step.
    EachStep(Duration),
    /// This long for all of them together; without a deadline, for ever.
    AllSteps { timeout: Duration, deadline: Option<Instant> },
}

impl Patience {
    /// Patience that begins to run out now.
    pub(crate) fn from_now(timeout: Duration) -> Patience {
        Patience::AllSteps { timeout, deadline: Instant::now().checked_add(timeout) }
    }

    /// When a step that begins now has to have ended.
    fn deadline(self) -> Option<Instant> {
        match self {
            Patience::EachStep(timeout) => Instant::now().checked_add(timeout),
            Patience::AllSteps { deadline, .. } => deadline,
        }
    }

    fn timeout(self) -> Duration {
        match self {
            Patience::EachStep(timeout) | Patience::AllSteps { timeout, .. } => timeout,
        }
    }
}

/// How long to wait for something that has to happen by `deadline`.
fn left_until(deadline: Option<Instant>) -> Duration {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    left.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
}

/// The steps of one rendezvous, each with its error.
pub(crate) struct Rendezvous<'a> {
    pub(crate) dir: &'a QueueDir,
    pub(crate) patience: Patience,
}

impl Rendezvous<'_> {
    pub(crate) fn channel<T>(&self) -> Result<(IpcSender<T>, IpcReceiver<T>), AttachError>
    where
        T: for<'de> Deserialize<'de> + Serialize,
    {
        ipc::channel().map_err(|source| self.io("make a channel", source))
    }

    /// Greets, connects and says hello; the listener then accepts what is already there.
    pub(crate) fn hello(&self, role: Role, body: HelloBody) -> Result<UnixStream, AttachError> {
        let mut stream = self.connect()?;
        self.check_peer(&stream)?;
        let name =
            match self.greet(&mut stream, role).map_err(|source| self.timed("greet", source))? {
                Some(Answer::Connect(name)) => name,
                Some(Answer::Refused(reason)) => return Err(AttachError::Refused { reason }),
                Some(Answer::Version(theirs)) => {
                    return Err(AttachError::Version { ours: PROTOCOL_VERSION, theirs });
                }
                None => {
                    return Err(AttachError::Refused {
                        reason: "its answer is none of logboom's".into(),
                    });
                }
            };
        // ipc-channel panics on a NUL and cuts a name that is too long.
        if name.len() > MAX_ADDRESS_BYTES || name.contains('\0') || !Path::new(&name).is_absolute()
        {
            return Err(AttachError::Refused { reason: "it named no usable socket".into() });
        }
        let sender = IpcSender::connect(name).map_err(|source| self.io("connect", source))?;
        let sent = sender.send(Hello::new(body)).map_err(io::Error::other);
        sent.map_err(|source| self.io("say hello", source))?;
        stream.write_all(&[1]).map_err(|source| self.timed("say hello", source))?;
        Ok(stream)
    }

    /// Sends what a request has said that would follow.
    pub(crate) fn send(&self, stream: &mut UnixStream, bytes: &[u8]) -> Result<(), AttachError> {
        stream.write_all(bytes).map_err(|source| self.timed("send", source))
    }

    /// Receives one message.
    pub(crate) fn receive<T>(&self, from: &IpcReceiver<T>) -> Result<T, AttachError>
    where
        T: for<'de> Deserialize<'de> + Serialize,
    {
        let gone = || AttachError::Refused { reason: "it closed the connection".into() };
        let deadline = self.patience.deadline();
        loop {
            let left = left_until(deadline);
            match from.try_recv_timeout(left) {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Empty) if left.is_zero() => return Err(self.timeout()),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::IpcError(ipc_channel::IpcError::Io(error)))
                    if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryRecvError::IpcError(_)) => return Err(gone()),
            }
        }
    }

    fn connect(&self) -> Result<UnixStream, AttachError> {
        let connected =
            connect_within(&self.dir.control_socket(), left_until(self.patience.deadline()));
        connected.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                AttachError::NoListener { path: self.dir.path().to_owned() }
            }
            _ => self.timed("connect", source),
        })
    }

    fn check_peer(&self, stream: &UnixStream) -> Result<(), AttachError> {
        let stranger =
            stranger(stream).map_err(|source| self.io("look at the listener", source))?;
        match stranger {
            None => Ok(()),
            Some(uid) => Err(AttachError::Foreign { path: self.dir.path().to_owned(), uid }),
        }
    }

    fn greet(&self, stream: &mut UnixStream, role: Role) -> io::Result<Option<Answer>> {
        let deadline = self.patience.deadline();
        stream.write_all(&Greeting { version: PROTOCOL_VERSION, role }.encode())?;
        let mut head = [0; Answer::HEAD_BYTES];
        read_until(deadline, stream, &mut head)?;
        let mut text = vec![0; Answer::text_bytes(&head)];
        read_until(deadline, stream, &mut text)?;
        Ok(Answer::decode(&head, text))
    }

    fn timed(&self, operation: &'static str, source: io::Error) -> AttachError {
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.timeout(),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => {
                AttachError::Refused { reason: "it closed the connection".into() }
            }
            _ => self.io(operation, source),
        }
    }

    fn timeout(&self) -> AttachError {
        AttachError::Timeout { path: self.dir.path().to_owned(), after: self.patience.timeout() }
    }

    fn io(&self, operation: &'static str, source: io::Error) -> AttachError {
        AttachError::Io { operation, path: self.dir.path().to_owned(), source }
    }
}

/// Connects to the socket at `path`. A backlog that is full (a listener that is stopped) would
/// block for ever: the send timeout, set before connecting, bounds that too (unix(7), socket(7)).
pub(crate) fn connect_within(path: &Path, timeout: Duration) -> io::Result<UnixStream> {
    let socket =
        socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // A timeout of zero would be none.
    let timeout = TimeVal::milliseconds(timeout.as_millis().max(1) as i64);
    socket::setsockopt(&socket, sockopt::SendTimeout, &timeout)?;
    socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// The user who serves a socket, where it is another one than ours; root may ask anybody.
pub(crate) fn stranger(stream: &UnixStream) -> io::Result<Option<u32>> {
    let peer = socket::getsockopt(stream, sockopt::PeerCredentials)?.uid();
    let us = nix::unistd::geteuid();
    Ok(Some(peer).filter(|peer| !us.is_root() && *peer != us.as_raw()))
}

/// Fills `bytes` by `deadline`, however small the pieces in which they come.
pub(crate) fn read_until(
    deadline: Option<Instant>,
    stream: &mut UnixStream,
    mut bytes: &mut [u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = left_until(deadline);
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => bytes = &mut bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
