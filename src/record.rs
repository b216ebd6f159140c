//! What one log call says, as handlers, filters and formatters see it.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use crate::Level;

/// One log call of one worker.
///
/// A record borrows from the batch it arrived in; [`Record::into_owned`] keeps it longer.
/// The attribute names are close to Python's `LogRecord` (Python docs, "LogRecord attributes").
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Record<'a> {
    /// When the call was made, nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// How severe it is.
    pub level: Level,
    /// The name of the logger, with dots or `::` between its parts.
    pub logger: Cow<'a, str>,
    /// The formatted message.
    pub message: Cow<'a, str>,
    /// The message with the colours in which a worker has printed it, as ANSI sequences, for terminals;
    /// where a supervisor was asked to keep them.
    pub styled: Option<Cow<'a, str>>,
    /// Source file of the call.
    pub file: Option<Cow<'a, str>>,
    /// Line of the call in [`file`](Self::file), from 1.
    pub line: Option<u32>,
    /// Function of the call, where that is known: records of Python have it.
    pub function: Option<Cow<'a, str>>,
    /// Text of an error or panic with its backtrace, kept apart from the message.
    pub exception: Option<Cow<'a, str>>,
    /// Typed key-value pairs: of the scopes the call was made in, outermost first, of adapters, and
    /// of the call, in its order. Of the same key the last counts; see [`field`](Self::field).
    pub fields: Vec<Field<'a>>,
    /// The spans the call was made in, root first.
    pub spans: Vec<Span<'a>>,
    /// The thread that made the call.
    pub thread: Thread<'a>,
    /// The process that made the call.
    pub process: Cow<'a, Process>,
    /// The lane the record travelled in: a random number, unique in the queue's life.
    pub lane: u64,
    /// Number of the call in its lane, from 0 without gaps.
    pub seq: u64,
}

impl<'a> Record<'a> {
    /// A record with a message and nothing else, in lane 0 of no process.
    pub fn new(
        time_ns: i64,
        level: Level,
        logger: impl Into<Cow<'a, str>>,
        message: impl Into<Cow<'a, str>>,
    ) -> Record<'a> {
        Record {
            time_ns,
            level,
            logger: logger.into(),
            message: message.into(),
            styled: None,
            file: None,
            line: None,
            function: None,
            exception: None,
            fields: Vec::new(),
            spans: Vec::new(),
            thread: Thread::default(),
            process: Cow::Owned(Process::default()),
            lane: 0,
            seq: 0,
        }
    }

    /// The value that the key `key` has in this record: in its fields, else in its spans, innermost
    /// first, else in the context of its process.
    pub fn field(&self, key: &str) -> Option<&Value<'a>> {
        let of_spans = self.spans.iter().rev().flat_map(|span| span.fields.iter().rev());
        let of_process = self.process.context.iter().rev();
        let fields = self.fields.iter().rev().chain(of_spans).chain(of_process);
        fields.into_iter().find(|field| field.key == key).map(|field| &field.value)
    }

    /// The same record, owning all its text.
    pub fn into_owned(self) -> Record<'static> {
        Record {
            time_ns: self.time_ns,
            level: self.level,
            logger: own(self.logger),
            message: own(self.message),
            styled: self.styled.map(own),
            file: self.file.map(own),
            line: self.line,
            function: self.function.map(own),
            exception: self.exception.map(own),
            fields: self.fields.into_iter().map(Field::into_owned).collect(),
            spans: self.spans.into_iter().map(Span::into_owned).collect(),
            thread: Thread { id: self.thread.id, name: own(self.thread.name) },
            process: Cow::Owned(self.process.into_owned()),
            lane: self.lane,
            seq: self.seq,
        }
    }
}

#[cfg(feature = "listener")]
impl Record<'_> {
    /// The memory that an owned one takes, but for what the allocator adds.
    pub(crate) fn memory_bytes(&self) -> usize {
        let text = |text: &Option<Cow<'_, str>>| text.as_ref().map_or(0, |text| text.len());
        let span =
            |span: &Span<'_>| size_of::<Span<'_>>() + span.name.len() + memory_bytes(&span.fields);
        let Process { name, program, .. } = &*self.process;
        let names = self.logger.len() + self.thread.name.len() + name.len() + program.len();
        let texts = self.message.len() + text(&self.file) + text(&self.function);
        let texts = texts + text(&self.exception) + text(&self.styled);
        let spans: usize = self.spans.iter().map(span).sum();
        size_of::<Record<'_>>() + names + texts + memory_bytes(&self.fields) + spans
    }
}

#[cfg(feature = "listener")]
fn memory_bytes(fields: &[Field<'_>]) -> usize {
    let field = |field: &Field<'_>| {
        let text = if let Value::Str(text) = &field.value { text.len() } else { 0 };
        size_of::<Field<'_>>() + field.key.len() + text
    };
    fields.iter().map(field).sum()
}

/// One key with its typed value.
#[derive(Clone, Debug, PartialEq)]
pub struct Field<'a> {
    /// The key.
    pub key: Cow<'a, str>,
    /// The value.
    pub value: Value<'a>,
}

impl Field<'_> {
    pub(crate) fn into_owned(self) -> Field<'static> {
        Field { key: own(self.key), value: self.value.into_owned() }
    }
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number below zero, or any that fits.
    I64(i64),
    /// A whole number above [`i64::MAX`], or any that fits.
    U64(u64),
    /// A floating-point number.
    F64(f64),
    /// Text; also what has no type of its own here.
    Str(Cow<'a, str>),
}

impl Value<'_> {
    fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::I64(value) => Value::I64(value),
            Value::U64(value) => Value::U64(value),
            Value::F64(value) => Value::F64(value),
            Value::Str(value) => Value::Str(own(value)),
        }
    }
}

/// Text as it is, `null`, `true`, and numbers of floating point with a point or an exponent.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => value.fmt(f),
            Value::I64(value) => value.fmt(f),
            Value::U64(value) => value.fmt(f),
            // Debug keeps the point of 1.0 and writes 1e300 short.
            Value::F64(value) => write!(f, "{value:?}"),
            Value::Str(value) => value.fmt(f),
        }
    }
}

macro_rules! value_from {
    ($($of:ty => $variant:ident,)*) => {
        $(impl From<$of> for Value<'_> {
            fn from(value: $of) -> Self {
                Value::$variant(value.into())
            }
        })*
    };
}

value_from! {
    bool => Bool,
    i8 => I64, i16 => I64, i32 => I64, i64 => I64,
    u8 => U64, u16 => U64, u32 => U64, u64 => U64,
    f32 => F64, f64 => F64,
    String => Str,
}

impl From<usize> for Value<'_> {
    fn from(value: usize) -> Self {
        Value::U64(value as u64)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Value<'a> {
        Value::Str(value.into())
    }
}

/// A span of `tracing` that the call was made in, with its own fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Span<'a> {
    /// Name of the span.
    pub name: Cow<'a, str>,
    /// Its key-value pairs.
    pub fields: Vec<Field<'a>>,
}

impl Span<'_> {
    fn into_owned(self) -> Span<'static> {
        Span {
            name: own(self.name),
            fields: self.fields.into_iter().map(Field::into_owned).collect(),
        }
    }
}

/// Whether two short texts are the same. The C library would compare them by masked AVX-512 loads, and
/// where both are empty one from no memory at all, which takes the processor 100 ns to excuse.
#[cfg(feature = "formatter")]
#[inline]
pub(crate) fn is_same(text: &[u8], other: &[u8]) -> bool {
    if text.len() != other.len() {
        return false;
    }
    let (words, rest) = text.as_chunks::<8>();
    let (other_words, other_rest) = other.as_chunks::<8>();
    let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    words.iter().zip(other_words).all(|(a, b)| word(a) == word(b))
        && rest.iter().zip(other_rest).all(|(a, b)| a == b)
}

/// The thread of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thread<'a> {
    /// Number of the thread as the kernel knows it; 0 when unknown.
    pub id: u64,
    /// Its name; empty when it has none.
    pub name: Cow<'a, str>,
}

/// What is the same for all records of one worker process.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Process {
    /// Display name of the worker (`LOGBOOM_WORKER`); not unique.
    pub name: Arc<str>,
    /// Its process id.
    pub id: u32,
    /// File name of its program.
    pub program: Arc<str>,
    /// When it started logging, nanoseconds since the Unix epoch.
    pub started_ns: i64,
    /// What it has inherited through `LOGBOOM_CONTEXT` and was given besides: said once, and true of
    /// each of its records. At most 32 fields and 1000 bytes of [text](crate::Context) reach the log.
    pub context: Arc<[Field<'static>]>,
}

/// The time of a record that is made now, nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> i64 {
    // Linux has had this clock at all times: only one that does not exist is refused.
    let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap_or(TimeSpec::new(0, 0));
    now.tv_sec().saturating_mul(1_000_000_000).saturating_add(now.tv_nsec())
}

/// Below this a number is a time in seconds, below a thousand times this in milliseconds, then in
/// microseconds, then in nanoseconds: each reads the years 1973 to 5138 in its own unit.
#[cfg(any(feature = "receiver", feature = "tail"))]
pub(crate) const SECONDS_BELOW: f64 = 1e11;

/// Nanoseconds of the unit that a time has which is a number of this size.
#[cfg(any(feature = "receiver", feature = "tail"))]
pub(crate) fn unit_ns(number: f64) -> i64 {
    match number.abs() / SECONDS_BELOW {
        size if size < 1.0 => 1_000_000_000,
        size if size < 1e3 => 1_000_000,
        size if size < 1e6 => 1000,
        _ => 1,
    }
}

/// File name of the program of this process, as it was called.
pub(crate) fn own_program() -> Arc<str> {
    let path = std::env::args_os().next().unwrap_or_default();
    Path::new(&path).file_name().unwrap_or_default().to_string_lossy().into()
}

fn own(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_field_of_a_key_counts() {
        let fields = |pairs: &[(&'static str, i64)]| -> Vec<Field<'static>> {
            let field = |(key, value): &(&'static str, i64)| Field {
                key: (*key).into(),
                value: Value::I64(*value),
            };
            pairs.iter().map(field).collect()
        };
        let span = |pairs| Span { name: "span".into(), fields: fields(pairs) };
        let mut record = Record::new(0, Level::INFO, "", "");
        record.fields = fields(&[("a", 1), ("a", 2)]);
        record.spans = vec![span(&[("a", 3), ("b", 4), ("c", 5)]), span(&[("b", 6)])];
        record.process.to_mut().context = fields(&[("a", 7), ("d", 8)]).into();
        let values = ["a", "b", "c", "d", "e"].map(|key| record.field(key).cloned());
        assert_eq!(values, [Some(2), Some(6), Some(5), Some(8), None].map(|n| n.map(Value::I64)));
    }
}
