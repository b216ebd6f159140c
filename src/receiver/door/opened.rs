//! A door that can be opened: from its settings to sockets.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use nix::sys::socket::{Backlog, listen, setsockopt, sockopt};

use super::datagrams::Datagrams;
use super::peer::Identity;
use super::streams::{StreamSocket, Streams};
use super::{Door, DoorPlace, stdin};
use crate::listener::{Inlet, RecordSource};
use crate::socket_file::{self, SocketFile};

/// What the kernel may keep of datagrams by UDP until they are received; it may allow less.
const UDP_BUFFER_BYTES: usize = 4 << 20;

/// Rights by which others than the owner may connect.
const WRITE_BY_OTHERS: u32 = 0o022;

pub(super) struct OpenedDoor {
    door: Door,
    socket: Option<Socket>,
    /// Removed with the door.
    _file: Option<SocketFile>,
}

enum Socket {
    Streams(StreamSocket),
    Datagrams(OwnedFd),
    Stdin(OwnedFd),
}

impl OpenedDoor {
    pub(super) fn of(door: Door) -> OpenedDoor {
        OpenedDoor { door, socket: None, _file: None }
    }
}

impl RecordSource for OpenedDoor {
    fn open(&mut self) -> io::Result<()> {
        let mode = self.door.mode;
        let socket = match &mut self.door.place {
            DoorPlace::Socket(path) => {
                let (socket, file) = socket_file::listen(path, mode)?;
                self._file = Some(file);
                Socket::Streams(StreamSocket::Unix(socket))
            }
            DoorPlace::Datagram(path) => {
                let (socket, file) = socket_file::receive(path, mode)?;
                self._file = Some(file);
                Socket::Datagrams(socket)
            }
            DoorPlace::Tcp(address) => {
                let socket = TcpListener::bind(*address)?;
                socket.set_nonblocking(true)?;
                *address = socket.local_addr()?;
                Socket::Streams(StreamSocket::Tcp(socket))
            }
            DoorPlace::Udp(address) => {
                let socket = UdpSocket::bind(*address)?;
                *address = socket.local_addr()?;
                setsockopt(&socket, sockopt::RxqOvfl, &1)?;
                // Less does as well.
                let _refused = setsockopt(&socket, sockopt::RcvBuf, &UDP_BUFFER_BYTES);
                Socket::Datagrams(socket.into())
            }
            DoorPlace::Stdin => Socket::Stdin(stdin::open()?),
        };
        if let Socket::Streams(socket) = &socket {
            // Instead of 128: many may connect at once, and those of Python do not try again soon.
            listen(socket, Backlog::MAXCONN)?;
        }
        self.socket = Some(socket);
        Ok(())
    }

    fn name(&self) -> String {
        self.door.to_string()
    }

    fn run(&mut self, inlet: &Inlet) {
        let served = match self.socket.take() {
            Some(Socket::Streams(socket)) => {
                Streams::new(&self.door, inlet, socket).map(Streams::run)
            }
            Some(Socket::Datagrams(socket)) => {
                Datagrams::new(&self.door, inlet, socket).run();
                Ok(())
            }
            Some(Socket::Stdin(input)) => stdin::run(&self.door, inlet, input),
            None => Ok(()),
        };
        if let Err(error) = served {
            inlet.counts().refuse(&format!("the door cannot be served: {error}"));
        }
    }
}

impl Door {
    /// Whether the rights of its socket let this peer send.
    pub(super) fn admits(&self, peer: Identity) -> bool {
        match peer {
            Identity::Process { user, .. } if self.mode & WRITE_BY_OTHERS == 0 => {
                socket_file::is_own_or_root(user)
            }
            _ => true,
        }
    }
}
