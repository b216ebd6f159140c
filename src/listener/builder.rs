//! Settings of a listener, and what it takes when it is bound.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::bound::{Bound, SocketPlace};
use super::current::{Current, Fixed};
use super::files::{Owner, Routes};
use super::hub::Hub;
use super::inlets::MAX_SOURCES;
use super::layout::{FileLayout, Layout, NextFile, NextHandler, NextRoute};
use super::notices::Notices;
use super::receive::MAX_WAITING_BATCHES;
use super::recovery::Recovery;
use super::reload::{ReadConfig, ReloadError, Reloader};
use super::room::Room;
use super::senders;
use super::tasks::{Exchange, Tasks};
use super::{ListenError, QueueListener, RecordSource, Rotate, Stop, SyncPolicy};
use crate::Level;
use crate::filter::Filter;
use crate::formatter::Formatter;
use crate::handler::{
    Handler, HandlerError, OnUnresolved, RotatingFileBuilder, RotatingFileHandler,
    RoutingFileHandler,
};
use crate::journal::Journal;
use crate::queue::QueueDir;
use crate::relay::SocketAddress;

/// Settings of a [`QueueListener`].
#[must_use = "a builder does nothing until `bind`"]
pub struct ListenerBuilder {
    pub(super) queue: QueueDir,
    pub(super) files: Vec<RotatingFileHandler>,
    routes: Vec<RoutingFileHandler>,
    pub(super) handlers: Vec<(String, Box<dyn Handler>)>,
    pub(super) filters: Vec<Box<dyn Filter>>,
    sockets: Vec<SocketAddress>,
    sources: Vec<Box<dyn RecordSource>>,
    /// Of loggers, in their order.
    levels: Vec<(String, Level)>,
    layout: Layout,
    fallback: Option<FallbackFile>,
    drain_timeout: Option<Duration>,
    sync: Option<SyncPolicy>,
    read_config: Option<ReadConfig>,
    socket_place: SocketPlace,
    on_unresolved: OnUnresolved,
}

impl ListenerBuilder {
    pub(super) fn new(queue: QueueDir) -> ListenerBuilder {
        ListenerBuilder {
            queue,
            files: Vec::new(),
            routes: Vec::new(),
            handlers: Vec::new(),
            filters: Vec::new(),
            sockets: Vec::new(),
            sources: Vec::new(),
            levels: Vec::new(),
            layout: Layout::plain(),
            fallback: None,
            drain_timeout: None,
            sync: None,
            read_config: None,
            socket_place: SocketPlace::TemporaryDirectory,
            on_unresolved: OnUnresolved::Refuse,
        }
    }

    /// Adds a log file. The records of a queue are taken only as fast as all log files are written.
    pub fn file(mut self, file: RotatingFileHandler) -> ListenerBuilder {
        self.files.push(file);
        self
    }

    /// Adds log files that are chosen by what each record says. They are log files like [others](Self::file):
    /// written exactly once, and records are taken only as fast as they are written. A record whose file is
    /// another log of the listener, belongs to another process, or cannot be a file at all, is not written
    /// there, but counted (`unrouted` in the status) and told. No two routes may be able to write to one
    /// file, and there are at most 16 log files and routes together.
    pub fn route(mut self, route: RoutingFileHandler) -> ListenerBuilder {
        self.routes.push(route);
        self
    }

    /// Adds a handler on a thread of its own. When it fails or cannot follow, records for it are
    /// dropped and counted under `name`; log files and other handlers do not notice.
    pub fn handler(
        mut self,
        name: impl Into<String>,
        handler: impl Handler + 'static,
    ) -> ListenerBuilder {
        self.handlers.push((name.into(), Box::new(handler)));
        self
    }

    /// Receives the records of a [`SocketHandler`](crate::handler::SocketHandler) at this address, from
    /// the time of [`bind`](Self::bind) on; at most at 16. A unix socket is this user's and root's
    /// alone; TCP is bound at loopback addresses only, where anybody on the machine can connect.
    ///
    /// What is acknowledged is written to the log files. At most 64 senders, or a thirty-second part of
    /// the descriptors, are received from at a time, each with a lane of 260 KiB in shared memory; who is
    /// silent for 30 seconds is let go, and one that is away for a minute has its lane given up.
    pub fn socket(mut self, address: SocketAddress) -> ListenerBuilder {
        self.sockets.push(address);
        self
    }

    /// Adds a log file for as long as no configuration with handlers is in effect: without one all
    /// records go there. `formatter` makes its formatter each time it is opened.
    pub fn fallback_file(
        mut self,
        settings: RotatingFileBuilder,
        formatter: impl Fn() -> Result<Box<dyn Formatter>, HandlerError> + Send + Sync + 'static,
    ) -> ListenerBuilder {
        self.fallback = Some(FallbackFile { settings, formatter: Box::new(formatter) });
        self
    }

    /// Takes records from this source as well, on a thread of its own. It is opened by
    /// [`bind`](Self::bind); doors and sources are at most 32.
    pub fn source(mut self, source: impl RecordSource + 'static) -> ListenerBuilder {
        self.sources.push(Box::new(source));
        self
    }

    /// Takes what a configuration says; what is added besides is attached to the root.
    #[cfg(feature = "config")]
    pub(crate) fn layout(mut self, layout: Layout) -> ListenerBuilder {
        self.layout = layout;
        self
    }

    /// Takes configurations that others send while the listener runs.
    #[cfg(feature = "config")]
    pub(crate) fn read_config(mut self, read_config: ReadConfig) -> ListenerBuilder {
        self.read_config = Some(read_config);
        self
    }

    /// Adds a filter; a record has to pass all of them before it comes to its logger. They see what the
    /// levels of loggers and handlers let workers send.
    pub fn filter(mut self, filter: impl Filter + 'static) -> ListenerBuilder {
        self.filters.push(Box::new(filter));
        self
    }

    /// Sets the level of a logger, as Python's `setLevel`, whatever the configuration says; the empty
    /// name or `root` is the root. Records below it are not kept, and workers do not even encode them.
    /// Default: none but those of the configuration. Loggers without a level have that of the nearest
    /// logger above that has one; where there is none, the workers decide.
    pub fn level(mut self, logger: impl Into<String>, level: Level) -> ListenerBuilder {
        self.levels.push((logger.into(), level));
        self
    }

    /// How long a stop waits for workers that do not answer and for log files that cannot be
    /// written. Default: [`DEFAULT_DRAIN_TIMEOUT`](crate::DEFAULT_DRAIN_TIMEOUT).
    pub fn drain_timeout(mut self, drain_timeout: Duration) -> ListenerBuilder {
        self.drain_timeout = Some(drain_timeout);
        self
    }

    /// When the log files are synced to the disk without being asked. Default: [`SyncPolicy::None`].
    pub fn sync(mut self, sync: SyncPolicy) -> ListenerBuilder {
        self.sync = Some(sync);
        self
    }

    /// Says that this process does nothing else: all its temporary files go to the queue directory,
    /// because ipc-channel makes its sockets where those are. Workers then need to reach nothing but
    /// the queue directory, for instance from another mount namespace. Default: the sockets are in
    /// the directory for temporary files (`TMPDIR`), each for a moment, for this user alone.
    pub fn own_process(mut self) -> ListenerBuilder {
        self.socket_place = SocketPlace::QueueDirectory;
        self
    }

    /// Takes a log amid whose records a listener of another queue was killed. What is there of its
    /// last batch is cut off, unless it is all of it: those records are still in the lanes of the
    /// other queue (with the Channel transport they are lost), and its next listener writes them, to
    /// another log. Default: [`bind`](Self::bind) refuses such a log.
    pub fn force(mut self) -> ListenerBuilder {
        self.on_unresolved = OnUnresolved::Resolve;
        self
    }

    /// Takes the queue: its directory (made if missing), its lock, its socket. Workers may attach
    /// from now on; they are served by [`QueueListener::run`].
    ///
    /// Raises this process's soft limit of descriptors to the hard one, because each worker takes
    /// two. Workers beyond three quarters of the limit are refused: those with the Ring transport go
    /// on through shared memory, unseen by `ctl status` and without the level table.
    ///
    /// # Errors
    /// Another listener has the queue or a log file, or was killed in the middle of a log
    /// ([`force`](Self::force)); or a directory, a log file, a handler or a socket cannot be made.
    pub fn bind(self) -> Result<QueueListener, ListenError> {
        let ListenerBuilder { queue, files, routes, handlers, filters, layout, .. } = self;
        let fixed = Fixed {
            queue: queue.clone(),
            named_queue: layout.queue.as_ref().map(|named| named.directory.clone()),
            doors: layout.doors.as_ref().map(|doors| doors.identity.clone()),
            on_unresolved: self.on_unresolved,
            fallback: self.fallback,
            levels: self.levels,
            sync: self.sync,
            drain_timeout: self.drain_timeout,
            read_config: self.read_config,
        };
        let layout = Layout { queue: None, ..layout };
        let own = Current::of_own(&files, &routes, handlers.len());
        let opened = own.open(layout, &fixed, &mut Vec::new());
        let (exchange, current) = opened.map_err(refused)?;
        let Exchange { source, files: next_files, handlers: next_handlers, .. } = exchange;
        let routes = routes.into_iter().chain(coming_routes(exchange.routes)).collect();
        let mut files = [files, coming_files(next_files)].into_iter().flatten().collect::<Vec<_>>();
        let handlers = handlers.into_iter().chain(coming_handlers(next_handlers)).collect();
        let (bound, socket) = Bound::take(queue.clone(), self.socket_place)?;
        for file in &mut files {
            file.claim(queue.path(), self.on_unresolved)?;
        }
        let (journal, unresolved) = Journal::open(queue.path()).map_err(|source| {
            let path = queue.path().to_owned();
            ListenError::Io { operation: "open the journal", path, source }
        })?;
        let senders = senders::Opened::at(&queue, &self.sockets)?;
        let sources = open_sources(self.sources)?;
        let lane = getrandom::u64().map_err(|error| {
            let (operation, path) = ("name a lane", queue.path().to_owned());
            ListenError::Io { operation, path, source: error.into() }
        })?;
        let owner = Owner { queue: queue.path().to_owned(), on_unresolved: self.on_unresolved };
        let room = Room::of_this_process(!sources.is_empty()).map_err(|source| {
            let path = queue.path().to_owned();
            ListenError::Io { operation: "read the descriptor limit", path, source }
        })?;
        let mut routes = Routes::new(routes, owner, room.routed_files, Notices::new(lane));
        let recovery = match unresolved {
            Some(batch) => {
                routes.open_left(&batch, &files)?;
                let fixed = files.iter().map(RotatingFileHandler::path);
                Some(Recovery::take(batch, &fixed.chain(routes.paths()).collect::<Vec<_>>())?)
            }
            None => None,
        };
        let (sender, events) = sync_channel(MAX_WAITING_BATCHES);
        let stop = Stop::new(sender.clone());
        let (hub, tasks) = (Arc::new(Hub::default()), Arc::new(Tasks::default()));
        hub.set_config(source);
        let reloader =
            Reloader::new(fixed, current, stop.clone(), Arc::clone(&hub), Arc::clone(&tasks));
        Ok(QueueListener {
            queue,
            files,
            routes,
            handlers,
            filters,
            sources,
            plan: exchange.plan,
            sync: exchange.sync,
            drain_timeout: exchange.drain_timeout,
            bound,
            socket,
            journal,
            recovery,
            senders,
            hub,
            tasks,
            reloader,
            rotate: Rotate::new(stop.clone()),
            stop,
            sender,
            events,
        })
    }
}

fn open_sources(
    mut sources: Vec<Box<dyn RecordSource>>,
) -> Result<Vec<Box<dyn RecordSource>>, ListenError> {
    for (index, source) in sources.iter_mut().enumerate() {
        let opened = match index {
            0..MAX_SOURCES => source.open(),
            _ => Err(io::Error::other(format!(
                "a listener has at most {MAX_SOURCES} doors and sources"
            ))),
        };
        opened.map_err(|error| ListenError::Door { door: source.name(), source: error })?;
    }
    Ok(sources)
}

/// Those that are not of the listener's own.
fn coming_files(next: Vec<NextFile>) -> Vec<RotatingFileHandler> {
    let coming = next.into_iter().filter_map(|next| match next {
        NextFile::Comes(handler) => Some(*handler),
        NextFile::Stays(..) => None,
    });
    coming.collect()
}

fn coming_routes(next: Vec<NextRoute>) -> impl Iterator<Item = RoutingFileHandler> {
    next.into_iter().filter_map(|next| match next {
        NextRoute::Comes(handler) => Some(*handler),
        NextRoute::Stays(..) => None,
    })
}

fn coming_handlers(next: Vec<NextHandler>) -> impl Iterator<Item = (String, Box<dyn Handler>)> {
    next.into_iter().filter_map(|next| match next {
        NextHandler::Comes(name, handler) => Some((name, handler)),
        NextHandler::Stays(_) => None,
    })
}

fn refused(error: ReloadError) -> ListenError {
    match error {
        ReloadError::Handler(error) => error.into(),
        error => ListenError::Refused { reason: error.to_string() },
    }
}

/// The log file without a configuration.
pub(super) struct FallbackFile {
    settings: RotatingFileBuilder,
    formatter: Box<dyn Fn() -> Result<Box<dyn Formatter>, HandlerError> + Send + Sync>,
}

impl FallbackFile {
    pub(super) fn layout(&self) -> Result<FileLayout, HandlerError> {
        Ok(FileLayout { settings: self.settings.clone(), formatter: (self.formatter)()? })
    }
}
