//! Which files of the routes are open.

use std::mem;
use std::path::Path;

use super::{MAX_UNSYNCED, Route, Routes, Target, refusals};
use crate::Record;
use crate::causes::with_causes;
use crate::fault;
use crate::handler::{HandlerError, RotatingFileHandler, RoutedFile};
use crate::journal::{Entry, MAX_FILES, Unresolved};
use crate::listener::layout::NextRoute;
use crate::regular_file::is_same_name;

impl Routes {
    /// Opens the files of a batch that a killed listener has left. They stay open until it is recovered.
    /// `fixed` are the log files besides.
    ///
    /// # Errors
    /// One cannot be opened, or a batch may not be about so many.
    pub(in crate::listener) fn open_left(
        &mut self,
        left: &Unresolved,
        fixed: &[RotatingFileHandler],
    ) -> Result<(), HandlerError> {
        for file in left.files.iter().filter(|left| left.entry != Entry::Untouched) {
            if fixed.iter().any(|fixed| is_same_name(fixed.path(), &file.path)) {
                continue;
            }
            let Routes { routes, owner, .. } = self;
            let mut handlers = routes.iter_mut().map(|route| &mut route.handler);
            if let Some(handler) =
                handlers.find_map(|route| route.find_path(&file.path).then_some(route))
            {
                let place = handler.open_found(|file| owner.claim(file))?;
                handler.file_mut(place).into_iter().for_each(|file| file.is_in_batch = true);
                self.in_batch += 1;
            }
        }
        let room = MAX_FILES.saturating_sub(fixed.len());
        if self.in_batch > room {
            return Err(HandlerError::other(format!(
                "a killed listener has left a batch in {} files of routes, and there is room for {room}: \
                 start it with as many log files as before first",
                self.in_batch
            )));
        }
        Ok(())
    }

    /// Opens the file of a record in route `index`, and closes another one where too many are open; a file
    /// that cannot be a log at all, or that `is_taken` by another handler, is refused.
    ///
    /// # Errors
    /// It cannot be opened now.
    pub(in crate::listener::files) fn open(
        &mut self,
        index: usize,
        record: &Record<'_>,
        is_taken: impl FnOnce(&Path) -> bool,
    ) -> Result<(), HandlerError> {
        if self.routes[index].find(record) != Target::Closed {
            return Ok(());
        }
        if is_taken(&self.routes[index].handler.found_path()) {
            self.refuse(index, "it is the log file of another handler, or would stand in its way");
            return Ok(());
        }
        fault::point("before-route-open");
        match self.open_found(index) {
            Err(error) if refusals::is_lasting(&error) => {
                let cause = with_causes(&error);
                self.refuse(index, &cause);
            }
            opened => opened?,
        }
        fault::point("after-route-open");
        self.close_surplus(index);
        self.routes[index].find(record);
        Ok(())
    }

    /// Closes files while too many are open, of route `index` or of all; each keeps the one that was used
    /// last.
    fn close_surplus(&mut self, index: usize) {
        while self.routes[index].handler.has_too_many() {
            let oldest = self.routes[index].handler.take_oldest();
            oldest.into_iter().for_each(|file| self.close(file));
        }
        while self.open_files() > self.max_open_files {
            let handlers = self.routes.iter_mut().map(|route| &mut route.handler);
            let spare = handlers.filter(|handler| handler.has_spare());
            let Some(largest) = spare.max_by_key(|handler| handler.open_files()) else { break };
            let oldest = largest.take_oldest();
            oldest.into_iter().for_each(|file| self.close(file));
        }
    }

    fn open_found(&mut self, index: usize) -> Result<(), HandlerError> {
        loop {
            let Routes { routes, owner, .. } = self;
            let handler = &mut routes[index].handler;
            match handler.open_found(|file| owner.claim(file)) {
                Err(error) if refusals::is_of_descriptors(&error) => {
                    let Some(oldest) = handler.take_oldest() else { return Err(error) };
                    self.close(oldest);
                }
                opened => return opened.map(drop),
            }
        }
    }

    /// Where there are too many open files for something else, closes one.
    pub(in crate::listener::files) fn make_room_after(&mut self, error: &HandlerError) {
        if refusals::is_of_descriptors(error) {
            let oldest = self.routes.iter_mut().find_map(|route| route.handler.take_oldest());
            oldest.into_iter().for_each(|file| self.close(file));
        }
    }

    fn refuse(&mut self, index: usize, cause: &str) {
        let route = &mut self.routes[index];
        let path = route.handler.found_path();
        self.notices.extend(route.refusals.add(route.handler.found_name(), &path, cause));
        route.target = Target::Refused;
    }

    /// Closes a file of which nothing waits.
    fn close(&mut self, mut file: RoutedFile) {
        self.past_truncations += file.handler.truncations();
        self.notices.append(&mut file.handler.take_notices());
        let directory = file.handler.path().parent().unwrap_or(file.handler.path());
        if file.is_unsynced && !self.unsynced.iter().any(|known| known == directory) {
            if self.unsynced.len() < MAX_UNSYNCED {
                self.unsynced.push(directory.to_owned());
            } else if let Err(error) = file.handler.sync_written() {
                self.close_error = Some(error);
            }
        }
        fault::point("before-route-close");
        drop(file);
        fault::point("after-route-close");
    }

    /// Closes what others have moved or deleted: it is opened again at its next record.
    pub(in crate::listener::files) fn close_moved(&mut self) -> Result<(), HandlerError> {
        let mut outcome = Ok(());
        let mut moved = Vec::new();
        for route in &mut self.routes {
            moved.extend(route.handler.take_where(|file| match file.handler.is_moved() {
                Ok(is_moved) => is_moved && !file.is_in_batch,
                Err(error) => {
                    outcome = Err(error);
                    false
                }
            }));
        }
        moved.into_iter().for_each(|file| self.close(file));
        outcome
    }

    /// Goes on with other routes, between two batches; what is open of those that go is closed. The
    /// journal knows none of the files then.
    pub(in crate::listener::files) fn exchange(&mut self, next: Vec<NextRoute>) {
        self.set_named(Vec::new());
        let mut before: Vec<_> = mem::take(&mut self.routes).into_iter().map(Some).collect();
        for next in next {
            match next {
                NextRoute::Stays(index, settings) => {
                    let mut route = before.get_mut(index).and_then(Option::take);
                    if let (Some(route), Some(settings)) = (&mut route, settings) {
                        route.handler.adopt(*settings);
                    }
                    self.routes.extend(route);
                }
                NextRoute::Comes(handler) => {
                    let directory = handler.paths().directory();
                    if !self.unsynced.iter().any(|known| known == directory) {
                        self.unsynced.push(directory.to_owned());
                    }
                    self.routes.push(Route::new(*handler));
                }
            }
        }
        for mut route in before.into_iter().flatten() {
            for file in route.handler.take_where(|_| true) {
                self.close(file);
            }
        }
    }
}
