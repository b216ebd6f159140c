//! Filters that add what the program did not say, hide what nobody should read, and fold what is
//! said again and again.
//!
//! `cargo run --example filter_context --features listener`

use std::error::Error;
use std::fs;
use std::time::Duration;

use logboom::filter::{ContextFilter, DuplicateFilter, RedactFilter};
use logboom::formatter::PatternFormatter;
use logboom::handler::RotatingFileHandler;
use logboom::{QueueDir, QueueListener, Value};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("app.log");
    let queue = QueueDir::at(directory.path().join("queue"))?;
    let formatter =
        PatternFormatter::builder("%(name)s IP: %(ip)-13s User: %(user)-6s %(message)s")
            .default_field("ip", Value::Str("-".into()))
            .default_field("user", Value::Str("-".into()))
            .build()?;
    let mut users = ["jim", "fred", "sheila"].into_iter().cycle();
    let context = ContextFilter::new()
        .field("ip", Value::Str("192.168.0.1".into()))
        .field_with("user", move |_| Value::Str(users.next().unwrap_or_default().into()));
    let listener = QueueListener::builder(queue.clone())
        .filter(RedactFilter::new().pattern("key-[0-9]+")?)
        .filter(DuplicateFilter::new(Duration::from_secs(3600)))
        .filter(context)
        .file(RotatingFileHandler::builder(&log).open(formatter)?)
        .bind()?
        .spawn()?;

    let guard = logboom::builder().queue(queue).init()?;
    log::info!(target: "a.b.c", "A message with key-4711");
    for _ in 0..3 {
        log::warn!(target: "d.e.f", "A message again");
    }
    drop(guard);
    listener.stop()?;

    let text = fs::read_to_string(&log)?;
    let expected = [
        "a.b.c IP: 192.168.0.1   User: jim    A message with ***",
        "d.e.f IP: 192.168.0.1   User: fred   A message again",
        "d.e.f IP: 192.168.0.1   User: sheila last message repeated 2 times: A message again",
    ];
    // Before them the log says that it is filtered.
    assert!(text.lines().skip(1).eq(expected), "{text}");
    print!("{text}");
    Ok(())
}
