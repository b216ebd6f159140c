//! A handler that may block, on a thread of its own behind a bounded queue.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Handler, HandlerError, attempt};
use crate::Record;

const MAX_RECORDS: usize = 10_000;
const MAX_BYTES: usize = 16 << 20;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Hands records to another handler on a thread of its own, and never waits for it.
///
/// This is what Python's `QueueHandler` and `QueueListener` are within one process. The listener of
/// a queue has such a thread for each of its handlers already; this one is for handlers that block
/// where nothing else is between them and the caller.
///
/// At most 10 000 records of 16 MiB wait, unless told otherwise; a record that finds the queue full
/// is dropped, counted, and an error. What the other handler decides by level or filters it decides
/// on its thread, as with `respect_handler_level=True`; where it fails or panics, the record is
/// counted and the next [`flush`](Handler::flush) says so.
///
/// [`flush`](Handler::flush) does not wait: the thread flushes the other handler whenever its queue
/// is empty. [`close`](Handler::close) waits until all is written, 5 seconds at most unless told
/// otherwise, and so does dropping it. A handler that hangs longer is left behind.
///
/// ```
/// use logboom::handler::{BackgroundHandler, Handler, NullHandler};
/// use logboom::{Level, Record};
///
/// let mut handler = BackgroundHandler::builder(NullHandler).max_records(100).start()?;
/// let monitor = handler.monitor();
/// handler.handle(&Record::new(0, Level::INFO, "app", "started"))?;
/// handler.close()?;
/// assert_eq!(monitor.counts().handled, 1);
/// # Ok::<(), logboom::handler::HandlerError>(())
/// ```
pub struct BackgroundHandler {
    shared: Arc<Shared>,
    max_records: usize,
    max_bytes: usize,
    close_timeout: Duration,
}

/// The settings of a [`BackgroundHandler`] that is not started yet.
#[must_use = "a builder does nothing until `start`"]
pub struct BackgroundBuilder {
    handler: Box<dyn Handler>,
    max_records: usize,
    max_bytes: usize,
    close_timeout: Duration,
}

/// What has become of the records of a [`BackgroundHandler`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackgroundCounts {
    /// Records that the other handler has taken.
    pub handled: u64,
    /// Records that it has refused, or panicked over.
    pub failed: u64,
    /// Records that found the queue full.
    pub dropped: u64,
}

/// Looks at a [`BackgroundHandler`] from elsewhere.
#[derive(Clone)]
pub struct BackgroundMonitor(Arc<Shared>);

impl BackgroundMonitor {
    /// The numbers so far.
    pub fn counts(&self) -> BackgroundCounts {
        self.0.lock().counts
    }
}

struct Shared {
    state: Mutex<State>,
    /// A record has come, or the end.
    called: Condvar,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    records: VecDeque<Record<'static>>,
    bytes: usize,
    is_closed: bool,
    has_ended: bool,
    counts: BackgroundCounts,
    /// What the other handler has met since the last flush.
    failure: Option<String>,
}

impl BackgroundBuilder {
    /// How many records wait at most. Default: 10 000.
    pub fn max_records(mut self, max_records: usize) -> BackgroundBuilder {
        self.max_records = max_records;
        self
    }

    /// How many bytes of records wait at most; one longer record is let in alone. Default: 16 MiB.
    pub fn max_bytes(mut self, max_bytes: usize) -> BackgroundBuilder {
        self.max_bytes = max_bytes;
        self
    }

    /// How long the end waits for what is still to be written. Default: 5 seconds.
    pub fn close_timeout(mut self, close_timeout: Duration) -> BackgroundBuilder {
        self.close_timeout = close_timeout;
        self
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(self) -> Result<BackgroundHandler, HandlerError> {
        let BackgroundBuilder { handler, max_records, max_bytes, close_timeout } = self;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            called: Condvar::new(),
            ended: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("logboom-handler".into())
            .spawn(move || of_thread.run(handler))
            .map_err(|source| HandlerError::Io {
                operation: "start the thread of",
                path: "<background handler>".into(),
                source,
            })?;
        Ok(BackgroundHandler { shared, max_records, max_bytes, close_timeout })
    }
}

impl BackgroundHandler {
    /// Settings for a thread of `handler`.
    pub fn builder(handler: impl Handler + 'static) -> BackgroundBuilder {
        BackgroundBuilder {
            handler: Box::new(handler),
            max_records: MAX_RECORDS,
            max_bytes: MAX_BYTES,
            close_timeout: CLOSE_TIMEOUT,
        }
    }

    /// How to look at its numbers wherever it goes.
    pub fn monitor(&self) -> BackgroundMonitor {
        BackgroundMonitor(Arc::clone(&self.shared))
    }
}

impl Handler for BackgroundHandler {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        let bytes = record.memory_bytes();
        let record = record.clone().into_owned();
        let mut state = self.shared.lock();
        let is_full = state.records.len() >= self.max_records
            || (!state.records.is_empty() && state.bytes + bytes > self.max_bytes);
        if state.is_closed || is_full {
            state.counts.dropped += 1;
            let why = if state.is_closed { "it is closed" } else { "it cannot follow" };
            return Err(HandlerError::other(format!("a record was dropped: {why}")));
        }
        state.bytes += bytes;
        state.records.push_back(record);
        self.shared.called.notify_one();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        self.shared.lock().take_failure()
    }

    fn close(&mut self) -> Result<(), HandlerError> {
        let mut state = self.shared.lock();
        state.is_closed = true;
        self.shared.called.notify_one();
        let (mut state, _) = self
            .shared
            .ended
            .wait_timeout_while(state, self.close_timeout, |state| !state.has_ended)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.has_ended {
            let left = state.records.len() + 1;
            let sentence = format!("{left} records were left behind: the handler hangs");
            return Err(HandlerError::other(sentence));
        }
        state.take_failure()
    }
}

impl Drop for BackgroundHandler {
    fn drop(&mut self) {
        // Whoever wants to know closes it.
        let _reported = self.close();
    }
}

impl State {
    fn take_failure(&mut self) -> Result<(), HandlerError> {
        self.failure.take().map_or(Ok(()), |failure| Err(HandlerError::other(failure)))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut handler: Box<dyn Handler>) {
        while let Some(record) = self.next_record() {
            let outcome = attempt(|| handler.handle(&record));
            let mut state = self.lock();
            match outcome {
                Ok(()) => state.counts.handled += 1,
                Err(failure) => {
                    state.counts.failed += 1;
                    state.failure = Some(failure);
                }
            }
            let is_idle = state.records.is_empty();
            drop(state);
            if is_idle {
                self.note(attempt(|| handler.flush()));
            }
        }
        self.note(attempt(|| handler.close()));
        self.note(attempt(move || {
            drop(handler);
            Ok(())
        }));
        self.lock().has_ended = true;
        self.ended.notify_all();
    }

    /// The next record; `None` when none is left and none will come.
    fn next_record(&self) -> Option<Record<'static>> {
        let is_waiting = |state: &mut State| state.records.is_empty() && !state.is_closed;
        let mut state =
            self.called.wait_while(self.lock(), is_waiting).unwrap_or_else(PoisonError::into_inner);
        let record = state.records.pop_front()?;
        state.bytes -= record.memory_bytes();
        Some(record)
    }

    fn note(&self, outcome: Result<(), String>) {
        if let Err(failure) = outcome {
            self.lock().failure = Some(failure);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::Level;

    /// Takes a record whenever it is told to; refuses and panics by message.
    struct Stepping {
        step: Receiver<()>,
        seen: Sender<String>,
    }

    impl Handler for Stepping {
        fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
            let _released = self.step.recv();
            match &*record.message {
                "refuse" => return Err(HandlerError::other("refused")),
                "panic" => std::panic::resume_unwind(Box::new("silent")),
                _ => {}
            }
            self.seen.send(record.message.to_string()).map_err(HandlerError::other)
        }

        fn flush(&mut self) -> Result<(), HandlerError> {
            Ok(())
        }

        fn close(&mut self) -> Result<(), HandlerError> {
            self.seen.send("closed".to_owned()).map_err(HandlerError::other)
        }
    }

    fn stepping() -> (Sender<()>, Receiver<String>, BackgroundBuilder) {
        let ((step, steps), (sender, seen)) = (channel(), channel());
        let handler = Stepping { step: steps, seen: sender };
        (step, seen, BackgroundHandler::builder(handler))
    }

    fn log(handler: &mut BackgroundHandler, text: &str) -> Result<(), String> {
        let handled = handler.handle(&Record::new(0, Level::INFO, "", text));
        handled.map_err(|error| error.to_string())
    }

    #[test]
    fn records_arrive_in_their_order_and_before_the_end() {
        let (step, seen, builder) = stepping();
        let mut handler = builder.start().unwrap();
        ["a", "b", "c"].iter().for_each(|text| log(&mut handler, text).unwrap());
        drop(step);
        handler.close().unwrap();
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["a", "b", "c", "closed"]);
        assert!(log(&mut handler, "late").unwrap_err().contains("it is closed"));
    }

    #[test]
    fn a_full_queue_drops_counts_and_goes_on() {
        let (step, seen, builder) = stepping();
        let mut handler = builder.max_records(2).start().unwrap();
        let monitor = handler.monitor();
        // One may be in the hands of the thread, two wait.
        let taken = (0..9).filter(|n| log(&mut handler, &n.to_string()).is_ok()).count();
        assert!((2..=3).contains(&taken), "{taken}");
        assert_eq!(monitor.counts().dropped, 9 - taken as u64);
        step.send(()).unwrap();
        assert_eq!(seen.recv().unwrap(), "0");
        drop(step);
        handler.close().unwrap();
        assert_eq!(monitor.counts().handled, taken as u64);
    }

    #[test]
    fn bytes_are_bounded_and_one_long_record_goes_alone() {
        let (step, seen, builder) = stepping();
        let mut handler = builder.max_bytes(1000).start().unwrap();
        log(&mut handler, "first").unwrap();
        step.send(()).unwrap();
        assert_eq!(seen.recv().unwrap(), "first");
        let long = "x".repeat(5000);
        let taken = [0; 4].iter().filter(|_| log(&mut handler, &long).is_ok()).count();
        assert!((1..=2).contains(&taken), "{taken}");
        drop(step);
    }

    #[test]
    fn failures_and_panics_are_counted_and_told_by_the_next_flush() {
        let (step, _seen, builder) = stepping();
        let mut handler = builder.start().unwrap();
        ["refuse", "a", "panic"].iter().for_each(|text| log(&mut handler, text).unwrap());
        drop(step);
        assert_eq!(handler.close().unwrap_err().to_string(), "it panicked");
        handler.flush().unwrap();
        let counts = handler.monitor().counts();
        assert_eq!((counts.handled, counts.failed, counts.dropped), (1, 2, 0));
    }

    #[test]
    fn a_handler_that_hangs_is_left_behind() {
        let (_step, _seen, builder) = stepping();
        let mut handler = builder.close_timeout(Duration::from_millis(20)).start().unwrap();
        log(&mut handler, "a").unwrap();
        assert!(handler.close().unwrap_err().to_string().ends_with("the handler hangs"));
    }
}
