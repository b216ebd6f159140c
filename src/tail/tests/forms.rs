//! Forms of lines, and what is read of them.

use std::fs;

use super::super::{Form, Found, Query, Reader, Start, Zone};
use crate::formatter::{Formatter, JsonFormatter, LogfmtFormatter};
use crate::{Field, Level, Process, Record, Span, Value};

/// The records of a log with this text.
fn records(text: &str, form: Form) -> Vec<Record<'static>> {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("app.log");
    fs::write(&path, text).expect("write");
    let query = Query::new().form(form).zone(Zone::named("UTC").expect("UTC"));
    let mut reader = Reader::open([path], query, Start::First).expect("open");
    let mut records = Vec::new();
    while reader.advance().expect("read") == Found::Record {
        records.extend(reader.with_record(|record| record.clone().into_owned()));
    }
    records
}

fn field(key: &'static str, value: Value<'static>) -> Field<'static> {
    Field { key: key.into(), value }
}

fn full_record() -> Record<'static> {
    let process = Process {
        name: "api-1".into(),
        id: 7,
        program: "api".into(),
        started_ns: 0,
        context: [field("run_id", Value::Str("5f".into()))].into(),
    };
    let mut record = Record::new(1_795_322_903_123_456_789, Level::new(45), "web", "a \"b\"\n\tc");
    record.fields = vec![field("id", Value::I64(1)), field("ok", Value::Bool(true))];
    record.spans = vec![Span { name: "request".into(), fields: vec![field("n", Value::F64(1.5))] }];
    record.exception = Some("boom\n  at x".into());
    (record.file, record.line) = (Some("src/a.rs".into()), Some(3));
    record.thread.name = "main".into();
    record.thread.id = 8;
    (record.lane, record.seq) = (0xbeef, 42);
    record.process = std::borrow::Cow::Owned(process);
    record
}

#[test]
fn a_record_in_json_is_read_back_whole() {
    let mut line = Vec::new();
    JsonFormatter::new().format(&full_record(), &mut line);
    let line = String::from_utf8(line).expect("text") + "\n";
    assert_eq!(records(&line, Form::Detect), [full_record()]);
    assert_eq!(records(&line, Form::Json), [full_record()]);
}

#[test]
fn a_record_in_logfmt_is_read_back_with_the_fields_of_its_spans_as_its_own() {
    let mut line = Vec::new();
    LogfmtFormatter::new().format(&full_record(), &mut line);
    let mut expected = full_record();
    expected.spans[0].fields.clear();
    expected.fields.insert(0, field("n", Value::F64(1.5)));
    // What a line of logfmt does not have.
    expected.process.to_mut().context = Default::default();
    (expected.thread.id, expected.lane, expected.seq) = (0, 0, 0);
    let line = String::from_utf8(line).expect("text") + "\n";
    assert_eq!(records(&line, Form::Detect), [expected]);
}

#[track_caller]
fn check(line: &str, time: &str, level: Level, logger: &str, message: &str) {
    let found = records(&format!("{line}\n"), Form::Detect);
    let [record] = &found[..] else { panic!("{line}: {found:?}") };
    let at = jiff::Timestamp::from_nanosecond(record.time_ns.into()).expect("a time").to_string();
    let read = (&*at, record.level, &*record.logger, &*record.message);
    assert_eq!(read, (time, level, logger, message), "{line}");
}

#[test]
fn common_forms_are_recognised() {
    let time = "2026-11-22T04:48:23.123Z";
    for line in [
        "2026-11-22 04:48:23,123 api-1      web WARNING  it: is up",
        "2026-11-22 04:48:23,123 000000000000beef 42 api-1      web WARNING  it: is up",
        "2026-11-22 04:48:23,123 - web - WARNING - it: is up",
        "[2026-11-22T04:48:23.123Z WARN  web] it: is up",
        "2026-11-22T04:48:23.123Z  WARN web: it: is up",
        "2026-11-22 04:48:23,123 [WARNING] web: it: is up",
        "2026-11-22 04:48:23,123:WARNING:web:it: is up",
        r#"{"ts":"2026-11-22T04:48:23.123Z","severity":"warning","target":"web","msg":"it: is up"}"#,
        r#"{"timestamp":1795322903.123,"level":"WARN","logger":"web","message":"it: is up"}"#,
        r#"{"ts":1795322903123,"level":"WARN","logger":"web","message":"it: is up"}"#,
        r#"{"ts":1795322903123000,"level":"WARN","logger":"web","message":"it: is up"}"#,
        r#"{"ts":1795322903123000000,"level":"WARN","logger":"web","message":"it: is up"}"#,
        r#"{"timestamp":"2026-11-22T04:48:23.123Z","level":"WARN","fields":{"message":"it: is up"},"target":"web"}"#,
        r#"ts=2026-11-22T04:48:23.123Z level=warn logger=web msg="it: is up""#,
    ] {
        check(line, time, Level::WARNING, "web", "it: is up");
    }
    check("2026-11-22 04:48:23,123 ERROR failed", time, Level::ERROR, "", "failed");
    check("[2026-11-22 04:48:23,123] ERROR: failed", time, Level::ERROR, "", "failed");
    check("ERROR:web:failed", "1970-01-01T00:00:00Z", Level::ERROR, "web", "failed");
}

#[test]
fn carriage_returns_at_the_ends_of_lines_say_nothing() {
    for line in [
        "2026-11-22 04:48:23,123 api-1      web WARNING  up key=value\r\n\tmore\r\n",
        "{\"ts\":1,\"level\":\"WARN\",\"msg\":\"up\",\"key\":\"value\"}\r\n\tmore\r\n",
        "ts=2026-11-22T04:48:23.123Z level=warn msg=up key=value\r\n\tmore\r\n",
    ] {
        let found = records(&line.repeat(2), Form::Detect);
        assert_eq!(found, records(&line.repeat(2).replace('\r', ""), Form::Detect), "{line:?}");
        assert_eq!((found.len(), found[0].level), (2, Level::WARNING), "{line:?}");
    }
}

#[test]
fn a_form_that_changes_within_a_log_is_followed() {
    let json = r#"{"time":"2026-11-22T04:48:23Z","level":"INFO","logger":"web","message":"two"}"#;
    let log = format!(
        "2026-11-22 04:48:22,000 - web - INFO - one\n{json}\n{{\"a\":\n 2026-11-22 04:48:24,000 \
         api-1      web INFO     no record\n2026-11-22 04:48:24,000 api-1      web INFO     three\n"
    );
    let messages: Vec<_> =
        records(&log, Form::Detect).into_iter().map(|record| record.message).collect();
    let second = "two\n{\"a\":\n 2026-11-22 04:48:24,000 api-1      web INFO     no record";
    assert_eq!(messages, ["one", second, "three"]);
}

#[test]
fn a_named_pattern_is_read_and_no_other() {
    let pattern = "%(levelname)s|%(processName)s|%(message)s";
    let found = records("INFO|api|a|b\n{\"x\":1}\n", Form::Pattern(pattern.to_owned()));
    let [record] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&*record.process.name, &*record.message), ("api", "a|b\n{\"x\":1}"));
}

#[test]
fn objects_and_lists_of_others_become_fields() {
    let line = r#"{"level":"info","message":"m","http":{"status":500,"tags":["a",1,{"b":null}]}}"#;
    let found = records(&format!("{line}\n"), Form::Json);
    let tags = field("http.tags", Value::Str("[a,1,{b:null}]".into()));
    assert_eq!(found[0].fields, [field("http.status", Value::I64(500)), tags]);
}
