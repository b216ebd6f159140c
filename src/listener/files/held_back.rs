//! Ways out where a log file is held back: room that other logs can give, and the limits of a
//! configuration that waits.

use super::Files;
use crate::handler::{HandlerError, RotatingFileBuilder, RotatingFileHandler};
use crate::listener::layout::{NextFile, NextRoute};
use crate::listener::tasks::Exchange;

/// The settings that log files and routes have in a configuration which is to come, by their numbers in
/// the one that there is.
#[derive(Clone, Default)]
pub(in crate::listener) struct NextSettings {
    files: Vec<(usize, RotatingFileBuilder)>,
    routes: Vec<(usize, RotatingFileBuilder)>,
}

impl NextSettings {
    pub(in crate::listener) fn of(exchange: &Exchange) -> NextSettings {
        let files = exchange.files.iter().filter_map(|next| match next {
            NextFile::Stays(index, Some(file)) => Some((*index, file.settings.clone())),
            NextFile::Stays(_, None) | NextFile::Comes(_) => None,
        });
        let routes = exchange.routes.iter().filter_map(|next| match next {
            NextRoute::Stays(index, Some(route)) => Some((*index, route.settings().clone())),
            NextRoute::Stays(_, None) | NextRoute::Comes(_) => None,
        });
        NextSettings { files: files.collect(), routes: routes.collect() }
    }
}

impl Files {
    /// What the exchange that begins now is about; nothing when it is over.
    pub(in crate::listener) fn set_next(&mut self, next: NextSettings) {
        self.next = next;
    }

    /// Does `act` where the limits of the configuration that waits permit it: it takes effect between
    /// two batches only, and what is held back is a batch. Nothing is deleted for that, since it may still
    /// be refused.
    ///
    /// # Errors
    /// `error`, where none waits; else that of `act`.
    pub(super) fn act_by_next_settings(
        &mut self,
        error: HandlerError,
        act: impl FnOnce(&mut Files) -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError> {
        let next = self.tasks.next_settings().unwrap_or_else(|| self.next.clone());
        let mut is_lent = false;
        for (index, settings) in &next.files {
            if let Some(file) = self.files.get_mut(*index) {
                file.handler.lend_limits(settings);
                is_lent = true;
            }
        }
        for (index, settings) in &next.routes {
            for file in self.routes.files_of(*index) {
                file.handler.lend_limits(settings);
                is_lent = true;
            }
        }
        if !is_lent {
            return Err(error);
        }
        let outcome = act(self);
        self.handlers().for_each(RotatingFileHandler::take_back_limits);
        outcome
    }

    /// Where a log is held back that has no backups to delete for room, others may have some.
    pub(super) fn make_room_in_others(&mut self, error: &HandlerError) {
        if !error.is_of_space() {
            return;
        }
        let bytes = self.handlers().map(|file| file.pending_bytes()).max().unwrap_or(0);
        for file in self.handlers() {
            // Those that have no room either say so when they are written.
            let _held_back = file.make_free_space(bytes);
        }
    }
}
