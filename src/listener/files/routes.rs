//! The routes: which of their files are open, which of these the batch is about, and which the journal
//! knows.

mod refusals;

use std::collections::HashSet;
use std::mem;
use std::path::{Path, PathBuf};

use self::refusals::Refusals;
use crate::Record;
use crate::fault;
use crate::handler::{
    HandlerError, OnUnresolved, RotatingFileHandler, RoutedFile, RoutingFileHandler,
};
use crate::journal::{Entry, MAX_FILES, NamedFile, Unresolved};
use crate::listener::layout::NextRoute;
use crate::listener::notices::Notices;
use crate::logger::Destination;
use crate::regular_file::is_same_name;
use crate::rotation::sync_directory;

/// Most directories in which closed files wait for a sync; what is closed elsewhere then is synced at once.
const MAX_UNSYNCED: usize = 16;

/// Most files of a route that are known to have said that they are filtered; when they are more, all
/// are forgotten, and say it again when they are opened.
const MAX_TOLD: usize = 1024;

pub(in crate::listener) struct Routes {
    routes: Vec<Route>,
    owner: Owner,
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
    /// Of the record at hand.
    target: Target,
    refusals: Refusals,
    /// Files that have said in this listener's life that they are filtered.
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
        let (refusals, told) = (Refusals::default(), HashSet::new());
        Route { handler, target: Target::Closed, refusals, told }
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
        filtered: Notices,
    ) -> Routes {
        let directory = |handler: &RoutingFileHandler| handler.paths().directory().to_owned();
        Routes {
            unsynced: handlers.iter().map(directory).collect(),
            routes: handlers.into_iter().map(Route::new).collect(),
            owner,
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
    }

    /// The file in which route `index` takes this record, where one is open.
    pub(super) fn target_of(
        &mut self,
        index: usize,
        record: &Record<'_>,
    ) -> Option<&mut RotatingFileHandler> {
        let route = &mut self.routes[index];
        route.find(record);
        route.target_file().map(|file| &mut file.handler)
    }

    /// Opens the file of a record in route `index`, and closes another one where too many are open; a file
    /// that cannot be a log at all, or that `is_taken` by another handler, is refused.
    ///
    /// # Errors
    /// It cannot be opened now.
    pub(super) fn open(
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
                let cause = crate::causes::with_causes(&error);
                self.refuse(index, &cause);
            }
            opened => opened?,
        }
        fault::point("after-route-open");
        while self.routes[index].handler.has_too_many()
            && let Some(oldest) = self.routes[index].handler.take_oldest()
        {
            self.close(oldest);
        }
        self.routes[index].find(record);
        Ok(())
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

    fn refuse(&mut self, index: usize, cause: &str) {
        let route = &mut self.routes[index];
        let path = route.handler.found_path();
        self.notices.extend(route.refusals.add(route.handler.found_name(), &path, cause));
        route.target = Target::Refused;
    }

    /// What the file found for a record has to say first.
    pub(super) fn take_told(&mut self, index: usize) -> Option<Record<'static>> {
        if !self.has_to_tell(index) {
            return None;
        }
        let Route { handler, told, target, .. } = &mut self.routes[index];
        if told.len() >= MAX_TOLD {
            told.clear();
        }
        told.insert(handler.found_name().into());
        if let Target::File(place) = *target
            && let Some(file) = handler.file_mut(place)
        {
            file.says_filtered = true;
        }
        Some(self.filtered.filtered())
    }

    fn has_to_tell(&mut self, index: usize) -> bool {
        let is_filtered = self.is_filtered;
        let route = &mut self.routes[index];
        let is_part = is_filtered || route.handler.template().splits_lanes();
        let Route { handler, told, target, .. } = route;
        let Target::File(place) = *target else { return false };
        let Some(file) = handler.file_mut(place) else { return false };
        file.says_filtered |= is_part && told.contains(&file.name);
        is_part && !file.says_filtered
    }

    /// Whether filters hold back records from all files.
    pub(super) fn set_filtered(&mut self, is_filtered: bool) {
        if is_filtered && !self.is_filtered {
            self.routes.iter_mut().for_each(|route| route.told.clear());
            self.files_mut().for_each(|file| file.says_filtered = false);
        }
        self.is_filtered = is_filtered;
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
    pub(super) fn close_moved(&mut self) -> Result<(), HandlerError> {
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

    /// Whether the batch is about a file that the journal does not know.
    pub(super) fn has_unnamed(&self) -> bool {
        self.in_batch > 0 && self.files().any(|file| file.is_in_batch && !file.is_named)
    }

    /// Gives the files of the batch to the journal, by `name`, and as many of those it knew before as there is
    /// room for.
    pub(super) fn name<E>(
        &mut self,
        fixed: &[NamedFile<'_>],
        name: impl FnOnce(&[NamedFile<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let files = |is_wanted: fn(&RoutedFile) -> bool| {
            let routes = self.routes.iter().enumerate();
            routes.flat_map(move |(index, route)| {
                let wanted = route.handler.files().filter(move |file| is_wanted(file));
                wanted.map(move |file| (index, file))
            })
        };
        let in_batch = files(|file| file.is_in_batch);
        let known = files(|file| file.is_named && !file.is_in_batch);
        let room = MAX_FILES.saturating_sub(fixed.len());
        let chosen: Vec<_> = in_batch.chain(known).take(room).collect();
        let routed = chosen.iter().map(|(_, file)| file.handler.path());
        let routed = routed.map(|path| NamedFile { path, is_routed: true });
        name(&fixed.iter().copied().chain(routed).collect::<Vec<_>>())?;
        let named: Vec<_> =
            chosen.into_iter().map(|(index, file)| (index, file.name.clone())).collect();
        self.set_named(named);
        Ok(())
    }

    fn set_named(&mut self, named: Vec<(usize, Box<str>)>) {
        self.files_mut().for_each(|file| file.is_named = false);
        for (index, name) in &named {
            let file = self.routes[*index].handler.file_named(name);
            file.into_iter().for_each(|file| file.is_named = true);
        }
        self.named = named;
    }

    /// What the next note says of the files that the journal knows, in their order.
    pub(super) fn prepare(&mut self) -> Result<Vec<Entry>, HandlerError> {
        let routes = &mut self.routes;
        let prepare =
            |(index, name): &(usize, Box<str>)| match routes[*index].handler.file_named(name) {
                None => Ok(Entry::Untouched),
                Some(file) if file.is_complete => Ok(Entry::Complete),
                Some(file) => Ok(file.handler.prepare()?.map_or(Entry::Untouched, Entry::Begun)),
            };
        self.named.iter().map(prepare).collect()
    }

    /// Goes on with other routes, between two batches; what is open of those that go is closed. The
    /// journal knows none of the files then.
    pub(super) fn exchange(&mut self, next: Vec<NextRoute>) {
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
