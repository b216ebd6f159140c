//! Reading entries, with `rmp-serde`, borrowed from the bytes they stand in.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Drops, KIND_DROPS, KIND_RECORD, KIND_THREAD};
use crate::{Field, Level, Process, Record, Span, Thread, Value};

/// Deepest nesting of the schema: entry, spans, span, fields, value.
const MAX_DEPTH: usize = 8;

/// One entry of a lane.
#[derive(Debug, PartialEq)]
pub(crate) enum Entry<'a> {
    Record(RecordEntry<'a>),
    /// The calls that follow are made by this thread.
    Thread {
        id: u64,
        name: &'a str,
    },
    Drops(Drops),
}

/// A record as it stands in its lane.
#[derive(Debug, PartialEq)]
pub(crate) struct RecordEntry<'a> {
    pub(crate) seq: u64,
    pub(crate) time_ns: i64,
    pub(crate) level: Level,
    pub(crate) logger: &'a str,
    pub(crate) file: Option<&'a str>,
    pub(crate) line: Option<u32>,
    pub(crate) fields: Vec<Field<'a>>,
    pub(crate) spans: Vec<Span<'a>>,
    pub(crate) exception: Option<&'a str>,
    pub(crate) message: &'a str,
}

impl<'a> RecordEntry<'a> {
    /// The record, with what its lane says of process and thread.
    pub(crate) fn into_record(
        self,
        process: &'a Process,
        thread: Thread<'a>,
        lane: u64,
    ) -> Record<'a> {
        Record {
            time_ns: self.time_ns,
            level: self.level,
            logger: Cow::Borrowed(self.logger),
            message: Cow::Borrowed(self.message),
            file: self.file.map(Cow::Borrowed),
            line: self.line,
            exception: self.exception.map(Cow::Borrowed),
            fields: self.fields,
            spans: self.spans,
            thread,
            process: Cow::Borrowed(process),
            lane,
            seq: self.seq,
        }
    }
}

/// The bytes are no entry of this schema.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an entry of this schema: {0}")]
pub(crate) struct DecodeError(String);

/// Reads the entry that fills `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Entry<'_>, DecodeError> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(MAX_DEPTH);
    deserializer.deserialize_seq(EntryVisitor).map_err(|error| DecodeError(error.to_string()))
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array that begins with the number of its kind")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entry<'de>, A::Error> {
        match next::<u8, A>(&mut seq)? {
            KIND_RECORD => Ok(Entry::Record(RecordEntry {
                seq: next(&mut seq)?,
                time_ns: next(&mut seq)?,
                level: next(&mut seq)?,
                logger: next(&mut seq)?,
                file: next(&mut seq)?,
                line: next(&mut seq)?,
                fields: next::<Fields<'de>, A>(&mut seq)?.0,
                spans: next::<Spans<'de>, A>(&mut seq)?.0,
                exception: next(&mut seq)?,
                message: next(&mut seq)?,
            })),
            KIND_THREAD => Ok(Entry::Thread { id: next(&mut seq)?, name: next(&mut seq)? }),
            KIND_DROPS => Ok(Entry::Drops(Drops {
                first_seq: next(&mut seq)?,
                first_ns: next(&mut seq)?,
                last_ns: next(&mut seq)?,
                counts: next::<Counts, A>(&mut seq)?.0,
            })),
            kind => Err(de::Error::invalid_value(de::Unexpected::Unsigned(kind.into()), &self)),
        }
    }
}

fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| de::Error::custom("the array is too short"))
}

struct Fields<'a>(Vec<Field<'a>>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, ScalarValue(value))) = map.next_entry::<&'de str, _>()? {
                    fields.push(Field { key: Cow::Borrowed(key), value });
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct Spans<'a>(Vec<Span<'a>>);

impl<'de> Deserialize<'de> for Spans<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpansVisitor;
        impl<'de> Visitor<'de> for SpansVisitor {
            type Value = Spans<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of [name, fields]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut spans = Vec::new();
                while let Some((name, Fields(fields))) = seq.next_element::<(&'de str, _)>()? {
                    spans.push(Span { name: Cow::Borrowed(name), fields });
                }
                Ok(Spans(spans))
            }
        }
        deserializer.deserialize_seq(SpansVisitor)
    }
}

struct Counts(Vec<(Level, u64)>);

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountsVisitor;
        impl<'de> Visitor<'de> for CountsVisitor {
            type Value = Counts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from levels to counts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Counts, A::Error> {
                let mut counts = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    counts.push(entry);
                }
                Ok(Counts(counts))
            }
        }
        deserializer.deserialize_map(CountsVisitor)
    }
}

struct ScalarValue<'a>(Value<'a>);

impl<'de> Deserialize<'de> for ScalarValue<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = Value<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("nil, a boolean, a number or a string")
            }

            fn visit_unit<E>(self) -> Result<Value<'de>, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
                Ok(Value::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
                Ok(Value::I64(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
                Ok(Value::U64(value))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
                Ok(Value::F64(value))
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Value<'de>, E> {
                Ok(Value::Str(Cow::Borrowed(value)))
            }
        }
        deserializer.deserialize_any(ValueVisitor).map(ScalarValue)
    }
}
