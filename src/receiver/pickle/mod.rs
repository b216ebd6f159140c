//! The pickles that `SocketHandler` and `DatagramHandler` of CPython 3.6 to 3.13 send: protocol 1 of
//! the dictionary of a record (Lib/logging/handlers.py, `makePickle`; Lib/pickletools.py says what
//! the opcodes do).
//!
//! A stack machine of exactly the opcodes that they write. Nothing is imported, called or built: an
//! object is shown by the name of its class and what it would be made of, `<decimal.Decimal("1.5")>`.
//! Strings, numbers, bytes, lists, tuples, sets and dictionaries, and subclasses of them, are what
//! they are.

mod machine;
mod object;
mod text;
mod value;

use std::borrow::Cow;

use super::names::{Names, Part, is_derived, python_part};
use super::parts::Parts;
use super::text::{bytes_literal, mended};
use super::{DecodeError, MAX_FRAME_BYTES, Received};
use crate::Value;
use machine::Machine;
use value::{Item, Kind, Values};

/// Most bytes of the texts of one dictionary: one text may stand for many keys.
const MAX_TEXT_BYTES: usize = 2 * MAX_FRAME_BYTES;

/// Reads the content of one frame.
///
/// # Errors
/// It is longer than [`MAX_FRAME_BYTES`], or no such pickle of a dictionary.
pub fn decode(content: &[u8], arrived_ns: i64) -> Result<Received<'_>, DecodeError> {
    if content.len() > MAX_FRAME_BYTES {
        return Err(DecodeError::TooLong);
    }
    let (values, top) = Machine::run(content)?;
    let mut text_bytes = 0;
    let mut parts = Parts::new(Names::Python, arrived_ns);
    let Item::Container(top) = top else { return Err(DecodeError::NotARecord) };
    let Kind::Dict = values.get(top).kind else { return Err(DecodeError::NotARecord) };
    for pair in values.get(top).items.as_chunks::<2>().0 {
        let [key, value] = *pair;
        if !parts.admits_key() {
            continue;
        }
        let part = part_of(key);
        let value = if part.is_some() { values.plain(value) } else { value };
        text_bytes += if let Item::Text(text) = value { text.len() } else { 0 };
        if text_bytes > MAX_TEXT_BYTES {
            return Err(DecodeError::TooLong);
        }
        if part.is_none() && is_repetition(key, value) {
            continue;
        }
        let value = value_of(&values, value, parts.room());
        if let Some(rest) = parts.place(part, value) {
            parts.field(key_of(key), rest);
        }
    }
    Ok(parts.finish())
}

/// By the bytes of the key: most keys are known, and need not be checked to be text.
fn part_of(key: Item<'_>) -> Option<Part> {
    let Item::Text(key) = key else { return None };
    python_part(key)
}

/// Whether a record says this in other words, or says nothing by it.
fn is_repetition(key: Item<'_>, value: Item<'_>) -> bool {
    let Item::Text(key) = key else { return false };
    is_derived(key) && (value == Item::Null || !matches!(key, b"args" | b"exc_info"))
}

fn key_of<'a>(key: Item<'a>) -> Cow<'a, str> {
    match key {
        Item::Text(bytes) => mended(bytes),
        key => text::key(key).into(),
    }
}

fn value_of<'a>(values: &Values<'a>, item: Item<'a>, room: usize) -> Value<'a> {
    match item {
        Item::Container(container) => Value::Str(text::nested(values, container, room).into()),
        item => scalar(item, room),
    }
}

/// What is in no container, as a field has it.
fn scalar<'a>(item: Item<'a>, room: usize) -> Value<'a> {
    match item {
        Item::Null | Item::Container(_) => Value::Null,
        Item::Bool(value) => Value::Bool(value),
        Item::Int(number) => Value::I64(number),
        Item::Long(digits) => match digits.parse() {
            Ok(number) => Value::U64(number),
            Err(_) => Value::Str(digits.into()),
        },
        Item::Float(number) => Value::F64(number),
        Item::Text(bytes) => Value::Str(mended(bytes)),
        Item::Bytes(text) => Value::Str(bytes_literal(object::latin1(text), room).into()),
        Item::Global(name) => Value::Str(text::placeholder(name).into()),
    }
}

#[cfg(test)]
mod tests;
