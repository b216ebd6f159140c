//! How many records a peer has sent within the second.

use std::time::{Duration, Instant};

/// The records of one peer in its present second.
#[derive(Debug)]
pub(super) struct Rate {
    max_per_s: Option<u32>,
    began: Instant,
    records: u32,
}

impl Rate {
    pub(super) fn new(max_per_s: Option<u32>, now: Instant) -> Rate {
        Rate { max_per_s, began: now, records: 0 }
    }

    /// Counts one record; whether it is one too many.
    pub(super) fn exceeds(&mut self, now: Instant) -> bool {
        self.begin(now);
        self.records = self.records.saturating_add(1);
        self.max_per_s.is_some_and(|max| self.records > max)
    }

    /// Counts records that were taken; until when no more should be.
    pub(super) fn rest_after(&mut self, records: usize, now: Instant) -> Option<Instant> {
        let max_per_s = self.max_per_s?;
        self.begin(now);
        self.records = self.records.saturating_add(u32::try_from(records).unwrap_or(u32::MAX));
        let seconds = self.records / max_per_s;
        (seconds > 0).then(|| self.began + Duration::from_secs(seconds.into()))
    }

    fn begin(&mut self, now: Instant) {
        if now.saturating_duration_since(self.began) >= Duration::from_secs(1) {
            (self.began, self.records) = (now, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_records() {
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        let mut rate = Rate::new(Some(2), begin);
        assert_eq!([0, 1, 999].map(|ms| rate.exceeds(after(ms))), [false, false, true]);
        assert_eq!([1000, 1001, 1002].map(|ms| rate.exceeds(after(ms))), [false, false, true]);
        let mut rate = Rate::new(None, begin);
        assert!(!(0..100).any(|_| rate.exceeds(begin)));
    }

    #[test]
    fn who_sent_many_at_once_rests_as_many_seconds() {
        let begin = Instant::now();
        let mut rate = Rate::new(Some(10), begin);
        assert_eq!(rate.rest_after(9, begin), None);
        assert_eq!(rate.rest_after(26, begin), Some(begin + Duration::from_secs(3)));
        assert_eq!(rate.rest_after(9, begin + Duration::from_secs(3)), None);
        assert_eq!(Rate::new(None, begin).rest_after(usize::MAX, begin), None);
    }
}
