//! A transport of one's own, both ways, as the logging cookbook of Python has it by subclassing
//! `QueueHandler` and `QueueListener`: a handler that sends records as JSON, and a source that takes
//! them. Here a channel carries them from one listener to another; it could be any broker.
//!
//! `cargo run --example own_transport --features receiver`

use std::error::Error;
use std::fs;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use logboom::formatter::{Formatter, LogRecordFormatter, PatternFormatter};
use logboom::handler::{Handler, HandlerError, RotatingFileHandler};
use logboom::receiver::decode_json;
use logboom::{Inlet, Process, QueueDir, QueueListener, Record, RecordSource};

/// Records that the channel holds at most.
const MAX_WAITING: usize = 1000;

/// How often the source looks whether it is to end.
const TICK: Duration = Duration::from_millis(100);

/// Sends each record, or fails at once; the listener counts what has failed.
struct ChannelHandler(SyncSender<Vec<u8>>);

impl Handler for ChannelHandler {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        let mut body = Vec::new();
        LogRecordFormatter::new().format(record, &mut body);
        self.0.try_send(body).map_err(HandlerError::other)
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Takes what comes.
struct ChannelSource(Receiver<Vec<u8>>);

impl RecordSource for ChannelSource {
    fn name(&self) -> String {
        "channel".to_owned()
    }

    fn run(&mut self, inlet: &Inlet) {
        let mut lane = match inlet.lane(Process::default()) {
            Ok(lane) => lane,
            Err(error) => return inlet.refuse(&error.to_string()),
        };
        loop {
            match self.0.recv_timeout(TICK) {
                Ok(body) => match decode_json(&body) {
                    Ok(record) => {
                        inlet.give(&mut lane, record.into_owned());
                    }
                    Err(error) => inlet.refuse(&error.to_string()),
                },
                Err(RecvTimeoutError::Timeout) if !inlet.is_closing() => {}
                Err(_) => return,
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("app.log");
    let pattern = PatternFormatter::new("%(name)s %(levelname)s %(message)s%(fields)s")?;
    let (sender, receiver) = mpsc::sync_channel(MAX_WAITING);

    let there = QueueListener::builder(QueueDir::at(directory.path().join("there"))?)
        .file(RotatingFileHandler::builder(&log).open(pattern)?)
        .source(ChannelSource(receiver))
        .bind()?
        .spawn()?;
    let queue = QueueDir::at(directory.path().join("here"))?;
    let here = QueueListener::builder(queue.clone())
        .handler("channel", ChannelHandler(sender.clone()))
        .bind()?
        .spawn()?;

    let guard = logboom::builder().queue(queue).init()?;
    log::info!(target: "boat", port = "Ålesund"; "casting off");
    log::error!(target: "boat", "anchor lost: 100%");
    drop(guard);
    here.stop()?;
    // What is no record is counted, and harms nothing.
    sender.send(b"garbage".to_vec())?;
    there.stop()?;

    let text = fs::read_to_string(&log)?;
    let expected = ["boat INFO casting off port=Ålesund", "boat ERROR anchor lost: 100%"];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    print!("{text}");
    Ok(())
}
