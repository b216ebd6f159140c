//! The layer for `tracing`: events become records, spans their context.

use std::fmt;
use std::sync::Arc;

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes as SpanValues, Id, Record as SpanRecord};
use tracing_core::subscriber::Interest;
use tracing_core::{Event, LevelFilter, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::QueueHandler;
use super::levels::Levels;
use crate::codec::{Attributes, Draft, FieldEncoder, SpanEncoder};
use crate::record::now_ns;
use crate::{Level, Value};

/// A layer that puts the events that its worker's levels let pass on the queue.
pub(super) fn queue_layer<S>(handler: QueueHandler) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let table = LevelTable(Arc::clone(&handler.worker.levels));
    QueueLayer { handler }.with_filter(table)
}

/// The worker's levels, for this layer only: other layers of the same subscriber see all.
struct LevelTable(Arc<Levels>);

impl<S> Filter<S> for LevelTable {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.0.enabled(facade_level(metadata).into(), metadata.target())
    }

    /// Asked again when the table changes: a push rebuilds the interest cache.
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.0.enabled(facade_level(metadata).into(), metadata.target()) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.0.max() {
            log::LevelFilter::Off => LevelFilter::OFF,
            log::LevelFilter::Error => LevelFilter::ERROR,
            log::LevelFilter::Warn => LevelFilter::WARN,
            log::LevelFilter::Info => LevelFilter::INFO,
            log::LevelFilter::Debug => LevelFilter::DEBUG,
            log::LevelFilter::Trace => LevelFilter::TRACE,
        })
    }
}

fn facade_level(metadata: &Metadata<'_>) -> log::Level {
    match *metadata.level() {
        tracing_core::Level::ERROR => log::Level::Error,
        tracing_core::Level::WARN => log::Level::Warn,
        tracing_core::Level::INFO => log::Level::Info,
        tracing_core::Level::DEBUG => log::Level::Debug,
        tracing_core::Level::TRACE => log::Level::Trace,
    }
}

struct QueueLayer {
    handler: QueueHandler,
}

impl<S> Layer<S> for QueueLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, values: &SpanValues<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = SpanFields::default();
            values.record(&mut fields);
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &SpanRecord<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<SpanFields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let attributes = EventAttributes { event, context: &context };
        self.handler.send(Draft {
            file: metadata.file(),
            line: metadata.line(),
            attributes: Some(&attributes),
            ..Draft::new(
                now_ns(),
                Level::from(facade_level(metadata)),
                metadata.target(),
                format_args!("{}", Message(event)),
            )
        });
    }
}

/// The fields of a span, kept typed until its events need them. A value recorded again replaces
/// the one before.
#[derive(Default)]
struct SpanFields(Vec<(&'static str, Value<'static>)>);

impl SpanFields {
    fn set(&mut self, field: &Field, value: Value<'static>) {
        match self.0.iter_mut().find(|(key, _)| *key == field.name()) {
            Some((_, old)) => *old = value,
            None => self.0.push((field.name(), value)),
        }
    }
}

impl Visit for SpanFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, Value::Str(format!("{value:?}").into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Value::F64(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::U64(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::Str(value.to_owned().into()));
    }
}

/// The message of an event: its field of that name.
struct Message<'a>(&'a Event<'a>);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut visitor = MessageVisitor { out: f, result: Ok(()) };
        self.0.record(&mut visitor);
        visitor.result
    }
}

struct MessageVisitor<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    result: fmt::Result,
}

impl Visit for MessageVisitor<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            self.result = write!(self.out, "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            self.result = self.out.write_str(value);
        }
    }
}

const MESSAGE: &str = "message";

struct EventAttributes<'a, S> {
    event: &'a Event<'a>,
    context: &'a Context<'a, S>,
}

impl<S> Attributes for EventAttributes<'_, S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn fields(&self, to: &mut FieldEncoder<'_>) {
        self.event.record(&mut EventFields(to));
    }

    fn spans(&self, to: &mut SpanEncoder<'_>) {
        let scope = self.context.event_scope(self.event);
        scope
            .into_iter()
            .flat_map(|scope| scope.from_root())
            .for_each(|span| encode_span(&span, to));
    }
}

fn encode_span<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, to: &mut SpanEncoder<'_>) {
    let extensions = span.extensions();
    to.span(span.name(), |fields| {
        for (key, value) in extensions.get::<SpanFields>().iter().flat_map(|fields| &fields.0) {
            fields.value(key, value);
        }
    });
}

/// The fields of an event beside its message.
struct EventFields<'a, 'b>(&'a mut FieldEncoder<'b>);

impl EventFields<'_, '_> {
    fn value(&mut self, field: &Field, value: Value<'_>) {
        if field.name() != MESSAGE {
            self.0.value(field.name(), &value);
        }
    }
}

impl Visit for EventFields<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != MESSAGE {
            self.0.display(field.name(), &format_args!("{value:?}"));
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, Value::F64(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, Value::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, Value::U64(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, Value::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field, Value::Str(value.into()));
    }
}
