//! The sentinel: how a listener is asked to stop, from any thread or a signal's thread.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::receive::Event;

/// Asks a listener to stop. Cheap to clone; works from any thread.
#[derive(Clone)]
pub struct Stop {
    shared: Arc<Shared>,
    events: SyncSender<Event>,
}

#[derive(Default)]
struct Shared {
    asked: Mutex<Asked>,
    changed: Condvar,
    /// Who decides when the listener stops, if not whoever asks.
    deputy: Mutex<Option<Deputy>>,
}

/// What was asked for, and when.
#[derive(Clone, Copy, Default, PartialEq)]
struct Asked {
    at: Option<Instant>,
    /// Until when the stop may take, where somebody cannot wait for the drain timeout.
    until: Option<Instant>,
}

type Deputy = Box<dyn FnMut() + Send>;

impl Stop {
    pub(super) fn new(events: SyncSender<Event>) -> Stop {
        Stop { shared: Arc::default(), events }
    }

    /// Asks the listener to drain what it has and stop. Returns at once; asking twice is asking once.
    pub fn request(&self) {
        self.lock().at.get_or_insert_with(Instant::now);
        self.shared.changed.notify_all();
        self.wake();
    }

    /// Asks the listener to stop within this time, where its drain timeout leaves it longer. Returns at
    /// once.
    #[cfg(feature = "supervisor")]
    pub(crate) fn request_within(&self, timeout: Duration) {
        self.lock().until.get_or_insert_with(|| Instant::now() + timeout);
        self.request();
    }

    /// Tells those who decide about it that somebody wants the listener to stop. Where there are none, or
    /// a stop was requested already, that is a [request](Self::request).
    pub(super) fn ask(&self) {
        let mut deputy = self.shared.deputy.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *deputy {
            Some(tell) if !self.is_requested() => tell(),
            _ => self.request(),
        }
    }

    /// Leaves it to others what becomes of the wish of a peer that the listener stop.
    #[cfg(feature = "supervisor")]
    pub(crate) fn defer_to(&self, tell: impl FnMut() + Send + 'static) {
        let mut deputy = self.shared.deputy.lock().unwrap_or_else(PoisonError::into_inner);
        *deputy = Some(Box::new(tell));
    }

    /// Whether somebody has asked.
    pub fn is_requested(&self) -> bool {
        self.lock().at.is_some()
    }

    /// Lets the drain look around; with a full queue it does anyway.
    pub(super) fn wake(&self) {
        let _full = self.events.try_send(Event::Wake);
    }

    /// What is left of `timeout` since the stop was asked for; all of it before.
    pub(super) fn left(&self, timeout: Duration) -> Duration {
        let Asked { at, until } = *self.lock();
        let since = at.map_or(Duration::ZERO, |at| at.elapsed());
        let left = timeout.saturating_sub(since);
        until.map_or(left, |until| left.min(until.saturating_duration_since(Instant::now())))
    }

    /// Pauses before another attempt, less long when a stop is asked for meanwhile, or
    /// a faster one; tells whether
    /// there is time for one within `timeout` after the stop.
    pub(super) fn rest(&self, pause: Duration, timeout: Duration) -> bool {
        let before = *self.lock();
        let pause = pause.min(self.left(timeout));
        let waiting = |asked: &mut Asked| *asked == before;
        drop(self.shared.changed.wait_timeout_while(self.lock(), pause, waiting));
        !self.left(timeout).is_zero()
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
