//! What a pattern can print of a record, by Python's names (Python docs, "LogRecord attributes").

use std::borrow::Cow;
use std::io::Write;

use super::Multiline;
use super::datetime::{milliseconds, nanoseconds, seconds};
use super::escape::{push_line, push_lines};
use super::fields::{push_context, push_fields};
use crate::{Record, Value};

/// What Python prints for the file of a call it could not find.
const UNKNOWN_FILE: &str = "(unknown file)";

/// And for its function.
const UNKNOWN_FUNCTION: &str = "(unknown function)";

/// What Python prints for the task of a call that is in none.
const NO_TASK: &str = "None";

/// One attribute of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Attribute {
    /// The time as text, which needs a clock.
    Asctime,
    Text(Text),
    Number(Number),
}

/// An attribute that is text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Text {
    Context,
    Fields,
    FileName,
    FunctionName,
    Lane,
    LevelName,
    Logger,
    Message,
    Module,
    PathName,
    ProcessName,
    Program,
    Spans,
    TaskName,
    ThreadName,
}

/// An attribute that is a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Created,
    Level,
    Line,
    Milliseconds,
    Nanoseconds,
    ProcessId,
    RelativeCreated,
    Sequence,
    ThreadId,
}

/// The value of a number, of the type it has in Python.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum NumberValue {
    Int(u64),
    /// Below zero, which only fields are.
    Negative(i64),
    Float(f64),
}

const ATTRIBUTES: [(&str, Attribute); 25] = [
    ("asctime", Attribute::Asctime),
    ("context", Attribute::Text(Text::Context)),
    ("created", Attribute::Number(Number::Created)),
    ("fields", Attribute::Text(Text::Fields)),
    ("filename", Attribute::Text(Text::FileName)),
    ("funcName", Attribute::Text(Text::FunctionName)),
    ("lane", Attribute::Text(Text::Lane)),
    ("levelname", Attribute::Text(Text::LevelName)),
    ("levelno", Attribute::Number(Number::Level)),
    ("lineno", Attribute::Number(Number::Line)),
    ("message", Attribute::Text(Text::Message)),
    ("module", Attribute::Text(Text::Module)),
    ("msecs", Attribute::Number(Number::Milliseconds)),
    ("name", Attribute::Text(Text::Logger)),
    ("nsecs", Attribute::Number(Number::Nanoseconds)),
    ("pathname", Attribute::Text(Text::PathName)),
    ("process", Attribute::Number(Number::ProcessId)),
    ("processName", Attribute::Text(Text::ProcessName)),
    ("program", Attribute::Text(Text::Program)),
    ("relativeCreated", Attribute::Number(Number::RelativeCreated)),
    ("seq", Attribute::Number(Number::Sequence)),
    ("spans", Attribute::Text(Text::Spans)),
    ("taskName", Attribute::Text(Text::TaskName)),
    ("thread", Attribute::Number(Number::ThreadId)),
    ("threadName", Attribute::Text(Text::ThreadName)),
];

impl Attribute {
    /// The attribute of this name.
    pub(super) fn named(name: &str) -> Option<Attribute> {
        ATTRIBUTES.iter().find(|(known, _)| *known == name).map(|(_, attribute)| *attribute)
    }

    /// All names, in order.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        ATTRIBUTES.iter().map(|(name, _)| *name)
    }
}

impl Text {
    /// Appends the text, escaped.
    pub(super) fn push(self, record: &Record<'_>, multiline: Multiline, out: &mut Vec<u8>) {
        let level_name;
        let line = match self {
            Text::Message => return push_lines(&record.message, multiline, out),
            Text::Context => return push_context(record, multiline, out),
            Text::Fields => return push_fields(record, multiline, out),
            Text::Spans => return push_spans(record, multiline, out),
            Text::Lane => return push_lane(record.lane, out),
            Text::LevelName => {
                level_name = record.level.name();
                &*level_name
            }
            Text::Logger => &*record.logger,
            Text::PathName => path_name(record),
            Text::FileName => file_name(path_name(record)),
            Text::FunctionName => record.function.as_deref().unwrap_or(UNKNOWN_FUNCTION),
            Text::Module => module(file_name(path_name(record))),
            Text::ProcessName => &*record.process.name,
            Text::Program => &*record.process.program,
            Text::TaskName => task_name(record),
            Text::ThreadName => &*record.thread.name,
        };
        push_line(line, multiline, out);
    }
}

impl Number {
    /// Whether the value has a fraction.
    pub(super) fn is_float(self) -> bool {
        matches!(self, Number::Created | Number::Milliseconds | Number::RelativeCreated)
    }

    /// The value in this record.
    pub(super) fn value(self, record: &Record<'_>) -> NumberValue {
        use NumberValue::{Float, Int};
        match self {
            Number::Created => Float(seconds(record.time_ns)),
            Number::Level => Int(record.level.number().into()),
            Number::Line => Int(record.line.unwrap_or(0).into()),
            Number::Milliseconds => Float(milliseconds(record.time_ns).into()),
            Number::Nanoseconds => Int(nanoseconds(record.time_ns).into()),
            Number::ProcessId => Int(record.process.id.into()),
            Number::RelativeCreated => {
                Float(record.time_ns.saturating_sub(record.process.started_ns) as f64 / 1e6)
            }
            Number::Sequence => Int(record.seq),
            Number::ThreadId => Int(record.thread.id),
        }
    }
}

fn push_lane(lane: u64, out: &mut Vec<u8>) {
    write!(out, "{lane:016x}").expect("invariant: writing to memory does not fail");
}

fn push_spans(record: &Record<'_>, multiline: Multiline, out: &mut Vec<u8>) {
    for (depth, span) in record.spans.iter().enumerate() {
        if depth > 0 {
            out.push(b':');
        }
        push_line(&span.name, multiline, out);
    }
}

/// Records of Python have it as a field.
fn task_name<'r>(record: &'r Record<'_>) -> &'r str {
    let field = record.fields.iter().rev().find(|field| field.key == "taskName");
    match field.map(|field| &field.value) {
        Some(Value::Str(name)) => name,
        _ => NO_TASK,
    }
}

fn path_name<'r>(record: &'r Record<'_>) -> &'r str {
    record.file.as_ref().map_or(UNKNOWN_FILE, Cow::as_ref)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The file name without its extension; a name that only begins with dots has none.
fn module(file_name: &str) -> &str {
    match file_name.rsplit_once('.') {
        Some((stem, _)) if stem.contains(|c| c != '.') => stem,
        _ => file_name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, Level, Span};

    fn text(attribute: Text, record: &Record<'_>) -> String {
        let mut out = Vec::new();
        attribute.push(record, Multiline::Mark, &mut out);
        String::from_utf8(out).expect("attributes are UTF-8")
    }

    #[test]
    fn file_and_module_are_cut_as_python_cuts_them() {
        for (path, file, stem) in [
            ("src/main.rs", "main.rs", "main"),
            ("/a.b/c", "c", "c"),
            ("x.tar.gz", "x.tar.gz", "x.tar"),
            (".profile", ".profile", ".profile"),
            ("..a", "..a", "..a"),
            ("dir/", "", ""),
        ] {
            let mut record = Record::new(0, Level::INFO, "", "");
            record.file = Some(path.into());
            let texts = [Text::PathName, Text::FileName, Text::Module].map(|a| text(a, &record));
            assert_eq!(texts, [path, file, stem]);
        }
    }

    #[test]
    fn what_a_record_does_not_know_prints_as_in_python() {
        let record = Record::new(0, Level::new(15), "", "");
        assert_eq!(text(Text::PathName, &record), "(unknown file)");
        assert_eq!(text(Text::FunctionName, &record), "(unknown function)");
        assert_eq!(text(Text::TaskName, &record), "None");
        assert_eq!(text(Text::Spans, &record), "");
        assert_eq!(text(Text::LevelName, &record), "Level 15");
        assert_eq!(Number::Line.value(&record), NumberValue::Int(0));
    }

    #[test]
    fn the_task_is_the_field_that_records_of_python_have() {
        let field = |name: &'static str| Field { key: "taskName".into(), value: name.into() };
        let fields = vec![field("Task-1"), field("Task-2\n")];
        let record = Record { fields, ..Record::new(0, Level::INFO, "", "") };
        assert_eq!(text(Text::TaskName, &record), r"Task-2\n");
    }

    #[test]
    fn spans_go_from_the_root_to_the_leaf() {
        let span = |name: &'static str| Span { name: name.into(), fields: Vec::new() };
        let spans = vec![span("request"), span("query\n")];
        let record = Record { spans, ..Record::new(0, Level::INFO, "", "") };
        assert_eq!(text(Text::Spans, &record), r"request:query\n");
    }

    #[test]
    fn a_lane_has_sixteen_digits() {
        let record = Record { lane: 0xbeef, ..Record::new(0, Level::INFO, "", "") };
        assert_eq!(text(Text::Lane, &record), "000000000000beef");
    }

    #[test]
    fn times_are_seconds_and_milliseconds() {
        let mut record = Record::new(1_500_250_000_000, Level::INFO, "", "");
        record.process.to_mut().started_ns = 1_500_000_000_000;
        assert_eq!(Number::Created.value(&record), NumberValue::Float(1500.25));
        assert_eq!(Number::Milliseconds.value(&record), NumberValue::Float(250.0));
        assert_eq!(Number::RelativeCreated.value(&record), NumberValue::Float(250.0));
    }
}
