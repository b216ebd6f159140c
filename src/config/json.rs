//! From JSON, as a Python program writes the dictionary that it gives to `dictConfig`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::Problem;
use super::node::{Data, Lines, MAX_DEPTH, Node, escaped, too_deep, unreadable};

pub(super) fn read(text: &str) -> Result<Node, Problem> {
    let source = Source { text, lines: Lines::of(text) };
    let value: &RawValue = serde_json::from_str(text).map_err(|error| source.problem(0, &error))?;
    source.node(value, 1)
}

/// One level of the text at a time is read; what is below stays text, and so its line is known.
struct Source<'t> {
    text: &'t str,
    lines: Lines,
}

impl<'t> Source<'t> {
    fn node(&self, value: &'t RawValue, depth: usize) -> Result<Node, Problem> {
        let text = value.get();
        let offset = text.as_ptr() as usize - self.text.as_ptr() as usize;
        let line = self.lines.at(offset);
        if depth > MAX_DEPTH {
            return Err(too_deep(line));
        }
        let wrong = |error: serde_json::Error| self.problem(offset, &error);
        let data = match text.as_bytes().first() {
            Some(b'{') => {
                let Entries(entries) = serde_json::from_str(text).map_err(wrong)?;
                let node = |(key, value)| Ok((key, self.node(value, depth + 1)?));
                Data::Table(entries.into_iter().map(node).collect::<Result<_, _>>()?)
            }
            Some(b'[') => {
                let values: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
                let node = |value| self.node(value, depth + 1);
                Data::List(values.into_iter().map(node).collect::<Result<_, _>>()?)
            }
            _ => scalar(serde_json::from_str(text).map_err(wrong)?),
        };
        Ok(Node { line, data })
    }

    /// What is wrong with the value at `offset`.
    fn problem(&self, offset: usize, error: &serde_json::Error) -> Problem {
        let line = self.lines.at(offset) + error.line().max(1) - 1;
        let reason = error.to_string();
        // The line in the message counts from where the value begins.
        let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
        unreadable(line, reason)
    }
}

fn scalar(value: serde_json::Value) -> Data {
    match value {
        serde_json::Value::Bool(value) => Data::Bool(value),
        serde_json::Value::String(text) => Data::Text(text),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Data::Integer(number),
            (None, Some(number)) => Data::Float(number),
            (None, None) => Data::Other("a number that is too large"),
        },
        _ => Data::Null,
    }
}

/// The entries of an object in their order; a key that is there twice is refused, because nobody
/// can tell which one was meant.
struct Entries<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<'de>, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entries<'de>, M::Error> {
                let (mut entries, mut keys) = (Vec::new(), std::collections::HashSet::new());
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if !keys.insert(key.clone()) {
                        let twice = format!("the key \"{}\" is there twice", escaped(&key));
                        return Err(serde::de::Error::custom(twice));
                    }
                    entries.push((key, value));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}
