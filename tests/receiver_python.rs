//! Gives what Python's `SocketHandler` and `DatagramHandler` send to the decoder, and to Python
//! itself, with every Python that is found here.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::{Command, Stdio};

use logboom::Value;
use logboom::receiver::frame::{self, Frame};
use logboom::receiver::{Received, pickle};
use serde_json::Value as Json;

/// Versions that may be there besides `python3`.
const MINOR_VERSIONS: std::ops::RangeInclusive<u32> = 6..=14;

const ARRIVED_NS: i64 = 7;

/// Times that went through a float differ by less than this.
const PRECISION_NS: u64 = 2000;

/// The programs that run and have the standard library.
fn pythons() -> Vec<String> {
    let runs = |python: &String| {
        let mut command = Command::new(python);
        let command = command.args(["-c", "import logging.handlers"]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let named = MINOR_VERSIONS.map(|minor| format!("python3.{minor}"));
    ["python3".to_owned()].into_iter().chain(named).filter(runs).collect()
}

fn text<'j>(json: &'j Json, key: &str) -> Option<&'j str> {
    json[key].as_str().filter(|text| !text.is_empty())
}

fn near(time_ns: i64, expected_ns: f64) -> bool {
    time_ns.abs_diff(expected_ns as i64) < PRECISION_NS
}

fn compare_known(received: &Received<'_>, known: &Json) {
    assert_eq!(received.logger, known["name"].as_str().unwrap());
    assert_eq!(received.message, known["msg"].as_str().unwrap());
    let level = known["levelno"].as_u64().unwrap();
    assert_eq!(u64::from(received.level.number()), level.min(255));
    let level_name = known["levelname"].as_str().unwrap();
    let shown = received.level_name.as_deref().map_or(received.level.name(), Into::into);
    assert_eq!(shown, level_name);
    assert_eq!(received.exception.as_deref(), text(known, "exc_text"));
    assert_eq!(received.stack_info.as_deref(), text(known, "stack_info"));
    assert_eq!(received.file.as_deref(), text(known, "pathname"));
    assert_eq!(received.line.map(u64::from), known["lineno"].as_u64());
    assert_eq!(received.function.as_deref(), text(known, "funcName"));
    assert_eq!(received.process_id.map(u64::from), known["process"].as_u64());
    assert_eq!(received.process_name.as_deref(), text(known, "processName"));
    assert_eq!(received.thread_id, known["thread"].as_u64());
    assert_eq!(received.thread_name.as_deref(), text(known, "threadName"));
    assert_eq!(received.task_name.as_deref(), text(known, "taskName"));
    let created_ns = known["created"].as_f64().unwrap() * 1e9;
    let since_start_ns = known["relativeCreated"].as_f64().unwrap() * 1e6;
    assert!(near(received.time_ns, created_ns), "{} {created_ns}", received.time_ns);
    assert!(near(received.started_ns.unwrap(), created_ns - since_start_ns));
}

fn compare_fields(received: &Received<'_>, fields: &[Json]) {
    let keys: Vec<_> = received.fields.iter().map(|field| &*field.key).collect();
    let expected: Vec<_> = fields.iter().map(|field| field[0].as_str().unwrap()).collect();
    assert_eq!(keys, expected);
    for (field, expected) in received.fields.iter().zip(fields) {
        compare_value(&field.value, &expected[1]);
    }
}

fn compare_value(value: &Value<'_>, expected: &Json) {
    let is_same = match (expected[0].as_str().unwrap(), &expected[1], value) {
        ("null", _, Value::Null) => true,
        ("bool", expected, Value::Bool(value)) => expected == value,
        ("int", Json::String(digits), Value::I64(_) | Value::U64(_)) => {
            *digits == value.to_string()
        }
        ("int", Json::String(digits), Value::Str(text)) => {
            digits.parse::<i64>().is_err() && digits.parse::<u64>().is_err() && digits == text
        }
        ("float", Json::String(bits), Value::F64(value)) => *bits == value.to_bits().to_string(),
        ("text", Json::String(expected), Value::Str(text)) => expected == text,
        ("json", Json::String(expected), Value::Str(text)) => {
            let json = |text: &str| -> Json { serde_json::from_str(text).expect("JSON") };
            json(expected) == json(text)
        }
        ("object", Json::String(name), Value::Str(text)) => {
            let rest = text.strip_prefix('<').and_then(|text| text.strip_prefix(name.as_str()));
            rest.is_some_and(|rest| rest.starts_with('(') && rest.ends_with(")>"))
        }
        _ => false,
    };
    assert!(is_same, "{value:?} is not {expected}");
}

fn compare(python: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("frames");
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/receiver_python.py"))
        .arg(&path)
        .stderr(Stdio::inherit())
        .output()
        .expect("it ran before");
    assert!(output.status.success(), "{python} failed, see above");
    let answers = String::from_utf8(output.stdout).expect("JSON is ASCII");
    let frames = fs::read(&path).expect("the frames");
    let (mut rest, mut records) = (&frames[..], 0);
    for answer in answers.lines() {
        let answer: Json = serde_json::from_str(answer).expect("JSON");
        let next =
            frame::first(rest).expect("lengths are right").expect("as many frames as answers");
        let Frame { content, rest: behind } = next;
        assert_eq!(frame::only(&rest[..4 + content.len()]), Ok(content));
        rest = behind;
        let received = pickle::decode(content, ARRIVED_NS).expect("a record");
        compare_known(&received, &answer["known"]);
        compare_fields(&received, answer["fields"].as_array().unwrap());
        records += 1;
    }
    assert!(rest.is_empty() && records >= 300, "{records} records of {python}");
}

#[test]
fn records_are_those_of_python() {
    let pythons = pythons();
    assert!(!pythons.is_empty(), "this test compares with python3: scripts/test installs it");
    pythons.iter().for_each(|python| compare(python));
}
