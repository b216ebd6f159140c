//! A handler that takes its time, behind a queue and on a thread of its own: whoever logs does not
//! wait for it, and when it is closed nothing is missing.
//!
//! `cargo run --example blocking_handler --features listener`

use std::error::Error;
use std::sync::mpsc::{Receiver, Sender, channel};

use logboom::handler::{BackgroundHandler, Handler, HandlerError};
use logboom::{Level, Record};

/// Sends mail to somebody who reads it when he has the time.
struct Mail {
    readers_time: Receiver<()>,
    inbox: Sender<String>,
}

impl Handler for Mail {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        self.readers_time.recv().map_err(HandlerError::other)?;
        self.inbox.send(record.message.to_string()).map_err(HandlerError::other)
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (give_time, readers_time) = channel();
    let (inbox, mails) = channel();
    let mut handler =
        BackgroundHandler::builder(Mail { readers_time, inbox }).max_records(3).start()?;
    let monitor = handler.monitor();

    // Nobody reads, and yet each call returns: some are taken, the others dropped and counted.
    let mut take =
        |text: &String| handler.handle(&Record::new(0, Level::ERROR, "app", text)).is_ok();
    let texts: Vec<_> = (0..10).map(|number| format!("error {number}")).collect();
    let taken: Vec<_> = texts.iter().filter(|text| take(text)).collect();
    assert!(!taken.is_empty() && mails.try_recv().is_err());
    assert_eq!(monitor.counts().dropped as usize, texts.len() - taken.len());

    for _ in &taken {
        give_time.send(())?;
    }
    handler.close()?;
    assert!(mails.try_iter().eq(taken.iter().copied().cloned()));
    assert_eq!(monitor.counts().handled as usize, taken.len());
    println!("read: {taken:?}; dropped: {}", monitor.counts().dropped);
    Ok(())
}
