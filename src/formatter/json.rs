//! One JSON object per record.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::Formatter;
use super::datetime::Clock;
use super::fields::last_of_each_key;
use super::json_keys::{JsonKeyError, Keys};
use crate::{Field, LevelNames, Record, Span, Value};

/// Prints each record as a JSON object on one line.
///
/// The keys, in this order: `time` (RFC 3339 in UTC, nine digits of a second), `level`, `levelno`,
/// `logger`, `message`, `worker`, `pid`, `program`, `thread`, `thread_id`, `file`, `line`,
/// `function`, `exception`, `spans` (a list of `name` and `fields`, root first), `fields` (an object), `context`
/// (an object: what is true of each record of the process), `lane` (16 hexadecimal digits), `seq`. What a record does not have is left out.
///
/// No object has a key twice: of fields with the same key the last is printed. Numbers that JSON
/// does not have are the strings `NaN`, `inf` and `-inf`.
#[derive(Clone, Debug)]
pub struct JsonFormatter {
    clock: Clock,
    keys: Option<Keys>,
    level_names: LevelNames,
}

impl JsonFormatter {
    /// A formatter of JSON lines.
    pub fn new() -> JsonFormatter {
        JsonFormatter { clock: Clock::rfc3339(), keys: None, level_names: LevelNames::new() }
    }

    /// Prints the names of levels by a table of its own.
    pub fn level_names(self, level_names: LevelNames) -> JsonFormatter {
        JsonFormatter { level_names, ..self }
    }

    /// Prints these keys and no others, in this order: each a name and which of the keys above it
    /// stands for. `*` stands for the fields of spans and call as keys of the object itself; one
    /// that has the name of another key is called `fields.NAME` then.
    ///
    /// ```
    /// use logboom::formatter::JsonFormatter;
    ///
    /// let keys = [("ts", "time"), ("severity", "level"), ("msg", "message"), ("", "*")];
    /// let formatter = JsonFormatter::new().keys(keys)?;
    /// # let _ = formatter;
    /// # Ok::<(), logboom::formatter::JsonKeyError>(())
    /// ```
    ///
    /// # Errors
    /// A key does not exist or comes twice, or there is none.
    pub fn keys<'k>(
        self,
        keys: impl IntoIterator<Item = (&'k str, &'k str)>,
    ) -> Result<JsonFormatter, JsonKeyError> {
        Ok(JsonFormatter { keys: Some(Keys::new(keys)?), ..self })
    }
}

impl Default for JsonFormatter {
    fn default() -> JsonFormatter {
        JsonFormatter::new()
    }
}

impl Formatter for JsonFormatter {
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let level = self.level_names.name(record.level);
        let object = Object::of(record, self.clock.text(record.time_ns), level);
        let written = match &self.keys {
            None => serde_json::to_writer(out, &object),
            Some(keys) => serde_json::to_writer(out, &keys.of(&object)),
        };
        written.expect("invariant: writing to memory does not fail, and all keys are strings");
    }
}

#[derive(Serialize)]
pub(super) struct Object<'r> {
    pub(super) time: &'r str,
    pub(super) level: Cow<'r, str>,
    pub(super) levelno: u8,
    pub(super) logger: &'r str,
    pub(super) message: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) worker: &'r str,
    pub(super) pid: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) program: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) thread: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thread_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exception: Option<&'r str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "spans")]
    pub(super) spans: &'r [Span<'r>],
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "fields")]
    pub(super) fields: &'r [Field<'r>],
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "fields")]
    pub(super) context: &'r [Field<'r>],
    #[serde(serialize_with = "lane")]
    pub(super) lane: u64,
    pub(super) seq: u64,
}

impl<'r> Object<'r> {
    fn of(record: &'r Record<'_>, time: &'r str, level: Cow<'r, str>) -> Object<'r> {
        Object {
            time,
            level,
            levelno: record.level.number(),
            logger: &record.logger,
            message: &record.message,
            worker: &record.process.name,
            pid: record.process.id,
            program: &record.process.program,
            thread: &record.thread.name,
            thread_id: Some(record.thread.id).filter(|id| *id != 0),
            file: record.file.as_deref(),
            line: record.line,
            function: record.function.as_deref(),
            exception: record.exception.as_deref(),
            spans: &record.spans,
            fields: &record.fields,
            context: &record.process.context,
            lane: record.lane,
            seq: record.seq,
        }
    }
}

pub(super) fn spans<S: Serializer>(spans: &[Span<'_>], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Named<'r> {
        name: &'r str,
        #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "fields")]
        fields: &'r [Field<'r>],
    }
    let mut list = serializer.serialize_seq(Some(spans.len()))?;
    for span in spans {
        list.serialize_element(&Named { name: &span.name, fields: &span.fields })?;
    }
    list.end()
}

pub(super) fn fields<S: Serializer>(
    fields: &[Field<'_>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let once = last_of_each_key(fields.iter());
    serializer.collect_map(once.map(|field| (&field.key, Scalar(&field.value))))
}

pub(super) fn lane<S: Serializer>(lane: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{lane:016x}"))
}

pub(super) struct Scalar<'r>(pub(super) &'r Value<'r>);

impl Serialize for Scalar<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I64(value) => serializer.serialize_i64(*value),
            Value::U64(value) => serializer.serialize_u64(*value),
            Value::F64(value) if value.is_finite() => serializer.serialize_f64(*value),
            Value::F64(value) => serializer.collect_str(value),
            Value::Str(value) => serializer.serialize_str(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, Process, Thread};

    fn line(record: &Record<'_>) -> String {
        let mut out = b"line before\n".to_vec();
        JsonFormatter::new().format(record, &mut out);
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        text.strip_prefix("line before\n").expect("what was there stays").to_owned()
    }

    fn field(key: &'static str, value: Value<'static>) -> Field<'static> {
        Field { key: key.into(), value }
    }

    #[test]
    fn a_bare_record_prints_only_what_it_has() {
        let expected = concat!(
            r#"{"time":"1970-01-01T00:00:00.000000007Z","level":"Level 15","levelno":15,"#,
            r#""logger":"web","message":"started","pid":0,"lane":"0000000000000000","seq":0}"#
        );
        assert_eq!(line(&Record::new(7, Level::new(15), "web", "started")), expected);
    }

    #[test]
    fn a_full_record_prints_all_its_keys_in_order() {
        let process = Process {
            name: "api-1".into(),
            id: 7,
            program: "api".into(),
            started_ns: 0,
            context: [field("run_id", Value::Str("5f".into()))].into(),
        };
        let fields = vec![field("id", Value::I64(1))];
        let record = Record {
            file: Some("src/a.rs".into()),
            line: Some(3),
            function: Some("run".into()),
            exception: Some("boom".into()),
            spans: vec![
                Span { name: "root".into(), fields: Vec::new() },
                Span { name: "leaf".into(), fields: fields.clone() },
            ],
            fields,
            thread: Thread { id: 8, name: "main".into() },
            process: Cow::Owned(process),
            lane: 0xbeef,
            seq: u64::MAX,
            ..Record::new(0, Level::ERROR, "web", "failed")
        };
        let expected = concat!(
            r#"{"time":"1970-01-01T00:00:00.000000000Z","level":"ERROR","levelno":40,"#,
            r#""logger":"web","message":"failed","worker":"api-1","pid":7,"program":"api","#,
            r#""thread":"main","thread_id":8,"file":"src/a.rs","line":3,"function":"run","exception":"boom","#,
            r#""spans":[{"name":"root"},{"name":"leaf","fields":{"id":1}}],"fields":{"id":1},"#,
            r#""context":{"run_id":"5f"},"#,
            r#""lane":"000000000000beef","seq":18446744073709551615}"#
        );
        assert_eq!(line(&record), expected);
    }

    #[test]
    fn of_a_repeated_key_the_last_is_printed() {
        let mut record = Record::new(0, Level::INFO, "", "");
        record.fields =
            vec![field("a", Value::I64(1)), field("b", Value::I64(2)), field("a", Value::I64(3))];
        assert!(line(&record).contains(r#""fields":{"b":2,"a":3}"#));
    }

    #[test]
    fn every_type_of_value_is_valid_json() {
        let mut record = Record::new(0, Level::INFO, "", "");
        record.fields = vec![
            field("null", Value::Null),
            field("bool", Value::Bool(false)),
            field("big", Value::U64(u64::MAX)),
            field("one", Value::F64(1.0)),
            field("nan", Value::F64(f64::NAN)),
            field("inf", Value::F64(f64::NEG_INFINITY)),
            field("str", Value::Str("\"\n".into())),
        ];
        let expected = concat!(
            r#""fields":{"null":null,"bool":false,"big":18446744073709551615,"one":1.0,"#,
            r#""nan":"NaN","inf":"-inf","str":"\"\n"}"#
        );
        assert!(line(&record).contains(expected), "{}", line(&record));
    }

    #[test]
    fn text_of_any_kind_stays_on_one_line_and_can_be_read_back() {
        let text = "a\r\n\t\"\\\0\x1b\u{85}\u{2028}🦀";
        let line = line(&Record::new(0, Level::INFO, text, text));
        assert!(!line.contains(['\n', '\r', '\x1b']), "{line}");
        let object: serde_json::Value = serde_json::from_str(&line).expect("valid JSON");
        assert_eq!((&object["logger"], &object["message"]), (&text.into(), &text.into()));
    }
}
