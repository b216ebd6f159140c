//! Which sequence numbers of each lane have been seen. Knows nothing of files and lines.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::ops::Range;

/// The most lanes of a log; with their gaps they are all that is kept in memory.
pub const MAX_LANES: usize = 1 << 24;

/// So many gaps of a lane are kept open, in case the records in them come late. Once there are more,
/// a record in the oldest counts as double.
const MAX_OPEN_GAPS: usize = 64;

/// All lanes of a log. `P` is where in the log something was seen.
#[derive(Debug)]
pub(super) struct Lanes<P> {
    lanes: HashMap<u64, Lane<P>>,
}

#[derive(Debug)]
struct Lane<P> {
    /// One more than the highest number seen.
    next_seq: u64,
    /// What is missing below it, in order. What is missing from 0 on is the beginning.
    open: Vec<Gap<P>>,
}

/// Numbers that were passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap<P> {
    pub(super) lane: u64,
    pub(super) seqs: Range<u64>,
    /// Where the number after it was seen.
    pub(super) seen: P,
}

/// What numbers turned out to be when they came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Accounted<P> {
    /// How many were seen before.
    pub(super) doubled: u64,
    /// How many had been passed over.
    pub(super) late: u64,
    /// A gap that is not kept open any longer.
    pub(super) given_up: Option<Gap<P>>,
}

/// There is one lane too many.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyLanes;

impl<P: Clone> Lanes<P> {
    pub(super) fn new() -> Lanes<P> {
        Lanes { lanes: HashMap::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.lanes.len()
    }

    /// Accounts for numbers of a lane. Asks for the place only if some were passed over.
    pub(super) fn account(
        &mut self,
        lane: u64,
        seqs: Range<u64>,
        seen: impl FnOnce() -> P,
    ) -> Result<Accounted<P>, TooManyLanes> {
        let is_full = self.lanes.len() == MAX_LANES;
        let slot = match self.lanes.entry(lane) {
            Slot::Vacant(_) if is_full => return Err(TooManyLanes),
            slot => slot.or_insert(Lane { next_seq: 0, open: Vec::new() }),
        };
        Ok(slot.account(lane, seqs, seen))
    }

    /// Forgets all lanes; gives the gaps that were open. Those from 0 on are missing beginnings.
    pub(super) fn take_gaps(&mut self) -> impl Iterator<Item = Gap<P>> + use<P> {
        std::mem::take(&mut self.lanes).into_values().flat_map(|lane| lane.open)
    }
}

impl<P: Clone> Lane<P> {
    fn account(&mut self, lane: u64, seqs: Range<u64>, seen: impl FnOnce() -> P) -> Accounted<P> {
        let known = seqs.start.min(self.next_seq)..seqs.end.min(self.next_seq);
        let late = if known.is_empty() { 0 } else { self.fill(&known) };
        if seqs.start > self.next_seq {
            self.open.push(Gap { lane, seqs: self.next_seq..seqs.start, seen: seen() });
        }
        self.next_seq = self.next_seq.max(seqs.end);
        Accounted { doubled: known.end - known.start - late, late, given_up: self.give_up() }
    }

    /// Takes the numbers out of the gaps; tells how many were in them.
    fn fill(&mut self, known: &Range<u64>) -> u64 {
        let mut filled = 0;
        for gap in std::mem::take(&mut self.open) {
            let seqs = gap.seqs.clone();
            let (start, end) = (known.start.max(seqs.start), known.end.min(seqs.end));
            if start >= end {
                self.open.push(gap);
                continue;
            }
            filled += end - start;
            let left = [seqs.start..start, end..seqs.end];
            let left = left.into_iter().filter(|seqs| !seqs.is_empty());
            self.open.extend(left.map(|seqs| Gap { seqs, ..gap.clone() }));
        }
        filled
    }

    /// The oldest gap if there are too many, but for the beginning.
    fn give_up(&mut self) -> Option<Gap<P>> {
        let has_beginning = self.open.first().is_some_and(|gap| gap.seqs.start == 0);
        let oldest = usize::from(has_beginning);
        (self.open.len() > MAX_OPEN_GAPS + oldest).then(|| self.open.remove(oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One lane, what was found in it (`+` late, `!` doubled), and the ends of its gaps.
    fn found(seqs: &[Range<u64>]) -> (String, Vec<(u64, u64)>) {
        let mut lanes = Lanes::new();
        let mut signs = String::new();
        for seqs in seqs {
            let accounted = lanes.account(7, seqs.clone(), || ()).expect("a lane");
            signs.push_str(&"+".repeat(accounted.late as usize));
            signs.push_str(&"!".repeat(accounted.doubled as usize));
            assert_eq!(accounted.given_up, None);
        }
        (signs, lanes.take_gaps().map(|gap| (gap.seqs.start, gap.seqs.end)).collect())
    }

    fn ones(seqs: &[u64]) -> Vec<Range<u64>> {
        seqs.iter().map(|seq| *seq..seq + 1).collect()
    }

    #[test]
    fn consecutive_numbers_leave_nothing_to_say() {
        assert_eq!(found(&ones(&[0, 1, 2])), (String::new(), vec![]));
        assert_eq!(found(&[0..5, 5..5, 5..6]), (String::new(), vec![]));
    }

    #[test]
    fn numbers_passed_over_are_a_gap() {
        assert_eq!(found(&[0..1, 3..4, 4..9, 10..11]), (String::new(), vec![(1, 3), (9, 10)]));
    }

    #[test]
    fn a_gap_that_is_filled_late_is_none() {
        assert_eq!(found(&ones(&[0, 2, 1, 3])), ("+".into(), vec![]));
        assert_eq!(found(&ones(&[0, 4, 2])), ("+".into(), vec![(1, 2), (3, 4)]));
    }

    #[test]
    fn numbers_seen_before_are_doubled() {
        assert_eq!(found(&ones(&[0, 1, 1, 0])), ("!!".into(), vec![]));
        assert_eq!(found(&ones(&[0, 2, 1, 1])), ("+!".into(), vec![]));
        assert_eq!(found(&[0..4, 2..6, 6..7]), ("!!".into(), vec![]));
        assert_eq!(found(&[0..2, 4..6, 1..5]), ("++!!".into(), vec![]));
    }

    #[test]
    fn a_missing_beginning_is_a_gap_from_zero_on() {
        assert_eq!(found(&ones(&[5, 6])), (String::new(), vec![(0, 5)]));
        assert_eq!(found(&ones(&[5, 3])), ("+".into(), vec![(0, 3), (4, 5)]));
    }

    #[test]
    fn the_oldest_gap_is_given_up_when_there_are_too_many() {
        for beginning in [0, 1] {
            let mut lanes = Lanes::new();
            let account = |lanes: &mut Lanes<u64>, seq| {
                lanes.account(7, seq..seq + 1, || seq).expect("a lane")
            };
            for nth in 0..=MAX_OPEN_GAPS as u64 {
                assert_eq!(account(&mut lanes, beginning + 2 * nth).given_up, None);
            }
            let seq = beginning + 2 * (MAX_OPEN_GAPS as u64 + 1);
            let oldest = Gap { lane: 7, seqs: beginning + 1..beginning + 2, seen: beginning + 2 };
            assert_eq!(account(&mut lanes, seq).given_up, Some(oldest));
            assert_eq!(lanes.take_gaps().count(), MAX_OPEN_GAPS + beginning as usize);
        }
    }

    #[test]
    fn lanes_do_not_meet() {
        let mut lanes = Lanes::new();
        for (lane, seq) in [(1, 0), (2, 0), (1, 1), (2, 2)] {
            lanes.account(lane, seq..seq + 1, || seq).expect("a lane");
        }
        assert_eq!(lanes.count(), 2);
        let gaps: Vec<_> = lanes.take_gaps().collect();
        assert_eq!(gaps, [Gap { lane: 2, seqs: 1..2, seen: 2 }]);
    }
}
