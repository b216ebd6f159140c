//! The filters, of which one that panics must not end the listener.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Record;
use crate::filter::Filter;

pub(super) struct Filters {
    filters: Vec<Guarded>,
    panics: u64,
    notices: Vec<String>,
}

struct Guarded {
    filter: Box<dyn Filter>,
    has_panicked: bool,
}

impl Filters {
    pub(super) fn new(filters: Vec<Box<dyn Filter>>) -> Filters {
        let filters = filters.into_iter().map(|filter| Guarded { filter, has_panicked: false });
        Filters { filters: filters.collect(), panics: 0, notices: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether all filters let `record` pass. One that panics does: a record too many does less harm
    /// than one that is missing.
    pub(super) fn pass(&mut self, record: &Record<'_>) -> bool {
        for (index, Guarded { filter, has_panicked }) in self.filters.iter_mut().enumerate() {
            match catch_unwind(AssertUnwindSafe(|| filter.passes(record))) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(_) => {
                    self.panics += 1;
                    if !std::mem::replace(has_panicked, true) {
                        let number = index + 1;
                        self.notices.push(format!(
                            "filter {number} panicked: a record for which it does passes it"
                        ));
                    }
                }
            }
        }
        true
    }

    /// How often one has panicked.
    pub(super) fn panics(&self) -> u64 {
        self.panics
    }

    /// What the log should say of the filters: once of each.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }
}
