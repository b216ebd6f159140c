//! What files say of themselves that do not have all records of their lanes.

use super::{MAX_TOLD, Route, Routes, Target};
use crate::Record;

impl Routes {
    /// What the file found for a record has to say first.
    pub(in crate::listener::files) fn take_told(
        &mut self,
        index: usize,
    ) -> Option<Record<'static>> {
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
            file.handler.take_new();
        }
        Some(self.filtered.filtered())
    }

    /// A log that has rotated has to say it again: what it has said stands in a backup, and goes with that.
    pub(super) fn forget_told(&mut self, index: usize) {
        let Route { told, target, handler, .. } = &mut self.routes[index];
        if let Target::File(place) = *target
            && let Some(file) = handler.file_mut(place)
            && file.handler.take_new()
        {
            file.says_filtered = false;
            told.remove(&file.name);
        }
    }

    pub(super) fn has_to_tell(&mut self, index: usize) -> bool {
        let Route { handler, splits_lanes, told, target, .. } = &mut self.routes[index];
        let Target::File(place) = *target else { return false };
        let Some(file) = handler.file_mut(place).filter(|file| !file.says_filtered) else {
            return false;
        };
        let is_part = self.is_filtered || *splits_lanes;
        file.says_filtered = is_part && told.contains(&file.name);
        is_part && !file.says_filtered
    }

    /// Whether filters hold back records from all files.
    pub(in crate::listener::files) fn set_filtered(&mut self, is_filtered: bool) {
        if is_filtered && !self.is_filtered {
            self.routes.iter_mut().for_each(|route| route.told.clear());
            self.files_mut().for_each(|file| file.says_filtered = false);
        }
        self.is_filtered = is_filtered;
    }
}
