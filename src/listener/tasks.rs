//! What others want of the drain between two rounds: one thing at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::SyncPolicy;
use super::files::NextSettings;
use super::layout::{NextFile, NextHandler, NextRoute};
use super::outlet::Outlet;
use super::reload::ReloadError;
use crate::handler::{HandlerError, RotatingFileHandler};
use crate::logger::Plan;

pub(super) enum Task {
    /// To go on with other files and handlers.
    Exchange(Box<Exchange>, SyncSender<Result<Gone, ReloadError>>),
    /// To open log files anew that others have moved.
    Reopen(SyncSender<Result<(), HandlerError>>),
}

/// What the drain goes on with; all of it is open.
pub(super) struct Exchange {
    /// Where it is from, for people.
    pub(super) source: Option<String>,
    pub(super) files: Vec<NextFile>,
    pub(super) routes: Vec<NextRoute>,
    pub(super) handlers: Vec<NextHandler>,
    pub(super) plan: Plan,
    pub(super) sync: SyncPolicy,
    pub(super) drain_timeout: Duration,
    pub(super) claim: Claim,
}

/// Belongs to who takes it first: the drain that begins, or the asker who waits no longer.
#[derive(Clone, Default)]
pub(super) struct Claim(Arc<AtomicBool>);

impl Claim {
    /// False where the other one has it.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

/// What the drain gives to no more.
pub(super) struct Gone {
    pub(super) files: Vec<RotatingFileHandler>,
    /// They end when they have handled what waits for them.
    pub(super) handlers: Vec<Outlet>,
}

/// The place of the task that waits.
#[derive(Default)]
pub(super) struct Tasks {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
enum State {
    /// The drain has not begun: a recovery may still have the locks of other logs.
    #[default]
    NotYet,
    Open(Option<Task>),
    Closed,
}

impl Tasks {
    /// The drain comes to tasks from now on.
    pub(super) fn open(&self) {
        *self.lock() = State::Open(None);
        self.changed.notify_all();
    }

    /// Waits until the drain comes to tasks.
    pub(super) fn wait_open(&self, timeout: Duration) -> Result<(), ReloadError> {
        let is_early = |state: &mut State| matches!(state, State::NotYet);
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, is_early);
        match *waited.unwrap_or_else(PoisonError::into_inner).0 {
            State::NotYet => Err(ReloadError::Busy),
            State::Open(_) => Ok(()),
            State::Closed => Err(ReloadError::Stopping),
        }
    }

    /// False where the drain does not come to it. A task that waits is given up for this one.
    pub(super) fn put(&self, task: Task) -> bool {
        match &mut *self.lock() {
            State::Open(waiting) => {
                *waiting = Some(task);
                true
            }
            State::NotYet | State::Closed => false,
        }
    }

    /// The task that waits.
    pub(super) fn take(&self) -> Option<Task> {
        match &mut *self.lock() {
            State::Open(waiting) => waiting.take(),
            State::NotYet | State::Closed => None,
        }
    }

    /// What the configuration that waits is about.
    pub(super) fn next_settings(&self) -> Option<NextSettings> {
        match &*self.lock() {
            State::Open(Some(Task::Exchange(exchange, _))) => Some(NextSettings::of(exchange)),
            State::NotYet | State::Open(_) | State::Closed => None,
        }
    }

    /// Gives up the task that waits, and takes no other.
    pub(super) fn close(&self) {
        *self.lock() = State::Closed;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
