//! The same message again and again.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use super::windows::Windows;
use super::{Filter, Verdict};
use crate::{Level, Record};

/// Logger and message together may have as many bytes to be compared; longer ones always pass.
pub const MAX_COMPARED_BYTES: usize = 4096;

/// Hides a message that a logger repeats within a time, at the same level.
///
/// The first one passes; when the time since it is over, by the clock of the records, one summary
/// says `last message repeated 17 times: …`, at the level of what it hides. The worker does not
/// matter: of ten workers that say the same, one is heard; the summary is in the name of the last.
///
/// At most [`MAX_KEYS`](super::MAX_KEYS) messages of at most [`MAX_COMPARED_BYTES`] are remembered.
/// Numbers that were not told yet are lost when the process is killed.
///
/// ```
/// use std::time::Duration;
///
/// use logboom::filter::DuplicateFilter;
///
/// let filter = DuplicateFilter::new(Duration::from_secs(5));
/// # let _ = filter;
/// ```
#[derive(Debug)]
pub struct DuplicateFilter {
    windows: Windows,
    key: String,
}

impl DuplicateFilter {
    /// A filter that lets a message pass once in `interval`.
    pub fn new(interval: Duration) -> DuplicateFilter {
        DuplicateFilter { windows: Windows::new(1, interval), key: String::new() }
    }
}

impl Filter for DuplicateFilter {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        let Record { level, logger, message, .. } = &**record;
        if logger.len() + message.len() > MAX_COMPARED_BYTES {
            return Verdict::Pass;
        }
        self.key.clear();
        // With its length, the logger cannot pass for a part of the message.
        let _infallible = write!(self.key, "{} {} {logger}{message}", level.number(), logger.len());
        Verdict::pass_if(self.windows.passes(&self.key, record))
    }

    fn take_summaries(&mut self, now_ns: i64, summaries: &mut Vec<Record<'static>>) {
        while let Some(hidden) = self.windows.next_hidden(now_ns) {
            let message =
                format!("last message repeated {} times: {}", hidden.count, hidden.record.message);
            summaries.push(hidden.told(message));
        }
    }

    fn lowest_level(&self) -> Option<Level> {
        Some(Level::NOTSET)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{passes, record, summaries};
    use super::*;
    use crate::{Level, Value};

    const SECOND: i64 = 1_000_000_000;

    fn filter() -> DuplicateFilter {
        DuplicateFilter::new(Duration::from_secs(5))
    }

    #[test]
    fn the_first_passes_and_one_summary_stands_for_the_others() {
        let mut filter = filter();
        let times = [0, 1, 2, 4].map(|second| second * SECOND);
        let passed = times.map(|time| passes(&mut filter, &record(time, "refused")));
        assert_eq!(passed, [true, false, false, false]);
        assert!(summaries(&mut filter, 4 * SECOND).is_empty());
        let mut last = record(4 * SECOND + 1, "refused");
        last.process.to_mut().name = "api-3".into();
        assert!(!passes(&mut filter, &last));
        assert!(passes(&mut filter, &record(5 * SECOND, "refused")));
        let [summary] = &summaries(&mut filter, 5 * SECOND)[..] else { panic!("one summary") };
        assert_eq!(summary.message, "last message repeated 4 times: refused");
        assert_eq!((summary.level, &*summary.logger), (Level::WARNING, "web.access"));
        assert_eq!((summary.time_ns, &*summary.process.name), (4 * SECOND + 1, "api-3"));
        assert_eq!(summary.field("filtered"), Some(&Value::U64(4)));
    }

    #[test]
    fn only_the_same_message_of_the_same_logger_and_level_is_a_duplicate() {
        let mut filter = filter();
        let of = |level, logger, message| Record::new(0, level, logger, message);
        for record in [
            of(Level::INFO, "ab", "c"),
            of(Level::INFO, "a", "bc"),
            of(Level::INFO, "", "abc"),
            of(Level::INFO, "1 ", "c"),
            of(Level::ERROR, "ab", "c"),
        ] {
            assert!(passes(&mut filter, &record) && !passes(&mut filter, &record), "{record:?}");
        }
    }

    #[test]
    fn a_message_too_long_to_be_remembered_always_passes() {
        let (mut filter, long) = (filter(), "x".repeat(MAX_COMPARED_BYTES));
        assert!((0..3).all(|_| passes(&mut filter, &record(0, &long))));
        let longest = &long["web.access".len()..];
        assert_eq!([0, 1].map(|time| passes(&mut filter, &record(time, longest))), [true, false]);
    }
}
