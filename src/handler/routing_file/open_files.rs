//! The open files of a route, by name and by when they were used.

use std::collections::HashMap;

use crate::handler::RotatingFileHandler;

/// One open file.
pub(crate) struct RoutedFile {
    pub(crate) handler: RotatingFileHandler,
    /// Its path below the directory of the route.
    pub(crate) name: Box<str>,
    /// The higher, the later.
    used: u64,
    /// Records for it are in the batch of a listener: it stays open.
    pub(crate) is_in_batch: bool,
    /// The journal knows it.
    pub(crate) is_named: bool,
    /// It has all of the batch that is being recovered.
    pub(crate) is_complete: bool,
    /// It says of itself that it has not all records.
    pub(crate) says_filtered: bool,
    /// Something was written that was not synced.
    pub(crate) is_unsynced: bool,
}

#[derive(Default)]
pub(super) struct OpenFiles {
    files: Vec<RoutedFile>,
    places: HashMap<Box<str>, usize>,
    uses: u64,
}

impl OpenFiles {
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Where the file of this name is, which is used now.
    pub(super) fn find(&mut self, name: &str) -> Option<usize> {
        let place = *self.places.get(name)?;
        self.uses += 1;
        self.files[place].used = self.uses;
        Some(place)
    }

    pub(super) fn add(&mut self, name: &str, handler: RotatingFileHandler) -> usize {
        self.uses += 1;
        let place = self.files.len();
        self.places.insert(name.into(), place);
        self.files.push(RoutedFile {
            handler,
            name: name.into(),
            used: self.uses,
            is_in_batch: false,
            is_named: false,
            is_complete: false,
            says_filtered: false,
            is_unsynced: false,
        });
        place
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut RoutedFile> {
        self.files.get_mut(place)
    }

    pub(super) fn named(&mut self, name: &str) -> Option<&mut RoutedFile> {
        self.files.get_mut(*self.places.get(name)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RoutedFile> {
        self.files.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut RoutedFile> {
        self.files.iter_mut()
    }

    /// The one that was not used for the longest time.
    pub(super) fn oldest(&mut self) -> Option<&mut RoutedFile> {
        let place = self.place_of_oldest()?;
        self.files.get_mut(place)
    }

    pub(super) fn take_oldest(&mut self) -> Option<RoutedFile> {
        self.place_of_oldest().map(|place| self.take(place))
    }

    pub(super) fn take_where(
        &mut self,
        mut is_wanted: impl FnMut(&mut RoutedFile) -> bool,
    ) -> Vec<RoutedFile> {
        let places: Vec<_> =
            (0..self.files.len()).filter(|place| is_wanted(&mut self.files[*place])).collect();
        // From behind, so that none changes its place before its turn.
        places.into_iter().rev().map(|place| self.take(place)).collect()
    }

    fn place_of_oldest(&self) -> Option<usize> {
        let free = self.files.iter().enumerate().filter(|(_, file)| !file.is_in_batch);
        free.min_by_key(|(_, file)| file.used).map(|(place, _)| place)
    }

    /// The last one takes its place.
    fn take(&mut self, place: usize) -> RoutedFile {
        let taken = self.files.swap_remove(place);
        self.places.remove(&taken.name);
        if let Some(moved) = self.files.get(place) {
            self.places.insert(moved.name.clone(), place);
        }
        taken
    }
}
