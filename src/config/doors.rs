//! The doors of a listener for the records of other programs, and of other listeners: `listener.doors`.

use std::net::SocketAddr;
use std::time::Duration;

use super::error::Problem;
use super::item::{Item, Table};
use crate::handler::SocketAddress;
use crate::receiver::{Door, DoorError, DoorForm, DoorPlace};

/// Longest time after which an idle connection may be closed.
const MAX_IDLE_TIMEOUT_S: u64 = 366 * 24 * 60 * 60;

const ADDRESS: &str = "an address with a port, such as 127.0.0.1:9020";
const MODE: &str = "rights as chmod has them, such as \"660\"";
const KINDS: &str = "python, json, syslog, wire or logboom";

/// What the `SocketHandler` of logboom sends.
const LOGBOOM: &str = "logboom";

/// Each with its name.
type Named<T> = Vec<(String, T)>;

/// The doors, and the addresses at which other listeners are received.
pub(super) fn read(item: Item) -> Result<(Named<Door>, Named<SocketAddress>), Problem> {
    let (mut doors, mut sockets) = (Vec::new(), Vec::new());
    for (name, whole) in item.table()?.into_entries() {
        let mut table = whole.clone().table()?;
        let kind = table.need("kind", KINDS)?;
        if kind.text(KINDS)? == LOGBOOM {
            sockets.push((name, read_socket(table, &whole)?));
        } else {
            doors.push((name, read_door(&kind, table, &whole)?));
        }
    }
    Ok((doors, sockets))
}

/// Who sends there is trusted with its rate, and tells its own loggers: there is nothing to set.
fn read_socket(mut table: Table, whole: &Item) -> Result<SocketAddress, Problem> {
    let socket = match (table.take("socket"), table.take("tcp")) {
        (Some(path), None) => SocketAddress::Path(path.text("a path")?.into()),
        (None, Some(item)) => match read_address(&item)? {
            address if address.ip().is_loopback() => SocketAddress::Tcp(address),
            address => return Err(whole.refused(DoorError::NotLoopback { address })),
        },
        _ => return Err(whole.refused("expected one of socket, tcp")),
    };
    table.end()?;
    Ok(socket)
}

fn read_address(item: &Item) -> Result<SocketAddr, Problem> {
    item.text(ADDRESS)?.parse().map_err(|_| item.expected(ADDRESS))
}

fn read_door(kind: &Item, mut table: Table, whole: &Item) -> Result<Door, Problem> {
    let form = read_form(kind)?;
    let place = read_place(&mut table, form, whole)?;
    let mut door = Door::new(form, place).map_err(|error| whole.refused(error))?;
    if let Some(logger) = table.take("logger") {
        door = door.logger(logger.text("the name of a logger")?);
    }
    if let Some(mode) = table.take("mode") {
        let read = u32::from_str_radix(mode.text(MODE)?, 8).ok().filter(|mode| *mode <= 0o777);
        door = door.mode(read.ok_or_else(|| mode.expected(MODE))?);
    }
    if let Some(connections) = number(&mut table, "max_connections", u64::MAX)? {
        door = door.max_connections(usize::try_from(connections).unwrap_or(usize::MAX));
    }
    if let Some(bytes) = number(&mut table, "max_frame_bytes", Door::MAX_FRAME_BYTES as u64)? {
        door = door.max_frame_bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    if let Some(rate) = number(&mut table, "max_rate", u32::MAX.into())? {
        door = door.max_rate(u32::try_from(rate).unwrap_or(u32::MAX));
    }
    if let Some(seconds) = number(&mut table, "idle_timeout", MAX_IDLE_TIMEOUT_S)? {
        door = door.idle_timeout(Duration::from_secs(seconds));
    }
    table.end()?;
    Ok(door)
}

fn number(table: &mut Table, name: &'static str, max: u64) -> Result<Option<u64>, Problem> {
    table.take(name).map(|item| item.number(1..=max, "a number")).transpose()
}

fn read_form(item: &Item) -> Result<DoorForm, Problem> {
    let forms = [DoorForm::Python, DoorForm::Json, DoorForm::Syslog, DoorForm::Wire];
    let name = item.text(KINDS)?;
    forms.into_iter().find(|form| form.name() == name).ok_or_else(|| item.expected(KINDS))
}

/// The one place; `socket` is for what is usual in this form.
fn read_place(table: &mut Table, form: DoorForm, whole: &Item) -> Result<DoorPlace, Problem> {
    let path = |item: Item| Ok(item.text("a path")?.into());
    let mut places = Vec::new();
    if let Some(item) = table.take("socket") {
        let path = path(item)?;
        places.push(match form {
            DoorForm::Syslog => DoorPlace::Datagram(path),
            _ => DoorPlace::Socket(path),
        });
    }
    if let Some(item) = table.take("datagram") {
        places.push(DoorPlace::Datagram(path(item)?));
    }
    if let Some(item) = table.take("tcp") {
        places.push(DoorPlace::Tcp(read_address(&item)?));
    }
    if let Some(item) = table.take("udp") {
        places.push(DoorPlace::Udp(read_address(&item)?));
    }
    match (places.pop(), places.is_empty()) {
        (Some(place), true) => Ok(place),
        _ => Err(whole.refused("expected one of socket, datagram, tcp, udp")),
    }
}

/// What is in effect, by the keys of a configuration.
pub(super) fn socket_values(address: &SocketAddress) -> [(&'static str, String); 2] {
    let place = match address {
        SocketAddress::Path(_) => "socket",
        SocketAddress::Tcp(_) => "tcp",
    };
    [("kind", format!("{LOGBOOM:?}")), (place, format!("{:?}", address.to_string()))]
}

/// The same of a door, where it is not the default.
pub(super) fn values(door: &Door) -> Vec<(&'static str, String)> {
    let text = |text: &str| format!("{text:?}");
    let place = match &door.place {
        DoorPlace::Socket(path) => ("socket", text(&path.display().to_string())),
        DoorPlace::Datagram(path) if door.form == DoorForm::Syslog => {
            ("socket", text(&path.display().to_string()))
        }
        DoorPlace::Datagram(path) => ("datagram", text(&path.display().to_string())),
        DoorPlace::Tcp(address) => ("tcp", text(&address.to_string())),
        DoorPlace::Udp(address) => ("udp", text(&address.to_string())),
        DoorPlace::Stdin => ("stdin", "true".to_owned()),
    };
    let optional = [
        ("logger", door.logger.as_deref().map(text)),
        ("max_rate", door.max_rate.map(|rate| rate.to_string())),
        ("idle_timeout", door.idle_timeout.map(|timeout| timeout.as_secs().to_string())),
    ];
    let mut values = vec![("kind", text(door.form.name())), place];
    if matches!(door.place, DoorPlace::Socket(_) | DoorPlace::Datagram(_)) {
        values.push(("mode", format!("\"{:o}\"", door.mode)));
    }
    if matches!(door.place, DoorPlace::Socket(_) | DoorPlace::Tcp(_)) {
        values.push(("max_connections", door.max_connections.to_string()));
    }
    values.push(("max_frame_bytes", door.max_frame_bytes.to_string()));
    values.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value?))));
    values
}
