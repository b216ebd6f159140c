//! A handler of your own beside a log file: it sends the messages of errors over a channel. It is
//! there twice, and one of the two fails because nobody receives; the file and the other go on.
//!
//! `cargo run --example custom_handler --features listener`

use std::error::Error;
use std::fs;
use std::sync::mpsc::{self, Sender};

use logboom::formatter::PatternFormatter;
use logboom::handler::{Handler, HandlerError, RotatingFileHandler};
use logboom::{Level, QueueDir, QueueListener, Record};

struct ErrorMessages(Sender<String>);

impl Handler for ErrorMessages {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        if record.level >= Level::ERROR {
            self.0.send(record.message.to_string()).map_err(HandlerError::other)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("app.log");
    let queue = QueueDir::at(directory.path().join("queue"))?;
    let pattern = PatternFormatter::new("%(name)s %(levelname)s %(message)s")?;
    let (sender, errors) = mpsc::channel();
    let (fails, _) = mpsc::channel();
    let listener = QueueListener::builder(queue.clone())
        .file(RotatingFileHandler::builder(&log).open(pattern)?)
        .handler("fails", ErrorMessages(fails))
        .handler("errors", ErrorMessages(sender))
        .level("root", Level::INFO)
        .bind()?
        .spawn()?;

    let guard = logboom::builder().queue(queue).init()?;
    log::info!(target: "boat", "casting off");
    log::error!(target: "boat", "anchor lost");
    log::info!(target: "boat", "back in port");
    drop(guard);
    listener.stop()?;

    assert_eq!(errors.try_recv()?, "anchor lost");
    let text = fs::read_to_string(&log)?;
    let expected = [
        "boat INFO casting off",
        "boat ERROR anchor lost",
        "boat INFO back in port",
        "logboom ERROR handler fails failed: sending on a closed channel",
    ];
    let mut lines: Vec<_> = text.lines().collect();
    // The failure is reported when it is known, perhaps before the last record.
    lines.sort_by_key(|line| line.starts_with("logboom "));
    assert_eq!(lines, expected);
    print!("{text}");
    Ok(())
}
