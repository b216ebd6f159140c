//! `QueueHandler`: the worker's one handler, which puts every record on the queue.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use log::kv;

use super::adapter::{AdapterAttributes, Extra, Processed, ScopedAttributes};
use super::facts::current_thread;
use super::levels::Levels;
#[cfg(feature = "supervisor")]
use crate::Record;
#[cfg(feature = "supervisor")]
use crate::codec::RecordAttributes;
use crate::codec::{Draft, FieldEncoder};
use crate::queue::{Certainty, FlushReport, QueueDir, QueueStats, Transport};
use crate::record::now_ns;
use crate::{Context, Level, Thread, Value, context};

/// Puts records on the queue of a listener. Cheap to clone; all clones are one worker.
///
/// It is a [`log::Log`]; [`init`](crate::init) installs one for the whole program.
#[derive(Clone)]
pub struct QueueHandler {
    pub(super) worker: Arc<Worker>,
}

pub(super) struct Worker {
    pub(super) transport: Box<dyn Transport>,
    pub(super) levels: Arc<Levels>,
    pub(super) origin: Origin,
}

/// Where the records of a worker go, and what they have in common: for the children it starts.
pub(super) struct Origin {
    /// None where records go to standard error.
    pub(super) queue: Option<QueueDir>,
    pub(super) context: Context,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.transport.close();
    }
}

impl QueueHandler {
    pub(super) fn new(
        transport: Box<dyn Transport>,
        levels: Arc<Levels>,
        origin: Origin,
    ) -> QueueHandler {
        QueueHandler { worker: Arc::new(Worker { transport, levels, origin }) }
    }

    /// Queues a record of any level, if the worker's levels let it pass. Blocks as long as the
    /// [`Overflow`](crate::Overflow) policy says. File and line of the record are the caller's.
    #[inline]
    #[track_caller]
    pub fn log(&self, level: Level, logger: &str, message: fmt::Arguments<'_>) {
        if self.enabled(level, logger) {
            self.log_at(Location::caller(), level, logger, message);
        }
    }

    fn log_at(
        &self,
        place: &Location<'_>,
        level: Level,
        logger: &str,
        message: fmt::Arguments<'_>,
    ) {
        self.send(Draft {
            file: Some(place.file()),
            line: Some(place.line()),
            ..Draft::new(now_ns(), level, logger, message)
        });
    }

    /// Queues a record that no thread of this process has made, such as a line of a child's output:
    /// it carries no thread.
    pub fn relay(&self, level: Level, logger: &str, message: &str) {
        if self.enabled(level, logger) {
            let transport = &self.worker.transport;
            transport.send(&Draft::new(now_ns(), level, logger, format_args!("{message}")));
        }
    }

    /// Queues a record that was made elsewhere, with its own time, thread and fields. The process is that
    /// of this handler.
    #[cfg(feature = "supervisor")]
    pub(crate) fn relay_record(&self, record: &Record<'_>) {
        if !self.enabled(record.level, &record.logger) {
            return;
        }
        let attributes = RecordAttributes(record);
        let Record { time_ns, level, logger, message, .. } = record;
        self.worker.transport.send(&Draft {
            file: record.file.as_deref(),
            line: record.line,
            exception: record.exception.as_ref().map(|text| text as &dyn fmt::Display),
            attributes: (!attributes.is_empty()).then_some(&attributes),
            thread: record.thread.clone(),
            ..Draft::new(*time_ns, *level, logger, format_args!("{message}"))
        });
    }

    /// Whether a call of this level and logger would be queued.
    #[inline]
    pub fn enabled(&self, level: Level, logger: &str) -> bool {
        self.worker.levels.enabled(level, logger)
    }

    /// Waits until all records queued before are as certain as asked, or `timeout` has passed.
    pub fn flush(&self, certainty: Certainty, timeout: Duration) -> FlushReport {
        self.worker.transport.flush(certainty, timeout)
    }

    /// What happened so far.
    pub fn stats(&self) -> QueueStats {
        self.worker.transport.stats()
    }

    /// Queues what a macro of `log` says, under the name `logger` and with what adapters add.
    pub(super) fn log_as(&self, logger: &str, record: &log::Record<'_>, extras: &[Arc<dyn Extra>]) {
        if !self.worker.levels.enabled(record.level().into(), logger) {
            return;
        }
        let pairs = Some(record.key_values()).filter(|pairs| pairs.count() > 0);
        let attributes = AdapterAttributes { extras, pairs };
        let processed = Processed { extras, message: *record.args() };
        let processed = format_args!("{processed}");
        let message = if extras.is_empty() { *record.args() } else { processed };
        self.send(Draft {
            file: record.file(),
            line: record.line(),
            attributes: (pairs.is_some() || !extras.is_empty()).then_some(&attributes),
            ..Draft::new(now_ns(), record.level().into(), logger, message)
        });
    }

    #[inline]
    pub(super) fn send(&self, draft: Draft<'_>) {
        let (id, name) = current_thread();
        let thread = Thread { id, name: (*name).into() };
        let scoped = ScopedAttributes(draft.attributes);
        let attributes = if context::is_open() { Some(&scoped as _) } else { draft.attributes };
        self.worker.transport.send(&Draft { thread, attributes, ..draft });
    }
}

impl log::Log for QueueHandler {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.worker.levels.enabled(metadata.level().into(), metadata.target())
    }

    fn log(&self, record: &log::Record<'_>) {
        self.log_as(record.target(), record, &[]);
    }

    /// Waits up to one second for all records to be in the log file.
    fn flush(&self) {
        let _pending = self.worker.transport.flush(Certainty::Written, Duration::from_secs(1));
    }
}

/// Hands over the key-value pairs of a record of the `log` facade.
pub(super) fn encode_pairs(pairs: &dyn kv::Source, to: &mut FieldEncoder<'_>) {
    // The visitor below returns no error; one of the source ends its pairs.
    let _ended = pairs.visit(&mut PairVisitor(to));
}

struct PairVisitor<'a, 'b>(&'a mut FieldEncoder<'b>);

impl<'kvs> kv::VisitSource<'kvs> for PairVisitor<'_, '_> {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        value.visit(FieldVisitor { key: key.as_str(), to: self.0 })
    }
}

struct FieldVisitor<'a, 'b> {
    key: &'a str,
    to: &'a mut FieldEncoder<'b>,
}

impl FieldVisitor<'_, '_> {
    fn value(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        self.to.value(self.key, &value);
        Ok(())
    }
}

impl<'v> kv::VisitValue<'v> for FieldVisitor<'_, '_> {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.to.display(self.key, &value);
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.value(Value::Null)
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.value(Value::Bool(value))
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.value(Value::I64(value))
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.value(Value::U64(value))
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.value(Value::F64(value))
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.value(Value::Str(value.into()))
    }
}
