//! The listener's side: from the queue to the handlers.
//!
//! [`QueueListener`] owns a queue directory and everything behind it. Run it in a process of its own
//! (`logboom listen`) or on a thread of a process that does other things as well.

mod bound;
mod channels;
mod counts;
mod door;
mod drain;
mod files;
mod filters;
mod handshake;
mod hub;
mod lane;
mod lanes;
mod notices;
mod outlet;
mod outlets;
mod receive;
mod recovery;
mod refusal;
mod room;
mod round;
mod stop;
mod sync;
mod sync_policy;
mod trouble;

use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{self, Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ipc_channel::ipc;

pub use stop::Stop;
pub use sync_policy::{ParseSyncPolicyError, SyncPolicy};

use self::bound::{Bound, SocketPlace};
use self::channels::Channels;
use self::counts::Counts;
use self::door::Door;
use self::drain::{Drain, Pace};
use self::files::Files;
use self::filters::Filters;
use self::handshake::Reception;
use self::hub::{Hub, StatusBase};
use self::lanes::Lanes;
use self::notices::Notices;
use self::outlets::Outlets;
use self::receive::{Event, MAX_WAITING_BATCHES, start_bell, start_marker, start_receiver};
use self::recovery::Recovery;
use self::room::Room;
use crate::filter::Filter;
use crate::handler::{Handler, HandlerError, OnUnresolved, RotatingFileHandler};
use crate::journal::{Journal, MAX_FILES};
use crate::lock::LockError;
use crate::queue::control::ToWorker;
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
    /// The level table for workers cannot be read.
    #[error("the level table `{table}` for workers cannot be read: {reason}")]
    WorkerLevels {
        /// The table.
        table: String,
        /// What is wrong with it.
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

/// Settings of a [`QueueListener`].
#[must_use = "a builder does nothing until `bind`"]
pub struct ListenerBuilder {
    queue: QueueDir,
    files: Vec<RotatingFileHandler>,
    handlers: Vec<(String, Box<dyn Handler>)>,
    filters: Vec<Box<dyn Filter>>,
    worker_levels: Option<String>,
    drain_timeout: Duration,
    sync: SyncPolicy,
    socket_place: SocketPlace,
    on_unresolved: OnUnresolved,
}

impl ListenerBuilder {
    /// Adds a log file. The records of a queue are taken only as fast as all log files are written.
    pub fn file(mut self, file: RotatingFileHandler) -> ListenerBuilder {
        self.files.push(file);
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

    /// Adds a filter; a record has to pass all of them.
    pub fn filter(mut self, filter: impl Filter + 'static) -> ListenerBuilder {
        self.filters.push(Box::new(filter));
        self
    }

    /// The level table that attaching workers take, as in `RUST_LOG`: `info,my_crate::part=debug`.
    /// Default: none; the workers decide.
    pub fn worker_levels(mut self, table: impl Into<String>) -> ListenerBuilder {
        self.worker_levels = Some(table.into());
        self
    }

    /// How long a stop waits for workers that do not answer and for log files that cannot be
    /// written. Default: [`DEFAULT_DRAIN_TIMEOUT`].
    pub fn drain_timeout(mut self, drain_timeout: Duration) -> ListenerBuilder {
        self.drain_timeout = drain_timeout;
        self
    }

    /// When the log files are synced to the disk without being asked. Default: [`SyncPolicy::None`].
    pub fn sync(mut self, sync: SyncPolicy) -> ListenerBuilder {
        self.sync = sync;
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
    /// Another listener has the queue, or was killed in the middle of a log ([`force`](Self::force));
    /// the directory or a socket cannot be made; or the level table for workers cannot be read.
    pub fn bind(mut self) -> Result<QueueListener, ListenError> {
        if let Some(table) = &self.worker_levels {
            check_levels(table)?;
        }
        if self.files.len() > MAX_FILES {
            let source =
                io::Error::new(io::ErrorKind::InvalidInput, "a listener has at most 16 log files");
            let path = self.queue.path().to_owned();
            return Err(ListenError::Io { operation: "listen", path, source });
        }
        let (bound, socket) = Bound::take(self.queue.clone(), self.socket_place)?;
        for file in &mut self.files {
            file.claim(self.queue.path(), self.on_unresolved)?;
        }
        let (journal, unresolved) = Journal::open(self.queue.path()).map_err(|source| {
            let path = self.queue.path().to_owned();
            ListenError::Io { operation: "open the journal", path, source }
        })?;
        let recovery = unresolved.map(|batch| Recovery::take(batch, &self.files)).transpose()?;
        let (sender, events) = sync_channel(MAX_WAITING_BATCHES);
        let stop = Stop::new(sender.clone());
        let settings = self;
        Ok(QueueListener { settings, bound, socket, journal, recovery, stop, sender, events })
    }
}

/// Workers would ignore a table they cannot read.
fn check_levels(table: &str) -> Result<(), ListenError> {
    let parsed = env_filter::Builder::new().try_parse(table).map(drop);
    parsed.map_err(|error| ListenError::WorkerLevels {
        table: table.to_owned(),
        reason: error.to_string(),
    })
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
    settings: ListenerBuilder,
    bound: Bound,
    socket: UnixListener,
    journal: Journal,
    recovery: Option<Recovery>,
    stop: Stop,
    sender: SyncSender<Event>,
    events: Receiver<Event>,
}

impl QueueListener {
    /// Settings for a listener on `queue`.
    pub fn builder(queue: QueueDir) -> ListenerBuilder {
        ListenerBuilder {
            queue,
            files: Vec::new(),
            handlers: Vec::new(),
            filters: Vec::new(),
            worker_levels: None,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            sync: SyncPolicy::default(),
            socket_place: SocketPlace::TemporaryDirectory,
            on_unresolved: OnUnresolved::Refuse,
        }
    }

    /// How to stop this listener.
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }

    /// Serves on a thread of its own.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn spawn(self) -> Result<ListenerThread, ListenError> {
        let (path, stop) = (self.settings.queue.path().to_owned(), self.stop_handle());
        let thread = thread::Builder::new().name("logboom-drain".into()).spawn(|| self.run());
        let operation = "start the drain thread";
        let thread = thread.map_err(|source| ListenError::Io { operation, path, source })?;
        Ok(ListenerThread { stop, thread })
    }

    /// Serves until it is asked to stop, drains, and gives the queue back. Blocks all that time.
    ///
    /// # Errors
    /// A thread, a channel or a handler could not be started, or a log file not be closed.
    pub fn run(self) -> Result<StopReport, ListenError> {
        let QueueListener { settings, bound, socket, journal, recovery, stop, sender, events } =
            self;
        let queue = settings.queue.path().to_owned();
        let io = |operation| {
            let path = queue.clone();
            move |source| ListenError::Io { operation, path, source }
        };
        let hub = Arc::new(Hub::default());
        let status = StatusBase {
            queue: queue.display().to_string(),
            logs: settings.files.iter().map(|file| file.path().display().to_string()).collect(),
            started: Instant::now(),
        };
        let outlets = Outlets::start(settings.handlers).map_err(io("start a handler"))?;
        // Known before anybody can ask.
        hub.set_counts(Counts { handlers: outlets.status(), ..Counts::default() });
        let threads = Threads::start(&hub, socket, sender, &stop, settings.worker_levels, status)
            .map_err(io("start"))?;
        let bell = Bell::open(&settings.queue)
            .map_err(|error| io("open the bell")(io::Error::other(error)))?;
        let bell = Arc::new(bell);
        start_bell(Arc::clone(&bell), stop.clone(), Arc::clone(&hub)).map_err(io("start"))?;
        let mut drain = Drain {
            files: Files::new(
                settings.files,
                journal,
                settings.sync,
                Arc::clone(&hub),
                stop.clone(),
                settings.drain_timeout,
            ),
            outlets,
            notices: Notices::new(
                getrandom::u64().map_err(|error| io("name a lane")(error.into()))?,
            ),
            filters: Filters::new(settings.filters),
            drain_timeout: settings.drain_timeout,
            channels: Channels::new(Arc::clone(&hub)),
            lanes: Lanes::new(&settings.queue),
            bell,
            counts: Counts::default(),
            batch_records: 0,
            unwritten_records: 0,
            pace: Pace::Idle { looks: 0 },
            flush: None,
            hub: Arc::clone(&hub),
            stop,
            events,
        };
        drain.files.enter_journal();
        if let Some(recovery) = recovery {
            drain.recover(&recovery);
        }
        let report = drain.run();
        hub.wait_told(FAREWELL_TIMEOUT);
        let Drain { files, events, .. } = drain;
        // First, so that the receiving thread finds nobody to receive for, and ends.
        drop(events);
        // Before the door closes: nobody may connect behind the last one that it serves.
        bound.remove_socket();
        drop(threads);
        let closed = files.close();
        drop(bound);
        hub.report_stop(report);
        closed?;
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

/// The threads beside the drain; they end, and all workers are let go, when it is dropped.
struct Threads {
    hub: Arc<Hub>,
    door: Option<JoinHandle<()>>,
    wake: UnixStream,
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.hub.end();
        // A full pipe of wake bytes wakes as well.
        let _full = (&self.wake).write(&[1]);
        let _panicked = self.door.take().map(JoinHandle::join);
    }
}

impl Threads {
    fn start(
        hub: &Arc<Hub>,
        socket: UnixListener,
        events: SyncSender<Event>,
        stop: &Stop,
        levels: Option<String>,
        status: StatusBase,
    ) -> io::Result<Threads> {
        let (data, batches) = ipc::bytes_channel()?;
        let (gone, ended) = mpsc::channel();
        let (attach, attached) = mpsc::channel();
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        start_receiver(batches, events, Arc::clone(hub))?;
        start_marker(ended, data.clone())?;
        let notifier = Arc::clone(hub);
        thread::Builder::new().name("logboom-notify".into()).spawn(move || {
            while let Some((worker, update)) = notifier.next_message() {
                // A worker that is gone is noticed at its stream.
                let _gone = worker.send(ToWorker::Update(update));
            }
        })?;
        let reception = Reception {
            hub: Arc::clone(hub),
            stop: stop.clone(),
            status,
            data: Mutex::new(data),
            levels,
            attached: Mutex::new(attach),
            wake: wake.try_clone()?,
            busy: AtomicUsize::new(0),
        };
        let reception = Arc::new(reception);
        let (hub_of_door, room) = (Arc::clone(hub), Room::of_this_process()?);
        let door = Door { socket, wake: woken, reception, hub: hub_of_door, room, attached, gone };
        let door = thread::Builder::new().name("logboom-door".into()).spawn(move || door.run())?;
        Ok(Threads { hub: Arc::clone(hub), door: Some(door), wake })
    }
}
