//! Connections that neither open nor anything done with them waits for long.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use crate::relay::SocketAddress;

/// Longest wait for a TCP connection.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that does not block.
pub(super) fn open(address: &SocketAddress) -> io::Result<UnixStream> {
    match address {
        SocketAddress::Path(path) => {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
            // Fails where too many wait there, instead of waiting with them.
            connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
            Ok(UnixStream::from(socket))
        }
        SocketAddress::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, TIMEOUT)?;
            stream.set_nodelay(true)?;
            // Reading and writing is the same for all streams.
            let stream = UnixStream::from(OwnedFd::from(stream));
            stream.set_nonblocking(true)?;
            Ok(stream)
        }
    }
}
