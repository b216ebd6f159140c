//! From a configuration to a listener, before it runs and while it does.

use std::path::Path;
use std::sync::Arc;

use super::{
    Config, ConfigError, Form, HandlerKind, HandlerSettings, ListenerSettings, Problem,
    QueueSetting,
};
use crate::causes::with_causes;
use crate::handler::HandlerError;
use crate::listener::layout::{FileLayout, FixedDoors, HandlerLayout, Layout, NamedQueue};
use crate::logger::Destination;
use crate::{ListenError, ListenerBuilder, QueueDir, ReloadError, Reloader};

impl ListenerBuilder {
    /// Attaches the log files and handlers of a configuration to its loggers, and takes its settings
    /// of the listener. What is added besides is attached to the root, and what its methods set comes
    /// first. Handlers that no logger leads to are not opened; the others are by [`bind`](Self::bind).
    /// Call it once.
    ///
    /// A `FileHandler` or `RotatingFileHandler` is a [log file](Self::file), written exactly once,
    /// unless it begins anew (mode `w`), a `logboom.RoutingFileHandler` is a [route](Self::route); all
    /// others are [handlers](Self::handler) on threads of their own. A `LockedRotatingFileHandler` is
    /// refused: a listener has its logs alone, and nobody would see what the handler could not follow. A
    /// handler that is on the way of a record twice gets it once. Where nothing else
    /// is said, workers get the lowest level that any logger lets pass.
    ///
    /// # Errors
    /// A formatter or a filter cannot be made, or a handler is not for a listener.
    pub fn config(self, config: &Config) -> Result<ListenerBuilder, ListenError> {
        // Which queue it is was decided before, by flags or by this very configuration.
        let builder = self.layout(config.layout()?);
        let doors = config.listener.doors.iter().map(|(_, door)| door.clone());
        let builder = doors.fold(builder, ListenerBuilder::door);
        let sockets = config.listener.sockets.iter().map(|(_, address)| address.clone());
        Ok(sockets.fold(builder, ListenerBuilder::socket))
    }

    /// Takes configurations while it runs, from `logboom ctl config push`. Whoever may talk to the
    /// listener, that is its user and root, may then let it write to other files. Default: refused.
    pub fn accept_configs(self) -> ListenerBuilder {
        self.read_config(|name, text| {
            let config = Config::of_bytes(text, Form::of(Path::new(name)), name)?;
            Ok(Layout { source: Some(format!("{name}, pushed")), ..config.layout()? })
        })
    }
}

impl Reloader {
    /// Goes on with this configuration, and returns when the listener does: within ten seconds, and
    /// five more where handlers that go have much to write.
    ///
    /// # Errors
    /// The listener goes on with the configuration before: this one names another queue, a log file or
    /// a handler cannot be opened, or the listener is stopping or did not come to it.
    pub fn load(&self, config: &Config) -> Result<(), ReloadError> {
        let layout = config.layout().map_err(ReloadError::Handler);
        let loaded = layout.and_then(|layout| self.exchange(layout));
        loaded.inspect_err(|error| drop(self.refused(&config.file, error)))
    }

    /// Reads a regular file and goes on with its configuration, as [`load`](Self::load) does. What is
    /// wrong with it is also said in the log.
    ///
    /// # Errors
    /// As for [`load`](Self::load); or the file cannot be read, or does not make sense.
    pub fn load_file(&self, path: &Path) -> Result<(), ReloadError> {
        let name = path.display().to_string();
        self.load_read(&name, Config::read_regular(path)).inspect_err(|error| {
            let reason = with_causes(error);
            self.say(format!("{name} was not loaded, the configuration before it stays: {reason}"));
        })
    }

    pub(super) fn load_text(
        &self,
        text: Vec<u8>,
        form: Form,
        name: &str,
    ) -> Result<(), ReloadError> {
        self.load_read(name, Config::of_bytes(text, form, name))
    }

    fn load_read(
        &self,
        name: &str,
        config: Result<Config, ConfigError>,
    ) -> Result<(), ReloadError> {
        match config {
            Ok(config) => self.load(&config),
            Err(error) => {
                let error = ReloadError::Config(error.into());
                self.refused(name, &error);
                Err(error)
            }
        }
    }
}

impl Config {
    fn layout(&self) -> Result<Layout, HandlerError> {
        let mut layout = Layout {
            source: Some(self.file.clone()),
            queue: self.named_queue(),
            doors: self.fixed_doors(),
            has_handlers: self.has_handlers(),
            sync: self.listener.sync,
            drain_timeout: self.listener.drain_timeout,
            ..Layout::plain()
        };
        if !self.has_handlers() {
            return Ok(layout);
        }
        let config = Arc::new(self.clone());
        let Layout { files, routes, handlers, .. } = &mut layout;
        let plan = self.plan(|name, settings| {
            self.check_handler(settings)?;
            if let HandlerKind::LogFile { path, rotation } = &settings.kind {
                let formatter = self.formatter_of(settings)?;
                let settings = rotation.builder(path);
                files.push(FileLayout { settings, formatter });
                return Ok(Destination::File(files.len() - 1));
            }
            if let HandlerKind::Routed(route) = &settings.kind {
                routes.push(self.open_route(route, settings)?);
                return Ok(Destination::Route(routes.len() - 1));
            }
            let (config, of_thread) = (Arc::clone(&config), settings.clone());
            handlers.push(HandlerLayout {
                name: name.to_owned(),
                identity: self.identity(name, settings),
                open: Box::new(move || Ok(config.open(&of_thread)?.into_handler())),
            });
            Ok(Destination::Handler(handlers.len() - 1))
        })?;
        layout.plan = plan;
        Ok(layout)
    }

    /// What several processes write is not for a listener, also not behind a `MemoryHandler`.
    fn check_handler(&self, handler: &HandlerSettings) -> Result<(), HandlerError> {
        match &handler.kind {
            HandlerKind::LockedFile { .. } => {
                let reason = "a listener has its log alone: take logging.handlers.RotatingFileHandler here, \
                              and this class in programs that log without a listener";
                let problem = handler.item.below("class").problem(reason.to_owned());
                let file = self.file.clone();
                Err(HandlerError::other(ConfigError::Problem { file, problem }))
            }
            HandlerKind::Memory { target, .. } => {
                self.handler(target).map_or(Ok(()), |target| self.check_handler(target))
            }
            _ => Ok(()),
        }
    }

    /// All that a handler itself works by, as text. Its level and filters are not its own concern.
    fn identity(&self, name: &str, handler: &HandlerSettings) -> String {
        let target = match &handler.kind {
            HandlerKind::Memory { target, .. } => {
                let settings = self.handler(target);
                settings.map(|settings| self.identity(target, settings)).unwrap_or_default()
            }
            _ => String::new(),
        };
        let formatter = self.formatter_settings(handler);
        format!("{name:?} {:?} {formatter:?} {:?} {target}", handler.kind, self.level_names)
    }

    fn named_queue(&self) -> Option<NamedQueue> {
        let (key, queue) = match &self.queue {
            QueueSetting::Default => return None,
            QueueSetting::Name(name) => ("queue.name", QueueDir::named(name)),
            QueueSetting::Directory(path) => ("queue.directory", QueueDir::at(path)),
        };
        let reason = match &queue {
            Ok(_) => {
                "a running listener keeps its queue: leave this out, or start another listener"
                    .to_owned()
            }
            Err(error) => error.to_string(),
        };
        let problem = self.problem_of(key, reason);
        let directory = queue.map(|queue| queue.path().to_owned()).unwrap_or_default();
        Some(NamedQueue { directory, problem })
    }

    fn fixed_doors(&self) -> Option<FixedDoors> {
        let ListenerSettings { doors, sockets, .. } = &self.listener;
        let reason =
            "a running listener keeps its doors: leave this as it was, or start another listener";
        let problem = || self.problem_of("listener.doors", reason.to_owned());
        (!doors.is_empty() || !sockets.is_empty())
            .then(|| FixedDoors { identity: format!("{doors:?} {sockets:?}"), problem: problem() })
    }

    fn problem_of(&self, key: &str, reason: String) -> String {
        let line = self.given.get(key).copied().unwrap_or(1);
        let problem = Problem { line, key: key.to_owned(), reason };
        ConfigError::Problem { file: self.file.clone(), problem }.to_string()
    }
}
