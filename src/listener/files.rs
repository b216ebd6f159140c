//! The log files. They hold everything back: while one cannot be written no further record is
//! taken, so that nothing accepted is lost; the workers' queues fill and their policy decides.
//!
//! What the files take between two commits is a batch: noted in the journal, written with one write
//! per file, and only then given up by the lanes. Files rotate between batches.

use std::sync::Arc;
use std::time::Duration;

use super::hub::Hub;
use super::journal::{Journal, Unresolved};
use super::stop::Stop;
use crate::Record;
use crate::causes::with_causes;
use crate::handler::{Handler, HandlerError, RotatingFileHandler};
use crate::rotation::{Resolution, Segment};

/// Shortest and longest pause before a failed write is tried again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

pub(super) struct Files {
    hub: Arc<Hub>,
    stop: Stop,
    drain_timeout: Duration,
    files: Vec<LogFile>,
    journal: Journal,
    notices: Vec<String>,
    /// The drain deadline has passed while a file could not be written: nothing is tried any more.
    given_up: bool,
}

struct LogFile {
    handler: RotatingFileHandler,
    /// It has all of the batch that is being recovered.
    is_complete: bool,
}

/// The lanes whose entries make up a batch.
pub(super) trait BatchLanes {
    /// Notes in every lane how far the batch goes.
    fn announce(&mut self, batch: u64);

    /// Gives up the entries of the batch: they are written.
    fn advance(&mut self);
}

impl Files {
    pub(super) fn new(
        files: Vec<RotatingFileHandler>,
        journal: Journal,
        hub: Arc<Hub>,
        stop: Stop,
        drain_timeout: Duration,
    ) -> Files {
        let file = |handler| LogFile { handler, is_complete: false };
        let files = files.into_iter().map(file).collect();
        Files { hub, stop, drain_timeout, files, journal, notices: Vec::new(), given_up: false }
    }

    /// Finds out which files need again what a listener before this one has begun to write: all but
    /// those that have all of it; what others have of it is cut off. Only those are written until
    /// [`end_recovery`](Self::end_recovery). False where that was given up.
    pub(super) fn resolve(&mut self, unresolved: &Unresolved) -> bool {
        self.persist(|files| {
            for file in &mut files.files {
                file.is_complete = false;
                for segment in &unresolved.segments {
                    file.is_complete |=
                        file.handler.resolve(segment)? == Some(Resolution::Complete);
                }
            }
            Ok(())
        })
    }

    pub(super) fn end_recovery(&mut self) {
        self.files.iter_mut().for_each(|file| file.is_complete = false);
        // The batch may have been all written: then nothing has noted that it is done.
        let _begun = self.journal.end();
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.given_up
    }

    /// Takes a record into the batch; false where the batch has to be committed before it.
    pub(super) fn offer(&mut self, record: &Record<'_>) -> bool {
        let fits = self.wanting().all(|file| file.offer(record));
        if fits {
            self.wanting().for_each(RotatingFileHandler::take_offered);
        }
        fits
    }

    /// Takes a record as the first of a batch, after a rotation where one is due. Waits while that
    /// is not possible.
    pub(super) fn begin(&mut self, record: &Record<'_>) {
        for index in 0..self.files.len() {
            if !self.files[index].is_complete {
                self.persist(|files| files.files[index].handler.handle(record));
            }
        }
    }

    /// Writes the batch and lets `lanes` go of it. Waits while it cannot be written; false where
    /// that was given up, and the lanes keep it.
    pub(super) fn commit(&mut self, lanes: &mut dyn BatchLanes) -> bool {
        let mut noted: Option<Vec<Segment>> = None;
        if !self.persist(|files| files.write(lanes, &mut noted)) {
            return false;
        }
        self.wanting().for_each(RotatingFileHandler::settle);
        lanes.advance();
        if noted.is_some() {
            // A batch that is not noted as done is found complete by the next listener.
            let _begun = self.journal.end();
        }
        true
    }

    /// Without a segment nothing can be doubled, and the journal is not bothered.
    fn write(
        &mut self,
        lanes: &mut dyn BatchLanes,
        noted: &mut Option<Vec<Segment>>,
    ) -> Result<(), HandlerError> {
        let prepared = self.wanting().map(RotatingFileHandler::prepare);
        let segments: Vec<_> = prepared.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        if !segments.is_empty() && noted.as_ref() != Some(&segments) {
            let batch = match noted {
                None => self.journal.begin(&segments),
                Some(_) => self.journal.begin_again(&segments),
            };
            lanes.announce(batch.map_err(|source| HandlerError::Io {
                operation: "write",
                path: self.journal.path().to_owned(),
                source,
            })?);
            *noted = Some(segments);
        }
        self.wanting().try_for_each(RotatingFileHandler::write_prepared)
    }

    /// The files that take what is given now.
    fn wanting(&mut self) -> impl Iterator<Item = &mut RotatingFileHandler> {
        self.files.iter_mut().filter(|file| !file.is_complete).map(|file| &mut file.handler)
    }

    /// Brings every file to the disk; false where one did not get there.
    pub(super) fn sync(&mut self) -> bool {
        let mut synced = !self.given_up;
        for file in self.files.iter_mut().filter(|_| !self.given_up) {
            if let Err(error) = file.handler.sync() {
                self.notices.push(with_causes(&error));
                synced = false;
            }
        }
        synced
    }

    /// What the log should say of its own files.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Closes the files and removes their locks.
    ///
    /// # Errors
    /// The first that one of them met; the others are closed all the same.
    pub(super) fn close(self) -> Result<(), HandlerError> {
        let closed: Vec<_> = self.files.into_iter().map(|file| file.handler.close()).collect();
        closed.into_iter().collect()
    }

    /// Does `act` until it succeeds, or until the drain deadline of a stop has passed; false then.
    fn persist(&mut self, mut act: impl FnMut(&mut Files) -> Result<(), HandlerError>) -> bool {
        let mut pause = BACK_OFF.0;
        let mut troubled = false;
        while !self.given_up
            && let Err(error) = act(self)
        {
            let text = with_causes(&error);
            if !troubled {
                self.notices.push(format!("{text}: workers waited until it could be written"));
                troubled = true;
            }
            self.hub.set_trouble(Some(text));
            self.given_up = !self.stop.rest(pause, self.drain_timeout);
            pause = (pause * 2).min(BACK_OFF.1);
        }
        if troubled && !self.given_up {
            self.hub.set_trouble(None);
        }
        !self.given_up
    }
}
