//! What the drain counts.

use crate::Level;
use crate::codec::Drops;
use crate::queue::status::{HandlerStatus, LevelCount};

/// Totals.
#[derive(Clone, Default)]
pub(super) struct Counts {
    pub(super) records: u64,
    pub(super) drops: DropCounts,
    pub(super) missing: u64,
    pub(super) unconfirmed: u64,
    pub(super) truncations: u64,
    pub(super) routed_files: u64,
    pub(super) unrouted: u64,
    pub(super) damaged_lanes: u64,
    pub(super) filter_panics: u64,
    pub(super) handlers: Vec<HandlerStatus>,
}

/// What came from one worker, or in a round from one lane.
#[derive(Clone, Default)]
pub(super) struct Tally {
    pub(super) records: u64,
    pub(super) drops: DropCounts,
    pub(super) missing: u64,
    /// Calls that have waited for room.
    pub(super) waits: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Tally) {
        self.records += other.records;
        self.missing = self.missing.saturating_add(other.missing);
        self.waits = self.waits.saturating_add(other.waits);
        self.drops.outages += other.drops.outages;
        self.drops.add_counts(&other.drops.by_level);
    }
}

/// Dropped calls. A worker says what it likes, so sums stop at the largest number.
#[derive(Clone, Default)]
pub(super) struct DropCounts {
    /// In the order of levels.
    by_level: Vec<(Level, u64)>,
    /// Marks of drops: one for all that were dropped in a row.
    pub(super) outages: u64,
}

impl DropCounts {
    pub(super) fn add(&mut self, drops: &Drops) {
        self.outages += 1;
        self.add_counts(&drops.counts);
    }

    fn add_counts(&mut self, counts: &[(Level, u64)]) {
        for (level, count) in counts {
            match self.by_level.binary_search_by_key(level, |(level, _)| *level) {
                Ok(at) => self.by_level[at].1 = self.by_level[at].1.saturating_add(*count),
                Err(at) => self.by_level.insert(at, (*level, *count)),
            }
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.by_level.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    pub(super) fn by_level(&self) -> Vec<LevelCount> {
        self.by_level.iter().map(|(level, count)| LevelCount::new(*level, *count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_summed_by_level_and_cannot_overflow() {
        let mut first = Drops::of(0, Level::WARNING, 0);
        first.add(Level::DEBUG, 0);
        let mut round = Tally::default();
        round.drops.add(&first);
        round.drops.add(&Drops { counts: vec![(Level::DEBUG, u64::MAX)], ..first });
        let mut worker = Tally { records: 3, ..Tally::default() };
        worker.add(&round);
        worker.add(&Tally { records: 1, missing: 2, waits: 5, ..Tally::default() });
        let by_level = [(Level::DEBUG, u64::MAX), (Level::WARNING, 1)];
        assert_eq!(worker.drops.by_level, by_level);
        assert_eq!((worker.drops.total(), worker.drops.outages), (u64::MAX, 2));
        assert_eq!((worker.records, worker.missing, worker.waits), (4, 2, 5));
    }
}
