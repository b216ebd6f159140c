//! From a configuration to a listener.

use std::collections::HashMap;
use std::io;
use std::net::ToSocketAddrs;

use super::{Config, FilterSettings, HandlerKind, HandlerSettings, Logger, SyslogPlace};
use crate::filter::Filter;
use crate::formatter::Formatter;
use crate::handler::{
    FileHandler, FileMode, Handler, HandlerError, MemoryHandler, NullHandler, RotatingFileHandler,
    StreamHandler, SyslogAddress, SyslogHandler,
};
use crate::logger::{Destination, LoggerSettings, Plan, ROOT, TargetPlan};
use crate::{ListenError, ListenerBuilder};

impl ListenerBuilder {
    /// Attaches the log files and handlers of a configuration to its loggers, and takes its settings
    /// of the listener. What is added besides is attached to the root. Handlers that no logger leads
    /// to are not opened. Call it once; the settings that are made after it come first.
    ///
    /// A `FileHandler` or one that rotates is a [log file](Self::file), written exactly once,
    /// unless it begins anew (mode `w`); all others are [handlers](Self::handler) on threads of
    /// their own. A handler that is on the way of a record twice gets it once. Where nothing else
    /// is said, workers get the lowest level that any logger lets pass.
    ///
    /// # Errors
    /// A log file cannot be opened or is held by another listener, or the name of a host is not known.
    pub fn config(self, config: &Config) -> Result<ListenerBuilder, ListenError> {
        let mut builder = self;
        if let Some(sync) = config.listener.sync {
            builder = builder.sync(sync);
        }
        if let Some(drain_timeout) = config.listener.drain_timeout {
            builder = builder.drain_timeout(drain_timeout);
        }
        if !config.has_handlers() {
            return Ok(builder);
        }
        let (mut files, mut handlers) = (Vec::new(), Vec::new());
        let (first_file, first_handler) = builder.added();
        let plan = config.plan(|name, settings| {
            Ok(match config.open(settings)? {
                Opened::LogFile(file) => {
                    files.push(file);
                    Destination::File(first_file + files.len() - 1)
                }
                Opened::Other(handler) => {
                    handlers.push((name.to_owned(), handler));
                    Destination::Handler(first_handler + handlers.len() - 1)
                }
            })
        })?;
        builder = files.into_iter().fold(builder, |builder, file| builder.file(*file));
        let add = |builder: ListenerBuilder, (name, handler)| builder.handler(name, handler);
        Ok(handlers.into_iter().fold(builder, add).plan(plan))
    }
}

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
        plan.root = self.logger(ROOT, &self.root, &numbers, &mut plan.filters)?;
        for (name, logger) in &self.loggers {
            let settings = self.logger(name, logger, &numbers, &mut plan.filters)?;
            plan.loggers.push((name.clone(), settings));
        }
        Ok(plan)
    }

    /// Those that a logger leads to, in their order.
    fn attached_handlers(&self) -> impl Iterator<Item = (&str, &HandlerSettings)> {
        let loggers = self.loggers.iter().map(|(_, logger)| logger).chain([&self.root]);
        let attached: Vec<&str> =
            loggers.flat_map(|logger| &logger.handlers).map(|name| &**name).collect();
        let handlers = self.handlers.iter().map(|(name, handler)| (&**name, handler));
        handlers.filter(move |(name, _)| attached.contains(name))
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

    fn formatter_of(&self, handler: &HandlerSettings) -> Result<Box<dyn Formatter>, HandlerError> {
        let settings = handler.formatter.as_deref().and_then(|name| self.formatter(name));
        settings.unwrap_or_default().formatter().map_err(HandlerError::other)
    }

    pub(super) fn open(&self, settings: &HandlerSettings) -> Result<Opened, HandlerError> {
        let formatter = self.formatter_of(settings)?;
        let handler: Box<dyn Handler> = match &settings.kind {
            HandlerKind::LogFile { path, rotation } => {
                let file = rotation.builder(path).open(formatter)?;
                return Ok(Opened::LogFile(Box::new(file)));
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
            HandlerKind::Syslog { address, facility } => {
                let builder = SyslogHandler::builder(resolve(address)?).facility(*facility);
                Box::new(builder.open(formatter)?)
            }
        };
        Ok(Opened::Other(handler))
    }

    /// A handler that has the records of a `MemoryHandler`, and no others.
    fn open_target(&self, name: &str) -> Result<Box<dyn Handler>, HandlerError> {
        let Some((_, settings)) = self.handlers.iter().find(|(known, _)| known == name) else {
            return Err(HandlerError::other(format!("there is no handler `{name}`")));
        };
        Ok(match self.open(settings)? {
            Opened::LogFile(file) => file,
            Opened::Other(handler) => handler,
        })
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
