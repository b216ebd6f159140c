//! Settings of a listener, and what it takes when it is bound.

use std::io;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::bound::{Bound, SocketPlace};
use super::outlet::MAX_OUTLETS;
use super::receive::MAX_WAITING_BATCHES;
use super::recovery::Recovery;
use super::{DEFAULT_DRAIN_TIMEOUT, ListenError, QueueListener, Rotate, Stop, SyncPolicy};
use crate::filter::Filter;
use crate::handler::{Handler, OnUnresolved, RotatingFileHandler};
use crate::journal::{Journal, MAX_FILES};
use crate::logger::{Destination, Plan};
use crate::queue::QueueDir;

/// Settings of a [`QueueListener`].
#[must_use = "a builder does nothing until `bind`"]
pub struct ListenerBuilder {
    pub(super) queue: QueueDir,
    pub(super) files: Vec<RotatingFileHandler>,
    pub(super) handlers: Vec<(String, Box<dyn Handler>)>,
    pub(super) filters: Vec<Box<dyn Filter>>,
    pub(super) plan: Plan,
    pub(super) worker_levels: Option<String>,
    pub(super) drain_timeout: Duration,
    pub(super) sync: SyncPolicy,
    socket_place: SocketPlace,
    on_unresolved: OnUnresolved,
}

impl ListenerBuilder {
    pub(super) fn new(queue: QueueDir) -> ListenerBuilder {
        ListenerBuilder {
            queue,
            files: Vec::new(),
            handlers: Vec::new(),
            filters: Vec::new(),
            plan: Plan::plain(),
            worker_levels: None,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            sync: SyncPolicy::default(),
            socket_place: SocketPlace::TemporaryDirectory,
            on_unresolved: OnUnresolved::Refuse,
        }
    }

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

    /// Attaches what was added since, as `plan` says; what comes later is attached to the root. The
    /// plan knows files and handlers by their numbers in the order of their addition.
    #[cfg(feature = "config")]
    pub(crate) fn plan(mut self, plan: Plan) -> ListenerBuilder {
        self.plan = plan;
        self
    }

    /// How many log files and handlers were added.
    #[cfg(feature = "config")]
    pub(crate) fn added(&self) -> (usize, usize) {
        (self.files.len(), self.handlers.len())
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
        let limit = if self.files.len() > MAX_FILES {
            Some(format!("a listener has at most {MAX_FILES} log files"))
        } else if self.handlers.len() > MAX_OUTLETS {
            Some(format!("a listener has at most {MAX_OUTLETS} handlers beside its log files"))
        } else {
            None
        };
        if let Some(limit) = limit {
            let source = io::Error::new(io::ErrorKind::InvalidInput, limit);
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
        let files = (0..self.files.len()).map(Destination::File);
        let handlers = (0..self.handlers.len()).map(Destination::Handler);
        self.plan.attach_rest(files.chain(handlers));
        let (sender, events) = sync_channel(MAX_WAITING_BATCHES);
        let stop = Stop::new(sender.clone());
        let (settings, rotate) = (self, Rotate::new(stop.clone()));
        Ok(QueueListener {
            settings,
            bound,
            socket,
            journal,
            recovery,
            stop,
            rotate,
            sender,
            events,
        })
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
