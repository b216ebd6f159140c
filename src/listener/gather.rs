//! What a round begins with: how long it waits, and the batches that come meanwhile.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::drain::Drain;
use super::receive::Event;
use crate::queue::MAX_BATCH_BYTES;

/// How long a round waits for more lanes, so that the merge has something to merge.
const GATHER: Duration = Duration::from_millis(2);

/// A round takes no more batches than this.
const MAX_ROUND_BATCHES: usize = 64;

const _: () = assert!(MAX_ROUND_BATCHES * MAX_BATCH_BYTES <= 16 << 20);

/// How long a drain that has lanes in shared memory waits before it looks at their tails again; a
/// warning, a lane that is half full, or a flush wakes it at once.
const LANE_TICK: Duration = Duration::from_millis(10);

/// After so many looks with nothing the drain rests: the next record of any worker wakes it.
const LOOKS_BEFORE_REST: u32 = 50;

/// How often a drain that rests looks all the same.
const REST_TICK: Duration = Duration::from_millis(250);

/// How often one looks that finds something each time.
const BUSY_LANE_TICK: Duration = Duration::from_millis(1);

/// A round with as many bytes is followed by the next without a pause.
const FULL_ROUND_BYTES: usize = 32 * 1024;

/// How much the last round had, which says how long the next may wait for more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Nothing, for so many rounds.
    Idle {
        looks: u32,
    },
    Busy,
    /// So much that more is there already.
    Full,
}

impl Drain {
    /// Takes the batches that come within `patience`, less where lanes in shared memory may have more.
    pub(super) fn gather(&mut self, patience: Duration) -> Vec<Vec<u8>> {
        let patience = match self.pace {
            // Nobody tells again of what the last round has left.
            _ if self.inlets.have_waiting() => Duration::ZERO,
            _ if self.lanes.is_empty() => self.rest(patience),
            Pace::Idle { looks } if looks >= LOOKS_BEFORE_REST => {
                self.rest(patience.min(REST_TICK))
            }
            Pace::Idle { .. } => patience.min(LANE_TICK),
            Pace::Busy => patience.min(BUSY_LANE_TICK),
            Pace::Full => Duration::ZERO,
        };
        let batches = self.receive(Instant::now() + patience);
        self.bell.rise();
        batches
    }

    /// Lets the workers wake the drain; how long it may sleep now.
    fn rest(&self, patience: Duration) -> Duration {
        self.bell.rest();
        if self.lanes.has_news() { Duration::ZERO } else { patience }
    }

    fn receive(&self, mut deadline: Instant) -> Vec<Vec<u8>> {
        let mut batches = Vec::new();
        while batches.len() < MAX_ROUND_BATCHES {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Batch(batch)) => {
                    if batches.is_empty() {
                        deadline = Instant::now() + GATHER;
                    }
                    batches.push(batch);
                }
                Ok(Event::Arrived) => deadline = deadline.min(Instant::now() + GATHER),
                Ok(Event::Wake) => deadline = Instant::now().min(deadline),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        batches
    }
}

impl Pace {
    /// The pace after one more round, which had this many bytes.
    pub(super) fn after(self, bytes: usize) -> Pace {
        match (bytes, self) {
            (0, Pace::Idle { looks }) => Pace::Idle { looks: looks.saturating_add(1) },
            (0, _) => Pace::Idle { looks: 1 },
            (..FULL_ROUND_BYTES, _) => Pace::Busy,
            _ => Pace::Full,
        }
    }

    pub(super) fn is_idle(self) -> bool {
        matches!(self, Pace::Idle { .. })
    }
}
