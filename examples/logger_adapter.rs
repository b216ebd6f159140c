//! Fields that belong to a logger rather than to a call, fixed or computed at each call: "Using
//! LoggerAdapters to impart contextual information" of Python's logging cookbook.
//!
//! `cargo run --example logger_adapter --features listener`

use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use logboom::formatter::PatternFormatter;
use logboom::handler::RotatingFileHandler;
use logboom::{Context, Extra, FieldEncoder, Level, LoggerAdapter, QueueDir, QueueListener};

const LEVELS: [Level; 5] =
    [Level::DEBUG, Level::INFO, Level::WARNING, Level::ERROR, Level::CRITICAL];
const IPS: [&str; 2] = ["127.0.0.1", "192.168.0.1"];
const USERS: [&str; 3] = ["jim", "fred", "sheila"];

/// Who is connected at the moment of the call: here one after the other, so that the output is known.
#[derive(Default)]
struct ConnInfo {
    calls: AtomicUsize,
}

impl Extra for ConnInfo {
    fn add_fields(&self, to: &mut FieldEncoder<'_>) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        to.add("ip", IPS[call % IPS.len()]);
        to.add("user", USERS[call % USERS.len()]);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("app.log");
    let queue = QueueDir::at(directory.path().join("queue"))?;
    let formatter = PatternFormatter::new("%(name)-5s %(levelname)-8s %(message)s%(fields)s")?;
    let file = RotatingFileHandler::builder(&path).open(formatter)?;
    let listener = QueueListener::builder(queue.clone()).file(file).bind()?.spawn()?;
    let guard = logboom::builder().queue(queue).default_filter("debug").init()?;

    let sheila = Context::new([("ip", "123.231.231.123"), ("user", "sheila")]);
    let a1 = LoggerAdapter::new(logboom::logger("a.b.c"), sheila);
    log::debug!(logger: a1, "A debug message");
    log::info!(logger: a1, attempts = 3; "An info message with {}", "some parameters");
    let a2 = LoggerAdapter::new(logboom::logger("d.e.f"), ConnInfo::default());
    for level in LEVELS {
        a2.log(level, format_args!("A message at {level} level with {} {}", 2, "parameters"));
    }
    drop(guard);
    listener.stop()?;

    let text = fs::read_to_string(&path)?;
    let expected = "\
a.b.c DEBUG    A debug message ip=123.231.231.123 user=sheila
a.b.c INFO     An info message with some parameters ip=123.231.231.123 user=sheila attempts=3
d.e.f DEBUG    A message at DEBUG level with 2 parameters ip=127.0.0.1 user=jim
d.e.f INFO     A message at INFO level with 2 parameters ip=192.168.0.1 user=fred
d.e.f WARNING  A message at WARNING level with 2 parameters ip=127.0.0.1 user=sheila
d.e.f ERROR    A message at ERROR level with 2 parameters ip=192.168.0.1 user=jim
d.e.f CRITICAL A message at CRITICAL level with 2 parameters ip=127.0.0.1 user=fred
";
    assert_eq!(text, expected);
    print!("{text}");
    Ok(())
}
