//! What a configuration comes to, value by value, and where each is from.

use std::collections::HashMap;
use std::fmt;

use super::doors;
use super::item::below;
use super::node::{Data, Node, escaped};
use super::{
    Config, HandlerKind, HandlerSettings, ListenerSettings, Logger, RouteSettings, SyslogPlace,
    handlers,
};
use crate::listener::DEFAULT_DRAIN_TIMEOUT;
use crate::{Level, LevelNames};

/// One value that is in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The path of keys, such as `handlers.file.maxBytes`.
    pub key: String,
    /// The value, as it would be written in TOML.
    pub value: String,
    /// `file:line`, or nothing where it is the default.
    pub source: Option<String>,
}

/// The keys of a configuration with their lines.
pub(super) fn given(node: &Node) -> HashMap<String, usize> {
    let mut keys = HashMap::new();
    collect("", node, &mut keys);
    keys
}

fn collect(key: &str, node: &Node, keys: &mut HashMap<String, usize>) {
    if let Data::Table(entries) = &node.data {
        for (name, node) in entries {
            let key = below(key, name);
            collect(&key, node, keys);
            keys.insert(key, node.line);
        }
    }
}

impl Config {
    /// All settings of loggers, handlers, the listener and workers that are in effect, those of defaults as
    /// well.
    pub fn settings(&self) -> Vec<Setting> {
        let mut shown = Shown { config: self, settings: Vec::new() };
        for (level, name) in self.level_names.iter() {
            shown.add(below("levels", name), level.number());
        }
        for (name, formatter) in &self.formatters {
            shown.add(below("formatters", name), text(formatter.describe()));
        }
        for (name, filter) in &self.filters {
            shown.add(below("filters", name), text(format!("{filter:?}")));
        }
        for (name, handler) in &self.handlers {
            shown.handler(&below("handlers", name), handler);
        }
        shown.logger(&self.root, None);
        for (_, logger) in &self.loggers {
            shown.logger(logger, Some(logger.propagate));
        }
        let ListenerSettings { sync, drain_timeout, doors: all_doors, sockets } = &self.listener;
        shown.add("listener.sync".to_owned(), text(sync.unwrap_or_default()));
        let drain_timeout = drain_timeout.unwrap_or(DEFAULT_DRAIN_TIMEOUT);
        shown.add("listener.drain_timeout".to_owned(), drain_timeout.as_secs());
        let doors = all_doors.iter().map(|(name, door)| (name, doors::values(door)));
        let sockets = sockets.iter().map(|(name, address)| (name, doors::socket_values(address)));
        for (name, values) in doors.chain(sockets.map(|(name, values)| (name, values.into()))) {
            let door_key = below("listener.doors", name);
            for (key, value) in values {
                shown.add(below(&door_key, key), value);
            }
        }
        for (name, worker) in &self.workers {
            let key = below("workers", name);
            for (name, value) in worker.values() {
                shown.add(below(&key, name), value);
            }
        }
        shown.settings
    }
}

struct Shown<'c> {
    config: &'c Config,
    settings: Vec<Setting>,
}

impl Shown<'_> {
    fn add(&mut self, key: String, value: impl fmt::Display) {
        let line = self.config.given.get(&key);
        let source = line.map(|line| format!("{}:{line}", self.config.file));
        self.settings.push(Setting { key, value: value.to_string(), source });
    }

    fn logger(&mut self, logger: &Logger, propagate: Option<bool>) {
        let key = |name| below(&logger.item.key, name);
        self.add(key("level"), level(logger.level, &self.config.level_names));
        if let Some(propagate) = propagate {
            self.add(key("propagate"), propagate);
        }
        self.add(key("handlers"), list(&logger.handlers));
        self.add(key("filters"), list(&logger.filters));
    }

    fn handler(&mut self, key: &str, handler: &HandlerSettings) {
        self.add(below(key, "class"), text(handler.kind.class()));
        self.add(below(key, "level"), level(handler.level, &self.config.level_names));
        self.add(below(key, "filters"), list(&handler.filters));
        if let Some(formatter) = &handler.formatter {
            self.add(below(key, "formatter"), text(formatter));
        }
        for (name, value) in handler.kind.values(&self.config.level_names) {
            self.add(below(key, name), value);
        }
    }
}

impl HandlerKind {
    fn class(&self) -> &'static str {
        match self {
            HandlerKind::Stdout | HandlerKind::Stderr => "logging.StreamHandler",
            HandlerKind::Routed(_) => handlers::ROUTING,
            HandlerKind::LogFile { rotation, .. } | HandlerKind::LockedFile { rotation, .. } => {
                rotation.class()
            }
            HandlerKind::NewFile { .. } => "logging.FileHandler",
            HandlerKind::Null => "logging.NullHandler",
            HandlerKind::Memory { .. } => "logging.handlers.MemoryHandler",
            HandlerKind::Syslog { .. } => "logging.handlers.SysLogHandler",
            HandlerKind::Socket { .. } => "logboom.SocketHandler",
        }
    }

    fn values(&self, names: &LevelNames) -> Vec<(&'static str, String)> {
        match self {
            HandlerKind::Stdout => vec![("stream", text("ext://sys.stdout"))],
            HandlerKind::Stderr => vec![("stream", text("ext://sys.stderr"))],
            HandlerKind::LogFile { path, rotation }
            | HandlerKind::LockedFile { path, rotation } => {
                let mut values = vec![("filename", text(path.display()))];
                values.append(&mut rotation.values());
                values
            }
            HandlerKind::Routed(RouteSettings { template, rotation, max_open_files }) => {
                let mut values = vec![("filename", text(template))];
                values.append(&mut rotation.values());
                values.push(("maxOpenFiles", max_open_files.to_string()));
                values
            }
            HandlerKind::NewFile { path, is_delayed } => vec![
                ("filename", text(path.display())),
                ("mode", text("w")),
                ("delay", is_delayed.to_string()),
            ],
            HandlerKind::Null => Vec::new(),
            HandlerKind::Memory { capacity, flush_level, target, releases_on_close } => vec![
                ("capacity", capacity.to_string()),
                ("flushLevel", level(*flush_level, names)),
                ("target", text(target)),
                ("flushOnClose", releases_on_close.to_string()),
            ],
            HandlerKind::Socket { address, max_bytes, close_timeout } => {
                let max_bytes = max_bytes.map(|bytes| ("maxBytes", bytes.to_string()));
                let close_timeout =
                    close_timeout.map(|timeout| ("closeTimeout", timeout.as_secs().to_string()));
                let address = [("address", text(address))].into_iter();
                address.chain(max_bytes).chain(close_timeout).collect()
            }
            HandlerKind::Syslog { address, facility } => {
                let address = match address {
                    SyslogPlace::Path(path) => text(path.display()),
                    SyslogPlace::Udp(host, port) => format!("[{}, {port}]", text(host)),
                };
                vec![("address", address), ("facility", text(facility.name()))]
            }
        }
    }
}

pub(super) fn text(value: impl fmt::Display) -> String {
    format!("\"{}\"", escaped(&value.to_string()))
}

/// The name of a level where that is read as this very level, else its number.
fn level(level: Level, names: &LevelNames) -> String {
    let name = names.name(level);
    match names.level(&name) {
        Ok(read) if read == level => text(name),
        _ => level.number().to_string(),
    }
}

pub(super) fn list(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(text).collect();
    format!("[{}]", names.join(", "))
}
