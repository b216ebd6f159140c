//! The log files. They hold everything back: while one cannot be written no further record is
//! taken, so that nothing accepted is lost; the workers' queues fill and their policy decides.
//!
//! What the files take between two commits is a batch: noted in the journal, written with one write
//! per file, and only then given up by the lanes. Files rotate between batches.

mod exchange;
mod held_back;
mod routes;
mod take;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use self::held_back::NextSettings;
pub(super) use self::routes::{Owner, Routes};
use super::hub::Hub;
use super::recovery::Recovery;
use super::stop::Stop;
use super::sync::SyncState;
use super::sync_policy::SyncPolicy;
use super::tasks::Tasks;
use super::trouble::Troubles;
use crate::causes::with_causes;
use crate::fault;
use crate::handler::{HandlerError, RotatingFileHandler};
use crate::journal::{Entry, Journal, MAX_FILES, NamedFile};
use crate::queue::control::Reply;
use crate::queue::status::Rotated;

/// Shortest and longest pause before a failed write is tried again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How often it is looked whether the log files are where they were: at each tick of an idle drain, and
/// at every fourth of one that rests.
const LOOK_INTERVAL: Duration = Duration::from_millis(750);

pub(super) struct Files {
    hub: Arc<Hub>,
    stop: Stop,
    tasks: Arc<Tasks>,
    /// Of the exchange that has begun.
    next: NextSettings,
    drain_timeout: Duration,
    files: Vec<LogFile>,
    routes: Routes,
    journal: Journal,
    looked_at: Instant,
    troubles: Troubles,
    /// How often others have truncated files that are not here any more.
    past_truncations: u64,
    sync: SyncState,
    /// Why the last sync failed, if it did.
    sync_error: Option<HandlerError>,
    /// The batch of a killed listener is taken, and goes to the files that do not have it in one piece.
    is_recovering: bool,
    /// The drain deadline has passed while a file could not be written: nothing is tried any more.
    given_up: bool,
    /// Why.
    failure: Option<HandlerError>,
}

/// What log files have to do with other parts of the listener.
pub(super) struct Shared {
    pub(super) hub: Arc<Hub>,
    pub(super) stop: Stop,
    pub(super) tasks: Arc<Tasks>,
}

struct LogFile {
    handler: RotatingFileHandler,
    /// It has all of the batch that is being recovered.
    is_complete: bool,
}

impl LogFile {
    fn prepare(&mut self) -> Result<Entry, HandlerError> {
        if self.is_complete {
            return Ok(Entry::Complete);
        }
        Ok(self.handler.prepare()?.map_or(Entry::Untouched, Entry::Begun))
    }
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
        routes: Routes,
        journal: Journal,
        policy: SyncPolicy,
        shared: Shared,
        drain_timeout: Duration,
    ) -> Files {
        let Shared { hub, stop, tasks } = shared;
        let file = |handler| LogFile { handler, is_complete: false };
        let files: Vec<_> = files.into_iter().map(file).collect();
        let sync = SyncState::new(policy, !files.is_empty() || !routes.is_empty());
        hub.set_sync(sync.status().clone());
        let troubles = Troubles::new(Arc::clone(&hub));
        Files {
            hub,
            stop,
            tasks,
            next: NextSettings::default(),
            drain_timeout,
            files,
            routes,
            journal,
            looked_at: Instant::now(),
            troubles,
            past_truncations: 0,
            sync,
            sync_error: None,
            is_recovering: false,
            given_up: false,
            failure: None,
        }
    }

    /// Tells the journal which files there are, for its notes from now on. Waits while it cannot be
    /// written.
    pub(super) fn enter_journal(&mut self) {
        self.persist(Files::name_files);
    }

    fn name_files(&mut self) -> Result<(), HandlerError> {
        let Files { files, routes, journal, .. } = self;
        let fixed = files.iter().map(|file| file.handler.path());
        let fixed: Vec<_> = fixed.map(|path| NamedFile { path, is_routed: false }).collect();
        let named = routes.name(&fixed, |files| journal.name_files(files));
        named.map_err(|source| self.journal_error(source))
    }

    /// How many files of routes a batch may be about.
    fn room_for_routed(&self) -> usize {
        MAX_FILES.saturating_sub(self.files.len())
    }

    /// Finds out which files need again what a listener before this one has begun to write: all but
    /// those that have all of it; what others have of it is cut off. Only those are written until
    /// [`end_recovery`](Self::end_recovery). False where that was given up.
    pub(super) fn resolve(&mut self, recovery: &Recovery) -> bool {
        let mut has_batch = Vec::new();
        let is_resolved = self.persist(|files| {
            has_batch = recovery.resolve()?;
            files.handlers().try_for_each(RotatingFileHandler::measure)
        });
        let paths = self.files.iter().map(|file| file.handler.path());
        let predecessors = recovery.predecessors(paths);
        for (file, predecessor) in self.files.iter_mut().zip(predecessors) {
            file.is_complete = is_resolved && predecessor.is_some_and(|index| has_batch[index]);
        }
        for file in self.routes.files_mut() {
            let place = recovery.place_of(file.handler.path());
            file.is_complete = is_resolved && place.is_some_and(|index| has_batch[index]);
        }
        self.is_recovering = is_resolved;
        is_resolved
    }

    /// Writes what was taken for the files that do not have it, and lets `lanes` go of it.
    pub(super) fn end_recovery(&mut self, lanes: &mut dyn BatchLanes) {
        let has_room = self.persist(|files| {
            files.wanting().try_for_each(RotatingFileHandler::make_room_for_lines)
        });
        if has_room && self.commit(lanes) {
            self.is_recovering = false;
            self.files.iter_mut().for_each(|file| file.is_complete = false);
            self.routes.files_mut().for_each(|file| file.is_complete = false);
            // The batch may have been all written: then nothing has noted that it is done.
            let _begun = self.journal.end();
        }
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.given_up
    }

    /// Writes the batch and lets `lanes` go of it. Waits while it cannot be written; false where
    /// that was given up, and the lanes keep it.
    pub(super) fn commit(&mut self, lanes: &mut dyn BatchLanes) -> bool {
        let mut noted: Option<Vec<Entry>> = None;
        if !self.persist(|files| files.write(lanes, &mut noted)) {
            return false;
        }
        self.wanting().for_each(RotatingFileHandler::settle);
        self.routes.settle();
        lanes.advance();
        fault::point("after-heads");
        if noted.is_some() {
            // A batch that is not noted as done is found complete by the next listener.
            let _begun = self.journal.end();
            fault::point("after-done");
            if self.sync.written() && !self.sync.is_resting() {
                self.sync();
            }
        }
        true
    }

    /// Where nothing is to be written nothing can be doubled, and the journal is not bothered.
    fn write(
        &mut self,
        lanes: &mut dyn BatchLanes,
        noted: &mut Option<Vec<Entry>>,
    ) -> Result<(), HandlerError> {
        if self.routes.has_unnamed() {
            self.name_files()?;
        }
        let entries = self.files.iter_mut().map(LogFile::prepare);
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        entries.append(&mut self.routes.prepare()?);
        let is_begun = entries.iter().any(|entry| matches!(entry, Entry::Begun(_)));
        if is_begun && noted.as_ref() != Some(&entries) {
            fault::point("before-note");
            let batch = if noted.is_some() || self.is_recovering {
                self.journal.begin_again(&entries)
            } else {
                self.journal.begin(&entries)
            };
            let batch = batch.map_err(|source| self.journal_error(source))?;
            fault::point("after-note");
            lanes.announce(batch);
            fault::point("after-announce");
            *noted = Some(entries);
        }
        self.wanting().try_for_each(RotatingFileHandler::write_prepared)
    }

    fn journal_error(&self, source: std::io::Error) -> HandlerError {
        HandlerError::Io { operation: "write", path: self.journal.path().to_owned(), source }
    }

    /// The files that take what is given now.
    fn wanting(&mut self) -> impl Iterator<Item = &mut RotatingFileHandler> {
        let fixed = self.files.iter_mut().filter(|file| !file.is_complete);
        let routed = self.routes.files_mut().filter(|file| !file.is_complete);
        fixed.map(|file| &mut file.handler).chain(routed.map(|file| &mut file.handler))
    }

    fn handlers(&mut self) -> impl Iterator<Item = &mut RotatingFileHandler> {
        let routed = self.routes.files_mut().map(|file| &mut file.handler);
        self.files.iter_mut().map(|file| &mut file.handler).chain(routed)
    }

    /// Rotates each file once, now that no batch is begun. What cannot be rotated is left as it is.
    pub(super) fn rotate(&mut self) -> Rotated {
        let mut rotated = Rotated::default();
        for file in self.handlers() {
            match file.rotate() {
                Ok(true) => rotated.files += 1,
                Ok(false) => {}
                Err(error) => {
                    rotated.error.get_or_insert(with_causes(&error));
                }
            }
        }
        rotated
    }

    /// What is in hand goes before a rotation, which would come too late for whoever has asked.
    fn refuse_rotations(&self, error: &HandlerError) {
        for reply in self.hub.take_rotations() {
            let error = Some(with_causes(error));
            // Whoever asked may be gone.
            let _gone = reply.send(Reply::Rotated(Rotated { files: 0, error }));
        }
    }

    /// Now and then, between two batches: opens anew what others have moved or deleted. What cannot be
    /// opened is tried again at the next look, or the next write.
    pub(super) fn look(&mut self) {
        if self.given_up || self.looked_at.elapsed() < LOOK_INTERVAL {
            return;
        }
        self.looked_at = Instant::now();
        match self.reopen() {
            Ok(()) => self.troubles.open_succeeded(),
            Err(error) => self.troubles.open_failed(&error),
        }
    }

    /// Brings what is written to the disk, unless it is there.
    pub(super) fn sync(&mut self) {
        if self.sync.is_complete() || self.given_up {
            return;
        }
        let mut synced: Vec<_> =
            self.files.iter_mut().map(|file| file.handler.sync_written()).collect();
        synced.push(self.routes.sync());
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

    /// How often others have truncated a file.
    pub(super) fn truncations(&self) -> u64 {
        let here = self.files.iter().map(|file| file.handler.truncations());
        self.past_truncations + here.sum::<u64>() + self.routes.truncations()
    }

    /// The files that records choose.
    pub(super) fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Whether filters hold back records from all files.
    pub(super) fn set_filtered(&mut self, is_filtered: bool) {
        self.routes.set_filtered(is_filtered);
    }

    /// Which of the files that records do not choose are new, with something in them, since this was asked
    /// last.
    pub(super) fn take_new(&mut self) -> Vec<bool> {
        let is_new = |file: &mut LogFile| !file.handler.is_empty() && file.handler.take_new();
        self.files.iter_mut().map(is_new).collect()
    }

    /// What the log should say of its own files.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        let of_files = self.files.iter_mut().flat_map(|file| file.handler.take_notices());
        let mut notices: Vec<_> = of_files.collect();
        notices.append(&mut self.routes.take_notices());
        notices.append(&mut self.troubles.take_notices());
        notices
    }

    /// Closes the files and removes their locks.
    ///
    /// # Errors
    /// The first that one of them met, or that of the last sync; all are closed all the same.
    pub(super) fn close(self) -> Result<(), HandlerError> {
        if let Some(failure) = self.failure {
            // What waits is still in the lanes; written now, it would be written twice.
            return Err(failure);
        }
        let mut closed: Vec<_> = self.files.into_iter().map(|file| file.handler.close()).collect();
        closed.push(self.routes.close_all());
        closed.into_iter().collect::<Result<(), _>>()?;
        self.sync_error.map_or(Ok(()), Err)
    }

    /// Does `act` until it succeeds, or until the drain deadline of a stop has passed; false then.
    fn persist(&mut self, mut act: impl FnMut(&mut Files) -> Result<(), HandlerError>) -> bool {
        let mut pause = BACK_OFF.0;
        while !self.given_up
            && let Err(error) =
                act(self).or_else(|error| self.act_by_next_settings(error, &mut act))
        {
            self.routes.make_room_after(&error);
            self.make_room_in_others(&error);
            self.refuse_rotations(&error);
            self.troubles.write_failed(&error);
            let rest = self.hub.next_flush_deadline().map_or(pause, |left| left.min(pause));
            if !self.stop.rest(rest, self.drain_timeout) {
                self.given_up = true;
                self.failure = Some(error);
            }
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
