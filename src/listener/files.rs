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
use super::sync::SyncState;
use super::sync_policy::SyncPolicy;
use super::trouble::Troubles;
use crate::Record;
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
    troubles: Troubles,
    sync: SyncState,
    /// Why the last sync failed, if it did.
    sync_error: Option<HandlerError>,
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
        policy: SyncPolicy,
        hub: Arc<Hub>,
        stop: Stop,
        drain_timeout: Duration,
    ) -> Files {
        let file = |handler| LogFile { handler, is_complete: false };
        let files: Vec<_> = files.into_iter().map(file).collect();
        let sync = SyncState::new(policy, !files.is_empty());
        hub.set_sync(sync.status().clone());
        let troubles = Troubles::new(Arc::clone(&hub));
        Files {
            hub,
            stop,
            drain_timeout,
            files,
            journal,
            troubles,
            sync,
            sync_error: None,
            given_up: false,
        }
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
            self.sync.take(record.level);
        }
        fits
    }

    /// Takes a record as the first of a batch, after a rotation where one is due. Waits while that
    /// is not possible.
    pub(super) fn begin(&mut self, record: &Record<'_>) {
        self.sync.take(record.level);
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
            if self.sync.written() && !self.sync.is_resting() {
                self.sync();
            }
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

    /// Brings what is written to the disk, unless it is there.
    pub(super) fn sync(&mut self) {
        if self.sync.is_complete() || self.given_up {
            return;
        }
        let synced: Vec<_> =
            self.files.iter_mut().map(|file| file.handler.sync_written()).collect();
        match synced.into_iter().collect::<Result<(), _>>() {
            Ok(()) => {
                self.sync.succeeded();
                self.troubles.sync_succeeded();
                self.sync_error = None;
            }
            Err(error) => {
                self.sync.failed();
                self.troubles.sync_failed(&error);
                self.sync_error = Some(error);
            }
        }
        self.hub.set_sync(self.sync.status().clone());
    }

    /// Syncs where the policy wants it by now, or a failed sync has to be tried again.
    pub(super) fn sync_if_due(&mut self) {
        if self.sync.is_due() {
            self.sync();
        }
    }

    /// How all this stands with the disk.
    pub(super) fn sync_state(&mut self) -> &mut SyncState {
        &mut self.sync
    }

    /// What the log should say of its own files.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        self.troubles.take_notices()
    }

    /// Closes the files and removes their locks.
    ///
    /// # Errors
    /// The first that one of them met, or that of the last sync; all are closed all the same.
    pub(super) fn close(self) -> Result<(), HandlerError> {
        let closed: Vec<_> = self.files.into_iter().map(|file| file.handler.close()).collect();
        closed.into_iter().collect::<Result<(), _>>()?;
        self.sync_error.map_or(Ok(()), Err)
    }

    /// Does `act` until it succeeds, or until the drain deadline of a stop has passed; false then.
    fn persist(&mut self, mut act: impl FnMut(&mut Files) -> Result<(), HandlerError>) -> bool {
        let mut pause = BACK_OFF.0;
        while !self.given_up
            && let Err(error) = act(self)
        {
            self.troubles.write_failed(&error);
            let rest = self.hub.next_flush_deadline().map_or(pause, |left| left.min(pause));
            self.given_up = !self.stop.rest(rest, self.drain_timeout);
            pause = (pause * 2).min(BACK_OFF.1);
            self.sync_if_due();
            self.hub.fail_late_flushes();
        }
        if !self.given_up {
            self.troubles.write_succeeded();
        }
        !self.given_up
    }
}
