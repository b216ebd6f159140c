//! Another configuration for a running listener: opened here, on the thread of whoever asks, and
//! then handed to the drain, which alone writes to log files.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::current::{Current, Fixed};
use super::hub::Hub;
use super::layout::{Layout, NextFile};
use super::outlet::Outlet;
use super::stop::Stop;
use super::tasks::{Claim, Gone, Task, Tasks};
use crate::causes::with_causes;
use crate::handler::HandlerError;

/// How long the drain may take to come to a reload; it does not while a log file cannot be written.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long handlers that go may take for what waits for them, all together.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

/// Most reloads at once: one is under way, the others wait for it.
const MAX_WAITING: usize = 16;

/// Reads a configuration that somebody sends: its name, and its text.
pub(crate) type ReadConfig =
    fn(name: &str, text: Vec<u8>) -> Result<Layout, Box<dyn Error + Send + Sync>>;

/// Why a running listener did not take a configuration, or did not reopen its files. The one it had
/// before is in effect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// It cannot be read, or does not make sense: a `ConfigError`.
    #[error(transparent)]
    Config(Box<dyn Error + Send + Sync>),
    /// It wants something that is fixed while the listener runs, or too much.
    #[error("{reason}")]
    Refused {
        /// What, and what to do instead.
        reason: String,
    },
    /// A log file or a handler cannot be opened.
    #[error(transparent)]
    Handler(#[from] HandlerError),
    /// The drain did not come to it.
    #[error(
        "the listener did not come to it in time: perhaps a log file cannot be written, see `logboom ctl status`"
    )]
    Busy,
    /// Others wait already.
    #[error("too many configurations at once, try again")]
    TooMany,
    /// The listener is stopping.
    #[error("the listener is stopping")]
    Stopping,
}

/// Gives a running listener another configuration, or lets it open its log files anew, from any
/// thread. Cheap to clone.
///
/// All of a configuration is read and opened before anything changes. Then, between two batches, the
/// listener goes on with it: no record is lost or doubled. What the listener was given by the methods
/// of its builder stays; what came from the configuration before is exchanged. A log file that is in
/// both keeps its open file, its lock and its place, under the new settings; a handler with the same
/// name and settings keeps what it has. Those that go write what waits for them, for five seconds at
/// most.
#[derive(Clone)]
pub struct Reloader(Arc<Shared>);

struct Shared {
    fixed: Fixed,
    stop: Stop,
    hub: Arc<Hub>,
    tasks: Arc<Tasks>,
    waiting: AtomicUsize,
    /// Held during a reload.
    current: Mutex<Current>,
}

impl Reloader {
    pub(super) fn new(
        fixed: Fixed,
        current: Current,
        stop: Stop,
        hub: Arc<Hub>,
        tasks: Arc<Tasks>,
    ) -> Reloader {
        let (waiting, current) = (AtomicUsize::new(0), Mutex::new(current));
        Reloader(Arc::new(Shared { fixed, stop, hub, tasks, waiting, current }))
    }

    /// Opens the log files at their paths now where others have moved or deleted the open ones, as
    /// after `logrotate`. Without this, the listener does within a second. Blocks for ten seconds at most.
    ///
    /// # Errors
    /// A file cannot be opened, and the next write tries it again; or the listener does not come to it,
    /// or is stopping.
    pub fn reopen(&self) -> Result<(), ReloadError> {
        self.alone(|_| Ok(self.ask(&Claim::default(), Task::Reopen)??))
    }

    /// Goes on with what `layout` says.
    pub(crate) fn exchange(&self, layout: Layout) -> Result<(), ReloadError> {
        self.alone(|current| {
            let mut created = Vec::new();
            let exchanged = self.exchange_current(current, layout, &mut created);
            if exchanged.is_err() {
                created.iter().for_each(|path| remove_if_empty(path));
            }
            exchanged
        })
    }

    /// Takes a configuration that somebody sends; what is wrong with it, for people.
    pub(crate) fn take(&self, name: &str, text: Vec<u8>) -> Result<(), String> {
        let Some(read_config) = self.0.fixed.read_config else {
            return Err("this listener takes no configurations while it runs".to_owned());
        };
        let layout = read_config(name, text).map_err(ReloadError::Config);
        let taken = layout.and_then(|layout| self.exchange(layout));
        taken.map_err(|error| self.refused(name, &error))
    }

    /// Shows in the status what was refused; the reason, for people.
    pub(crate) fn refused(&self, name: &str, error: &ReloadError) -> String {
        let reason = with_causes(error);
        self.0.hub.set_refused_config(name, &reason);
        reason
    }

    /// Says in the log that what was to be loaded is not in effect.
    #[cfg(feature = "config")]
    pub(crate) fn say(&self, text: String) {
        self.0.hub.say(text);
        self.0.stop.wake();
    }

    /// One after the other, and only so many.
    fn alone<T>(
        &self,
        act: impl FnOnce(&mut Current) -> Result<T, ReloadError>,
    ) -> Result<T, ReloadError> {
        let is_room = self.0.waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING;
        let outcome = if is_room {
            let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
            self.0.tasks.wait_open(EXCHANGE_TIMEOUT).and_then(|()| act(&mut current))
        } else {
            Err(ReloadError::TooMany)
        };
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        outcome
    }

    fn exchange_current(
        &self,
        current: &mut Current,
        layout: Layout,
        created: &mut Vec<PathBuf>,
    ) -> Result<(), ReloadError> {
        let Fixed { queue, on_unresolved, .. } = &self.0.fixed;
        let (mut exchange, next) = current.open(layout, &self.0.fixed, created)?;
        for file in &mut exchange.files {
            if let NextFile::Comes(file) = file {
                file.claim(queue.path(), *on_unresolved)?;
            }
        }
        let claim = exchange.claim.clone();
        let gone = self.ask(&claim, |answer| Task::Exchange(Box::new(exchange), answer))??;
        *current = next;
        self.part_with(gone);
        Ok(())
    }

    /// Hands a task to the drain and waits for its answer.
    fn ask<T>(
        &self,
        claim: &Claim,
        task: impl FnOnce(SyncSender<T>) -> Task,
    ) -> Result<T, ReloadError> {
        let (sender, answer) = sync_channel(1);
        if !self.0.tasks.put(task(sender)) {
            return Err(ReloadError::Stopping);
        }
        self.0.stop.wake();
        match answer.recv_timeout(EXCHANGE_TIMEOUT) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Timeout) if claim.take() => {
                // What it has opened is closed.
                drop(self.0.tasks.take());
                Err(ReloadError::Busy)
            }
            // The drain has begun, and waits for nobody until it is done.
            Err(RecvTimeoutError::Timeout) => answer.recv().map_err(|_| ReloadError::Stopping),
            Err(RecvTimeoutError::Disconnected) => Err(ReloadError::Stopping),
        }
    }

    /// Lets files and handlers end that are not in the configuration any more.
    fn part_with(&self, gone: Gone) {
        for file in gone.files {
            if let Err(error) = file.close() {
                self.0.hub.say(with_causes(&error));
            }
        }
        let deadline = Instant::now() + FAREWELL_TIMEOUT;
        for mut outlet in gone.handlers {
            self.part_with_handler(&mut outlet, deadline);
        }
    }

    fn part_with_handler(&self, outlet: &mut Outlet, deadline: Instant) {
        let has_ended = outlet.wait_ended(deadline.saturating_duration_since(Instant::now()));
        outlet.take_notices().into_iter().for_each(|(text, _)| self.0.hub.say(text));
        if !has_ended {
            let name = outlet.status().name;
            self.0.hub.say(format!("handler {name} hangs: what waits for it was left behind"));
        }
    }
}

/// Removes a log file that was made for a configuration which was then refused.
fn remove_if_empty(path: &Path) {
    // One that cannot be removed does no harm.
    if fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0) {
        let _left_behind = fs::remove_file(path);
    }
}
