//! Records to check with.

use crate::{Field, Level, Record, Span, Value};

/// Longest message: what a worker sends at most.
const LONG_BYTES: usize = 128 * 1024;

/// Time between two ordinary records.
const STEP_NS: i64 = 100_000_000;

/// Records out of the ordinary, each with what is odd in it.
pub(super) fn odd() -> Vec<(&'static str, Record<'static>)> {
    let new = |level, message: &str| Record::new(0, level, "odd.logger", message.to_owned());
    let of_text = |message: &str| new(Level::INFO, message);
    let at = |time_ns| Record { time_ns, ..of_text("a time") };
    let with_exception = |text: &'static str| Record {
        exception: Some(text.into()),
        ..new(Level::ERROR, "an exception")
    };
    vec![
        ("an empty message", of_text("")),
        ("a record with nothing in it", Record::new(0, Level::NOTSET, "", "")),
        ("a message of line breaks", of_text("\n\r\n\n")),
        ("a message that ends in a newline", of_text("one\ntwo\n")),
        ("control characters", of_text("\0\x07\x1b[2J\u{9b}\u{85}\u{2028}\t")),
        ("signs of patterns and formats", of_text("%s %(message)s {0} {} $x \"\\ =]")),
        ("characters of several bytes", of_text("naïve 日本語 🦀\u{10ffff}")),
        ("a long message", of_text(&"é".repeat(LONG_BYTES / 2))),
        ("the first time there is", at(i64::MIN)),
        ("the last time there is", at(i64::MAX)),
        ("the lowest level", new(Level::NOTSET, "a level")),
        ("the highest level", new(Level::new(u8::MAX), "a level")),
        ("a level without a name", new(Level::new(33), "a level")),
        ("an empty exception", with_exception("")),
        ("an exception of several lines", with_exception("Error: x\n  at y\n\n")),
        ("odd names", odd_names()),
        ("many fields", many_fields()),
    ]
}

fn odd_names() -> Record<'static> {
    let evil = "\n=\"]\\\x1b ";
    let mut record = Record::new(0, Level::INFO, evil, "odd names");
    record.file = Some(evil.into());
    record.line = Some(u32::MAX);
    record.function = Some(evil.into());
    record.thread.name = evil.into();
    record.thread.id = u64::MAX;
    let process = record.process.to_mut();
    (process.name, process.program, process.id) = (evil.into(), evil.into(), u32::MAX);
    record.fields.push(Field { key: evil.into(), value: Value::Str(evil.into()) });
    record.spans.push(Span { name: evil.into(), fields: record.fields.clone() });
    record
}

fn many_fields() -> Record<'static> {
    let mut record = Record::new(0, Level::INFO, "odd.logger", "many fields");
    let values = [
        Value::Null,
        Value::Bool(true),
        Value::I64(i64::MIN),
        Value::U64(u64::MAX),
        Value::F64(f64::NAN),
        Value::F64(f64::INFINITY),
        Value::Str("".into()),
    ];
    for number in 0..200 {
        let value = values[number % values.len()].clone();
        record.fields.push(Field { key: format!("key{}", number % 50).into(), value });
    }
    record.fields.push(Field { key: "".into(), value: Value::Null });
    let span =
        |depth: usize| Span { name: format!("span{depth}").into(), fields: record.fields.clone() };
    record.spans = (0..5).map(span).collect();
    record
}

/// Ordinary records of several loggers, levels and workers, in the order of time; messages come
/// again.
pub(super) fn ordinary(count: usize) -> Vec<Record<'static>> {
    let loggers = ["web", "web.http", "db::pool"];
    let levels = [Level::DEBUG, Level::INFO, Level::INFO, Level::WARNING, Level::ERROR];
    let record = |index: usize| {
        let time_ns = 1_795_322_903_000_000_000 + index as i64 * STEP_NS;
        let message = format!("message {}", index % 7);
        let logger = loggers[index % loggers.len()];
        let mut record = Record::new(time_ns, levels[index % levels.len()], logger, message);
        let process = record.process.to_mut();
        (process.name, process.id) = (format!("worker-{}", index % 2).into(), 4711);
        let user = Value::U64(index as u64 % 5);
        record.fields.push(Field { key: "user".into(), value: user });
        record.seq = index as u64;
        record
    };
    (0..count).map(record).collect()
}
