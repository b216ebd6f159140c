//! How many records a second have come lately.

use std::time::{Duration, Instant};

/// Over which time they are counted.
const WINDOW: Duration = Duration::from_secs(5);

/// The records of a window that has passed, and of the one that lasts.
pub(super) struct Rate {
    since: Instant,
    records: u64,
    last: Option<f64>,
}

impl Rate {
    pub(super) fn new(now: Instant) -> Rate {
        Rate { since: now, records: 0, last: None }
    }

    pub(super) fn add(&mut self, records: u64, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed >= WINDOW {
            let is_recent = passed < 2 * WINDOW;
            self.last = is_recent.then(|| self.records as f64 / passed.as_secs_f64());
            (self.since, self.records) = (now, 0);
        }
        self.records += records;
    }

    /// Records a second.
    pub(super) fn per_second(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.since);
        match self.last {
            Some(last) if passed < WINDOW => last,
            // In the first second of all it is not known how many more come.
            _ => self.records as f64 / passed.as_secs_f64().max(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_seconds_and_falls_when_nothing_comes() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut rate = Rate::new(start);
        assert_eq!(rate.per_second(start), 0.0);
        rate.add(10, start);
        assert_eq!(rate.per_second(start), 10.0);
        assert_eq!(rate.per_second(at(2)), 5.0);
        rate.add(90, at(4));
        // The first window had 100 in 5 s, the second has begun.
        rate.add(1000, at(5));
        assert_eq!(rate.per_second(at(5)), 20.0);
        assert_eq!(rate.per_second(at(9)), 20.0);
        assert_eq!(rate.per_second(at(15)), 100.0);
        assert_eq!(rate.per_second(at(1005)), 1.0);
        rate.add(7, at(1005));
        assert_eq!(rate.per_second(at(1005)), 7.0);
    }
}
