//! Whether a worker is started again, and when. Pure: knows nothing of processes.

use std::time::Duration;

use crate::worker_settings::{Lifecycle, Restart};

/// Shortest and longest pause before a worker is started again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// A life of this length was no failure to start: pauses and their count begin anew.
const GOOD_LIFE: Duration = Duration::from_secs(60);

/// The restarts of one worker.
pub(super) struct Restarts {
    policy: Restart,
    max: u32,
    in_a_row: u32,
    /// All that were made.
    total: u64,
}

impl Restarts {
    pub(super) fn of(lifecycle: &Lifecycle) -> Restarts {
        Restarts { policy: lifecycle.restart, max: lifecycle.max_restarts, in_a_row: 0, total: 0 }
    }

    /// The pause after a life that was good for so long; nothing where no other follows.
    pub(super) fn next(&mut self, has_failed: bool, good_for: Duration) -> Option<Duration> {
        let wanted = match self.policy {
            Restart::No => false,
            Restart::OnFailure => has_failed,
            Restart::Always => true,
        };
        if good_for >= GOOD_LIFE {
            self.in_a_row = 0;
        }
        if !wanted || self.in_a_row >= self.max {
            return None;
        }
        let doubled = 2_u32.saturating_pow(self.in_a_row);
        self.in_a_row += 1;
        Some(BACK_OFF.0.saturating_mul(doubled).min(BACK_OFF.1))
    }

    /// It is started again.
    pub(super) fn count(&mut self) {
        self.total += 1;
    }

    /// Somebody starts it: what was before does not count.
    pub(super) fn begin_anew(&mut self) {
        self.in_a_row = 0;
    }

    /// How often it was started again because it had ended.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restarts(policy: Restart, max: u32) -> Restarts {
        Restarts { policy, max, in_a_row: 0, total: 0 }
    }

    #[test]
    fn the_policy_says_which_end_is_followed_by_another_life() {
        let cases = [
            (Restart::No, [false, false]),
            (Restart::OnFailure, [false, true]),
            (Restart::Always, [true, true]),
        ];
        for (policy, expected) in cases {
            let again = |has_failed| restarts(policy, 1).next(has_failed, Duration::ZERO).is_some();
            assert_eq!([again(false), again(true)], expected, "{policy}");
        }
    }

    #[test]
    fn pauses_grow_to_a_limit_and_have_an_end() {
        let mut restarts = restarts(Restart::Always, 9);
        let pauses: Vec<_> = std::iter::from_fn(|| restarts.next(true, Duration::ZERO))
            .map(|pause| pause.as_millis())
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000]);
        assert_eq!(restarts.next(true, Duration::ZERO), None);
    }

    #[test]
    fn a_good_life_begins_the_count_anew() {
        let mut restarts = restarts(Restart::OnFailure, 2);
        for lasted in [Duration::ZERO, Duration::ZERO, GOOD_LIFE, Duration::ZERO] {
            assert!(restarts.next(true, lasted).is_some());
        }
        assert_eq!(restarts.next(true, Duration::ZERO), None);
    }
}
