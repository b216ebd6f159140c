//! A datagram socket that is opened anew when its other end has gone, and never blocks.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;

/// Shortest and longest pause before a socket that could not be opened is tried again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// Where a syslog daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogAddress {
    /// A datagram socket of this host, such as `/dev/log`.
    Path(PathBuf),
    /// UDP; the port of syslog is 514. A name is resolved by whoever makes the address.
    Udp(SocketAddr),
}

impl SyslogAddress {
    /// The daemon of this host, at `/dev/log`.
    pub fn local() -> SyslogAddress {
        SyslogAddress::Path("/dev/log".into())
    }
}

impl fmt::Display for SyslogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyslogAddress::Path(path) => path.display().fmt(f),
            SyslogAddress::Udp(address) => address.fmt(f),
        }
    }
}

enum Socket {
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

/// A socket to one address.
pub(super) struct Connection {
    address: SyslogAddress,
    socket: Option<Socket>,
    pause: Duration,
    retry_at: Option<Instant>,
}

impl Connection {
    pub(super) fn new(address: SyslogAddress) -> Connection {
        Connection { address, socket: None, pause: BACK_OFF.0, retry_at: None }
    }

    pub(super) fn address(&self) -> &SyslogAddress {
        &self.address
    }

    /// Sends one datagram, or fails at once.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(socket) = &self.socket {
            match send(socket, bytes) {
                Err(error) if is_lasting(&error) => self.socket = None,
                outcome => return outcome,
            }
        }
        let socket = self.open()?;
        let outcome = send(&socket, bytes);
        self.socket = Some(socket);
        outcome
    }

    fn open(&mut self) -> io::Result<Socket> {
        if self.retry_at.is_some_and(|retry_at| Instant::now() < retry_at) {
            let sentence = "nobody listened there; it is tried again after a pause";
            return Err(io::Error::new(io::ErrorKind::NotConnected, sentence));
        }
        match open(&self.address) {
            Ok(socket) => {
                (self.pause, self.retry_at) = (BACK_OFF.0, None);
                Ok(socket)
            }
            Err(error) => {
                self.retry_at = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(BACK_OFF.1);
                Err(error)
            }
        }
    }
}

fn open(address: &SyslogAddress) -> io::Result<Socket> {
    match address {
        SyslogAddress::Path(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket.connect(path)?;
            Ok(Socket::Unix(socket))
        }
        SyslogAddress::Udp(address) => {
            let any = match address {
                SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            };
            let socket = UdpSocket::bind(any)?;
            socket.set_nonblocking(true)?;
            socket.connect(address)?;
            Ok(Socket::Udp(socket))
        }
    }
}

fn send(socket: &Socket, bytes: &[u8]) -> io::Result<()> {
    loop {
        let sent = match socket {
            Socket::Unix(socket) => socket.send(bytes),
            Socket::Udp(socket) => socket.send(bytes),
        };
        match sent {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome.map(|_| ()),
        }
    }
}

/// Whether only a new socket can help: neither a full buffer nor too long a datagram.
fn is_lasting(error: &io::Error) -> bool {
    let passing = [Errno::EAGAIN, Errno::ENOBUFS, Errno::ENOMEM, Errno::EMSGSIZE];
    !passing.iter().any(|errno| error.raw_os_error() == Some(*errno as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_is_started_anew_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut connection = Connection::new(SyslogAddress::Path(path.clone()));
        let mut buffer = [0; 16];
        for text in [b"one", b"two"] {
            let daemon = UnixDatagram::bind(&path).unwrap();
            connection.send(text).unwrap();
            assert_eq!(daemon.recv(&mut buffer).unwrap(), 3);
            assert_eq!(&buffer[..3], text);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn an_absent_daemon_is_looked_for_after_growing_bounded_pauses() {
        let directory = tempfile::tempdir().unwrap();
        let mut connection = Connection::new(SyslogAddress::Path(directory.path().join("log")));
        assert_eq!(connection.send(b"x").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(connection.send(b"x").unwrap_err().kind(), io::ErrorKind::NotConnected);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            connection.retry_at = None;
            connection.send(b"x").unwrap_err();
            pauses.push(connection.pause);
        }
        assert!(pauses.is_sorted() && pauses[0] == 4 * BACK_OFF.0, "{pauses:?}");
        assert_eq!(pauses.last(), Some(&BACK_OFF.1));
    }

    #[test]
    fn a_daemon_that_does_not_read_is_an_error_and_no_wait() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let mut connection = Connection::new(SyslogAddress::Path(path));
        let sent = (0..100_000_u32).find(|_| {
            connection
                .send(&[b'x'; 1000])
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        });
        assert!(sent.is_some_and(|sent| sent > 0), "{sent:?}");
        daemon.recv(&mut [0; 1000]).unwrap();
        connection.send(b"goes on").unwrap();
    }
}
