//! The routes: which of their files are open, which of these the batch is about, and which the journal
//! knows.

mod filtered;
mod naming;
mod opening;
mod refusals;

use std::collections::HashSet;
use std::mem;
use std::path::{Path, PathBuf};

use self::refusals::Refusals;
use crate::Record;
use crate::handler::{
    HandlerError, OnUnresolved, RotatingFileHandler, RoutedFile, RoutingFileHandler,
};
use crate::journal::MAX_FILES;
use crate::listener::notices::Notices;
use crate::logger::Destination;
use crate::rotation::sync_directory;

/// Most directories in which closed files wait for a sync; what is closed elsewhere then is synced at once.
const MAX_UNSYNCED: usize = 16;

/// Most files of a route that are known to have said that they are filtered; when they are more, all
/// are forgotten, and say it again when they are opened.
const MAX_TOLD: usize = 1024;

pub(in crate::listener) struct Routes {
    routes: Vec<Route>,
    owner: Owner,
    /// How many files of all routes the descriptors of this process suffice for.
    max_open_files: usize,
    /// Files that the batch is about.
    in_batch: usize,
    /// Those that the journal knows: the route, and the path below its directory.
    named: Vec<(usize, Box<str>)>,
    /// Where files were written to and closed before they were synced, perhaps by a listener before.
    unsynced: Vec<PathBuf>,
    /// Why one could not be synced when it was closed.
    close_error: Option<HandlerError>,
    /// Records that were not written because their file was refused.
    unrouted: u64,
    /// How often others have truncated files that are closed by now.
    past_truncations: u64,
    notices: Vec<String>,
    /// Filters hold back records from all files.
    is_filtered: bool,
    filtered: Notices,
}

/// Whose log files they are.
pub(in crate::listener) struct Owner {
    pub(in crate::listener) queue: PathBuf,
    pub(in crate::listener) on_unresolved: OnUnresolved,
}

struct Route {
    handler: RoutingFileHandler,
    /// A file may have some records of a lane and not others.
    splits_lanes: bool,
    /// Of the record at hand.
    target: Target,
    refusals: Refusals,
    /// Files that have said in this listener's life that they are filtered, and have not rotated since.
    told: HashSet<Box<str>>,
}

/// Where a record goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// To a file that is not open.
    Closed,
    File(usize),
    /// Nowhere: its file was refused.
    Refused,
}

impl Route {
    fn new(handler: RoutingFileHandler) -> Route {
        Route {
            splits_lanes: handler.template().splits_lanes(),
            handler,
            target: Target::Closed,
            refusals: Refusals::default(),
            told: HashSet::new(),
        }
    }

    fn find(&mut self, record: &Record<'_>) -> Target {
        self.target = match self.handler.find(record) {
            Some(place) => Target::File(place),
            None if self.refusals.has(self.handler.found_name()) => Target::Refused,
            None => Target::Closed,
        };
        self.target
    }

    fn target_file(&mut self) -> Option<&mut RoutedFile> {
        match self.target {
            Target::File(place) => self.handler.file_mut(place),
            Target::Closed | Target::Refused => None,
        }
    }
}

impl Routes {
    pub(in crate::listener) fn new(
        handlers: Vec<RoutingFileHandler>,
        owner: Owner,
        max_open_files: usize,
        filtered: Notices,
    ) -> Routes {
        let directory = |handler: &RoutingFileHandler| handler.paths().directory().to_owned();
        Routes {
            unsynced: handlers.iter().map(directory).collect(),
            routes: handlers.into_iter().map(Route::new).collect(),
            owner,
            // One record may need one of each.
            max_open_files: max_open_files.max(MAX_FILES),
            in_batch: 0,
            named: Vec::new(),
            close_error: None,
            unrouted: 0,
            past_truncations: 0,
            notices: Vec::new(),
            is_filtered: false,
            filtered,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// How many files are open.
    pub(in crate::listener) fn open_files(&self) -> usize {
        self.routes.iter().map(|route| route.handler.open_files()).sum()
    }

    /// How many files the batch is about.
    pub(super) fn in_batch(&self) -> usize {
        self.in_batch
    }

    pub(in crate::listener) fn unrouted(&self) -> u64 {
        self.unrouted
    }

    pub(super) fn truncations(&self) -> u64 {
        self.past_truncations + self.files().map(|file| file.handler.truncations()).sum::<u64>()
    }

    /// Where the open files are.
    pub(in crate::listener) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files().map(|file| file.handler.path())
    }

    fn files(&self) -> impl Iterator<Item = &RoutedFile> {
        self.routes.iter().flat_map(|route| route.handler.files())
    }

    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut RoutedFile> {
        self.routes.iter_mut().flat_map(|route| route.handler.files_mut())
    }

    /// The open files of route `index`.
    pub(super) fn files_of(&mut self, index: usize) -> impl Iterator<Item = &mut RoutedFile> {
        let route = self.routes.get_mut(index);
        route.into_iter().flat_map(|route| route.handler.files_mut())
    }

    /// Finds the file of a record in each route; false where one is not open, has something to say first, or
    /// where the batch would be about more files than there is room for.
    pub(super) fn find<'r>(
        &mut self,
        record_for: impl Fn(Destination) -> Option<&'r Record<'r>>,
        room: usize,
    ) -> bool {
        let mut count = self.in_batch;
        for index in 0..self.routes.len() {
            let Some(record) = record_for(Destination::Route(index)) else { continue };
            match self.routes[index].find(record) {
                Target::Closed => return false,
                Target::Refused => {}
                Target::File(_) => {
                    if self.has_to_tell(index) {
                        return false;
                    }
                    let file = self.routes[index].target_file();
                    count += usize::from(file.is_some_and(|file| !file.is_in_batch));
                }
            }
        }
        count <= room
    }

    /// The same for a record of a batch that is being recovered: where a file is not open, or there is no
    /// room for it, the record goes to the others.
    pub(super) fn find_again<'r>(
        &mut self,
        record_for: impl Fn(Destination) -> Option<&'r Record<'r>>,
        room: usize,
    ) {
        let mut count = self.in_batch;
        for (index, route) in self.routes.iter_mut().enumerate() {
            let Some(record) = record_for(Destination::Route(index)) else { continue };
            route.find(record);
            let is_new = route.target_file().map(|file| !file.is_in_batch);
            match is_new {
                Some(false) => {}
                Some(true) if count < room => count += 1,
                _ => route.target = Target::Refused,
            }
        }
    }

    /// The files found for a record.
    pub(super) fn takers<'f, 'r>(
        &'f mut self,
        record_for: impl Fn(Destination) -> Option<&'r Record<'r>>,
    ) -> impl Iterator<Item = (&'f mut RoutedFile, &'r Record<'r>)> {
        self.routes.iter_mut().enumerate().filter_map(move |(index, route)| {
            let record = record_for(Destination::Route(index))?;
            Some((route.target_file()?, record))
        })
    }

    /// The record is in the batch of the files found for it.
    pub(super) fn taken<'r>(&mut self, record_for: impl Fn(Destination) -> Option<&'r Record<'r>>) {
        for index in 0..self.routes.len() {
            if record_for(Destination::Route(index)).is_some() {
                self.taken_by(index);
            }
        }
    }

    /// The same for one route.
    pub(super) fn taken_by(&mut self, index: usize) {
        let route = &mut self.routes[index];
        if route.target == Target::Refused {
            self.unrouted += 1;
        }
        if let Some(file) = route.target_file() {
            self.in_batch += usize::from(!mem::replace(&mut file.is_in_batch, true));
            file.is_unsynced = true;
        }
        self.forget_told(index);
    }

    /// The file found for a record in route `index`.
    pub(super) fn target(&mut self, index: usize) -> Option<&mut RotatingFileHandler> {
        self.routes[index].target_file().map(|file| &mut file.handler)
    }

    /// Brings what is written to the disk; the first error, after all were tried.
    pub(super) fn sync(&mut self) -> Result<(), HandlerError> {
        let mut first_error = self.close_error.take();
        for file in self.files_mut().filter(|file| file.is_unsynced) {
            match file.handler.sync_written() {
                Ok(()) => file.is_unsynced = false,
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        self.unsynced.retain(|directory| {
            let failed = sync_directory(directory).err();
            let stays = failed.is_some();
            first_error = first_error.take().or(failed.map(HandlerError::from));
            stays
        });
        first_error.map_or(Ok(()), Err)
    }

    /// The batch is about no file any more.
    pub(super) fn settle(&mut self) {
        if self.in_batch > 0 {
            self.files_mut().for_each(|file| file.is_in_batch = false);
            self.in_batch = 0;
        }
    }

    /// What the log should say of the files.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        let mut notices = mem::take(&mut self.notices);
        notices.extend(self.files_mut().flat_map(|file| file.handler.take_notices()));
        notices
    }

    /// Closes all files; the first error, after all were tried.
    pub(super) fn close_all(self) -> Result<(), HandlerError> {
        let mut outcome = Ok(());
        for mut route in self.routes {
            for file in route.handler.take_where(|_| true) {
                outcome = outcome.and(file.handler.close());
            }
        }
        outcome
    }
}

impl Owner {
    fn claim(&self, file: &mut RotatingFileHandler) -> Result<(), HandlerError> {
        file.claim(&self.queue, self.on_unresolved)
    }
}
