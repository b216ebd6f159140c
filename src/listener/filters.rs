//! The filters, of which one that panics must not end the listener.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Record;
use crate::filter::{Filter, Verdict};

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
    pub(super) fn pass(&mut self, record: &mut Cow<'_, Record<'_>>) -> bool {
        self.pass_from(0, record)
    }

    fn pass_from(&mut self, first: usize, record: &mut Cow<'_, Record<'_>>) -> bool {
        (first..self.filters.len())
            .all(|index| self.guarded(index, |filter| filter.filter(record)) != Some(Verdict::Hide))
    }

    /// What the filters say of records they have hidden, as far as those behind them let it pass.
    pub(super) fn take_summaries(&mut self, now_ns: i64) -> Vec<Record<'static>> {
        let mut passed = Vec::new();
        for index in 0..self.filters.len() {
            let mut summaries = Vec::new();
            self.guarded(index, |filter| filter.take_summaries(now_ns, &mut summaries));
            for summary in summaries {
                let mut summary = Cow::Owned(summary);
                if self.pass_from(index + 1, &mut summary) {
                    passed.push(summary.into_owned());
                }
            }
        }
        passed
    }

    /// What a filter returns, unless it panics.
    fn guarded<T>(&mut self, index: usize, act: impl FnOnce(&mut dyn Filter) -> T) -> Option<T> {
        let Guarded { filter, has_panicked } = &mut self.filters[index];
        let outcome = catch_unwind(AssertUnwindSafe(|| act(&mut **filter))).ok();
        if outcome.is_none() {
            self.panics += 1;
            if !std::mem::replace(has_panicked, true) {
                let number = index + 1;
                self.notices.push(format!(
                    "filter {number} panicked: a record for which it does passes it"
                ));
            }
        }
        outcome
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
