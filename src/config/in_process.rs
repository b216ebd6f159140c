//! A program that logs alone: its records go to the handlers of a configuration at once.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Config;
use super::build::Opened;
use crate::causes::with_causes;
use crate::codec::{Draft, with_record};
use crate::handler::HandlerError;
use crate::logger::{Delivery, Destination, Routing, Summary};
use crate::queue::{Certainty, FlushReport, QueueStats, Transport};
use crate::record::now_ns;
use crate::{Builder, Level, Process, Record};

/// The logger of what is said about handlers.
const LOGGER: &str = "logboom";

impl Builder {
    /// Logs without a queue and a listener, into the handlers of `config`, whatever the environment
    /// says of queues. A log call writes before it returns; where several threads log, one waits for
    /// the other.
    ///
    /// A record that a handler cannot take is lost for it and counted as dropped; the first of them
    /// is told to the other handlers. When the guard is dropped, handlers are closed, and what is
    /// logged later is dropped. Without `LOGBOOM_FILTER` and `RUST_LOG`, the levels are those of the
    /// loggers.
    ///
    /// ```no_run
    /// use logboom::config::Config;
    ///
    /// let config = Config::read("logging.toml".as_ref())?;
    /// let _guard = logboom::builder().config(&config)?.init()?;
    /// log::info!("alone");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A handler cannot be opened.
    pub fn config(self, config: &Config) -> Result<Builder, HandlerError> {
        let mut handlers = Vec::new();
        let plan = config.plan(|name, settings| {
            let handler = config.open(settings)?;
            handlers.push(Attached { name: name.to_owned(), handler, is_failing: false });
            Ok(Destination::Handler(handlers.len() - 1))
        })?;
        let routing = Routing::new(plan);
        let filter = routing.lowest_level().to_facade().as_str();
        let state = State {
            routing,
            handlers,
            deliveries: Vec::new(),
            next_seq: 0,
            dropped: 0,
            is_closed: false,
        };
        Ok(self
            .default_filter(filter)
            .local(move |process| Box::new(InProcess { process, state: Mutex::new(state) })))
    }
}

struct InProcess {
    process: Process,
    state: Mutex<State>,
}

struct State {
    routing: Routing,
    /// By their numbers in the routing.
    handlers: Vec<Attached>,
    /// Of one record; kept for its memory.
    deliveries: Vec<Delivery>,
    next_seq: u64,
    dropped: u64,
    is_closed: bool,
}

/// A handler that a logger leads to.
struct Attached {
    name: String,
    handler: Opened,
    /// It has failed the last time: an outage is told once.
    is_failing: bool,
}

impl InProcess {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for InProcess {
    fn send(&self, draft: &Draft<'_>) {
        // The lock is taken when all is formatted: a Display that logs would wait for itself.
        with_record(draft, &self.process, |record| {
            let mut state = self.lock();
            if state.is_closed {
                state.dropped += 1;
                return;
            }
            record.seq = state.next_seq;
            state.next_seq += 1;
            state.take(record);
        });
    }

    fn flush(&self, _certainty: Certainty, _timeout: Duration) -> FlushReport {
        FlushReport { pending_records: 0 }
    }

    fn settle(&self, _timeout: Duration) {
        self.close();
    }

    fn close(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.is_closed, true) {
            state.close();
        }
    }

    fn stats(&self) -> QueueStats {
        let state = self.lock();
        QueueStats { records: state.next_seq, dropped: state.dropped }
    }
}

impl State {
    fn take(&mut self, record: &Record<'_>) {
        let time_ns = record.time_ns;
        self.route(record, None);
        self.summarize(time_ns);
    }

    fn route(&mut self, record: &Record<'_>, but: Option<usize>) {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        let mut record = Cow::Borrowed(record);
        self.routing.route(&mut record, &mut deliveries);
        let failures = self.hand_out(&record, &deliveries, but);
        deliveries.clear();
        self.deliveries = deliveries;
        self.tell(failures);
    }

    /// Tells the others. One that fails at that is failing already when its turn comes.
    fn tell(&mut self, failures: Vec<(usize, String)>) {
        for (index, text) in failures {
            let notice = Record::new(now_ns(), Level::ERROR, LOGGER, text);
            self.route(&notice, Some(index));
        }
    }

    /// Gives a record to all but one; what there is to say of those that have begun to fail.
    fn hand_out(
        &mut self,
        record: &Record<'_>,
        deliveries: &[Delivery],
        but: Option<usize>,
    ) -> Vec<(usize, String)> {
        let mut failures = Vec::new();
        for Delivery { destination, changed } in deliveries {
            let Destination::Handler(index) = *destination else { continue };
            if but == Some(index) {
                continue;
            }
            let Attached { name, handler, is_failing } = &mut self.handlers[index];
            let handler = handler.handler();
            let outcome = handler.handle(changed.as_ref().unwrap_or(record));
            let failed = outcome.and_then(|()| handler.flush()).err();
            let was_failing = std::mem::replace(is_failing, failed.is_some());
            if let Some(error) = failed {
                self.dropped += 1;
                if !was_failing {
                    let text = format!("handler {name} failed: {}", with_causes(&error));
                    failures.push((index, text));
                }
            }
        }
        failures
    }

    fn summarize(&mut self, until_ns: i64) {
        if self.routing.has_filters() {
            for Summary { record, deliveries } in self.routing.take_summaries(until_ns) {
                let failures = self.hand_out(&record, &deliveries, None);
                self.tell(failures);
            }
            for text in self.routing.take_notices() {
                self.route(&Record::new(now_ns(), Level::ERROR, LOGGER, text), None);
            }
        }
    }

    fn close(&mut self) {
        self.summarize(i64::MAX);
        for attached in self.handlers.drain(..) {
            // Nobody is left to be told.
            let _failed = attached.handler.close();
        }
    }
}
