//! Where a socket is, and which end of it is here.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use super::guard::{Door, Opened};
use crate::socket_file;

/// Who may connect to the socket of an `ipc://` endpoint: its own user, and root.
const MODE: u32 = 0o600;

/// An address of ZeroMQ and what is done there: one end binds it, the others connect to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    end: End,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Bind,
    Connect,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Tcp(SocketAddr),
    Ipc(PathBuf),
}

/// Why a text is no endpoint that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It is not of a known form.
    #[error("`{text}` is no endpoint: use tcp://127.0.0.1:5556 or ipc:///path/of/socket")]
    Form {
        /// The text.
        text: String,
    },
    /// Others could reach it.
    #[error(
        "records are sent and taken within this machine only, because nothing protects them between machines: {text} is no loopback address, use tcp://127.0.0.1:5556"
    )]
    NotLoopback {
        /// The text.
        text: String,
    },
}

impl Endpoint {
    /// Binds `tcp://127.0.0.1:5556` (port 0: one that is free) or `ipc:///path/of/socket`. The file of
    /// the socket is for its own user, replaces one that nobody serves, and goes with the socket.
    ///
    /// # Errors
    /// It is no such text, or the address is no loopback address.
    pub fn bind(text: &str) -> Result<Endpoint, EndpointError> {
        Ok(Endpoint { end: End::Bind, place: place(text)? })
    }

    /// Connects there, and again whenever the other end has gone; it may come later.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind), or the port is 0.
    pub fn connect(text: &str) -> Result<Endpoint, EndpointError> {
        match place(text)? {
            Place::Tcp(address) if address.port() == 0 => {
                Err(EndpointError::Form { text: text.to_owned() })
            }
            place => Ok(Endpoint { end: End::Connect, place }),
        }
    }

    pub(super) fn is_bound(&self) -> bool {
        self.end == End::Bind
    }

    /// Takes the address where this end binds it, in the runtime that is to serve it. From then on it
    /// says which port that is.
    pub(super) fn open(&mut self) -> io::Result<Opened> {
        Opened::new(match (self.end, &mut self.place) {
            (End::Connect, Place::Tcp(address)) => Door::ConnectTcp(*address),
            (End::Connect, Place::Ipc(path)) => Door::ConnectIpc(path.clone()),
            (End::Bind, Place::Tcp(address)) => {
                let listener = TcpListener::bind(*address)?;
                *address = listener.local_addr()?;
                listener.set_nonblocking(true)?;
                Door::BindTcp(listener.try_into()?)
            }
            (End::Bind, Place::Ipc(path)) => {
                let (listener, file) = socket_file::listen(path, MODE)?;
                Door::BindIpc(listener.try_into()?, file)
            }
        })
    }

    pub(super) fn address(&self) -> String {
        match &self.place {
            Place::Tcp(address) => format!("tcp://{address}"),
            Place::Ipc(path) => format!("ipc://{}", path.display()),
        }
    }
}

/// `bind tcp://127.0.0.1:5556`
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.end {
            End::Bind => "bind",
            End::Connect => "connect",
        };
        write!(f, "{end} {}", self.address())
    }
}

fn place(text: &str) -> Result<Place, EndpointError> {
    let form = || EndpointError::Form { text: text.to_owned() };
    if let Some(path) = text.strip_prefix("ipc://") {
        let is_path = !matches!(path, "" | "*") && !path.starts_with('@');
        return if is_path { Ok(Place::Ipc(path.into())) } else { Err(form()) };
    }
    let (host, port) =
        text.strip_prefix("tcp://").and_then(|at| at.rsplit_once(':')).ok_or_else(form)?;
    let port = port.parse().map_err(|_| form())?;
    let address = match host {
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        // Every address of the machine.
        "*" => Ipv4Addr::UNSPECIFIED.into(),
        host => host.trim_matches(['[', ']']).parse::<IpAddr>().map_err(|_| form())?,
    };
    if !address.is_loopback() {
        return Err(EndpointError::NotLoopback { text: text.to_owned() });
    }
    Ok(Place::Tcp(SocketAddr::new(address, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_paths_and_loopback_addresses() {
        for (text, shown) in [
            ("tcp://127.0.0.1:5556", "bind tcp://127.0.0.1:5556"),
            ("tcp://localhost:1", "bind tcp://127.0.0.1:1"),
            ("tcp://[::1]:0", "bind tcp://[::1]:0"),
            ("ipc:///run/x.sock", "bind ipc:///run/x.sock"),
            ("ipc://x", "bind ipc://x"),
        ] {
            assert_eq!(Endpoint::bind(text).map(|endpoint| endpoint.to_string()), Ok(shown.into()));
        }
        for text in ["tcp://*:5556", "tcp://0.0.0.0:1", "tcp://192.168.1.2:1", "tcp://[::]:1"] {
            let not_loopback = EndpointError::NotLoopback { text: text.to_owned() };
            assert_eq!(Endpoint::bind(text), Err(not_loopback.clone()));
            assert_eq!(Endpoint::connect(text), Err(not_loopback));
        }
        for text in [
            "",
            "tcp://",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:x",
            "tcp://127.0.0.1:65536",
            "tcp://example.org:1",
            "udp://127.0.0.1:1",
            "ipc://",
            "ipc://*",
            "ipc://@x",
            "x",
        ] {
            assert_eq!(Endpoint::bind(text), Err(EndpointError::Form { text: text.to_owned() }));
        }
        assert!(Endpoint::connect("tcp://127.0.0.1:0").is_err());
    }
}
