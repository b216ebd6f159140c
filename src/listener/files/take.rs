//! What the files take into a batch.

use std::path::Path;

use super::Files;
use crate::Record;
use crate::handler::{Handler, HandlerError, RotatingFileHandler};
use crate::logger::Destination;

impl Files {
    /// Takes what `record_for` has for each file and route into the batch; false where the batch has to
    /// be committed before it.
    pub(in crate::listener) fn offer<'r>(
        &mut self,
        record_for: impl Fn(Destination) -> Option<&'r Record<'r>>,
    ) -> bool {
        if self.is_recovering {
            self.take_again(record_for);
            return true;
        }
        let fits = self.routes.find(&record_for, self.room_for_routed())
            && self.fixed_takers(&record_for).all(|(file, record)| file.offer(record))
            && self.routed_takers(&record_for).all(|(file, record)| file.offer(record));
        if fits {
            let mut level = None;
            let mut take = |(file, record): (&mut RotatingFileHandler, &Record<'_>)| {
                file.take_offered();
                level = level.max(Some(record.level));
            };
            self.fixed_takers(&record_for).for_each(&mut take);
            self.routed_takers(&record_for).for_each(take);
            if let Some(level) = level {
                self.sync.take(level);
            }
            self.routes.taken(&record_for);
        }
        fits
    }

    /// Takes a record of the batch that is being recovered. All of it is one batch: in two, what the files
    /// have would not be the same after the first.
    fn take_again<'r>(&mut self, record_for: impl Fn(Destination) -> Option<&'r Record<'r>>) {
        for index in 0..self.routes.len() {
            // Without room the others are still found.
            if let Some(record) = record_for(Destination::Route(index))
                && self.routes.in_batch() < self.room_for_routed()
            {
                self.open_route(index, record);
            }
        }
        self.routes.find_again(&record_for, self.room_for_routed());
        let take = |(file, record): (&mut RotatingFileHandler, &Record<'_>)| {
            file.offer(record);
            file.take_offered();
        };
        self.fixed_takers(&record_for).for_each(take);
        self.routed_takers(&record_for).for_each(take);
        self.routes.taken(&record_for);
    }

    /// Opens the files of a record that are not open, between two batches. Waits while that is not
    /// possible. Tells whether some of them had something to say first, which is a batch of its own.
    pub(in crate::listener) fn open_routes<'r>(
        &mut self,
        record_for: impl Fn(Destination) -> Option<&'r Record<'r>>,
    ) -> bool {
        let mut has_told = false;
        for index in 0..self.routes.len() {
            let Some(record) = record_for(Destination::Route(index)) else { continue };
            self.open_route(index, record);
            if let Some(notice) = self.routes.take_told(index) {
                self.begin_route(index, record, &notice);
                has_told = true;
            }
        }
        has_told
    }

    fn open_route(&mut self, index: usize, record: &Record<'_>) {
        self.persist(|files| files.find_or_open(index, record));
    }

    fn find_or_open(&mut self, index: usize, record: &Record<'_>) -> Result<(), HandlerError> {
        let Files { files, routes, .. } = self;
        let is_taken = |path: &Path| files.iter().any(|file| file.handler.is_in_the_way_of(path));
        routes.open(index, record, is_taken)
    }

    /// Takes `first` as the first of a batch for the file of `record`.
    fn begin_route(&mut self, index: usize, record: &Record<'_>, first: &Record<'_>) {
        let is_taken = self.persist(|files| {
            // It may have been closed since, for want of descriptors.
            files.find_or_open(index, record)?;
            files.routes.target(index).map_or(Ok(()), |file| file.handle(first))
        });
        if is_taken {
            self.routes.taken_by(index);
        }
    }

    /// Takes a record as the first of a batch, after a rotation where one is due. Waits while that
    /// is not possible. Its files are [open](Self::open_routes).
    pub(in crate::listener) fn begin<'r>(
        &mut self,
        record_for: impl Fn(Destination) -> Option<&'r Record<'r>>,
    ) {
        for index in 0..self.files.len() {
            if let Some(record) =
                record_for(Destination::File(index)).filter(|_| !self.files[index].is_complete)
            {
                self.sync.take(record.level);
                self.persist(|files| files.files[index].handler.handle(record));
            }
        }
        for index in 0..self.routes.len() {
            if let Some(record) = record_for(Destination::Route(index)) {
                self.sync.take(record.level);
                self.begin_route(index, record, record);
            }
        }
    }

    /// The files of the listener that take what is given now, and get a record. Not in one chain with those
    /// of routes: that costs each record a twentieth of what the listener does for it.
    fn fixed_takers<'f, 'r>(
        &'f mut self,
        record_for: impl Fn(Destination) -> Option<&'r Record<'r>>,
    ) -> impl Iterator<Item = (&'f mut RotatingFileHandler, &'r Record<'r>)> {
        let wanting = self.files.iter_mut().enumerate().filter(|(_, file)| !file.is_complete);
        wanting.filter_map(move |(index, file)| {
            record_for(Destination::File(index)).map(|record| (&mut file.handler, record))
        })
    }

    /// The same for the files that records choose.
    fn routed_takers<'f, 'r>(
        &'f mut self,
        record_for: impl Fn(Destination) -> Option<&'r Record<'r>>,
    ) -> impl Iterator<Item = (&'f mut RotatingFileHandler, &'r Record<'r>)> {
        let wanting = self.routes.takers(record_for).filter(|(file, _)| !file.is_complete);
        wanting.map(|(file, record)| (&mut file.handler, record))
    }
}
