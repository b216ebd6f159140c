//! Which records go on to the handlers, and what is changed in them before.
//!
//! Filters go by the times of the records and never look at a clock, so that the same records are
//! filtered alike whenever they come. All of them hold a bounded amount of memory.

mod callback;
mod context;
mod duplicate;
mod level;
mod logger;
mod rate_limit;
mod redact;
mod regex;
mod sampling;
mod windows;
mod worker;

use std::borrow::Cow;

use crate::{Level, Record};

pub use callback::CallbackFilter;
pub use context::ContextFilter;
pub use duplicate::{DuplicateFilter, MAX_COMPARED_BYTES};
pub use level::{LevelFilter, LevelRangeFilter};
pub use logger::LoggerFilter;
pub use rate_limit::RateLimitFilter;
pub use redact::{MAX_REDACTIONS, REDACTED, RedactFilter};
pub use regex::{MAX_REGEX_BYTES, RegexFilter, Subject};
pub use sampling::SamplingFilter;
pub use windows::MAX_KEYS;
pub use worker::WorkerFilter;

/// Decides which records pass, and may change them.
///
/// Called from one thread at a time, once per record; must not block. Every closure
/// `FnMut(&Record) -> bool` is a filter that changes nothing, and a `Vec` of filters is one that a
/// record has to pass in order.
///
/// ```
/// use std::borrow::Cow;
///
/// use logboom::filter::{Filter, Verdict};
/// use logboom::{Level, Record};
///
/// /// Takes the edge off a noisy logger.
/// struct Calm;
///
/// impl Filter for Calm {
///     fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
///         if record.logger == "noisy" && record.level > Level::INFO {
///             record.to_mut().level = Level::INFO;
///         }
///         Verdict::Pass
///     }
/// }
///
/// let record = Record::new(0, Level::ERROR, "noisy", "so what");
/// let mut seen = Cow::Borrowed(&record);
/// assert_eq!(Calm.filter(&mut seen), Verdict::Pass);
/// assert_eq!((seen.level, record.level), (Level::INFO, Level::ERROR));
/// ```
pub trait Filter: Send {
    /// Whether `record` goes on.
    ///
    /// What is changed, by [`Cow::to_mut`], is seen by all that comes after this filter on the way
    /// of the record. Only a change makes a copy, and only where somebody else needs the original.
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict;

    /// Moves what this filter has to say about the records it has hidden to the end of `summaries`,
    /// as far as it is complete at `now_ns` (nanoseconds since the Unix epoch).
    ///
    /// Called after each record with its time, from time to time while none comes, and at the end
    /// with [`i64::MAX`], when all there is to say is complete. A summary has the logger, the level
    /// and the process of what was hidden, and the field `filtered` with the number of records; its
    /// place in a lane is given to it by the listener. Default: there is nothing to say.
    fn take_summaries(&mut self, now_ns: i64, summaries: &mut Vec<Record<'static>>) {
        let _ = (now_ns, summaries);
    }

    /// The lowest level that passes, of a filter that changes neither level nor logger of a record;
    /// what is below it is then not even sent by the workers. [`Level::NOTSET`]: the level does not
    /// matter. Default: `None`, nothing is known.
    fn lowest_level(&self) -> Option<Level> {
        None
    }
}

/// What a filter decides about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a record that is hidden goes no further"]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// It goes no further.
    Hide,
}

impl Verdict {
    /// Lets a record pass if `passes`.
    pub fn pass_if(passes: bool) -> Verdict {
        if passes { Verdict::Pass } else { Verdict::Hide }
    }
}

impl<F: FnMut(&Record<'_>) -> bool + Send> Filter for F {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        Verdict::pass_if(self(record))
    }

    fn lowest_level(&self) -> Option<Level> {
        Some(Level::NOTSET)
    }
}

impl Filter for Box<dyn Filter> {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        (**self).filter(record)
    }

    fn take_summaries(&mut self, now_ns: i64, summaries: &mut Vec<Record<'static>>) {
        (**self).take_summaries(now_ns, summaries);
    }

    fn lowest_level(&self) -> Option<Level> {
        (**self).lowest_level()
    }
}

/// A record has to pass all of them, in order. What one of them has to say passes the later ones.
impl<F: Filter> Filter for Vec<F> {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        pass_all(self, record)
    }

    fn take_summaries(&mut self, now_ns: i64, summaries: &mut Vec<Record<'static>>) {
        for index in 0..self.len() {
            let mut own = Vec::new();
            self[index].take_summaries(now_ns, &mut own);
            for summary in own {
                let mut summary = Cow::Owned(summary);
                if pass_all(&mut self[index + 1..], &mut summary) == Verdict::Pass {
                    summaries.push(summary.into_owned());
                }
            }
        }
    }

    fn lowest_level(&self) -> Option<Level> {
        self.iter()
            .try_fold(Level::NOTSET, |lowest, filter| Some(lowest.max(filter.lowest_level()?)))
    }
}

fn pass_all<F: Filter>(filters: &mut [F], record: &mut Cow<'_, Record<'_>>) -> Verdict {
    Verdict::pass_if(filters.iter_mut().all(|filter| filter.filter(record) == Verdict::Pass))
}

/// Why a filter cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A regular expression cannot be used.
    #[error("`{pattern}` is no regular expression that can be used: {cause}")]
    Regex {
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A number that has to be above zero is not.
    #[error("{setting} is 0: use 1 or more")]
    Zero {
        /// What the number is of.
        setting: &'static str,
    },
    /// There are more names and patterns than a filter takes.
    #[error("a filter redacts at most {MAX_REDACTIONS} names and patterns: use a second filter")]
    TooManyRedactions,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Value;

    pub(super) fn record(time_ns: i64, message: &str) -> Record<'_> {
        Record::new(time_ns, Level::WARNING, "web.access", message)
    }

    /// What `filter` makes of `record`; the record is borrowed as long as nothing was changed.
    pub(super) fn filtered<'r, 'a>(
        filter: &mut impl Filter,
        record: &'r Record<'a>,
    ) -> Option<Cow<'r, Record<'a>>> {
        let mut seen = Cow::Borrowed(record);
        (filter.filter(&mut seen) == Verdict::Pass).then_some(seen)
    }

    pub(super) fn passes(filter: &mut impl Filter, record: &Record<'_>) -> bool {
        match filtered(filter, record) {
            Some(seen) => {
                assert!(matches!(seen, Cow::Borrowed(_)), "a copy without a need");
                true
            }
            None => false,
        }
    }

    pub(super) fn summaries(filter: &mut impl Filter, now_ns: i64) -> Vec<Record<'static>> {
        let mut summaries = Vec::new();
        filter.take_summaries(now_ns, &mut summaries);
        summaries
    }

    #[test]
    fn filters_see_what_those_before_them_have_changed() {
        let upper = |record: &mut Cow<'_, Record<'_>>| {
            let message = record.message.to_uppercase();
            record.to_mut().message = message.into();
            Verdict::Pass
        };
        let mut filters: Vec<Box<dyn Filter>> = vec![
            Box::new(|record: &Record<'_>| record.message == "quiet"),
            Box::new(CallbackFilter::new(upper)),
            Box::new(|record: &Record<'_>| record.message == "QUIET"),
        ];
        let given = record(0, "quiet");
        assert_eq!(filtered(&mut filters, &given).expect("it passes").message, "QUIET");
        assert_eq!(given.message, "quiet");
        assert!(filtered(&mut filters, &record(0, "QUIET")).is_none());
    }

    #[test]
    fn the_lowest_level_is_known_where_none_can_change_it() {
        let unknown = CallbackFilter::new(|_| Verdict::Pass);
        let range = LevelRangeFilter(Level::INFO..=Level::ERROR);
        let mut filters: Vec<Box<dyn Filter>> = vec![
            Box::new(range),
            Box::new(LevelFilter(Level::new(25))),
            Box::new(LoggerFilter::new("a")),
        ];
        assert_eq!(filters.lowest_level(), Some(Level::new(25)));
        filters.push(Box::new(|record: &Record<'_>| record.message.is_empty()));
        assert_eq!(filters.lowest_level(), Some(Level::new(25)));
        filters.push(Box::new(unknown));
        assert_eq!(filters.lowest_level(), None);
    }

    #[test]
    fn a_summary_passes_the_filters_behind_its_own_only() {
        let context = ContextFilter::new().field("behind", Value::Bool(true));
        let mut filters: Vec<Box<dyn Filter>> = vec![
            Box::new(|record: &Record<'_>| record.message != "last message repeated 1 times: a"),
            Box::new(DuplicateFilter::new(Duration::from_secs(1))),
            Box::new(context),
            Box::new(LoggerFilter::new("web")),
        ];
        for time_ns in [0, 1] {
            let _first_passes = filtered(&mut filters, &record(time_ns, "a"));
        }
        let [summary] = &summaries(&mut filters, i64::MAX)[..] else { panic!("one summary") };
        assert!(summary.fields.iter().any(|field| field.key == "behind"), "{summary:?}");
        filters.push(Box::new(LevelFilter(Level::ERROR)));
        for time_ns in [2, 3] {
            let _level = filtered(&mut filters, &record(time_ns, "b"));
        }
        assert!(summaries(&mut filters, i64::MAX).is_empty());
    }
}
