//! Too much at once.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use super::windows::Windows;
use super::{Filter, FilterError, Verdict};
use crate::{Level, Record};

/// Lets so many records pass in each interval, for each logger, level and worker on its own.
///
/// An interval begins with the first record of its logger, level and worker, by the clock of the
/// records. What is above the number is hidden; when the interval is over, one summary says how
/// many that were, at their level and in the name of their logger and worker.
///
/// At most [`MAX_KEYS`](super::MAX_KEYS) combinations are counted at a time. Numbers that were not
/// told yet are lost when the process is killed.
///
/// ```
/// use std::time::Duration;
///
/// use logboom::filter::RateLimitFilter;
///
/// let filter = RateLimitFilter::new(100, Duration::from_secs(1))?;
/// # let _ = filter;
/// # Ok::<(), logboom::filter::FilterError>(())
/// ```
#[derive(Debug)]
pub struct RateLimitFilter {
    windows: Windows,
    records: u32,
    interval: Duration,
    key: String,
}

impl RateLimitFilter {
    /// A filter that lets `records` pass in each `interval`.
    ///
    /// # Errors
    /// One of the two is zero.
    pub fn new(records: u32, interval: Duration) -> Result<RateLimitFilter, FilterError> {
        let zero = |setting| Err(FilterError::Zero { setting });
        match (records, interval) {
            (0, _) => zero("the number of records that pass in an interval"),
            (_, Duration::ZERO) => zero("the interval"),
            _ => {
                let windows = Windows::new(records, interval);
                Ok(RateLimitFilter { windows, records, interval, key: String::new() })
            }
        }
    }
}

impl Filter for RateLimitFilter {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        let Record { level, logger, process, .. } = &**record;
        self.key.clear();
        let _infallible =
            write!(self.key, "{} {} {logger}{}", level.number(), logger.len(), process.name);
        Verdict::pass_if(self.windows.passes(&self.key, record))
    }

    fn take_summaries(&mut self, now_ns: i64, summaries: &mut Vec<Record<'static>>) {
        while let Some(hidden) = self.windows.next_hidden(now_ns) {
            let message = format!(
                "{} records hidden: more than {} in {:?} from {} of this logger and level",
                hidden.count, self.records, self.interval, hidden.record.process.name,
            );
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

    fn filter() -> RateLimitFilter {
        RateLimitFilter::new(2, Duration::from_secs(1)).expect("numbers above zero")
    }

    #[test]
    fn what_is_above_the_rate_is_told_once_it_is_over() {
        let mut filter = filter();
        let record = |time| {
            let mut record = record(time, "busy");
            record.process.to_mut().name = "api-1".into();
            record
        };
        let passed: Vec<_> = (0..5).map(|time| passes(&mut filter, &record(time))).collect();
        assert_eq!(passed, [true, true, false, false, false]);
        assert!(passes(&mut filter, &record(SECOND)));
        let [summary] = &summaries(&mut filter, SECOND)[..] else { panic!("one summary") };
        let expected = "3 records hidden: more than 2 in 1s from api-1 of this logger and level";
        assert_eq!((&*summary.message, summary.level), (expected, Level::WARNING));
        assert_eq!(summary.field("filtered"), Some(&Value::U64(3)));
        assert_eq!((&*summary.logger, &*summary.process.name), ("web.access", "api-1"));
    }

    #[test]
    fn every_logger_level_and_worker_has_a_rate_of_its_own() {
        let mut filter = filter();
        for (level, logger, worker) in [
            (Level::INFO, "a", "bw"),
            (Level::INFO, "ab", "w"),
            (Level::INFO, "a", "w"),
            (Level::ERROR, "a", "w"),
        ] {
            let mut record = Record::new(0, level, logger, "");
            record.process.to_mut().name = worker.into();
            let passed = [(); 3].map(|()| passes(&mut filter, &record));
            assert_eq!(passed, [true, true, false], "{record:?}");
        }
    }

    #[test]
    fn nothing_per_interval_and_an_interval_of_nothing_are_refused() {
        assert!(RateLimitFilter::new(0, Duration::from_secs(1)).is_err());
        assert!(RateLimitFilter::new(1, Duration::ZERO).is_err());
    }
}
