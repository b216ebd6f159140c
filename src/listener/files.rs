//! The log files. They hold everything back: while one cannot be written no further record is
//! taken, so that nothing accepted is lost; the workers' queues fill and their policy decides.

use std::sync::Arc;
use std::time::Duration;

use super::hub::Hub;
use super::outlet::chain;
use super::stop::Stop;
use crate::Record;
use crate::handler::{Handler, HandlerError, RotatingFileHandler};

/// Shortest and longest pause before a failed write is tried again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

pub(super) struct Files {
    hub: Arc<Hub>,
    stop: Stop,
    drain_timeout: Duration,
    files: Vec<LogFile>,
    notices: Vec<String>,
}

struct LogFile {
    handler: RotatingFileHandler,
    /// Given up while stopping: what is in its buffer is lost, and what comes then.
    given_up: bool,
    refused_records: u64,
}

impl Files {
    pub(super) fn new(
        handlers: Vec<RotatingFileHandler>,
        hub: Arc<Hub>,
        stop: Stop,
        drain_timeout: Duration,
    ) -> Files {
        let file = |handler| LogFile { handler, given_up: false, refused_records: 0 };
        let files = handlers.into_iter().map(file).collect();
        Files { hub, stop, drain_timeout, files, notices: Vec::new() }
    }

    /// Gives a record of the listener's own to every file; it is no loss where that is not possible.
    pub(super) fn handle_notice(&mut self, notice: &Record<'_>) {
        self.each(|handler| handler.handle(notice));
    }

    /// Gives a record to every file. Waits while one cannot be written.
    pub(super) fn handle(&mut self, record: &Record<'_>) {
        self.each(|handler| handler.handle(record));
        for file in self.files.iter_mut().filter(|file| file.given_up) {
            file.refused_records += 1;
        }
    }

    /// Writes what is buffered. Waits while it cannot be written.
    pub(super) fn flush(&mut self) {
        self.each(Handler::flush);
    }

    /// Brings every file to the disk; false where one did not get there.
    pub(super) fn sync(&mut self) -> bool {
        let mut synced = true;
        for file in &mut self.files {
            if let Err(error) = file.handler.sync() {
                self.notices.push(chain(&error));
                synced = false;
            }
        }
        synced
    }

    /// What the log should say of its own files.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Records that are in no file although they were taken: the most that one file has lost.
    pub(super) fn lost_records(&self) -> u64 {
        let given_up = self.files.iter().filter(|file| file.given_up);
        let lost = |file: &LogFile| file.refused_records + file.handler.buffered_records();
        given_up.map(lost).max().unwrap_or(0)
    }

    /// Closes the files and removes their locks.
    ///
    /// # Errors
    /// The first that one of them met; the others are closed all the same.
    pub(super) fn close(self) -> Result<(), HandlerError> {
        let closed: Vec<_> = self.files.into_iter().map(|file| file.handler.close()).collect();
        closed.into_iter().collect()
    }

    /// Does `act` with every file until it succeeds, or until the drain deadline of a stop has
    /// passed: then the file is given up.
    fn each(&mut self, mut act: impl FnMut(&mut RotatingFileHandler) -> Result<(), HandlerError>) {
        for file in &mut self.files {
            let mut pause = BACK_OFF.0;
            let mut troubled = false;
            while !file.given_up
                && let Err(error) = act(&mut file.handler)
            {
                let text = chain(&error);
                if !troubled {
                    self.notices.push(format!("{text}: workers waited until it could be written"));
                    troubled = true;
                }
                self.hub.set_trouble(Some(text));
                file.given_up = !self.stop.rest(pause, self.drain_timeout);
                pause = (pause * 2).min(BACK_OFF.1);
            }
            if troubled && !file.given_up {
                self.hub.set_trouble(None);
            }
        }
    }
}
