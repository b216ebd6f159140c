//! Doors: sockets at which a listener takes the records of other programs.
//!
//! Each door has one thread, however many are connected. Each peer has a lane of its own, so that its
//! order is kept and what is dropped of it is told.

mod connection;
mod datagrams;
mod opened;
mod peer;
mod rate;
mod stdin;
mod streams;
mod waiting;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use self::opened::OpenedDoor;
use super::MAX_FRAME_BYTES;
use crate::ListenerBuilder;

/// Most connections of a door where nothing else is said, and descriptors suffice.
const DEFAULT_CONNECTIONS: usize = 16_384;

/// Who may connect to the socket of a door where nothing else is said: its own user, and root.
const DEFAULT_MODE: u32 = 0o600;

/// In which form the records come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DoorForm {
    /// What `SocketHandler` and `DatagramHandler` of Python's logging send, of CPython 3.6 to 3.13. It
    /// is read by a decoder that executes nothing.
    Python,
    /// A JSON object on each line, or in each datagram.
    Json,
    /// Messages of syslog, in the forms of RFC 3164 and RFC 5424.
    Syslog,
    /// Frames of MessagePack (`docs/wire.md`).
    Wire,
}

impl DoorForm {
    /// Its name: `python`, `json`, `syslog`, `wire`.
    pub fn name(self) -> &'static str {
        match self {
            DoorForm::Python => "python",
            DoorForm::Json => "json",
            DoorForm::Syslog => "syslog",
            DoorForm::Wire => "wire",
        }
    }
}

/// Where the records come in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DoorPlace {
    /// A unix socket for streams.
    Socket(PathBuf),
    /// A unix socket for datagrams.
    Datagram(PathBuf),
    /// A loopback address for streams.
    Tcp(SocketAddr),
    /// A loopback address for datagrams.
    Udp(SocketAddr),
    /// Standard input; its end stops the listener.
    Stdin,
}

impl fmt::Display for DoorPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DoorPlace::Socket(path) => write!(f, "socket {}", path.display()),
            DoorPlace::Datagram(path) => write!(f, "datagram {}", path.display()),
            DoorPlace::Tcp(address) => write!(f, "tcp {address}"),
            DoorPlace::Udp(address) => write!(f, "udp {address}"),
            DoorPlace::Stdin => f.write_str("stdin"),
        }
    }
}

/// Why there can be no such door.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DoorError {
    /// Others could reach it.
    #[error(
        "records are taken from this machine only, because nothing protects them between machines: {address} is no loopback address, use 127.0.0.1"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// Records do not come in this form at such a place.
    #[error("`{}` does not come by {place}: {advice}", .form.name())]
    Unsuited {
        /// The form.
        form: DoorForm,
        /// The place.
        place: DoorPlace,
        /// What to use instead.
        advice: &'static str,
    },
}

/// Settings of a door.
///
/// | setting | default |
/// |---|---|
/// | [`logger`](Self::logger) | what each record says |
/// | [`mode`](Self::mode) of a unix socket | 0600: its own user, and root |
/// | [`max_connections`](Self::max_connections) | 16384, and no more than the descriptors suffice for |
/// | [`max_frame_bytes`](Self::max_frame_bytes) | 4 MiB |
/// | [`max_rate`](Self::max_rate) of a peer | none |
/// | [`idle_timeout`](Self::idle_timeout) | none |
///
/// Beyond these, a record that has begun has to be there within 10 seconds; records that have begun
/// take at most 64 MiB on all connections of a door together, then the oldest of them is given up with
/// its connection; and records that wait for the log take at most 32 MiB. Then streams are not read, and
/// datagrams are dropped and counted. All reasons are counted in the status of the listener.
///
/// ```no_run
/// use logboom::handler::RotatingFileHandler;
/// use logboom::formatter::PatternFormatter;
/// use logboom::receiver::{Door, DoorForm, DoorPlace};
/// use logboom::{QueueDir, QueueListener};
///
/// let file = RotatingFileHandler::builder("logs/app.log").open(PatternFormatter::default())?;
/// let address = "127.0.0.1:9020".parse()?;
/// let door = Door::new(DoorForm::Python, DoorPlace::Tcp(address))?;
/// let listener = QueueListener::builder(QueueDir::named("app")?).file(file).door(door).bind()?;
/// # let _ = listener;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    pub(crate) form: DoorForm,
    pub(crate) place: DoorPlace,
    pub(crate) logger: Option<String>,
    pub(crate) mode: u32,
    pub(crate) max_connections: usize,
    pub(crate) max_frame_bytes: usize,
    pub(crate) max_rate: Option<u32>,
    pub(crate) idle_timeout: Option<Duration>,
}

impl Door {
    /// Most bytes that one record may ever have as it is sent.
    pub const MAX_FRAME_BYTES: usize = MAX_FRAME_BYTES;

    /// A door for records of this form at this place. Nothing is opened yet.
    ///
    /// # Errors
    /// The address is no loopback address, or such records do not come that way: syslog by streams,
    /// anything but JSON by standard input.
    pub fn new(form: DoorForm, place: DoorPlace) -> Result<Door, DoorError> {
        let advice = match (form, &place) {
            (_, DoorPlace::Tcp(address) | DoorPlace::Udp(address))
                if !address.ip().is_loopback() =>
            {
                return Err(DoorError::NotLoopback { address: *address });
            }
            (DoorForm::Syslog, DoorPlace::Socket(_)) => "use a socket for datagrams",
            (DoorForm::Syslog, DoorPlace::Tcp(_)) => "use udp",
            (DoorForm::Json, DoorPlace::Stdin) => "",
            (_, DoorPlace::Stdin) => "use a socket",
            _ => "",
        };
        if !advice.is_empty() {
            return Err(DoorError::Unsuited { form, place, advice });
        }
        Ok(Door {
            form,
            place,
            logger: None,
            mode: DEFAULT_MODE,
            max_connections: DEFAULT_CONNECTIONS,
            max_frame_bytes: MAX_FRAME_BYTES,
            max_rate: None,
            idle_timeout: None,
        })
    }

    /// Gives all records this logger, as the receiver of Python's logging cookbook does. The one that
    /// they had becomes a field `logger`.
    pub fn logger(self, name: impl Into<String>) -> Door {
        Door { logger: Some(name.into()), ..self }
    }

    /// The rights of the unix socket, as of `chmod`. Where they let group or others write, these may
    /// send records too; else processes of another user are refused, whatever the directory lets pass.
    pub fn mode(self, mode: u32) -> Door {
        Door { mode: mode & 0o777, ..self }
    }

    /// Most connections at once, at least one. At this limit the connection makes room that was opened
    /// first of those that have not sent a record yet; where there is none, the new one is refused.
    pub fn max_connections(self, connections: usize) -> Door {
        Door { max_connections: connections.max(1), ..self }
    }

    /// Most bytes of one record as it is sent, up to 4 MiB. A connection that sends more is closed.
    pub fn max_frame_bytes(self, bytes: usize) -> Door {
        Door { max_frame_bytes: bytes.clamp(1, MAX_FRAME_BYTES), ..self }
    }

    /// Most records a second of one peer: a process, a connection or an address. Of one that sends more
    /// streams are read more slowly, and datagrams dropped and counted.
    pub fn max_rate(self, records_per_s: u32) -> Door {
        Door { max_rate: Some(records_per_s.max(1)), ..self }
    }

    /// Closes connections from which nothing has come for so long. What Python's `SocketHandler` sends
    /// first on a connection that was closed is lost: it does not notice before.
    pub fn idle_timeout(self, timeout: Duration) -> Door {
        Door { idle_timeout: Some(timeout), ..self }
    }

    /// In which form the records come.
    pub fn form(&self) -> DoorForm {
        self.form
    }

    /// Where they come in.
    pub fn place(&self) -> &DoorPlace {
        &self.place
    }
}

/// `python tcp 127.0.0.1:9020`
impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.form.name(), self.place)
    }
}

impl ListenerBuilder {
    /// Takes the records of other programs at this door as well. It is opened by
    /// [`bind`](Self::bind), and its socket removed when the listener has stopped. At most 32.
    ///
    /// Such records count from when they are decoded. They are in memory until they are written:
    /// a listener that is killed loses what it has in hand and what is in the sockets.
    pub fn door(self, door: Door) -> ListenerBuilder {
        self.source(OpenedDoor::of(door))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_and_forms_that_come_that_way() {
        let tcp = |address: &str| DoorPlace::Tcp(address.parse().unwrap());
        let why = |form, place| Door::new(form, place).err().map(|error| error.to_string());
        for address in ["127.0.0.1:9020", "127.9.9.9:1", "[::1]:0"] {
            assert_eq!(why(DoorForm::Python, tcp(address)), None);
        }
        for address in ["0.0.0.0:9020", "192.168.1.2:1", "[::]:0"] {
            let reason = why(DoorForm::Python, tcp(address)).unwrap();
            assert!(reason.contains(&format!("{address} is no loopback address")), "{reason}");
            assert!(why(DoorForm::Json, DoorPlace::Udp(address.parse().unwrap())).is_some());
        }
        let socket = DoorPlace::Socket("/x".into());
        assert_eq!(
            why(DoorForm::Syslog, socket).unwrap(),
            "`syslog` does not come by socket /x: use a socket for datagrams"
        );
        assert_eq!(why(DoorForm::Json, DoorPlace::Stdin), None);
        assert!(why(DoorForm::Wire, DoorPlace::Stdin).is_some());
    }

    #[test]
    fn limits_stay_within_what_is_possible() {
        let door = Door::new(DoorForm::Json, DoorPlace::Stdin).unwrap();
        let door = door.max_connections(0).max_frame_bytes(usize::MAX).max_rate(0).mode(0o4777);
        assert_eq!((door.max_connections, door.max_frame_bytes), (1, MAX_FRAME_BYTES));
        assert_eq!((door.max_rate, door.mode), (Some(1), 0o777));
    }
}
