//! By level.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::{Filter, Verdict};
use crate::{Level, Record};

/// Lets records of a level and above pass.
#[derive(Clone, Copy, Debug)]
pub struct LevelFilter(pub Level);

impl Filter for LevelFilter {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        Verdict::pass_if(record.level >= self.0)
    }

    fn lowest_level(&self) -> Option<Level> {
        Some(self.0)
    }
}

/// Lets records pass whose level is in a range, both ends included.
///
/// ```
/// use logboom::Level;
/// use logboom::filter::LevelRangeFilter;
///
/// // What standard output gets where errors go to standard error.
/// let filter = LevelRangeFilter(Level::DEBUG..=Level::INFO);
/// # let _ = filter;
/// ```
#[derive(Clone, Debug)]
pub struct LevelRangeFilter(pub RangeInclusive<Level>);

impl Filter for LevelRangeFilter {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        Verdict::pass_if(self.0.contains(&record.level))
    }

    fn lowest_level(&self) -> Option<Level> {
        Some(*self.0.start())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::passes;
    use super::*;

    fn passing(filter: &mut impl Filter) -> Vec<u8> {
        let record = |number: &u8| Record::new(0, Level::new(*number), "", "");
        (0..=u8::MAX).filter(|number| passes(filter, &record(number))).collect()
    }

    #[test]
    fn a_level_lets_itself_and_all_above_pass() {
        assert_eq!(passing(&mut LevelFilter(Level::new(35))), (35..=255).collect::<Vec<_>>());
        assert_eq!(passing(&mut LevelFilter(Level::NOTSET)).len(), 256);
    }

    #[test]
    fn a_range_has_both_its_ends() {
        let mut filter = LevelRangeFilter(Level::DEBUG..=Level::INFO);
        assert_eq!(passing(&mut filter), (10..=20).collect::<Vec<_>>());
        assert!(passing(&mut LevelRangeFilter(Level::INFO..=Level::DEBUG)).is_empty());
    }
}
