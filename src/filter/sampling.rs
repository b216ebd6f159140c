//! One record for many.

use std::borrow::Cow;
use std::collections::HashMap;

use super::windows::{MAX_KEYS, follow};
use super::{Filter, FilterError, Verdict};
use crate::{Field, Level, Record, Value};

/// Lets the first of every so many records of a logger pass.
///
/// Nothing is left to chance: the same records are always chosen alike. A record that passes says
/// in its field `filtered` how many of its logger were hidden since the one before it; how many
/// came behind the last one is told at the end.
///
/// Each of the first [`MAX_KEYS`] loggers is counted on its own, all further ones together; what is told
/// of them is in the name of the last.
///
/// ```
/// use logboom::filter::SamplingFilter;
///
/// let one_percent = SamplingFilter::new(100)?;
/// # let _ = one_percent;
/// # Ok::<(), logboom::filter::FilterError>(())
/// ```
#[derive(Debug)]
pub struct SamplingFilter {
    every: u32,
    loggers: HashMap<Box<str>, Sample>,
    others: Sample,
}

#[derive(Debug, Default)]
struct Sample {
    /// Records since the last that has passed, with it.
    seen: u32,
    /// What it says beside the message.
    last_hidden: Option<Record<'static>>,
}

impl SamplingFilter {
    /// A filter that lets one of `every` records pass.
    ///
    /// # Errors
    /// `every` is zero.
    pub fn new(every: u32) -> Result<SamplingFilter, FilterError> {
        if every == 0 {
            return Err(FilterError::Zero { setting: "the number of records that one stands for" });
        }
        Ok(SamplingFilter { every, loggers: HashMap::new(), others: Sample::default() })
    }

    fn sample(&mut self, logger: &str) -> &mut Sample {
        if !self.loggers.contains_key(logger) {
            if self.loggers.len() >= MAX_KEYS {
                return &mut self.others;
            }
            self.loggers.insert(logger.into(), Sample::default());
        }
        self.loggers.get_mut(logger).unwrap_or(&mut self.others)
    }
}

impl Filter for SamplingFilter {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        let every = self.every;
        let sample = self.sample(&record.logger);
        if sample.seen > 0 && sample.seen < every {
            sample.hide(record);
            return Verdict::Hide;
        }
        let hidden = sample.hidden();
        sample.seen = 1;
        if hidden > 0 {
            record.to_mut().fields.push(filtered(hidden));
        }
        Verdict::Pass
    }

    fn take_summaries(&mut self, now_ns: i64, summaries: &mut Vec<Record<'static>>) {
        if now_ns < i64::MAX {
            return;
        }
        let others = std::mem::take(&mut self.others);
        for sample in self.loggers.drain().map(|(_, sample)| sample).chain([others]) {
            if let (hidden @ 1.., Some(last)) = (sample.hidden(), sample.last_hidden) {
                let message =
                    format!("{hidden} records hidden since the last one of {}", self.every).into();
                summaries.push(Record { message, fields: vec![filtered(hidden)], ..last });
            }
        }
    }

    fn lowest_level(&self) -> Option<Level> {
        Some(Level::NOTSET)
    }
}

impl Sample {
    fn hide(&mut self, record: &Record<'_>) {
        self.seen += 1;
        let last = self.last_hidden.get_or_insert_with(|| Record::new(0, record.level, "", ""));
        if last.logger != record.logger {
            last.logger = Cow::Owned(record.logger.to_string());
        }
        last.level = record.level;
        follow(last, record);
    }

    fn hidden(&self) -> u32 {
        self.seen.saturating_sub(1)
    }
}

fn filtered(hidden: u32) -> Field<'static> {
    Field { key: "filtered".into(), value: Value::U64(hidden.into()) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{filtered, summaries};
    use super::*;

    fn passing(filter: &mut SamplingFilter, logger: &str, count: i64) -> Vec<(i64, Option<u64>)> {
        let passes = |time| {
            let mut record = Record::new(time, Level::INFO, logger, "");
            record.process.to_mut().name = "api-1".into();
            let seen = filtered(filter, &record)?;
            let hidden = seen.field("filtered").map(|value| match value {
                Value::U64(hidden) => *hidden,
                other => panic!("{other:?}"),
            });
            Some((time, hidden))
        };
        (0..count).filter_map(passes).collect()
    }

    #[test]
    fn each_logger_is_sampled_on_its_own_and_says_how_many_are_hidden() {
        let mut filter = SamplingFilter::new(3).expect("above zero");
        assert_eq!(passing(&mut filter, "a", 7), [(0, None), (3, Some(2)), (6, Some(2))]);
        assert_eq!(passing(&mut filter, "b", 2), [(0, None)]);
        assert_eq!(passing(&mut filter, "a", 3), [(2, Some(2))]);
        assert!(summaries(&mut filter, i64::MAX - 1).is_empty());
        let [summary] = &summaries(&mut filter, i64::MAX)[..] else { panic!("one summary") };
        assert_eq!((&*summary.logger, summary.time_ns, summary.level), ("b", 1, Level::INFO));
        assert_eq!(&*summary.process.name, "api-1");
        assert_eq!(summary.message, "1 records hidden since the last one of 3");
    }

    #[test]
    fn one_of_one_is_every_record() {
        let mut filter = SamplingFilter::new(1).expect("above zero");
        assert_eq!(passing(&mut filter, "a", 3), [(0, None), (1, None), (2, None)]);
        assert!(SamplingFilter::new(0).is_err());
    }

    #[test]
    fn loggers_beyond_the_limit_share_a_count() {
        let mut filter = SamplingFilter::new(2).expect("above zero");
        for number in 0..MAX_KEYS {
            assert_eq!(passing(&mut filter, &number.to_string(), 1).len(), 1);
        }
        assert_eq!(passing(&mut filter, "one more", 1).len(), 1);
        assert_eq!(passing(&mut filter, "and another", 1).len(), 0);
        assert_eq!(filter.loggers.len(), MAX_KEYS);
        assert_eq!(passing(&mut filter, "7", 1).len(), 0);
        let loggers = summaries(&mut filter, i64::MAX).into_iter().map(|summary| summary.logger);
        assert_eq!(loggers.collect::<Vec<_>>(), ["7", "and another"]);
    }
}
