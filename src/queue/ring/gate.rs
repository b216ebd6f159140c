//! Who may pass into a full lane, and who waits how long.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Level;
use crate::queue::Overflow;

/// Longest sleep without a look at what else could end a wait.
const SLICE: Duration = Duration::from_millis(10);

/// The overflow policy of one process, with what it remembers.
pub(super) struct Gate {
    overflow: Overflow,
    closed: AtomicBool,
    /// One more than the heartbeat of the listener when somebody waited in vain; 0: nobody has.
    outage: AtomicU64,
}

/// A wait for room that has begun.
pub(super) struct Wait {
    deadline: Option<Instant>,
}

impl Gate {
    pub(super) fn new(overflow: Overflow) -> Gate {
        Gate { overflow, closed: AtomicBool::new(false), outage: AtomicU64::new(0) }
    }

    /// Ends all waits, and lets nobody pass any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// How much of `capacity_bytes` a record of this level has to leave free.
    pub(super) fn reserve_bytes(&self, level: Level, capacity_bytes: usize) -> usize {
        match self.overflow {
            Overflow::DropBelow(bound) if level < bound => capacity_bytes / 8,
            _ => 0,
        }
    }

    /// How long to sleep before the next look for room; `None`: no longer, the record is dropped.
    /// `wait` is what the call has waited already.
    pub(super) fn next_slice(&self, wait: &mut Option<Wait>, heartbeat: u64) -> Option<Duration> {
        let timeout = match self.overflow {
            _ if self.is_closed() => return None,
            Overflow::DropNewest | Overflow::DropBelow(_) => return None,
            Overflow::Block => return Some(SLICE),
            Overflow::BlockFor(timeout) => timeout,
        };
        if self.outage.load(Ordering::Relaxed) == heartbeat.wrapping_add(1) {
            return None;
        }
        let wait =
            wait.get_or_insert_with(|| Wait { deadline: Instant::now().checked_add(timeout) });
        let left = wait.deadline.map_or(SLICE, |at| at.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            self.outage.store(heartbeat.wrapping_add(1), Ordering::Relaxed);
            return None;
        }
        Some(left.min(SLICE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_in_vain_is_the_last_until_the_heartbeat_moves() {
        let gate = Gate::new(Overflow::BlockFor(Duration::from_millis(1)));
        let mut wait = None;
        while let Some(slice) = gate.next_slice(&mut wait, 7) {
            std::thread::sleep(slice);
        }
        assert_eq!(gate.next_slice(&mut None, 7), None);
        assert!(gate.next_slice(&mut None, 8).is_some());
    }

    #[test]
    fn only_what_is_below_the_bound_leaves_an_eighth_free() {
        let gate = Gate::new(Overflow::DropBelow(Level::WARNING));
        assert_eq!(gate.reserve_bytes(Level::INFO, 800), 100);
        assert_eq!(gate.reserve_bytes(Level::WARNING, 800), 0);
        assert_eq!(Gate::new(Overflow::Block).reserve_bytes(Level::INFO, 800), 0);
    }

    #[test]
    fn a_closed_gate_ends_every_wait() {
        let gate = Gate::new(Overflow::Block);
        assert!(gate.next_slice(&mut None, 0).is_some());
        gate.close();
        assert_eq!(gate.next_slice(&mut None, 0), None);
    }
}
