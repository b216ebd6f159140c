//! From a configuration to open handlers, and who gets what.

use std::collections::HashMap;
use std::io;
use std::net::ToSocketAddrs;
use std::path::Path;

use super::{
    Config, FilterSettings, FormatterSettings, HandlerKind, HandlerSettings, Logger, RouteSettings,
    SyslogPlace,
};
use crate::filter::Filter;
use crate::formatter::Formatter;
use crate::handler::{
    FileHandler, FileMode, Handler, HandlerError, MemoryHandler, NullHandler, RotatingFileHandler,
    RoutingFileHandler, SocketHandler, StreamHandler, SyslogAddress, SyslogHandler,
};
use crate::logger::{Destination, LoggerSettings, Plan, TargetPlan};
use crate::logger_names::ROOT;

/// An open handler.
pub(super) enum Opened {
    LogFile(Box<RotatingFileHandler>),
    Other(Box<dyn Handler>),
}

impl Opened {
    pub(super) fn handler(&mut self) -> &mut dyn Handler {
        match self {
            Opened::LogFile(file) => &mut **file,
            Opened::Other(handler) => &mut **handler,
        }
    }

    pub(super) fn into_handler(self) -> Box<dyn Handler> {
        match self {
            Opened::LogFile(file) => file,
            Opened::Other(handler) => handler,
        }
    }

    pub(super) fn close(self) -> Result<(), HandlerError> {
        match self {
            Opened::LogFile(file) => (*file).close(),
            Opened::Other(mut handler) => handler.close(),
        }
    }
}

impl Config {
    /// Which records go where. `open` opens a handler and says where it is.
    pub(super) fn plan(
        &self,
        mut open: impl FnMut(&str, &HandlerSettings) -> Result<Destination, HandlerError>,
    ) -> Result<Plan, HandlerError> {
        let (mut plan, mut numbers) = (Plan::plain(), HashMap::new());
        for (name, settings) in self.attached_handlers() {
            numbers.insert(name, plan.targets.len());
            plan.targets.push(TargetPlan {
                name: name.to_owned(),
                level: settings.level,
                filters: self.filters_of(&settings.filters)?,
                destination: open(name, settings)?,
            });
        }
        plan.loggers.has_root_level = true;
        plan.loggers.root = self.logger(ROOT, &self.root, &numbers, &mut plan.filters)?;
        for (name, logger) in &self.loggers {
            let settings = self.logger(name, logger, &numbers, &mut plan.filters)?;
            plan.loggers.others.push((name.clone(), settings));
        }
        Ok(plan)
    }

    /// Those that a logger leads to, in their order; but last those whose files begin anew, because
    /// they empty them when they are opened, and until then any other can still fail to open.
    fn attached_handlers(&self) -> impl Iterator<Item = (&str, &HandlerSettings)> {
        let loggers = self.loggers.iter().map(|(_, logger)| logger).chain([&self.root]);
        let attached: Vec<&str> =
            loggers.flat_map(|logger| &logger.handlers).map(|name| &**name).collect();
        let handlers = self.handlers.iter().map(|(name, handler)| (&**name, handler));
        let attached = handlers.filter(move |(name, _)| attached.contains(name));
        let (anew, rest): (Vec<_>, Vec<_>) =
            attached.partition(|(_, settings)| self.begins_anew(settings));
        rest.into_iter().chain(anew)
    }

    fn logger(
        &self,
        name: &str,
        logger: &Logger,
        numbers: &HashMap<&str, usize>,
        filters: &mut Vec<(String, Vec<Box<dyn Filter>>)>,
    ) -> Result<LoggerSettings, HandlerError> {
        let own_filters = if logger.filters.is_empty() {
            None
        } else {
            filters.push((name.to_owned(), self.filters_of(&logger.filters)?));
            Some(filters.len() - 1)
        };
        let handlers = logger.handlers.iter().filter_map(|name| numbers.get(&**name)).copied();
        Ok(LoggerSettings {
            level: logger.level,
            propagate: logger.propagate,
            disabled: false,
            handlers: handlers.collect(),
            filters: own_filters,
        })
    }

    fn filters_of(&self, names: &[String]) -> Result<Vec<Box<dyn Filter>>, HandlerError> {
        let settings = |name: &String| self.filters.iter().find(|(known, _)| known == name);
        let filters = names.iter().filter_map(settings).map(|(_, settings)| settings);
        filters.map(FilterSettings::filter).collect::<Result<_, _>>().map_err(HandlerError::other)
    }

    fn begins_anew(&self, handler: &HandlerSettings) -> bool {
        match &handler.kind {
            HandlerKind::NewFile { .. } => true,
            HandlerKind::Memory { target, .. } => {
                self.handler(target).is_some_and(|target| self.begins_anew(target))
            }
            _ => false,
        }
    }

    pub(super) fn formatter_of(
        &self,
        handler: &HandlerSettings,
    ) -> Result<Box<dyn Formatter>, HandlerError> {
        self.formatter_settings(handler).formatter(&self.level_names).map_err(HandlerError::other)
    }

    pub(super) fn formatter_settings(&self, handler: &HandlerSettings) -> FormatterSettings {
        let settings = handler.formatter.as_deref().and_then(|name| self.formatter(name));
        settings.unwrap_or_default()
    }

    pub(super) fn handler(&self, name: &str) -> Option<&HandlerSettings> {
        self.handlers.iter().find(|(known, _)| known == name).map(|(_, handler)| handler)
    }

    pub(super) fn open(&self, settings: &HandlerSettings) -> Result<Opened, HandlerError> {
        let formatter = self.formatter_of(settings)?;
        let handler: Box<dyn Handler> = match &settings.kind {
            HandlerKind::LogFile { path, rotation } => {
                let file = rotation.builder(path).open(formatter)?;
                return Ok(Opened::LogFile(Box::new(file)));
            }
            HandlerKind::Routed(route) => Box::new(self.open_route(route, settings)?),
            HandlerKind::LockedFile { path, rotation } => {
                Box::new(rotation.builder(path).open_locked(formatter)?)
            }
            HandlerKind::NewFile { path, is_delayed } => {
                let builder = FileHandler::builder(path).mode(FileMode::Truncate);
                let builder = if *is_delayed { builder.delayed() } else { builder };
                Box::new(builder.open(formatter)?)
            }
            HandlerKind::Stdout => Box::new(StreamHandler::stdout(formatter)),
            HandlerKind::Stderr => Box::new(StreamHandler::stderr(formatter)),
            HandlerKind::Null => Box::new(NullHandler),
            HandlerKind::Memory { capacity, flush_level, target, releases_on_close } => {
                let target = self.open_target(target)?;
                let handler = MemoryHandler::new(*capacity, *flush_level, target);
                Box::new(if *releases_on_close { handler } else { handler.discard_on_close() })
            }
            HandlerKind::Socket { address, max_bytes, close_timeout } => {
                let builder = SocketHandler::builder(address.clone());
                let builder = match max_bytes {
                    Some(bytes) => builder.max_bytes(*bytes),
                    None => builder,
                };
                let builder = match close_timeout {
                    Some(timeout) => builder.close_timeout(*timeout),
                    None => builder,
                };
                Box::new(builder.start()?)
            }
            HandlerKind::Syslog { address, facility } => {
                let builder = SyslogHandler::builder(resolve(address)?).facility(*facility);
                Box::new(builder.open(formatter)?)
            }
        };
        Ok(Opened::Other(handler))
    }

    /// The log files that records choose. None of them is open yet.
    pub(super) fn open_route(
        &self,
        route: &RouteSettings,
        handler: &HandlerSettings,
    ) -> Result<RoutingFileHandler, HandlerError> {
        let RouteSettings { template, rotation, max_open_files } = route;
        let (formatter, names) = (self.formatter_settings(handler), self.level_names.clone());
        let routed = rotation
            .builder(Path::new(&template.to_string()))
            .open_routed(move || formatter.formatter(&names).map_err(HandlerError::other))?;
        Ok(routed.max_open_files(*max_open_files).level_names(self.level_names.clone()))
    }

    /// A handler that has the records of a `MemoryHandler`, and no others.
    fn open_target(&self, name: &str) -> Result<Box<dyn Handler>, HandlerError> {
        let Some(settings) = self.handler(name) else {
            return Err(HandlerError::other(format!("there is no handler `{name}`")));
        };
        Ok(self.open(settings)?.into_handler())
    }
}

fn resolve(place: &SyslogPlace) -> Result<SyslogAddress, HandlerError> {
    let (host, port) = match place {
        SyslogPlace::Path(path) => return Ok(SyslogAddress::Path(path.clone())),
        SyslogPlace::Udp(host, port) => (host, *port),
    };
    let refused =
        |source| HandlerError::Io { operation: "find the host", path: host.into(), source };
    let mut addresses = (host.as_str(), port).to_socket_addrs().map_err(refused)?;
    let unknown = || refused(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    addresses.next().map(SyslogAddress::Udp).ok_or_else(unknown)
}
