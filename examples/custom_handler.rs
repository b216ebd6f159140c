//! A handler of your own beside a log file: it sends the messages of errors over a channel. It is
//! there twice, and one of the two fails because nobody receives; the file and the other go on.
//!
//! `cargo run --example custom_handler --features listener`

use std::error::Error;
use std::sync::mpsc::{self, Sender};
use std::{fs, thread};

use logboom::formatter::PatternFormatter;
use logboom::handler::{Handler, HandlerError, RotatingFileHandler};
use logboom::{Level, QueueDir, QueueListener, Record};

struct ErrorMessages(Sender<String>);

impl Handler for ErrorMessages {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        if record.level >= Level::ERROR {
            let message = record.message.to_string();
            self.0.send(message).map_err(|error| HandlerError::Other(error.into()))?;
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
        .file(RotatingFileHandler::builder(&log).open(Box::new(pattern))?)
        .handler("fails", ErrorMessages(fails))
        .handler("errors", ErrorMessages(sender))
        .worker_levels("info")
        .bind()?;
    let stop = listener.stop_handle();
    let listening = thread::spawn(move || listener.run());

    let guard = logboom::builder().queue(queue).init()?;
    log::info!(target: "boat", "casting off");
    log::error!(target: "boat", "anchor lost");
    log::info!(target: "boat", "back in port");
    drop(guard);
    stop.request();
    listening.join().map_err(|_| "the listener panicked")??;

    assert_eq!(errors.try_recv()?, "anchor lost");
    // The listener reports the failure in a line of its own, under another name.
    let text = fs::read_to_string(&log)?;
    let ours: Vec<_> = text.lines().filter(|line| line.starts_with("boat ")).collect();
    assert_eq!(ours, ["boat INFO casting off", "boat ERROR anchor lost", "boat INFO back in port"]);
    print!("{text}");
    Ok(())
}
