//! Flags for the records of other programs.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use logboom::receiver::{Door, DoorError, DoorForm, DoorPlace};

use crate::options::{parse_address, parse_duration, parse_size};

/// Doors, each off until it is named.
#[derive(clap::Args, Clone)]
#[command(next_help_heading = "Records from other programs")]
pub(crate) struct DoorOptions {
    /// Take what Python's SocketHandler sends to this unix socket (its port is None); like all doors it
    /// may be named several times
    #[arg(long, value_name = "PATH")]
    python_socket: Vec<PathBuf>,
    /// The same at this loopback address, such as 127.0.0.1:9020
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address)]
    python_tcp: Vec<SocketAddr>,
    /// Take what Python's DatagramHandler sends to this unix socket
    #[arg(long, value_name = "PATH")]
    python_datagram: Vec<PathBuf>,
    /// The same at this loopback address
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address)]
    python_udp: Vec<SocketAddr>,
    /// Take JSON objects, one on a line, from connections to this unix socket
    #[arg(long, value_name = "PATH")]
    json_socket: Vec<PathBuf>,
    /// The same at this loopback address
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address)]
    json_tcp: Vec<SocketAddr>,
    /// Take JSON objects, one in each datagram to this unix socket
    #[arg(long, value_name = "PATH")]
    json_datagram: Vec<PathBuf>,
    /// The same at this loopback address
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address)]
    json_udp: Vec<SocketAddr>,
    /// Take syslog messages at this unix socket, as /dev/log does; `logger -u PATH` sends them
    #[arg(long, value_name = "PATH")]
    syslog_socket: Vec<PathBuf>,
    /// The same at this loopback address
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address)]
    syslog_udp: Vec<SocketAddr>,
    /// Take frames of MessagePack (docs/wire.md) from connections to this unix socket
    #[arg(long, value_name = "PATH")]
    wire_socket: Vec<PathBuf>,
    /// The same at this loopback address
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address)]
    wire_tcp: Vec<SocketAddr>,
    /// Give all records of these doors this logger; theirs becomes a field
    #[arg(long, value_name = "NAME")]
    door_logger: Option<String>,
    /// Rights of their unix sockets; 666 lets everybody send [default: 600]
    #[arg(long, value_name = "MODE", value_parser = parse_mode)]
    door_mode: Option<u32>,
    /// Most connections of each [default: 16384, fewer where descriptors do not suffice]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    door_connections: Option<usize>,
    /// Most bytes of a record as it is sent [default: 4MiB, which is also the most]
    #[arg(long, value_name = "SIZE", value_parser = parse_frame)]
    door_frame: Option<u64>,
    /// Most records a second of one peer: beyond it streams wait, datagrams are dropped and counted
    /// [default: any number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    door_rate: Option<u32>,
    /// Close connections from which nothing came for so long, such as 1h; what SocketHandler sends next
    /// is lost then [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    door_idle: Option<Duration>,
}

impl DoorOptions {
    /// The doors that are named.
    pub(crate) fn doors(&self) -> Result<Vec<Door>, DoorError> {
        let places = self.places().into_iter();
        places.map(|(_, form, place)| Ok(self.set(Door::new(form, place)?))).collect()
    }

    /// The door with the settings that all have.
    pub(crate) fn set(&self, mut door: Door) -> Door {
        if let Some(logger) = &self.door_logger {
            door = door.logger(logger);
        }
        if let Some(mode) = self.door_mode {
            door = door.mode(mode);
        }
        if let Some(connections) = self.door_connections {
            door = door.max_connections(connections);
        }
        if let Some(bytes) = self.door_frame {
            door = door.max_frame_bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        if let Some(rate) = self.door_rate {
            door = door.max_rate(rate);
        }
        if let Some(timeout) = self.door_idle {
            door = door.idle_timeout(timeout);
        }
        door
    }

    /// The flags with which a listener has the same doors.
    pub(crate) fn flags(&self) -> Vec<OsString> {
        let flag = |name: &str, value: &OsString| {
            let mut flag = OsString::from(format!("--{name}="));
            flag.push(value);
            flag
        };
        let doors = self.places().into_iter().map(|(name, _, place)| match place {
            DoorPlace::Socket(path) | DoorPlace::Datagram(path) => flag(name, &path.into()),
            DoorPlace::Tcp(address) | DoorPlace::Udp(address) => {
                flag(name, &address.to_string().into())
            }
            _ => OsString::from(format!("--{name}")),
        });
        let number = |name: &str, number: Option<u64>| {
            number.map(|number| flag(name, &number.to_string().into()))
        };
        let settings = [
            self.door_logger.as_ref().map(|logger| flag("door-logger", &logger.into())),
            self.door_mode.map(|mode| flag("door-mode", &format!("{mode:o}").into())),
            number("door-connections", self.door_connections.map(|number| number as u64)),
            number("door-frame", self.door_frame),
            number("door-rate", self.door_rate.map(u64::from)),
            self.door_idle.map(|time| flag("door-idle", &format!("{}s", time.as_secs()).into())),
        ];
        doors.chain(settings.into_iter().flatten()).collect()
    }

    /// The flag, form and place of each door.
    fn places(&self) -> Vec<(&'static str, DoorForm, DoorPlace)> {
        type Of<T> = fn(T) -> DoorPlace;
        let (socket, datagram): (Of<PathBuf>, Of<PathBuf>) =
            (DoorPlace::Socket, DoorPlace::Datagram);
        let (tcp, udp): (Of<SocketAddr>, Of<SocketAddr>) = (DoorPlace::Tcp, DoorPlace::Udp);
        let mut places = Vec::new();
        for (name, form, place, paths) in [
            ("python-socket", DoorForm::Python, socket, &self.python_socket),
            ("python-datagram", DoorForm::Python, datagram, &self.python_datagram),
            ("json-socket", DoorForm::Json, socket, &self.json_socket),
            ("json-datagram", DoorForm::Json, datagram, &self.json_datagram),
            ("syslog-socket", DoorForm::Syslog, datagram, &self.syslog_socket),
            ("wire-socket", DoorForm::Wire, socket, &self.wire_socket),
        ] {
            places.extend(paths.iter().map(|path| (name, form, place(path.clone()))));
        }
        for (name, form, place, addresses) in [
            ("python-tcp", DoorForm::Python, tcp, &self.python_tcp),
            ("python-udp", DoorForm::Python, udp, &self.python_udp),
            ("json-tcp", DoorForm::Json, tcp, &self.json_tcp),
            ("json-udp", DoorForm::Json, udp, &self.json_udp),
            ("syslog-udp", DoorForm::Syslog, udp, &self.syslog_udp),
            ("wire-tcp", DoorForm::Wire, tcp, &self.wire_tcp),
        ] {
            places.extend(addresses.iter().map(|address| (name, form, place(*address))));
        }
        places
    }
}

fn parse_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "write it like 600 or 666".to_owned())
}

fn parse_frame(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    let is_possible = (1..=Door::MAX_FRAME_BYTES as u64).contains(&bytes);
    is_possible.then_some(bytes).ok_or_else(|| "from 1 to 4MiB".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        doors: DoorOptions,
    }

    fn parsed(flags: &[OsString]) -> DoorOptions {
        let program = OsString::from("logboom");
        Flags::try_parse_from([&[program], flags].concat()).unwrap().doors
    }

    #[test]
    fn a_listener_of_run_gets_the_same_doors() {
        let given = "--python-socket=a --python-socket=b --python-datagram=c --json-socket=d \
             --json-datagram=e --syslog-socket=f --wire-socket=g --python-tcp=127.0.0.1:1 \
             --python-udp=127.0.0.1:2 --json-tcp=[::1]:3 --json-udp=127.0.0.1:4 \
             --syslog-udp=127.0.0.1:5 --wire-tcp=127.0.0.1:6 --door-logger=x --door-mode=660 \
             --door-connections=7 --door-frame=8000 --door-rate=9 --door-idle=10m";
        let given: Vec<OsString> = given.split_whitespace().map(OsString::from).collect();
        let options = parsed(&given);
        let doors = options.doors().unwrap();
        assert_eq!(doors.len(), 13);
        assert_eq!(parsed(&options.flags()).doors().unwrap(), doors);
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (flag, sentence) in [
            ("--json-tcp=localhost:9020", "such as 127.0.0.1:9020 or [::1]:9020"),
            ("--json-udp=9020", "such as 127.0.0.1:9020 or [::1]:9020"),
            ("--door-frame=5MiB", "from 1 to 4MiB"),
            ("--door-frame=0", "from 1 to 4MiB"),
            ("--door-rate=0", "0 is not in 1.."),
            ("--door-connections=0", "0 is not in 1.."),
        ] {
            let refused = Flags::try_parse_from(["logboom", flag]).err().unwrap().to_string();
            assert!(refused.contains(sentence), "{refused}");
        }
    }
}
