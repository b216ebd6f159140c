//! Other log files for a listener that goes on.

use std::path::Path;
use std::time::Duration;

use super::{Files, LogFile};
use crate::handler::{HandlerError, RotatingFileHandler};
use crate::journal::NamedFile;
use crate::listener::SyncPolicy;
use crate::listener::layout::{NextFile, NextRoute};

impl Files {
    /// Goes on with other log files, between two batches; those that go are given back, as certain to
    /// be on the disk as the rest, unless a route may need one of them at once. Where the journal cannot
    /// be told, nothing has changed.
    pub(in crate::listener) fn exchange(
        &mut self,
        next: Vec<NextFile>,
        routes: Vec<NextRoute>,
        policy: SyncPolicy,
    ) -> Result<Vec<RotatingFileHandler>, HandlerError> {
        let paths = next
            .iter()
            .filter_map(|next| match next {
                NextFile::Stays(index, _) => self.files.get(*index).map(|file| file.handler.path()),
                NextFile::Comes(handler) => Some(handler.path()),
            })
            .map(|path| NamedFile { path, is_routed: false });
        let named = self.journal.name_files(&paths.collect::<Vec<_>>());
        named.map_err(|source| self.journal_error(source))?;
        let has_new_files = next.iter().any(|next| matches!(next, NextFile::Comes(_)))
            || routes.iter().any(|next| matches!(next, NextRoute::Comes(_)));
        let mut before: Vec<_> = std::mem::take(&mut self.files).into_iter().map(Some).collect();
        for next in next {
            let file = match next {
                NextFile::Stays(index, settings) => {
                    let mut file = before.get_mut(index).and_then(Option::take);
                    if let (Some(file), Some(settings)) = (&mut file, settings) {
                        file.handler.adopt(&settings.settings, settings.formatter);
                    }
                    file
                }
                NextFile::Comes(handler) => Some(LogFile { handler: *handler, is_complete: false }),
            };
            self.files.extend(file);
        }
        let mut gone: Vec<_> = before.into_iter().flatten().map(|file| file.handler).collect();
        self.past_truncations += gone.iter().map(RotatingFileHandler::truncations).sum::<u64>();
        self.sync_gone(&mut gone);
        self.routes.exchange(routes);
        if !self.routes.is_empty() {
            // Nothing waits in them.
            gone.clear();
        }
        self.sync.change(policy, has_new_files);
        self.hub.set_sync(self.sync.status().clone());
        Ok(gone)
    }

    /// Once they are gone no sync reaches them, and what is said to be on the disk includes them.
    fn sync_gone(&mut self, gone: &mut [RotatingFileHandler]) {
        if self.sync.is_complete() {
            return;
        }
        for file in gone {
            if let Err(error) = file.sync_written() {
                self.sync.failed();
                self.troubles.sync_failed(&error);
            }
        }
    }

    /// Opens anew what others have moved or deleted, unless records choose it: that is closed until its next
    /// record. The first error, after all were tried. The next look or write tries it again.
    pub(in crate::listener) fn reopen(&mut self) -> Result<(), HandlerError> {
        let reopened: Vec<_> =
            self.files.iter_mut().map(|file| file.handler.reopen_if_moved()).collect();
        let moved = self.routes.close_moved();
        reopened.into_iter().chain([moved]).collect()
    }

    pub(in crate::listener) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.handler.path())
    }

    pub(in crate::listener) fn set_drain_timeout(&mut self, drain_timeout: Duration) {
        self.drain_timeout = drain_timeout;
    }
}
