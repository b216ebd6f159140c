//! Lifts a printed line that is one JSON object into the record that it describes.

use std::borrow::Cow;

use super::escapes::without_escapes;
use crate::receiver::{Received, json};
use crate::record::now_ns;
use crate::{Field, Level, Process, Record, Value};

/// The field that tells a record that was printed from one that was logged.
const STREAM: &str = "stream";

/// Most bytes of all fields of a lifted record, and of its exception: for so much any record has room.
/// A line that says more stays a line, in which nothing has to be left out.
const MAX_FIELDS_BYTES: usize = 20 * 1024;
const MAX_EXCEPTION_BYTES: usize = 32 * 1024;

/// What a field takes beside its text.
const FIELD_BYTES: usize = 16;

/// A line, and what is known without reading it.
pub(super) struct Printed<'l> {
    pub(super) line: &'l str,
    /// Name of the stream.
    pub(super) stream: &'static str,
    /// The level of a record that says none.
    pub(super) level: Level,
}

impl<'l> Printed<'l> {
    /// The record that the line describes; none where it is no object, has no message, or says more
    /// than a record holds. Its process is that of `worker`, whatever it says.
    pub(super) fn lift(&self, worker: &Process) -> Option<Record<'l>> {
        if !self.line.starts_with('{') {
            return None;
        }
        let received = json::of_printed_line(self.line, now_ns(), self.level)?;
        let said = said_of_process(&received, worker);
        let mut record = received.into_record(Process::default());
        strip(&mut record);
        if record.logger.is_empty() {
            record.logger = self.stream.into();
        }
        let stream = Field { key: STREAM.into(), value: self.stream.into() };
        record.fields.insert(0, stream);
        record.fields.extend(said);
        has_room(&record).then_some(record)
    }
}

/// What the line says of its process and is not known of the worker: it may be that of a child.
fn said_of_process<'l>(received: &Received<'l>, worker: &Process) -> Vec<Field<'l>> {
    let pid = received.process_id.filter(|id| *id != worker.id);
    let name = received.process_name.clone().filter(|name| **name != *worker.name);
    let pid = pid.map(|id| Field { key: "pid".into(), value: id.into() });
    let name = name.map(|name| Field { key: "processName".into(), value: Value::Str(name) });
    pid.into_iter().chain(name).collect()
}

/// Takes out the escape sequences that stand in strings of the object.
fn strip(record: &mut Record<'_>) {
    let values = record.fields.iter_mut().filter_map(|field| match &mut field.value {
        Value::Str(text) => Some(text),
        _ => None,
    });
    let texts = [&mut record.message, &mut record.logger];
    for text in texts.into_iter().chain(&mut record.exception).chain(values) {
        if let Cow::Owned(stripped) = without_escapes(text) {
            *text = stripped.into();
        }
    }
}

fn has_room(record: &Record<'_>) -> bool {
    let field = |field: &Field<'_>| {
        let text = if let Value::Str(text) = &field.value { text.len() } else { 0 };
        field.key.len() + text + FIELD_BYTES
    };
    let function = record.function.as_ref().map_or(0, |text| text.len() + FIELD_BYTES);
    let fields = record.fields.iter().map(field).sum::<usize>() + function;
    let exception = record.exception.as_ref().map_or(0, |text| text.len());
    fields <= MAX_FIELDS_BYTES && exception <= MAX_EXCEPTION_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker() -> Process {
        Process { name: "web-1".into(), id: 7, ..Process::default() }
    }

    fn lifted(line: &str) -> Option<Record<'_>> {
        Printed { line, stream: "stderr", level: Level::WARNING }.lift(&worker())
    }

    fn fields(record: &Record<'_>) -> Vec<String> {
        record.fields.iter().map(|field| format!("{}={}", field.key, field.value)).collect()
    }

    #[test]
    fn an_object_with_a_message_is_the_record_that_it_describes() {
        let line = concat!(
            r#"{"time":"2026-11-22T04:48:23.5Z","level":"info","logger":"a.b","message":"served","#,
            r#""status":200,"function":"f","file":"a.py","line":3,"exception":"Traceback","#,
            r#""threadName":"main","pid":7,"worker":"web-1"}"#
        );
        let record = lifted(line).expect("a record");
        assert_eq!((record.time_ns, record.level), (1_795_322_903_500_000_000, Level::INFO));
        assert_eq!((&*record.logger, &*record.message), ("a.b", "served"));
        assert_eq!((record.function.as_deref(), record.line), (Some("f"), Some(3)));
        assert_eq!(record.exception.as_deref(), Some("Traceback"));
        assert_eq!(&*record.thread.name, "main");
        assert_eq!(fields(&record), ["stream=stderr", "status=200"]);
    }

    #[test]
    fn what_it_does_not_say_is_that_of_its_stream() {
        let record = lifted(r#"{"msg":"hi"}"#).expect("a record");
        assert_eq!((&*record.logger, record.level), ("stderr", Level::WARNING));
        assert!(record.time_ns > 1_795_000_000_000_000_000);
        let record = lifted(r#"{"msg":"hi","level":"loud"}"#).expect("a record");
        assert_eq!(record.level, Level::WARNING);
        assert_eq!(fields(&record), ["stream=stderr", "levelname=loud"]);
    }

    #[test]
    fn the_process_is_the_worker_and_what_else_it_says_is_kept() {
        let line = r#"{"msg":"hi","pid":8,"processName":"MainProcess","stream":"x"}"#;
        let fields = fields(&lifted(line).expect("a record"));
        assert_eq!(fields, ["stream=stderr", "stream=x", "pid=8", "processName=MainProcess"]);
    }

    #[test]
    fn its_strings_have_no_colours() {
        let red = |text: &str| format!(r"\u001b[31m{text}\u001b[0m");
        let line =
            format!(r#"{{"msg":"{}","exception":"{}","k":"{}"}}"#, red("a"), red("b"), red("c"));
        let record = lifted(&line).expect("a record");
        assert_eq!((&*record.message, record.exception.as_deref()), ("a", Some("b")));
        assert_eq!(fields(&record), ["stream=stderr", "k=c"]);
    }

    #[test]
    fn other_lines_stay_lines() {
        for line in [
            "",
            "plain",
            "{}",
            r#"{"status":200}"#,
            r#"{"msg":""}"#,
            r#"{"msg":null}"#,
            r#"{"event":"click","user":1}"#,
            r#"{"msg":"a"} {"msg":"b"}"#,
            r#"{"msg":"a"#,
            r#" {"msg":"in some text"}"#,
            r#"[{"msg":"a"}]"#,
            r#"log: {"msg":"a"}"#,
        ] {
            assert_eq!(lifted(line), None, "{line}");
        }
    }

    #[test]
    fn a_line_that_says_more_than_a_record_holds_stays_a_line() {
        let line = |key: &str, bytes: usize| {
            let text = "x".repeat(bytes);
            format!(r#"{{"msg":"hi","{key}":"{text}"}}"#)
        };
        let room = MAX_FIELDS_BYTES - 2 * FIELD_BYTES - "streamstderr".len();
        assert!(lifted(&line("k", room - 1)).is_some());
        assert!(lifted(&line("k", room)).is_none());
        assert!(lifted(&line("exception", MAX_EXCEPTION_BYTES)).is_some());
        assert!(lifted(&line("exception", MAX_EXCEPTION_BYTES + 1)).is_none());
        let many: String = (0..600).map(|number| format!(r#","k{number}":0"#)).collect();
        assert!(lifted(&format!(r#"{{"msg":"hi"{many}}}"#)).is_none());
    }
}
