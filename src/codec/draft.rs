//! A record on its way in: borrowed from the log call, read once by the encoder.

use std::fmt;

#[cfg(feature = "listener")]
use super::STYLED;
use super::output::{Output, Writer};
use super::pieces::{Text, write_map_header};
use super::{MAX_FIELDS_BYTES, MAX_NAME_BYTES, NO_ATTRIBUTES};
#[cfg(feature = "listener")]
use crate::Record;
use crate::{Level, Thread, Value};

/// What a log call has to say.
pub(crate) struct Draft<'a> {
    pub(crate) time_ns: i64,
    pub(crate) level: Level,
    pub(crate) logger: &'a str,
    pub(crate) message: fmt::Arguments<'a>,
    pub(crate) file: Option<&'a str>,
    pub(crate) line: Option<u32>,
    pub(crate) exception: Option<&'a dyn fmt::Display>,
    pub(crate) attributes: Option<&'a dyn Attributes>,
    pub(crate) thread: Thread<'a>,
}

impl<'a> Draft<'a> {
    /// A draft with a message and nothing else.
    pub(crate) fn new(
        time_ns: i64,
        level: Level,
        logger: &'a str,
        message: fmt::Arguments<'a>,
    ) -> Draft<'a> {
        Draft {
            time_ns,
            level,
            logger,
            message,
            file: None,
            line: None,
            exception: None,
            attributes: None,
            thread: Thread::default(),
        }
    }
}

/// Typed key-value pairs and spans of a log call. Each method is called once per record.
pub(crate) trait Attributes {
    /// Hands every field to `to`.
    fn fields(&self, to: &mut FieldEncoder<'_>);

    /// Hands every span to `to`, root first.
    #[cfg(any(all(test, feature = "formatter"), feature = "listener", feature = "tracing"))]
    fn spans(&self, _to: &mut SpanEncoder<'_>) {}
}

/// The fields and spans of a record that was made already.
#[cfg(feature = "listener")]
pub(crate) struct RecordAttributes<'a>(pub(crate) &'a Record<'a>);

#[cfg(feature = "listener")]
impl RecordAttributes<'_> {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        let Record { styled, function, fields, spans, .. } = self.0;
        styled.is_none() && function.is_none() && fields.is_empty() && spans.is_empty()
    }
}

#[cfg(feature = "listener")]
impl Attributes for RecordAttributes<'_> {
    fn fields(&self, to: &mut FieldEncoder<'_>) {
        if let Some(styled) = &self.0.styled {
            to.display(STYLED, styled);
        }
        if let Some(function) = &self.0.function {
            to.display("function", function);
        }
        self.0.fields.iter().for_each(|field| to.value(&field.key, &field.value));
    }

    fn spans(&self, to: &mut SpanEncoder<'_>) {
        for span in &self.0.spans {
            to.span(&span.name, |to| {
                span.fields.iter().for_each(|field| to.value(&field.key, &field.value));
            });
        }
    }
}

/// Takes the fields of one record, and writes them where the record will stand.
///
/// All fields and spans of a record take at most 24 KiB; what finds no room is counted in its field
/// `omitted_fields`.
// They are a MessagePack map whose length is known at the end.
pub struct FieldEncoder<'a> {
    out: &'a mut dyn Output,
    header_at: usize,
    end_at: usize,
    written: u32,
    omitted: u64,
}

impl<'a> FieldEncoder<'a> {
    /// Begins a map; it and what follows it end before `end_at` in `out`.
    pub(super) fn begin(out: &'a mut dyn Output, end_at: usize) -> FieldEncoder<'a> {
        let header_at = out.position();
        write_map_header(out, 0);
        FieldEncoder { out, header_at, end_at, written: 0, omitted: 0 }
    }

    /// Adds a field. Text is cut where there is no room for it.
    pub fn add<'v>(&mut self, key: &str, value: impl Into<Value<'v>>) {
        self.value(key, &value.into());
    }

    /// Adds a field; text is cut, and a field left out and counted, where there is no room.
    pub(crate) fn value(&mut self, key: &str, value: &Value<'_>) {
        match value {
            Value::Str(text) => self.display(key, text),
            Value::Null => self.scalar(key, |out| rmp::encode::write_nil(out).is_ok()),
            Value::Bool(v) => self.scalar(key, |out| rmp::encode::write_bool(out, *v).is_ok()),
            Value::I64(v) => self.scalar(key, |out| rmp::encode::write_sint(out, *v).is_ok()),
            Value::U64(v) => self.scalar(key, |out| rmp::encode::write_uint(out, *v).is_ok()),
            Value::F64(v) => self.scalar(key, |out| rmp::encode::write_f64(out, *v).is_ok()),
        }
    }

    /// Adds a field whose value is the text of `value`. One that panics leaves a mark in the text.
    pub fn display(&mut self, key: &str, value: &dyn fmt::Display) {
        if self.key(key) {
            let room =
                self.end_at.saturating_sub(self.out.position()).saturating_sub(Self::KEPT_BYTES);
            Text::write(self.out, room, format_args!("{value}"));
        }
    }

    /// Most a key, a number and the count of omitted fields take beside a text.
    const KEPT_BYTES: usize = 128;

    /// Lets `fill` add fields that take at most `max_bytes` together.
    pub(crate) fn within(&mut self, max_bytes: usize, fill: impl FnOnce(&mut Self)) {
        let end_at = self.end_at;
        self.end_at = end_at.min(self.out.position() + max_bytes);
        fill(self);
        self.end_at = end_at;
    }

    /// Counts a field that could not be made.
    pub(crate) fn omit(&mut self) {
        self.omitted += 1;
    }

    fn scalar(&mut self, key: &str, write: impl FnOnce(&mut Writer<'_, dyn Output + '_>) -> bool) {
        if self.key(key) {
            write(&mut Writer(self.out));
        }
    }

    fn key(&mut self, key: &str) -> bool {
        let needed = key.len().min(MAX_NAME_BYTES) + 2 * Self::KEPT_BYTES;
        let fits = self.out.position() + needed <= self.end_at;
        if fits {
            self.written += 1;
            Text::write_str(self.out, MAX_NAME_BYTES, key);
        } else {
            self.omitted += 1;
        }
        fits
    }

    /// Writes the count of fields; a field `omitted_fields` tells of those without room.
    pub(super) fn end(self) {
        let FieldEncoder { out, header_at, mut written, omitted, .. } = self;
        if omitted > 0 {
            written += 1;
            Text::write_str(out, MAX_NAME_BYTES, "omitted_fields");
            let _infallible = rmp::encode::write_uint(&mut Writer(out), omitted);
        }
        out.patch(header_at + 1, written.to_be_bytes());
    }
}

/// Writes spans as a MessagePack array whose length is known at the end.
#[cfg(any(all(test, feature = "formatter"), feature = "listener", feature = "tracing"))]
pub(crate) struct SpanEncoder<'a> {
    out: &'a mut dyn Output,
    header_at: usize,
    end_at: usize,
    written: u32,
}

#[cfg(any(all(test, feature = "formatter"), feature = "listener", feature = "tracing"))]
impl<'a> SpanEncoder<'a> {
    pub(super) fn begin(out: &'a mut dyn Output, end_at: usize) -> SpanEncoder<'a> {
        let header_at = out.position();
        out.put(&[0xdd, 0, 0, 0, 0]);
        SpanEncoder { out, header_at, end_at, written: 0 }
    }

    /// Adds a span with the fields that `fill` hands over; left out where there is no room.
    pub(crate) fn span(&mut self, name: &str, fill: impl FnOnce(&mut FieldEncoder<'_>)) {
        let needed = name.len().min(MAX_NAME_BYTES) + 3 * FieldEncoder::KEPT_BYTES;
        if self.out.position() + needed > self.end_at {
            return;
        }
        self.written += 1;
        self.out.put(&[0x92]);
        Text::write_str(self.out, MAX_NAME_BYTES, name);
        let mut fields = FieldEncoder::begin(self.out, self.end_at);
        fill(&mut fields);
        fields.end();
    }

    pub(super) fn end(self) {
        self.out.patch(self.header_at + 1, self.written.to_be_bytes());
    }
}

/// Writes the fields and spans of a draft, together at most [`MAX_FIELDS_BYTES`].
pub(super) fn write_attributes(attributes: Option<&dyn Attributes>, out: &mut impl Output) {
    let Some(attributes) = attributes else {
        return out.put(&NO_ATTRIBUTES);
    };
    let end_at = out.position() + MAX_FIELDS_BYTES;
    let mut fields = FieldEncoder::begin(out, end_at - FieldEncoder::KEPT_BYTES);
    attributes.fields(&mut fields);
    fields.end();
    write_spans(attributes, out, end_at);
}

#[cfg(any(all(test, feature = "formatter"), feature = "listener", feature = "tracing"))]
fn write_spans(attributes: &dyn Attributes, out: &mut impl Output, end_at: usize) {
    let mut spans = SpanEncoder::begin(out, end_at);
    attributes.spans(&mut spans);
    spans.end();
}

/// Only `tracing` has spans, and a listener that sends them on.
#[cfg(not(any(all(test, feature = "formatter"), feature = "listener", feature = "tracing")))]
fn write_spans(_: &dyn Attributes, out: &mut impl Output, _: usize) {
    out.put(&[0x90]);
}
