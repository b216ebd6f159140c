//! A handler beside the log files, on a thread of its own behind a bounded queue: when it is slow
//! or fails, records for it are dropped and counted, and nothing else waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use crate::Record;
use crate::handler::{Handler, attempt};
use crate::queue::status::HandlerStatus;

/// When records of this memory wait for a handler, no part of a round is added to them. Not a number
/// of parts: those of some milliseconds may be small, and a handler may pause for longer.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// A handler that could not follow gets parts again when no more than this waits for it: an outage is
/// told in the log, so there must not be one for each part.
const RESUME_BYTES: usize = MAX_WAITING_BYTES / 2;

/// A record on its way to the handlers.
pub(super) struct Told {
    pub(super) record: Record<'static>,
    pub(super) recipients: Recipients,
}

/// Most handlers beside the log files.
pub(super) const MAX_OUTLETS: usize = 64;

/// Which handlers get a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recipients(u64);

impl Recipients {
    pub(super) const NONE: Recipients = Recipients(0);
    pub(super) const ALL: Recipients = Recipients(u64::MAX);

    pub(super) fn only(index: usize) -> Recipients {
        Recipients(1 << index)
    }

    pub(super) fn all_but(index: usize) -> Recipients {
        Recipients(!Recipients::only(index).0)
    }

    pub(super) fn and(self, other: Recipients) -> Recipients {
        Recipients(self.0 | other.0)
    }

    pub(super) fn among(self, other: Recipients) -> Recipients {
        Recipients(self.0 & other.0)
    }

    pub(super) fn has(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
}

/// Records on their way, and the memory they take.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) told: Arc<[Told]>,
    pub(super) bytes: usize,
}

/// The listener's end of a handler.
pub(super) struct Outlet {
    index: usize,
    parts: Option<Sender<Part>>,
    shared: Arc<Shared>,
    /// Records dropped since it could follow: an outage is reported at its beginning and its end.
    dropped: u64,
}

struct Shared {
    status: Mutex<OutletStatus>,
    changed: Condvar,
    /// Of the parts that wait, and of the one in the handler's hands.
    waiting_bytes: AtomicUsize,
}

struct OutletStatus {
    counts: HandlerStatus,
    /// Something in the last part failed: an outage is reported once.
    failing: bool,
    notices: Vec<String>,
    ended: bool,
}

impl Outlet {
    /// Starts the thread of the handler number `index`.
    pub(super) fn start(
        index: usize,
        name: String,
        handler: Box<dyn Handler>,
    ) -> io::Result<Outlet> {
        let (parts, receiver) = channel();
        let counts = HandlerStatus { name, ..HandlerStatus::default() };
        let status = OutletStatus { counts, failing: false, notices: Vec::new(), ended: false };
        let shared = Arc::new(Shared {
            status: Mutex::new(status),
            changed: Condvar::new(),
            waiting_bytes: AtomicUsize::new(0),
        });
        let thread = OutletThread { index, handler, shared: Arc::clone(&shared) };
        thread::Builder::new()
            .name("logboom-handler".into())
            .spawn(move || thread.run(&receiver))?;
        Ok(Outlet { index, parts: Some(parts), shared, dropped: 0 })
    }

    /// Its number among the [`Recipients`].
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// Hands over a part, or drops it where the handler cannot follow.
    pub(super) fn offer(&mut self, part: &Part) {
        let Some(parts) = &self.parts else {
            return;
        };
        if self.dropped == 0 && self.waiting_bytes() < MAX_WAITING_BYTES {
            self.shared.waiting_bytes.fetch_add(part.bytes, Ordering::Relaxed);
            if parts.send(part.clone()).is_ok() {
                return;
            }
        }
        let is_for_it = |told: &&Told| told.recipients.has(self.index);
        let dropped = part.told.iter().filter(is_for_it).count() as u64;
        let mut status = self.shared.lock();
        status.counts.dropped += dropped;
        if self.dropped == 0 && dropped > 0 {
            let name = &status.counts.name;
            let text = format!("handler {name} cannot follow: records for it are dropped");
            status.notices.push(text);
        }
        self.dropped += dropped;
    }

    /// What is to be said of this handler, and to whom.
    pub(super) fn take_notices(&mut self) -> Vec<(String, Recipients)> {
        let mut status = self.shared.lock();
        // It would only fail again over what is said of its trouble.
        let others = Recipients::all_but(self.index);
        let notices = std::mem::take(&mut status.notices).into_iter().map(|text| (text, others));
        let mut notices: Vec<_> = notices.collect();
        if self.dropped > 0 && self.waiting_bytes() <= RESUME_BYTES {
            let (name, dropped) = (&status.counts.name, std::mem::take(&mut self.dropped));
            let text = format!("handler {name} goes on: {dropped} records for it were dropped");
            notices.push((text, Recipients::ALL));
        }
        notices
    }

    fn waiting_bytes(&self) -> usize {
        self.shared.waiting_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn status(&self) -> HandlerStatus {
        self.shared.lock().counts.clone()
    }

    /// Ends the handler once its queue is empty.
    pub(super) fn close(&mut self) {
        self.parts = None;
    }

    /// Waits for the end, at most `timeout`; whether it has come. A handler that hangs is left
    /// behind.
    pub(super) fn wait_ended(&self, timeout: Duration) -> bool {
        let status = self.shared.lock();
        let waited =
            self.shared.changed.wait_timeout_while(status, timeout, |status| !status.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, OutletStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct OutletThread {
    index: usize,
    handler: Box<dyn Handler>,
    shared: Arc<Shared>,
}

impl OutletThread {
    fn run(mut self, parts: &Receiver<Part>) {
        for Part { told: part, bytes } in parts {
            let index = self.index;
            let (mut tried, mut failed) = (false, false);
            for told in part.iter().filter(|told| told.recipients.has(index)) {
                let outcome = attempt(|| self.handler.handle(&told.record));
                tried = true;
                failed |= outcome.is_err();
                self.count(outcome);
            }
            match attempt(|| self.handler.flush()) {
                Err(error) => self.fail(error),
                // A handler that buffers fails only here: nothing before has ended its outage, and
                // a part with nothing for it says nothing about it.
                Ok(()) if tried && !failed => self.shared.lock().failing = false,
                Ok(()) => {}
            }
            self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        if let Err(error) = attempt(|| self.handler.close()) {
            self.fail(error);
        }
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
    }

    fn count(&self, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.shared.lock().counts.handled += 1,
            Err(error) => {
                self.shared.lock().counts.failed += 1;
                self.fail(error);
            }
        }
    }

    fn fail(&self, error: String) {
        let mut status = self.shared.lock();
        if !status.failing {
            let notice = format!("handler {} failed: {error}", status.counts.name);
            status.notices.push(notice);
        }
        status.failing = true;
        status.counts.last_error = Some(error);
    }
}
