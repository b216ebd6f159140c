//! The `handlers` of a configuration.

use std::path::PathBuf;
use std::time::Duration;

use super::error::Problem;
use super::filters::texts;
use super::item::{Item, Table};
use super::locked::{concurrent_file, locked_file};
use super::node::Data;
use super::rotation::{Class, RotationSettings};
use crate::handler::{
    DEFAULT_MAX_OPEN_FILES, Facility, MAX_OPEN_FILES, PathTemplate, SocketAddress,
};
use crate::{Level, LevelNames};

const CLASSES: &str = "logging.StreamHandler, logging.FileHandler, logging.NullHandler, \
     logging.handlers.RotatingFileHandler, logging.handlers.TimedRotatingFileHandler, \
     logging.handlers.WatchedFileHandler, \
     logging.handlers.MemoryHandler, logging.handlers.SysLogHandler, \
     logboom.RoutingFileHandler, \
     logboom.LockedRotatingFileHandler or logboom.SocketHandler";

/// Log files that records choose.
pub(super) const ROUTING: &str = "logboom.RoutingFileHandler";

/// Python's handlers that have no counterpart here, and why.
const REFUSED: [(&str, &str); 7] = [
    (
        "QueueHandler",
        "a handler beside the log files has a queue and a thread of its own: name its handlers",
    ),
    ("BufferingHandler", "it writes nowhere: use logging.handlers.MemoryHandler"),
    (
        "SocketHandler",
        "it sends pickles: use logboom.SocketHandler to a listener of logboom, or \
         logging.handlers.SysLogHandler",
    ),
    (
        "DatagramHandler",
        "it sends pickles, which nobody should unpack: use logging.handlers.SysLogHandler",
    ),
    (
        "SMTPHandler",
        "mail is not sent: let a program that sends it read the log with `logboom tail`",
    ),
    (
        "HTTPHandler",
        "requests are not made: let a program that makes them read the log with `logboom tail`",
    ),
    ("NTEventLogHandler", "it is for Windows"),
];

/// Most bytes that a `logboom.SocketHandler` may be told to keep.
const MAX_KEPT_BYTES: u64 = 1 << 40;

/// Longest time that its end may be told to wait.
const MAX_CLOSE_TIMEOUT_S: u64 = 24 * 60 * 60;

/// Where records end, and which.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HandlerSettings {
    pub(crate) level: Level,
    pub(crate) filters: Vec<String>,
    /// Its name among the formatters; none: the message alone.
    pub(crate) formatter: Option<String>,
    pub(crate) kind: HandlerKind,
    /// For errors that are met later.
    pub(super) item: ItemPlace,
}

/// Where in the configuration something stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ItemPlace {
    pub(super) key: String,
    pub(super) line: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum HandlerKind {
    Stdout,
    Stderr,
    /// A log file that is written exactly once and keeps what it has.
    LogFile {
        path: PathBuf,
        rotation: RotationSettings,
    },
    /// Log files that each record chooses.
    Routed(RouteSettings),
    /// A file that other processes write as well, in turns and without a listener.
    LockedFile {
        path: PathBuf,
        rotation: RotationSettings,
    },
    /// A file that begins anew with each start.
    NewFile {
        path: PathBuf,
        is_delayed: bool,
    },
    Null,
    Memory {
        capacity: usize,
        flush_level: Level,
        target: String,
        releases_on_close: bool,
    },
    /// To another listener.
    Socket {
        address: SocketAddress,
        /// Most that is kept unacknowledged; none: the default.
        max_bytes: Option<usize>,
        /// How long its end waits for acknowledgements; none: the default.
        close_timeout: Option<Duration>,
    },
    Syslog {
        address: SyslogPlace,
        facility: Facility,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RouteSettings {
    pub(super) template: PathTemplate,
    pub(super) rotation: RotationSettings,
    pub(super) max_open_files: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SyslogPlace {
    Path(PathBuf),
    Udp(String, u16),
}

impl HandlerSettings {
    pub(super) fn read(item: Item, names: &LevelNames) -> Result<HandlerSettings, Problem> {
        let place = ItemPlace { key: item.key.clone(), line: item.node.line };
        let mut table = item.table()?;
        let class = table.need("class", CLASSES)?;
        let kind = kind(&class, &mut table, names)?;
        let filters = table.take("filters").map(|item| texts(item, "a list of filters"));
        let formatter = table.take("formatter");
        let formatter =
            formatter.map(|item| item.text("a formatter").map(str::to_owned)).transpose()?;
        let settings = HandlerSettings {
            level: table.take("level").map_or(Ok(Level::NOTSET), |item| item.level(names))?,
            filters: filters.transpose()?.unwrap_or_default(),
            formatter,
            kind,
            item: place,
        };
        table.end()?;
        Ok(settings)
    }
}

fn kind(class: &Item, table: &mut Table, names: &LevelNames) -> Result<HandlerKind, Problem> {
    let name = class.text(CLASSES)?;
    if name == ROUTING {
        return routed(class, table);
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    let module = name.strip_suffix(last).unwrap_or_default();
    if !is_module_of(module, last) {
        return Err(class.expected(format_args!("{CLASSES}; no other code is run")));
    }
    match last {
        "StreamHandler" => stream(table),
        "FileHandler" | "WatchedFileHandler" => file(table),
        "RotatingFileHandler" => rotating_file(Class::Rotating, class, table),
        "TimedRotatingFileHandler" => rotating_file(Class::TimedRotating, class, table),
        "LockedRotatingFileHandler" => locked_file(class, table),
        "ConcurrentRotatingFileHandler" => concurrent_file(Class::Locked, class, table),
        "ConcurrentTimedRotatingFileHandler" => concurrent_file(Class::TimedLocked, class, table),
        "NullHandler" => Ok(HandlerKind::Null),
        "MemoryHandler" => memory(table, names),
        "SysLogHandler" => syslog(table),
        "SocketHandler" if module == "logboom." => socket(table),
        _ => Err(match REFUSED.iter().find(|(refused, _)| *refused == last) {
            Some((_, reason)) => class.refused(format_args!("{name} has no counterpart: {reason}")),
            None => class.expected(CLASSES),
        }),
    }
}

/// Whether a class of this name is known by this module, or by none.
fn is_module_of(module: &str, name: &str) -> bool {
    let own: &[&str] = match name {
        "LockedRotatingFileHandler" => &["logboom."],
        "SocketHandler" => &["logboom.", "logging.handlers."],
        // It enters its classes among those of Python.
        "ConcurrentRotatingFileHandler" | "ConcurrentTimedRotatingFileHandler" => {
            &["concurrent_log_handler.", "logging.handlers."]
        }
        _ => &["logging.", "logging.handlers."],
    };
    module.is_empty() || own.contains(&module)
}

fn socket(table: &mut Table) -> Result<HandlerKind, Problem> {
    const ADDRESS: &str = "a path such as ./app.sock, or 127.0.0.1:9021";
    let address = table.need("address", ADDRESS)?;
    let bytes = "a number of bytes";
    let max_bytes = table.take("maxBytes").map(|item| item.number(1..=MAX_KEPT_BYTES, bytes));
    let seconds = "a number of seconds";
    let close_timeout = table
        .take("closeTimeout")
        .map(|item| item.number(0..=MAX_CLOSE_TIMEOUT_S, seconds).map(Duration::from_secs));
    Ok(HandlerKind::Socket {
        address: address.text(ADDRESS)?.parse().map_err(|_| address.expected(ADDRESS))?,
        max_bytes: max_bytes.transpose()?.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        close_timeout: close_timeout.transpose()?,
    })
}

fn stream(table: &mut Table) -> Result<HandlerKind, Problem> {
    const STREAMS: &str = "ext://sys.stdout or ext://sys.stderr";
    let Some(item) = table.take("stream") else { return Ok(HandlerKind::Stderr) };
    match item.text(STREAMS)? {
        "ext://sys.stdout" => Ok(HandlerKind::Stdout),
        "ext://sys.stderr" => Ok(HandlerKind::Stderr),
        _ => Err(item.expected(STREAMS)),
    }
}

/// What Python's `FileHandler` and all above it take.
pub(super) struct FileSettings {
    pub(super) path: PathBuf,
    /// The mode, where it begins anew.
    pub(super) new: Option<Item>,
    is_delayed: bool,
}

impl FileSettings {
    pub(super) fn read(table: &mut Table) -> Result<FileSettings, Problem> {
        let path = table.need("filename", "a path")?;
        let path = match path.text("a path")? {
            "" => return Err(path.expected("a path")),
            path => path.into(),
        };
        if let Some(encoding) = table.take("encoding") {
            let name = encoding.text("utf-8")?.to_ascii_lowercase();
            if !matches!(&*name, "utf-8" | "utf8" | "utf_8") {
                return Err(encoding.expected("utf-8, in which all logs are written"));
            }
        }
        // All text can be written in UTF-8: what happens to other text is nobody's concern.
        table.take("errors").map(|item| item.text("a text").map(drop)).transpose()?;
        let new = table.take("mode").map(|item| match item.text("`a` or `w`")? {
            "a" | "at" => Ok(None),
            "w" | "wt" => Ok(Some(item)),
            _ => Err(item.expected("`a` or `w`")),
        });
        let new = new.transpose()?.flatten();
        let is_delayed = table.take("delay").map_or(Ok(false), |item| item.boolean())?;
        Ok(FileSettings { path, new, is_delayed })
    }
}

fn file(table: &mut Table) -> Result<HandlerKind, Problem> {
    let FileSettings { path, new, is_delayed } = FileSettings::read(table)?;
    Ok(match new {
        Some(_) => HandlerKind::NewFile { path, is_delayed },
        None => HandlerKind::LogFile { path, rotation: RotationSettings::default() },
    })
}

/// With a size or times, Python does not begin anew either.
fn rotating_file(class: Class, item: &Item, table: &mut Table) -> Result<HandlerKind, Problem> {
    let FileSettings { path, new, is_delayed } = FileSettings::read(table)?;
    let rotation = RotationSettings::read(class, item, table)?;
    if new.is_some() && rotation.max_bytes == 0 && rotation.rotate_at.is_none() {
        return Ok(HandlerKind::NewFile { path, is_delayed });
    }
    Ok(HandlerKind::LogFile { path, rotation })
}

fn routed(class: &Item, table: &mut Table) -> Result<HandlerKind, Problem> {
    let template = table.need("filename", "a path such as logs/{worker}.log")?;
    let text = template.text("a path such as logs/{worker}.log")?;
    let files = format!("1 to {MAX_OPEN_FILES} files");
    let max_open_files = table.take("maxOpenFiles");
    let max_open_files =
        max_open_files.map(|item| item.number(1..=MAX_OPEN_FILES as u64, &files)).transpose()?;
    let max_open_files = max_open_files.and_then(|count| usize::try_from(count).ok());
    Ok(HandlerKind::Routed(RouteSettings {
        template: text.parse().map_err(|error| template.refused(error))?,
        rotation: RotationSettings::read(Class::Rotating, class, table)?,
        max_open_files: max_open_files.unwrap_or(DEFAULT_MAX_OPEN_FILES),
    }))
}

fn memory(table: &mut Table, names: &LevelNames) -> Result<HandlerKind, Problem> {
    let records = "a number of records";
    let capacity = table.need("capacity", records)?.number(1..=u32::MAX.into(), records)?;
    Ok(HandlerKind::Memory {
        capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
        flush_level: table.take("flushLevel").map_or(Ok(Level::ERROR), |item| item.level(names))?,
        target: table.need("target", "a handler")?.text("a handler")?.to_owned(),
        releases_on_close: table.take("flushOnClose").map_or(Ok(true), |item| item.boolean())?,
    })
}

fn syslog(table: &mut Table) -> Result<HandlerKind, Problem> {
    let facility = table.take("facility").map(|item| facility(&item));
    if let Some(kind) = table.take("socktype")
        && kind.text("ext://socket.SOCK_DGRAM")? != "ext://socket.SOCK_DGRAM"
    {
        return Err(kind.expected("ext://socket.SOCK_DGRAM"));
    }
    Ok(HandlerKind::Syslog {
        address: match table.take("address") {
            Some(address) => syslog_address(&address)?,
            None => SyslogPlace::Udp("localhost".to_owned(), 514),
        },
        facility: facility.transpose()?.unwrap_or(Facility::USER),
    })
}

fn facility(item: &Item) -> Result<Facility, Problem> {
    const FACILITIES: &str = "a facility: a name such as user or local0, or a number from 0 to 23";
    let facility = match item.node.data {
        Data::Integer(number) => u8::try_from(number).ok().and_then(Facility::from_number),
        _ => item.text(FACILITIES)?.parse().ok(),
    };
    facility.ok_or_else(|| item.expected(FACILITIES))
}

fn syslog_address(item: &Item) -> Result<SyslogPlace, Problem> {
    const ADDRESSES: &str = "the path of a socket, or a list of host and port";
    let Data::List(nodes) = &item.node.data else {
        return Ok(SyslogPlace::Path(item.text(ADDRESSES)?.into()));
    };
    match nodes.iter().map(|node| &node.data).collect::<Vec<_>>()[..] {
        [Data::Text(host), Data::Integer(port)] => match u16::try_from(*port) {
            Ok(port) => Ok(SyslogPlace::Udp(host.clone(), port)),
            Err(_) => Err(item.refused(format_args!("found the port {port}, expected 0 to 65535"))),
        },
        _ => Err(item.expected(ADDRESSES)),
    }
}
