//! When the log files have to be brought to the disk, and whether they are there.

use std::time::{Duration, Instant};

use super::sync_policy::SyncPolicy;
use crate::Level;
use crate::queue::status::SyncStatus;
use crate::record::now_ns;

/// Shortest and longest pause before a failed sync is tried again unasked.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// What is known of the way from the files to the disk.
pub(super) struct SyncState {
    policy: SyncPolicy,
    /// All that was written is on the disk.
    is_complete: bool,
    /// When the oldest write that is not on the disk has to be there.
    due_at: Option<Instant>,
    /// The highest level in the batch.
    batch_level: Option<Level>,
    /// When a failed sync is tried again, and after what pause.
    retry: Option<(Instant, Duration)>,
    /// A sync has failed since the lanes were last told.
    is_failure_untold: bool,
    status: SyncStatus,
}

impl SyncState {
    /// What listeners before this one have written may not be on the disk.
    pub(super) fn new(policy: SyncPolicy, has_files: bool) -> SyncState {
        SyncState {
            policy,
            is_complete: !has_files,
            due_at: None,
            batch_level: None,
            retry: None,
            is_failure_untold: false,
            status: SyncStatus { policy: policy.to_string(), ..SyncStatus::default() },
        }
    }

    /// Goes on under another policy, or with files that were not there before, as at the start.
    pub(super) fn change(&mut self, policy: SyncPolicy, has_new_files: bool) {
        self.is_complete &= !has_new_files;
        if policy == self.policy {
            return;
        }
        self.policy = policy;
        self.status.policy = policy.to_string();
        self.due_at = match policy {
            SyncPolicy::Interval(interval) if !self.is_complete => {
                Instant::now().checked_add(interval)
            }
            _ => None,
        };
    }

    pub(super) fn status(&self) -> &SyncStatus {
        &self.status
    }

    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The same, and no sync has ever failed: what was written before one may be on no disk.
    pub(super) fn is_complete_without_doubt(&self) -> bool {
        self.is_complete && self.status.failed == 0
    }

    /// The batch has a record of this level.
    pub(super) fn take(&mut self, level: Level) {
        self.batch_level = self.batch_level.max(Some(level));
    }

    /// The batch is in the files; tells whether it has to be synced before the next.
    pub(super) fn written(&mut self) -> bool {
        self.is_complete = false;
        let level = self.batch_level.take();
        match self.policy {
            SyncPolicy::None => false,
            SyncPolicy::Interval(interval) => {
                self.due_at = self.due_at.or_else(|| Instant::now().checked_add(interval));
                false
            }
            SyncPolicy::AtLevel(bound) => level >= Some(bound),
            SyncPolicy::EveryBatch => true,
        }
    }

    /// How long until a sync is due; `None` where none will be.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let at = self.retry.map(|(at, _)| at).or(self.due_at)?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    pub(super) fn is_due(&self) -> bool {
        self.due_in() == Some(Duration::ZERO)
    }

    /// Whether a failed sync was so short ago that only a person may want another.
    pub(super) fn is_resting(&self) -> bool {
        self.retry.is_some_and(|(at, _)| at > Instant::now())
    }

    pub(super) fn succeeded(&mut self) {
        self.is_complete = true;
        (self.due_at, self.retry) = (None, None);
        self.status.syncs += 1;
        self.status.last_sync_ns = Some(now_ns());
    }

    pub(super) fn failed(&mut self) {
        let pause = self.retry.map_or(BACK_OFF.0, |(_, pause)| (pause * 2).min(BACK_OFF.1));
        self.retry = Some((Instant::now() + pause, pause));
        self.is_failure_untold = true;
        self.status.failed += 1;
    }

    /// Whether a sync has failed since this was last asked: what was written before it and not synced
    /// must not be said to be on the disk.
    pub(super) fn take_failure(&mut self) -> bool {
        std::mem::take(&mut self.is_failure_untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(policy: SyncPolicy) -> SyncState {
        SyncState::new(policy, true)
    }

    #[test]
    fn an_interval_runs_from_the_first_write_after_a_sync() {
        let interval = Duration::from_secs(3600);
        let mut state = of(SyncPolicy::Interval(interval));
        assert_eq!(state.due_in(), None);
        assert!(!state.written());
        let due_at = state.due_at;
        assert!(!state.written() && !state.is_due());
        assert_eq!(state.due_at, due_at);
        state.succeeded();
        assert_eq!((state.due_in(), state.is_complete()), (None, true));
        assert!(!state.written() && state.due_in().is_some() && !state.is_complete());
    }

    #[test]
    fn the_level_of_a_batch_counts_for_that_batch_alone() {
        let mut state = of(SyncPolicy::AtLevel(Level::ERROR));
        assert!(!state.written());
        state.take(Level::CRITICAL);
        state.take(Level::INFO);
        assert!(state.written());
        state.take(Level::WARNING);
        assert!(!state.written());
        assert!(of(SyncPolicy::EveryBatch).written() && !of(SyncPolicy::None).written());
    }

    #[test]
    fn another_policy_holds_for_what_is_written_already() {
        let mut state = of(SyncPolicy::None);
        state.succeeded();
        assert!(!state.written());
        state.change(SyncPolicy::Interval(Duration::from_secs(3600)), false);
        assert!(state.due_in().is_some());
        state.change(SyncPolicy::EveryBatch, false);
        assert_eq!((state.due_in(), state.written()), (None, true));
        state.succeeded();
        state.change(SyncPolicy::EveryBatch, true);
        assert!(!state.is_complete());
    }

    #[test]
    fn a_failed_sync_is_tried_again_after_a_growing_pause_under_every_policy() {
        let mut state = of(SyncPolicy::None);
        for expected_ms in [10, 20, 40, 80, 160, 320, 640, 1000, 1000] {
            state.failed();
            assert_eq!(state.retry.map(|(_, pause)| pause.as_millis()), Some(expected_ms));
            assert!(state.due_in().is_some() && state.take_failure() && !state.take_failure());
        }
        assert!(state.is_resting());
        state.succeeded();
        assert!(!state.is_resting() && state.due_in().is_none());
        assert_eq!((state.status().syncs, state.status().failed), (1, 9));
    }
}
