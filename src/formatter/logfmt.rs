//! One line of `key=value` pairs per record.

use std::io::Write;

use super::Formatter;
use super::datetime::Clock;
use super::escape::is_control;
use super::fields::{is_special, visible};
use crate::{LevelNames, Record, Value};

/// The keys that are not fields.
const OWN_KEYS: [&str; 13] = [
    "time",
    "level",
    "logger",
    "message",
    "worker",
    "pid",
    "program",
    "thread",
    "file",
    "line",
    "function",
    "spans",
    "exception",
];

/// Prints each record as `key=value` pairs on one line, as `logfmt` is read by most tools.
///
/// The keys, in this order: `time` (RFC 3339 in UTC, nine digits of a second), `level`, `logger`,
/// `message`, `worker`, `pid`, `program`, `thread`, `file`, `line`, `function`, `spans` (names joined by
/// `:`), the fields of spans and call, `exception`. What a record does not have is left out.
///
/// Numbers, `true`, `false` and `null` stand bare. Text stands in quotes, with the escapes of JSON,
/// if it is empty, has a space, a quote, an `=`, a backslash or a control character, or would be
/// read as a number or another value. In keys such characters are `_`. No key comes twice: of
/// fields with the same key the innermost is printed, and one that has the name of another key is
/// called `fields.NAME`.
///
/// ```
/// use logboom::formatter::{Formatter, LogfmtFormatter};
/// use logboom::{Field, Level, Record, Value};
///
/// let mut record = Record::new(0, Level::INFO, "web", "it is up");
/// record.fields.push(Field { key: "port".into(), value: Value::I64(80) });
/// let mut line = Vec::new();
/// LogfmtFormatter::new().format(&record, &mut line);
/// let expected =
///     r#"time=1970-01-01T00:00:00.000000000Z level=INFO logger=web message="it is up" port=80"#;
/// assert_eq!(line, expected.as_bytes());
/// ```
#[derive(Clone, Debug)]
pub struct LogfmtFormatter {
    clock: Clock,
    level_names: LevelNames,
}

impl LogfmtFormatter {
    /// A formatter of logfmt lines.
    pub fn new() -> LogfmtFormatter {
        LogfmtFormatter { clock: Clock::rfc3339(), level_names: LevelNames::new() }
    }

    /// Prints the names of levels by a table of its own.
    pub fn level_names(self, level_names: LevelNames) -> LogfmtFormatter {
        LogfmtFormatter { level_names, ..self }
    }
}

impl Default for LogfmtFormatter {
    fn default() -> LogfmtFormatter {
        LogfmtFormatter::new()
    }
}

impl Formatter for LogfmtFormatter {
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let process = &record.process;
        push(out, format_args!("time={}", self.clock.text(record.time_ns)));
        push_pair("level", &self.level_names.name(record.level), out);
        push_pair("logger", &record.logger, out);
        push_pair("message", &record.message, out);
        push_some("worker", &process.name, out);
        if process.id != 0 {
            push(out, format_args!(" pid={}", process.id));
        }
        push_some("program", &process.program, out);
        push_some("thread", &record.thread.name, out);
        push_some("file", record.file.as_deref().unwrap_or_default(), out);
        if let Some(line) = record.line {
            push(out, format_args!(" line={line}"));
        }
        push_some("function", record.function.as_deref().unwrap_or_default(), out);
        let names: Vec<_> = record.spans.iter().map(|span| &*span.name).collect();
        push_some("spans", &names.join(":"), out);
        push_fields(record, out);
        push_some("exception", record.exception.as_deref().unwrap_or_default(), out);
    }
}

fn push_fields(record: &Record<'_>, out: &mut Vec<u8>) {
    for field in visible(&record.spans, &record.fields) {
        out.push(b' ');
        if OWN_KEYS.contains(&&*field.key) {
            out.extend_from_slice(b"fields.");
        }
        push_key(&field.key, out);
        out.push(b'=');
        match &field.value {
            Value::Str(text) => push_text(text, out),
            value => push(out, format_args!("{value}")),
        }
    }
}

fn push_pair(key: &str, value: &str, out: &mut Vec<u8>) {
    push(out, format_args!(" {key}="));
    push_text(value, out);
}

fn push_some(key: &str, value: &str, out: &mut Vec<u8>) {
    if !value.is_empty() {
        push_pair(key, value, out);
    }
}

fn push_key(key: &str, out: &mut Vec<u8>) {
    if key.is_empty() {
        out.push(b'_');
    }
    for c in key.chars() {
        push(out, format_args!("{}", if is_special(c) { '_' } else { c }));
    }
}

fn push_text(text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() && !text.contains(is_special) && !is_value(text) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' | '\\' => push(out, format_args!("\\{c}")),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if is_control(c) => push(out, format_args!("\\u{:04x}", u32::from(c))),
            c => push(out, format_args!("{c}")),
        }
    }
    out.push(b'"');
}

/// Whether bare text would be read as a value that is no text.
fn is_value(text: &str) -> bool {
    matches!(text, "true" | "false" | "null") || text.parse::<f64>().is_ok()
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("invariant: writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, Level, Span};

    fn line(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        LogfmtFormatter::new().format(record, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    fn field<'a>(key: &'a str, value: Value<'a>) -> Field<'a> {
        Field { key: key.into(), value }
    }

    #[test]
    fn a_line_has_all_parts_of_a_record_in_their_order() {
        let mut record = Record::new(1_500, Level::ERROR, "web", "failed");
        let process = record.process.to_mut();
        (process.name, process.program, process.id) = ("api-1".into(), "api".into(), 7);
        record.thread.name = "main".into();
        (record.file, record.line) = (Some("src/a b.rs".into()), Some(3));
        record.exception = Some("Error:\n\tx".into());
        let outer = vec![field("user", Value::U64(1)), field("id", Value::U64(2))];
        record.spans = vec![Span { name: "request".into(), fields: outer }];
        record.spans.push(Span { name: "query".into(), fields: Vec::new() });
        record.fields = vec![field("id", Value::U64(3))];
        let expected = concat!(
            r#"time=1970-01-01T00:00:00.000001500Z level=ERROR logger=web message=failed "#,
            r#"worker=api-1 pid=7 program=api thread=main file="src/a b.rs" line=3 "#,
            r#"spans=request:query user=1 id=3 exception="Error:\n\tx""#
        );
        assert_eq!(line(&record), expected);
    }

    #[test]
    fn types_can_be_told_and_keys_are_words() {
        let mut record = Record::new(0, Level::INFO, "", "");
        for (key, value, expected) in [
            ("k", Value::I64(-7), "k=-7"),
            ("k", Value::Str("-7".into()), r#"k="-7""#),
            ("k", Value::F64(1.0), "k=1.0"),
            ("k", Value::Str("1e3".into()), r#"k="1e3""#),
            ("k", Value::Str("NaN".into()), r#"k="NaN""#),
            ("k", Value::Null, "k=null"),
            ("k", Value::Str("null".into()), r#"k="null""#),
            ("k", Value::Str("".into()), r#"k="""#),
            ("k", Value::Str("10.0.0.1".into()), "k=10.0.0.1"),
            ("k", Value::Str("naïve".into()), "k=naïve"),
            ("a b=\"c\n", Value::Bool(true), "a_b__c_=true"),
            ("", Value::Bool(false), "_=false"),
            ("level", Value::I64(1), "fields.level=1"),
        ] {
            record.fields = vec![field(key, value)];
            let line = line(&record);
            assert!(line.ends_with(&format!(" {expected}")), "{line}");
        }
    }

    #[test]
    fn quoted_text_is_that_of_json_and_nothing_breaks_the_line() {
        let evil = "a\r\n\t\"\\\0\x1b\u{85}\u{2028}🦀 =";
        let line = line(&Record::new(0, Level::INFO, "l", evil));
        assert!(!line.contains(is_control), "{line}");
        let (_, quoted) = line.split_once("message=").expect("a message");
        assert_eq!(serde_json::from_str::<String>(quoted).expect("JSON"), evil);
    }
}
