//! Which keys a JSON object has, what they are called, and where the fields are.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::fields::visible;
use super::json::{self, Object, Scalar};
use crate::{Field, Span};

/// The keys of an object in their order, each with its name.
#[derive(Clone, Debug)]
pub(super) struct Keys(Vec<(Box<str>, Key)>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Key {
    /// As [`JsonFormatter`](super::JsonFormatter) prints it.
    Own(&'static str),
    /// The fields of spans and call, beside the other keys.
    Flat,
}

/// What is printed of the fields where they stand beside the other keys.
const FLAT: &str = "*";

const OWN: [&str; 19] = [
    "time",
    "level",
    "levelno",
    "logger",
    "message",
    "worker",
    "pid",
    "program",
    "thread",
    "thread_id",
    "file",
    "line",
    "function",
    "exception",
    "spans",
    "fields",
    "context",
    "lane",
    "seq",
];

/// Why keys of JSON objects cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonKeyError {
    /// There is nothing of this name.
    #[error("there is no key `{name}`: use one of {}, or `*` for the fields", OWN.join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// Two keys of an object would have the same name.
    #[error("the key `{name}` would come twice: choose another name for one of the two")]
    Twice {
        /// The name.
        name: String,
    },
    /// There is no key.
    #[error("an object without keys says nothing: add (\"message\", \"message\")")]
    Empty,
}

impl Keys {
    pub(super) fn new<'k>(
        keys: impl IntoIterator<Item = (&'k str, &'k str)>,
    ) -> Result<Keys, JsonKeyError> {
        let mut list: Vec<(Box<str>, Key)> = Vec::new();
        for (name, own) in keys {
            let known = OWN.iter().find(|known| **known == own);
            let key = match known {
                Some(own) => Key::Own(own),
                None if own == FLAT => Key::Flat,
                None => return Err(JsonKeyError::Unknown { name: own.to_owned() }),
            };
            if list.iter().any(|(known, _)| **known == *name) {
                return Err(JsonKeyError::Twice { name: name.to_owned() });
            }
            list.push((name.into(), key));
        }
        if list.is_empty() { Err(JsonKeyError::Empty) } else { Ok(Keys(list)) }
    }

    /// The object with these keys, to be serialized.
    pub(super) fn of<'k>(&'k self, object: &'k Object<'k>) -> impl Serialize + 'k {
        Chosen { keys: self, object }
    }

    fn is_taken(&self, name: &str) -> bool {
        self.0.iter().any(|(known, key)| *key != Key::Flat && **known == *name)
    }
}

struct Chosen<'k> {
    keys: &'k Keys,
    object: &'k Object<'k>,
}

impl Serialize for Chosen<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, key) in &self.keys.0 {
            match key {
                Key::Own(own) => self.serialize_own(own, name, &mut map)?,
                Key::Flat => self.serialize_fields(&mut map)?,
            }
        }
        map.end()
    }
}

impl Chosen<'_> {
    fn serialize_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        for field in visible(self.object.spans, self.object.fields) {
            if self.keys.is_taken(&field.key) {
                let name = format!("fields.{}", field.key);
                map.serialize_entry(&name, &Scalar(&field.value))?;
            } else {
                map.serialize_entry(&field.key, &Scalar(&field.value))?;
            }
        }
        Ok(())
    }
}

/// Spans, fields and lane in the form they have in an object.
struct Spans<'r>(&'r [Span<'r>]);
struct Fields<'r>(&'r [Field<'r>]);
struct Lane(u64);

impl Serialize for Spans<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json::spans(self.0, serializer)
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json::fields(self.0, serializer)
    }
}

impl Serialize for Lane {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json::lane(&self.0, serializer)
    }
}

impl Chosen<'_> {
    /// Adds the key `own` to `map` as `name`, unless the record does not have it.
    fn serialize_own<M: SerializeMap>(
        &self,
        own: &str,
        name: &str,
        map: &mut M,
    ) -> Result<(), M::Error> {
        let object = self.object;
        match own {
            "time" => map.serialize_entry(name, object.time),
            "level" => map.serialize_entry(name, &object.level),
            "levelno" => map.serialize_entry(name, &object.levelno),
            "logger" => map.serialize_entry(name, object.logger),
            "message" => map.serialize_entry(name, object.message),
            "worker" if !object.worker.is_empty() => map.serialize_entry(name, object.worker),
            "pid" => map.serialize_entry(name, &object.pid),
            "program" if !object.program.is_empty() => map.serialize_entry(name, object.program),
            "thread" if !object.thread.is_empty() => map.serialize_entry(name, object.thread),
            "thread_id" if object.thread_id.is_some() => {
                map.serialize_entry(name, &object.thread_id)
            }
            "file" if object.file.is_some() => map.serialize_entry(name, &object.file),
            "line" if object.line.is_some() => map.serialize_entry(name, &object.line),
            "function" if object.function.is_some() => map.serialize_entry(name, &object.function),
            "exception" if object.exception.is_some() => {
                map.serialize_entry(name, &object.exception)
            }
            "spans" if !object.spans.is_empty() => map.serialize_entry(name, &Spans(object.spans)),
            "fields" if !object.fields.is_empty() => {
                map.serialize_entry(name, &Fields(object.fields))
            }
            "context" if !object.context.is_empty() => {
                map.serialize_entry(name, &Fields(object.context))
            }
            "lane" => map.serialize_entry(name, &Lane(object.lane)),
            "seq" => map.serialize_entry(name, &object.seq),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::formatter::{Formatter, JsonFormatter};
    use crate::{Field, Level, Record, Span, Value};

    fn line(keys: &[(&str, &str)], record: &Record<'_>) -> String {
        let mut formatter = JsonFormatter::new().keys(keys.iter().copied()).expect("known keys");
        let mut out = Vec::new();
        formatter.format(record, &mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn keys_are_chosen_ordered_named_and_fields_stand_beside_them() {
        let field = |key: &'static str, value| Field { key: key.into(), value: Value::I64(value) };
        let mut record = Record::new(1, Level::INFO, "web", "up");
        record.fields = vec![field("port", 80), field("msg", 1), field("level", 2)];
        record.spans =
            vec![Span { name: "s".into(), fields: vec![field("port", 1), field("id", 7)] }];
        let keys = [("msg", "message"), ("", "*"), ("ts", "time"), ("file", "file")];
        let expected = concat!(
            r#"{"msg":"up","id":7,"port":80,"fields.msg":1,"level":2,"#,
            r#""ts":"1970-01-01T00:00:00.000000001Z"}"#
        );
        assert_eq!(line(&keys, &record), expected);
        assert_eq!(line(&[("f", "fields")], &record), r#"{"f":{"port":80,"msg":1,"level":2}}"#);
    }

    #[test]
    fn every_key_prints_as_it_does_unchosen() {
        let mut record = Record::new(1, Level::ERROR, "web", "up");
        (record.file, record.line) = (Some("f".into()), Some(3));
        (record.function, record.exception) = (Some("g".into()), Some("e".into()));
        (record.thread.id, record.thread.name) = (5, "t".into());
        let process = record.process.to_mut();
        (process.name, process.program, process.id) = ("w".into(), "p".into(), 9);
        record.fields.push(Field { key: "k".into(), value: Value::F64(f64::NAN) });
        record.spans.push(Span { name: "s".into(), fields: record.fields.clone() });
        record.process.to_mut().context = record.fields.clone().into();
        let mut unchosen = Vec::new();
        JsonFormatter::new().format(&record, &mut unchosen);
        let all = super::OWN.map(|own| (own, own));
        assert_eq!(line(&all, &record).as_bytes(), unchosen);
        for own in super::OWN {
            assert!(line(&[(own, own)], &record).starts_with(&format!("{{\"{own}\":")), "{own}");
        }
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_by_name() {
        for (keys, expected) in [
            (&[("a", "msg")][..], "no key `msg`: use one of time, level"),
            (&[("a", "time"), ("a", "level")], "`a` would come twice"),
            (&[], "says nothing"),
        ] {
            let refused = JsonFormatter::new().keys(keys.iter().copied()).expect_err("bad keys");
            assert!(refused.to_string().contains(expected), "{refused}");
        }
    }
}
