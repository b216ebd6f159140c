//! The sockets at which senders connect.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::socket::{getsockopt, sockopt};

use crate::listener::refusal::Refusal;
use crate::relay::SocketAddress;
use crate::socket_file::{self, SocketFile};

/// A socket that is open.
pub(super) enum Place {
    /// The file goes with it.
    Unix(UnixListener, #[expect(dead_code, reason = "removed when dropped")] SocketFile),
    Tcp(TcpListener),
}

impl Place {
    pub(super) fn open(address: &SocketAddress) -> io::Result<Place> {
        match address {
            SocketAddress::Path(path) => {
                let (socket, file) = socket_file::listen(path, 0o600)?;
                Ok(Place::Unix(socket, file))
            }
            SocketAddress::Tcp(address) if !address.ip().is_loopback() => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "records are taken from this machine only, because nothing protects them \
                         between machines: {address} is no loopback address, use 127.0.0.1"
                ),
            )),
            SocketAddress::Tcp(address) => {
                let socket = TcpListener::bind(address)?;
                socket.set_nonblocking(true)?;
                Ok(Place::Tcp(socket))
            }
        }
    }

    /// What the status calls it: with the port that it got, where any would do.
    pub(super) fn name(&self, asked: &SocketAddress) -> String {
        match self {
            Place::Unix(..) => format!("logboom socket {asked}"),
            Place::Tcp(socket) => match socket.local_addr() {
                Ok(address) => format!("logboom tcp {address}"),
                Err(_) => format!("logboom tcp {asked}"),
            },
        }
    }

    /// The next connection, which does not block; within, why it is refused.
    pub(super) fn accept(&self) -> io::Result<Result<UnixStream, Refusal>> {
        let stream = match self {
            Place::Unix(socket, _) => {
                let (stream, _) = socket.accept()?;
                if !is_ours(&stream) {
                    return Ok(Err(Refusal::OtherUser));
                }
                stream
            }
            Place::Tcp(socket) => {
                let (stream, _) = socket.accept()?;
                // Acknowledgements are short and few.
                stream.set_nodelay(true)?;
                // Reading and writing is the same for all streams.
                UnixStream::from(OwnedFd::from(stream))
            }
        };
        stream.set_nonblocking(true)?;
        Ok(Ok(stream))
    }
}

impl AsFd for Place {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Place::Unix(socket, _) => socket.as_fd(),
            Place::Tcp(socket) => socket.as_fd(),
        }
    }
}

fn is_ours(stream: &UnixStream) -> bool {
    let user = getsockopt(stream, sockopt::PeerCredentials).map(|credentials| credentials.uid());
    user.is_ok_and(socket_file::is_own_or_root)
}
