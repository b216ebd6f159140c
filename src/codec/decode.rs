//! Reading entries, with `rmp` and `rmp-serde`, borrowed from the bytes they stand in.

use std::borrow::Cow;
use std::fmt;

use rmp_serde::decode::ReadRefReader;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::encode::encode_record;
use super::head::Head;
use super::{Draft, Drops, KIND_DROPS, KIND_THREAD, NIL, NO_ATTRIBUTES, NUMBER, STYLED, TEXT};
use crate::record::is_same;
use crate::{Field, Level, Process, Record, Span, Value};

/// Deepest nesting within an entry: spans, span, fields, value.
const MAX_DEPTH: usize = 8;

/// One entry of a lane.
#[derive(Debug, PartialEq)]
pub(crate) enum Entry<'a> {
    /// What it says is in the record that [`decode`] was given.
    Record,
    /// The calls that follow are made by this thread.
    Thread {
        id: u64,
        name: &'a str,
    },
    Drops(Drops),
}

/// The bytes are no entry of this schema.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an entry of this schema")]
pub(crate) struct DecodeError;

/// Reads the entry that fills `bytes`. One that is a record replaces all that the record before it in
/// its lane has said in `record`; what a lane says of process and thread stays.
#[inline]
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    record: &mut Record<'a>,
) -> Result<Entry<'a>, DecodeError> {
    match Head::decode(bytes) {
        Some((head, rest)) => Values(rest).record(head, record).map(|()| Entry::Record),
        None => Values(bytes).mark(),
    }
}

/// Gives what a call of `process` says to `act` as a listener would read it, for those who log
/// without one. A `Display` in the call has ended when `act` begins.
pub(crate) fn with_record(draft: &Draft<'_>, process: &Process, act: impl FnOnce(&mut Record<'_>)) {
    let mut entry = Vec::new();
    encode_record(draft, 0, &mut entry);
    let mut record = Record {
        process: Cow::Borrowed(process),
        thread: draft.thread.clone(),
        ..Record::new(draft.time_ns, draft.level, "", "")
    };
    if decode(&entry, &mut record) == Ok(Entry::Record) {
        act(&mut record);
    }
}

/// MessagePack values in a row. What nearly every record has is read in the one width that the
/// encoder writes, without a visitor for each value.
struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    #[inline]
    fn record(&mut self, head: Head, record: &mut Record<'a>) -> Result<(), DecodeError> {
        (record.seq, record.time_ns, record.level) = (head.seq, head.time_ns, head.level);
        self.text_again(&mut record.logger)?;
        if self.is_nil() {
            record.file = None;
        } else {
            self.text_again(record.file.get_or_insert_default())?;
        }
        record.line = self.optional_number()?;
        if let Some(rest) = self.0.strip_prefix(&NO_ATTRIBUTES) {
            self.0 = rest;
            record.styled = None;
            record.fields.clear();
            record.spans.clear();
            record.exception = self.optional_text()?.map(Cow::Borrowed);
            record.message = Cow::Borrowed(self.text()?);
        } else {
            let mut rest = self.deserializer();
            record.fields = typed::<Fields<'a>>(&mut rest)?.0;
            record.styled = take_styled(&mut record.fields);
            record.spans = typed::<Spans<'a>>(&mut rest)?.0;
            record.exception = typed::<Option<&'a str>>(&mut rest)?.map(Cow::Borrowed);
            record.message = Cow::Borrowed(typed(&mut rest)?);
        }
        Ok(())
    }

    fn mark(&mut self) -> Result<Entry<'a>, DecodeError> {
        let values = rmp::decode::read_array_len(&mut self.0).map_err(|_| DecodeError)?;
        let kind = rmp::decode::read_int(&mut self.0).map_err(|_| DecodeError)?;
        let mut rest = self.deserializer();
        match (values, kind) {
            (3, KIND_THREAD) => {
                Ok(Entry::Thread { id: typed(&mut rest)?, name: typed(&mut rest)? })
            }
            (5, KIND_DROPS) => Ok(Entry::Drops(Drops {
                first_seq: typed(&mut rest)?,
                first_ns: typed(&mut rest)?,
                last_ns: typed(&mut rest)?,
                counts: typed::<Counts>(&mut rest)?.0,
            })),
            _ => Err(DecodeError),
        }
    }

    /// The four bytes behind `marker`, where that is what comes.
    #[inline]
    fn word(&mut self, marker: u8) -> Result<u32, DecodeError> {
        let word = self.0.strip_prefix(&[marker]).and_then(<[u8]>::split_first_chunk);
        let (word, rest) = word.ok_or(DecodeError)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*word))
    }

    #[inline]
    fn text_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.word(TEXT)? as usize;
        let (text, rest) = self.0.split_at_checked(length).ok_or(DecodeError)?;
        self.0 = rest;
        Ok(text)
    }

    #[inline]
    fn text(&mut self) -> Result<&'a str, DecodeError> {
        simdutf8::basic::from_utf8(self.text_bytes()?).map_err(|_| DecodeError)
    }

    /// Reads a text that mostly is the one `before`, and so is known to be text.
    #[inline]
    fn text_again(&mut self, before: &mut Cow<'a, str>) -> Result<(), DecodeError> {
        let bytes = self.text_bytes()?;
        if !is_same(bytes, before.as_bytes()) {
            *before = Cow::Borrowed(str::from_utf8(bytes).map_err(|_| DecodeError)?);
        }
        Ok(())
    }

    /// Whether nil comes, which is passed over.
    #[inline]
    fn is_nil(&mut self) -> bool {
        let rest = self.0.strip_prefix(&[NIL]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    #[inline]
    fn optional_text(&mut self) -> Result<Option<&'a str>, DecodeError> {
        if self.is_nil() { Ok(None) } else { self.text().map(Some) }
    }

    #[inline]
    fn optional_number(&mut self) -> Result<Option<u32>, DecodeError> {
        if self.is_nil() { Ok(None) } else { self.word(NUMBER).map(Some) }
    }

    /// Reads the values that are left by their types.
    fn deserializer(&self) -> rmp_serde::Deserializer<ReadRefReader<'a, [u8]>> {
        let mut deserializer = rmp_serde::Deserializer::from_read_ref(self.0);
        deserializer.set_max_depth(MAX_DEPTH);
        deserializer
    }
}

/// It comes first, so that records with other fields are not searched for it.
fn take_styled<'a>(fields: &mut Vec<Field<'a>>) -> Option<Cow<'a, str>> {
    fields.first().filter(|field| field.key == STYLED)?;
    match fields.remove(0).value {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

fn typed<'a, T: Deserialize<'a>>(
    values: &mut rmp_serde::Deserializer<ReadRefReader<'a, [u8]>>,
) -> Result<T, DecodeError> {
    T::deserialize(values).map_err(|_| DecodeError)
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
