//! The attributes of Python's `LogRecord`, as one JSON object.

use std::path::Path;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Formatter;
use super::fields::last_of_each_key;
use super::json::Scalar;
use crate::{Field, Record, Value};

/// Attributes that a record of Python has itself. A field of that name becomes `fields.NAME`.
const OWN: [&str; 23] = [
    "name",
    "msg",
    "args",
    "levelname",
    "levelno",
    "pathname",
    "filename",
    "module",
    "exc_info",
    "exc_text",
    "stack_info",
    "lineno",
    "funcName",
    "created",
    "msecs",
    "relativeCreated",
    "thread",
    "threadName",
    "processName",
    "process",
    "taskName",
    "message",
    "asctime",
];

/// Attributes of Python for which a record has a field of that name.
const KEPT_AS_FIELDS: [&str; 3] = ["levelname", "stack_info", "taskName"];

/// Prints each record as the JSON object that `json.dumps(record.__dict__)` makes of a record of
/// Python's logging, behind its `QueueHandler`: `logging.makeLogRecord(json.loads(line))` has it back.
/// [`decode_json`](https://docs.rs/logboom/latest/logboom/receiver/fn.decode_json.html) reads it too.
///
/// The message is formatted already, so that `args` is null. Times are floats of seconds and
/// milliseconds and keep microseconds. Fields of the call, of its spans and of its process are
/// attributes as those of `extra`; one with the name of another attribute is called `fields.NAME`.
///
/// ```
/// use logboom::formatter::{Formatter, LogRecordFormatter};
/// use logboom::{Level, Record};
///
/// let mut line = Vec::new();
/// LogRecordFormatter::new().format(&Record::new(0, Level::INFO, "web", "up"), &mut line);
/// assert!(line.starts_with(br#"{"name":"web","msg":"up","args":null,"levelname":"INFO""#));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LogRecordFormatter {}

impl LogRecordFormatter {
    /// A formatter of such objects.
    pub fn new() -> LogRecordFormatter {
        LogRecordFormatter {}
    }
}

impl Formatter for LogRecordFormatter {
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        serde_json::to_writer(out, &Attributes(record))
            .expect("invariant: writing to memory does not fail, and all keys are strings");
    }
}

struct Attributes<'r>(&'r Record<'r>);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_call(&mut map)?;
        self.serialize_place(&mut map)?;
        self.serialize_fields(&mut map)?;
        map.end()
    }
}

impl Attributes<'_> {
    fn serialize_call<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let record = self.0;
        map.serialize_entry("name", &record.logger)?;
        map.serialize_entry("msg", &record.message)?;
        map.serialize_entry("args", &())?;
        let level_name = record.level.name();
        map.serialize_entry("levelname", self.kept("levelname").unwrap_or(&level_name))?;
        map.serialize_entry("levelno", &record.level.number())?;
        map.serialize_entry("exc_info", &())?;
        map.serialize_entry("exc_text", &record.exception)?;
        map.serialize_entry("stack_info", &self.kept("stack_info"))?;
        let since_start_ns = match record.process.started_ns {
            0 => 0,
            started_ns => record.time_ns.saturating_sub(started_ns),
        };
        map.serialize_entry("created", &(record.time_ns as f64 / 1e9))?;
        // A float of whole numbers, as since CPython 3.13.
        map.serialize_entry(
            "msecs",
            &(record.time_ns.div_euclid(1_000_000).rem_euclid(1000) as f64),
        )?;
        map.serialize_entry("relativeCreated", &(since_start_ns as f64 / 1e6))
    }

    fn serialize_place<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let record = self.0;
        let path = record.file.as_deref().unwrap_or_default();
        let part = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
        };
        map.serialize_entry("pathname", path)?;
        map.serialize_entry("filename", &part(Path::new(path).file_name()))?;
        map.serialize_entry("module", &part(Path::new(path).file_stem()))?;
        map.serialize_entry("lineno", &record.line.unwrap_or(0))?;
        map.serialize_entry("funcName", &record.function)?;
        map.serialize_entry("thread", &Some(record.thread.id).filter(|id| *id != 0))?;
        map.serialize_entry("threadName", &record.thread.name)?;
        map.serialize_entry("processName", &*record.process.name)?;
        map.serialize_entry("process", &record.process.id)?;
        map.serialize_entry("taskName", &self.kept("taskName"))
    }

    fn serialize_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let record = self.0;
        let of_spans = record.spans.iter().flat_map(|span| &span.fields);
        let all = record.process.context.iter().chain(of_spans).chain(&record.fields);
        for Field { key, value } in last_of_each_key(all) {
            if KEPT_AS_FIELDS.contains(&&**key) && self.kept(key).is_some() {
                continue;
            }
            if OWN.contains(&&**key) {
                map.serialize_entry(&format!("fields.{key}"), &Scalar(value))?;
            } else {
                map.serialize_entry(key, &Scalar(value))?;
            }
        }
        Ok(())
    }

    /// What a record from Python has kept as a field.
    fn kept(&self, key: &str) -> Option<&str> {
        let field = self.0.fields.iter().rev().find(|field| field.key == key);
        match field.map(|field| &field.value) {
            Some(Value::Str(text)) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, Span};

    fn object(record: &Record<'_>) -> serde_json::Value {
        let mut line = Vec::new();
        LogRecordFormatter::new().format(record, &mut line);
        serde_json::from_slice(&line).expect("JSON")
    }

    fn field(key: &'static str, value: Value<'static>) -> Field<'static> {
        Field { key: key.into(), value }
    }

    #[test]
    fn a_record_has_all_attributes_of_python() {
        let mut record = Record::new(1_795_322_903_123_456_789, Level::ERROR, "web", "50% of\n%s");
        (record.file, record.line) = (Some("src/a.b.rs".into()), Some(3));
        record.exception = Some("Traceback".into());
        (record.thread.id, record.thread.name) = (5, "main".into());
        let process = record.process.to_mut();
        (process.name, process.id) = ("api-1".into(), 9);
        process.started_ns = record.time_ns - 1_500_000;
        let object = object(&record);
        for (key, expected) in [
            ("msg", "50% of\n%s".into()),
            ("levelname", "ERROR".into()),
            ("levelno", 40.into()),
            ("pathname", "src/a.b.rs".into()),
            ("filename", "a.b.rs".into()),
            ("module", "a.b".into()),
            ("lineno", 3.into()),
            ("funcName", serde_json::Value::Null),
            ("exc_text", "Traceback".into()),
            ("msecs", 123.0.into()),
            ("relativeCreated", 1.5.into()),
            ("thread", 5.into()),
            ("processName", "api-1".into()),
            ("process", 9.into()),
        ] {
            assert_eq!(object[key], expected, "{key}");
        }
        let has = |key: &&&str| object.get(key).is_some();
        assert_eq!(OWN.iter().filter(has).count(), OWN.len() - 2, "all but message and asctime");
    }

    #[test]
    fn fields_are_attributes_and_overwrite_none() {
        let mut record = Record::new(0, Level::new(35), "", "");
        record.process.to_mut().context = [field("run", 1.into()), field("port", 2.into())].into();
        record.spans = vec![Span { name: "s".into(), fields: vec![field("port", 3.into())] }];
        record.fields = vec![
            field("args", "x".into()),
            field("levelname", "AUDIT".into()),
            field("taskName", 7.into()),
        ];
        let object = object(&record);
        for (key, expected) in [
            ("run", 1.into()),
            ("port", 3.into()),
            ("fields.args", "x".into()),
            ("args", serde_json::Value::Null),
            ("levelname", "AUDIT".into()),
            ("fields.taskName", 7.into()),
            ("taskName", serde_json::Value::Null),
        ] {
            assert_eq!(object[key], expected, "{key}");
        }
        assert_eq!(object.get("fields.levelname"), None);
    }
}
