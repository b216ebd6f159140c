//! Two handlers with formatters and levels of their own: all records in a file, with their times,
//! and errors on a stream, in short.
//!
//! `cargo run --example multiple_handlers --features listener`

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use logboom::formatter::PatternFormatter;
use logboom::handler::{Color, Handler, HandlerError, RotatingFileHandler, StreamHandler};
use logboom::{Level, QueueDir, QueueListener, Record};

/// Gives another handler what is severe enough.
struct Errors<H>(H);

impl<H: Handler> Handler for Errors<H> {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        if record.level >= Level::ERROR { self.0.handle(record) } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        self.0.flush()
    }
}

/// In the place of the console, so that this example can look at it.
#[derive(Clone, Default)]
struct Console(Arc<Mutex<Vec<u8>>>);

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("spam.log");
    let queue = QueueDir::at(directory.path().join("queue"))?;
    let long = PatternFormatter::new("%(asctime)s - %(name)s - %(levelname)s - %(message)s")?;
    let short = PatternFormatter::new("%(levelname)s: %(message)s")?;
    let console = Console::default();
    let listener = QueueListener::builder(queue.clone())
        .file(RotatingFileHandler::builder(&log).open(long.datefmt("%H:%M")?)?)
        .handler("console", Errors(StreamHandler::new(console.clone(), Color::Never, short)))
        .bind()?
        .spawn()?;

    let guard = logboom::builder().queue(queue).default_filter("debug").init()?;
    log::debug!(target: "simple_example", "debug message");
    log::info!(target: "simple_example", "info message");
    log::error!(target: "simple_example", "error message");
    drop(guard);
    listener.stop()?;

    let text = fs::read_to_string(&log)?;
    let without_time = text.lines().filter_map(|line| line.split_once(" - "));
    let expected = [
        "simple_example - DEBUG - debug message",
        "simple_example - INFO - info message",
        "simple_example - ERROR - error message",
    ];
    assert!(without_time.map(|(_, rest)| rest).eq(expected), "{text}");
    let shown = String::from_utf8(console.0.lock().expect("nobody panics").clone())?;
    assert_eq!(shown, "ERROR: error message\n");
    print!("{text}{shown}");
    Ok(())
}
