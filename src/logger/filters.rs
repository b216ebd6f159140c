//! The filters, of which one that panics must not end the listener.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::filter::{Filter, Verdict};
use crate::{Level, Record};

pub(crate) struct Filters {
    /// Whose they are, for notices.
    owner: String,
    filters: Vec<Guarded>,
    panics: u64,
    notices: Vec<String>,
}

struct Guarded {
    filter: Box<dyn Filter>,
    has_panicked: bool,
}

impl Filters {
    /// Filters of nobody in particular.
    pub(crate) fn new(filters: Vec<Box<dyn Filter>>) -> Filters {
        Filters::of(String::new(), filters)
    }

    pub(crate) fn of(owner: String, filters: Vec<Box<dyn Filter>>) -> Filters {
        let filters = filters.into_iter().map(|filter| Guarded { filter, has_panicked: false });
        Filters { owner, filters: filters.collect(), panics: 0, notices: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// As [`Filter::lowest_level`] of all of them together.
    pub(crate) fn lowest_level(&self) -> Option<Level> {
        let mut levels = self.filters.iter().map(|guarded| guarded.filter.lowest_level());
        levels.try_fold(Level::NOTSET, |lowest, level| Some(lowest.max(level?)))
    }

    /// The lowest level that passes those before the first of which nothing is known.
    pub(crate) fn lowest_of_first(&self) -> Level {
        let levels = self.filters.iter().map_while(|guarded| guarded.filter.lowest_level());
        levels.max().unwrap_or(Level::NOTSET)
    }

    /// Whether all filters let `record` pass. One that panics does: a record too many does less harm
    /// than one that is missing.
    pub(crate) fn pass(&mut self, record: &mut Cow<'_, Record<'_>>) -> bool {
        self.pass_from(0, record)
    }

    fn pass_from(&mut self, first: usize, record: &mut Cow<'_, Record<'_>>) -> bool {
        (first..self.filters.len())
            .all(|index| self.guarded(index, |filter| filter.filter(record)) != Some(Verdict::Hide))
    }

    /// What the filters say of records they have hidden, as far as those behind them let it pass.
    pub(crate) fn take_summaries(&mut self, now_ns: i64) -> Vec<Record<'static>> {
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
                    "{}filter {number} panicked: a record for which it does passes it",
                    self.owner
                ));
            }
        }
        outcome
    }

    /// How often one has panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.panics
    }

    /// What the log should say of the filters: once of each.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }
}
