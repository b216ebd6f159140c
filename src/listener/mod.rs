//! The listener's side: from the queue to the handlers.
//!
//! [`QueueListener`] owns a queue directory and everything behind it. Run it in a process of its own
//! (`logboom listen`) or on a thread of a process that does other things as well.

mod arrivals;
#[cfg(feature = "benches")]
#[doc(hidden)]
pub mod benches;
mod bound;
mod builder;
mod channels;
mod counts;
mod current;
mod door;
mod drain;
mod emit;
mod exchange;
mod files;
mod gather;
mod handshake;
mod hub;
mod inlet;
mod inlets;
mod lane;
mod lanes;
pub(crate) mod layout;
mod levels;
mod notices;
mod outlet;
mod outlets;
mod rate;
mod receive;
mod record_source;
mod recovery;
mod refusal;
mod reload;
mod room;
mod rotate;
mod round;
mod senders;
mod source_counts;
mod stop;
mod sync;
mod sync_policy;
mod tasks;
mod threads;
mod trouble;

use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use builder::ListenerBuilder;
pub use inlet::{Inlet, InletLane};
pub use record_source::RecordSource;
pub use reload::{ReloadError, Reloader};
pub use rotate::Rotate;
#[cfg(feature = "zeromq")]
pub(crate) use source_counts::SourceCounts;
pub use stop::Stop;
pub use sync_policy::{ParseSyncPolicyError, SyncPolicy};

use self::bound::Bound;
use self::channels::Channels;
use self::counts::Counts;
use self::drain::Drain;
use self::files::{Files, Routes};
use self::gather::Pace;
use self::hub::{Hub, StatusBase};
use self::inlets::Inlets;
use self::lanes::Lanes;
use self::notices::Notices;
use self::outlets::Outlets;
use self::receive::{Event, start_bell};
use self::recovery::Recovery;
use self::room::Room;
use self::senders::Senders;
use self::tasks::Tasks;
use self::threads::Threads;
use crate::filter::Filter;
use crate::formatter::local_zone_problem;
use crate::handler::{Handler, HandlerError, RotatingFileHandler};
use crate::journal::Journal;
use crate::lock::LockError;
use crate::logger::{Filters, Plan, Routing};
use crate::queue::ring::Bell;
use crate::queue::status::StopReport;
use crate::queue::{QueueDir, QueueDirError};

/// How long a stopping listener drains where nothing else is said.
pub const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a listener that has drained waits for its workers to hear of it.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a listener cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The queue directory cannot be used.
    #[error(transparent)]
    Directory(#[from] QueueDirError),
    /// Another listener has the queue, or has left a log unresolved; or a lock file cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A log file could not be taken, or not be closed.
    #[error(transparent)]
    Handler(HandlerError),
    /// The queue directory, or the lock file in it, was removed under the running listener, which has
    /// written what it could still read and given up its log.
    #[error(
        "the queue directory {path} or its lock file was removed under its listener: start it again"
    )]
    QueueRemoved {
        /// The queue directory.
        path: PathBuf,
    },
    /// Records of a [`SocketHandler`](crate::handler::SocketHandler) cannot be received there.
    #[error("cannot receive records at {address}")]
    Receive {
        /// The path or address.
        address: String,
        /// What the system said, or why the address is refused.
        source: io::Error,
    },
    /// A door or another source of records cannot be opened, or there are too many.
    #[error("cannot open the door `{door}`")]
    Door {
        /// What it is, and where.
        door: String,
        /// What the system said.
        source: io::Error,
    },
    /// The settings do not fit each other.
    #[error("{reason}")]
    Refused {
        /// Which, and what to do instead.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot {operation} in {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The queue directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<HandlerError> for ListenError {
    fn from(error: HandlerError) -> ListenError {
        match error {
            HandlerError::Lock(error) => ListenError::Lock(error),
            error => ListenError::Handler(error),
        }
    }
}

/// Receives the records of all workers of a queue, merges them by time, and gives them to handlers.
///
/// ```no_run
/// use logboom::formatter::PatternFormatter;
/// use logboom::handler::RotatingFileHandler;
/// use logboom::{QueueDir, QueueListener};
///
/// let file = RotatingFileHandler::builder("logs/app.log")
///     .max_bytes(10 << 20)
///     .backup_count(5)
///     .open(PatternFormatter::default())?;
/// let listener = QueueListener::builder(QueueDir::named("app")?).file(file).bind()?.spawn()?;
/// // … start workers, wait for them …
/// println!("{}", listener.stop()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct QueueListener {
    queue: QueueDir,
    files: Vec<RotatingFileHandler>,
    routes: Routes,
    handlers: Vec<(String, Box<dyn Handler>)>,
    filters: Vec<Box<dyn Filter>>,
    sources: Vec<Box<dyn RecordSource>>,
    plan: Plan,
    sync: SyncPolicy,
    drain_timeout: Duration,
    bound: Bound,
    socket: UnixListener,
    journal: Journal,
    recovery: Option<Recovery>,
    senders: senders::Opened,
    hub: Arc<Hub>,
    tasks: Arc<Tasks>,
    reloader: Reloader,
    stop: Stop,
    rotate: Rotate,
    sender: SyncSender<Event>,
    events: Receiver<Event>,
}

impl QueueListener {
    /// Settings for a listener on `queue`.
    pub fn builder(queue: QueueDir) -> ListenerBuilder {
        ListenerBuilder::new(queue)
    }

    /// How to stop this listener.
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }

    /// The queue that it serves.
    #[cfg(feature = "supervisor")]
    pub(crate) fn queue(&self) -> &QueueDir {
        &self.queue
    }

    /// How to give this listener another configuration while it runs.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// How to rotate the log files of this listener.
    pub fn rotate_handle(&self) -> Rotate {
        self.rotate.clone()
    }

    /// Serves on a thread of its own.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn spawn(self) -> Result<ListenerThread, ListenError> {
        let (path, stop) = (self.queue.path().to_owned(), self.stop_handle());
        let thread = thread::Builder::new().name("logboom-drain".into()).spawn(|| self.run());
        let operation = "start the drain thread";
        let thread = thread.map_err(|source| ListenError::Io { operation, path, source })?;
        Ok(ListenerThread { stop, thread })
    }

    /// Serves until it is asked to stop, drains, and gives the queue back. Blocks all that time. Stops
    /// by itself, within about a second, where the queue directory is removed.
    ///
    /// # Errors
    /// A thread, a channel or a handler could not be started, a log file not be closed, or the queue
    /// directory was removed.
    pub fn run(self) -> Result<StopReport, ListenError> {
        let queue = self.queue.path().to_owned();
        let io = |operation| {
            let path = queue.clone();
            move |source| ListenError::Io { operation, path, source }
        };
        let QueueListener { hub, stop, sender, .. } = self;
        let routing = Routing::new(self.plan);
        let filters = Filters::new(self.filters);
        hub.set_rules(routing.rules(&filters));
        hub.set_logs(self.files.iter().map(RotatingFileHandler::path));
        let status = StatusBase { queue: queue.display().to_string(), started: Instant::now() };
        let outlets = Outlets::start(self.handlers).map_err(io("start a handler"))?;
        // Known before anybody can ask.
        hub.set_counts(Counts { handlers: outlets.status(), ..Counts::default() });
        let has_sources = !self.sources.is_empty();
        let room = Room::of_this_process(has_sources).map_err(io("read the descriptor limit"))?;
        let inlets = Inlets::start(self.sources, &sender, &stop, room.connections)
            .map_err(io("start the doors"))?;
        hub.set_sources(inlets.counts().into_iter().chain(self.senders.counts()).collect());
        let threads = Threads::start(&hub, self.socket, sender, &stop, self.reloader, status, room)
            .map_err(io("start the threads"))?;
        let bell = Bell::open(&self.queue)
            .map_err(|error| io("open the bell")(io::Error::other(error)))?;
        let bell = Arc::new(bell);
        start_bell(Arc::clone(&bell), stop.clone(), Arc::clone(&hub))
            .map_err(io("start the threads"))?;
        let senders = Senders::start(self.senders, &self.queue, &hub, &bell)
            .map_err(io("start the threads"))?;
        let mut drain = Drain {
            bound: self.bound,
            has_lost_queue: false,
            is_filtered: false,
            says_filtered: false,
            files: Files::new(
                self.files,
                self.routes,
                self.journal,
                self.sync,
                files::Shared {
                    hub: Arc::clone(&hub),
                    stop: stop.clone(),
                    tasks: Arc::clone(&self.tasks),
                },
                self.drain_timeout,
            ),
            outlets,
            notices: Notices::new(
                getrandom::u64().map_err(|error| io("name a lane")(error.into()))?,
            ),
            filters,
            routing,
            past_panics: 0,
            tasks: self.tasks,
            deliveries: Vec::new(),
            drain_timeout: self.drain_timeout,
            channels: Channels::new(Arc::clone(&hub)),
            lanes: Lanes::new(&self.queue),
            senders,
            inlets,
            bell,
            counts: Counts::default(),
            batch_records: 0,
            unwritten_records: 0,
            pace: Pace::Idle { looks: 0 },
            flush: None,
            rotate: self.rotate,
            hub: Arc::clone(&hub),
            stop,
            events: self.events,
        };
        local_zone_problem().into_iter().for_each(|text| drain.notices.trouble(text));
        drain.files.enter_journal();
        if let Some(recovery) = self.recovery {
            drain.recover(&recovery);
        }
        let report = drain.run();
        hub.wait_told(FAREWELL_TIMEOUT);
        let Drain { files, events, bound, inlets, senders, has_lost_queue, .. } = drain;
        inlets.remove();
        drop(senders);
        // First, so that the receiving thread finds nobody to receive for, and ends.
        drop(events);
        // Before the door closes: nobody may connect behind the last one that it serves.
        bound.remove_socket();
        drop(threads);
        let closed = files.close();
        let report = StopReport { log_failed: closed.is_err(), ..report };
        drop(bound);
        hub.report_stop(report);
        closed?;
        if has_lost_queue {
            return Err(ListenError::QueueRemoved { path: queue.clone() });
        }
        Ok(report)
    }
}

/// A [`QueueListener`] that serves on a thread of its own. Dropped, it serves on until the process
/// ends, and what it has not written by then is lost.
#[must_use = "stop it, so that it writes what it has"]
pub struct ListenerThread {
    stop: Stop,
    thread: JoinHandle<Result<StopReport, ListenError>>,
}

impl ListenerThread {
    /// How to stop it from elsewhere.
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }

    /// Asks it to stop and waits until it has drained, for some seconds at most beyond the drain
    /// deadline.
    ///
    /// # Errors
    /// As for [`QueueListener::run`].
    pub fn stop(self) -> Result<StopReport, ListenError> {
        self.stop.request();
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
