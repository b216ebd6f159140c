//! Configurations over a socket, as Python's `logging.config.listen` takes them.

mod secret;

use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};

pub use self::secret::Secret;
use super::{Form, MAX_FILE_BYTES};
use crate::causes::with_causes;
use crate::queue::rendezvous::read_until;
use crate::socket_file::{self, SocketFile};
use crate::{ReloadError, Reloader};

/// Most connections at once; one more is told so.
const MAX_CONNECTIONS: usize = 8;

/// How long a peer may take for its configuration, and for the answer.
const PEER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long nobody is let in after an error.
const PAUSE: Duration = Duration::from_millis(100);

/// Why configurations are not taken at an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigServerError {
    /// Others could reach it.
    #[error(
        "configurations are taken from this machine only: {address} is no loopback address, use 127.0.0.1"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// What peers have to know is no secret.
    #[error("{path} {reason}")]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The operating system refused, or another process has the address.
    #[error("cannot {operation} {place}")]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The path or address.
        place: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Takes configurations for a listener from a socket, until it is dropped.
///
/// A peer sends what the script of Python's logging cookbook ("Configuration server example") sends:
/// the length in four bytes, the highest first, then the text: JSON in the schema of `dictConfig`
/// where it begins with `{`, the INI form of `fileConfig` where its first line is a section, else
/// TOML. The answer, which Python does not give, is one line: `ok` when the configuration is in effect,
/// else `error: ` and what is wrong with it.
///
/// Each connection is for one configuration of at most 1 MiB, which has to be there within 5 seconds; at
/// most 8 are served at once. Nothing in a configuration is executed.
pub struct ConfigServer {
    thread: Option<JoinHandle<()>>,
    wake: UnixStream,
    /// Removed after the thread has ended.
    _socket_file: Option<SocketFile>,
}

impl ConfigServer {
    /// Takes configurations at the unix socket `path` (0600), from processes of this user and root.
    /// A socket that a killed process has left there is replaced.
    ///
    /// # Errors
    /// Something else is at the path, or the system refuses.
    pub fn unix(path: &Path, reloader: Reloader) -> Result<ConfigServer, ConfigServerError> {
        let (socket, file) =
            socket_file::listen(path, 0o600).map_err(refused("listen at", path.display()))?;
        let server = Server { door: Door::Unix(socket), secret: None, reloader };
        server.start(Some(file)).map_err(refused("start a thread for", path.display()))
    }

    /// Takes configurations at a loopback address, where any user of this machine can connect: a peer
    /// has to send `secret` first. Its bytes come before those of the text, and count in the length.
    ///
    /// # Errors
    /// The address is no loopback address, another process has it, or the system refuses.
    pub fn tcp(
        address: SocketAddr,
        secret: Secret,
        reloader: Reloader,
    ) -> Result<ConfigServer, ConfigServerError> {
        if !address.ip().is_loopback() {
            return Err(ConfigServerError::NotLoopback { address });
        }
        let socket = TcpListener::bind(address).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let socket = socket.map_err(refused("listen at", address))?;
        let server = Server { door: Door::Tcp(socket), secret: Some(secret), reloader };
        server.start(None).map_err(refused("start a thread for", address))
    }
}

impl Drop for ConfigServer {
    fn drop(&mut self) {
        // A full pipe of wake bytes wakes as well.
        let _full = (&self.wake).write(&[1]);
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

fn refused(
    operation: &'static str,
    place: impl Display,
) -> impl FnOnce(io::Error) -> ConfigServerError {
    move |source| ConfigServerError::Io { operation, place: place.to_string(), source }
}

enum Door {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// Somebody who may have a configuration.
struct Peer {
    stream: UnixStream,
    /// What its configuration is called.
    name: String,
    is_allowed: bool,
}

impl Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Door::Unix(socket) => socket.as_fd(),
            Door::Tcp(socket) => socket.as_fd(),
        }
    }

    fn accept(&self) -> io::Result<Peer> {
        Ok(match self {
            Door::Unix(socket) => {
                let (stream, _) = socket.accept()?;
                let peer = getsockopt(&stream, sockopt::PeerCredentials)?;
                let is_allowed = socket_file::is_own_or_root(peer.uid());
                let name = format!("configuration from process {}", peer.pid());
                Peer { stream, name, is_allowed }
            }
            Door::Tcp(socket) => {
                let (stream, address) = socket.accept()?;
                // Reading and writing is the same for all streams.
                let stream = UnixStream::from(OwnedFd::from(stream));
                Peer { stream, name: format!("configuration from {address}"), is_allowed: true }
            }
        })
    }
}

struct Server {
    door: Door,
    secret: Option<Secret>,
    reloader: Reloader,
}

impl Server {
    fn start(self, socket_file: Option<SocketFile>) -> io::Result<ConfigServer> {
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let server = Arc::new(self);
        let thread = thread::Builder::new().name("logboom-config".into());
        let thread = thread.spawn(move || server.run(&woken))?;
        Ok(ConfigServer { thread: Some(thread), wake, _socket_file: socket_file })
    }

    fn run(self: Arc<Server>, woken: &UnixStream) {
        let connections = Arc::new(());
        loop {
            let fd = |fd| PollFd::new(fd, PollFlags::POLLIN);
            let mut polled = [fd(self.door.as_fd()), fd(woken.as_fd())];
            // Interrupted: nothing is known to be ready.
            let is_known = poll(&mut polled, PollTimeout::NONE).is_ok();
            let [has_peer, is_over] = polled.map(|fd| is_known && fd.any().unwrap_or(false));
            if is_over {
                return;
            }
            if !has_peer {
                continue;
            }
            match self.door.accept() {
                Ok(peer) => self.receive(peer, &connections),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Descriptors have run out, or the peer has gone.
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// Serves one peer on a thread of its own, unless there are too many.
    fn receive(self: &Arc<Server>, peer: Peer, connections: &Arc<()>) {
        let refused = peer.stream.try_clone();
        let (server, connection) = (Arc::clone(self), Arc::clone(connections));
        let is_room = Arc::strong_count(connections) - 1 <= MAX_CONNECTIONS;
        let thread = thread::Builder::new().name("logboom-config".into());
        if !is_room || thread.spawn(move || server.serve(peer, connection)).is_err() {
            let _gone = refused.map(|mut stream| answer(&mut stream, &Err(TOO_MANY.to_owned())));
        }
    }

    fn serve(&self, peer: Peer, connection: Arc<()>) {
        let Peer { mut stream, name, is_allowed } = peer;
        let taken = if is_allowed {
            let text = self.read(&mut stream).map_err(|error| reason_of(&error));
            text.and_then(|text| self.take(text, &name))
        } else {
            Err(self.refuse(&name, "it is taken from this user and from root only"))
        };
        // Whoever has the answer may come again at once.
        drop(connection);
        // The script of the cookbook has gone by now.
        let _gone = answer(&mut stream, &taken);
    }

    /// Reads a frame.
    fn read(&self, stream: &mut UnixStream) -> io::Result<Vec<u8>> {
        let deadline = Instant::now().checked_add(PEER_TIMEOUT);
        let mut length = [0; 4];
        read_until(deadline, stream, &mut length)?;
        let secret_bytes = self.secret.as_ref().map_or(0, Secret::len);
        let max_bytes = MAX_FILE_BYTES + secret_bytes;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > max_bytes {
            let sentence = format!("it has {length} bytes, expected at most {max_bytes}");
            return Err(io::Error::other(sentence));
        }
        let mut text = vec![0; length];
        read_until(deadline, stream, &mut text)?;
        Ok(text)
    }

    /// Shows in the status who has tried.
    fn refuse(&self, name: &str, reason: &str) -> String {
        self.reloader.refused(name, &ReloadError::Refused { reason: reason.to_owned() })
    }

    fn take(&self, mut text: Vec<u8>, name: &str) -> Result<(), String> {
        if let Some(secret) = &self.secret {
            if !secret.begins(&text) {
                return Err(self.refuse(name, "it does not begin with the secret"));
            }
            text.drain(..secret.len());
        }
        let form = Form::guess(&text);
        self.reloader.load_text(text, form, name).map_err(|error| with_causes(&error))
    }
}

fn reason_of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("it was not there within {} s", PEER_TIMEOUT.as_secs())
        }
        io::ErrorKind::UnexpectedEof => "it ended before its length".to_owned(),
        _ => error.to_string(),
    }
}

const TOO_MANY: &str = "too many configurations at once, try again";

fn answer(stream: &mut UnixStream, taken: &Result<(), String>) -> io::Result<()> {
    stream.set_write_timeout(Some(PEER_TIMEOUT))?;
    match taken {
        Ok(()) => stream.write_all(b"ok\n"),
        Err(reason) => {
            let line = format!("error: {}\n", reason.replace('\n', " "));
            stream.write_all(line.as_bytes())
        }
    }
}
