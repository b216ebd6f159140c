//! What is known of one sender: its lane, and which of its records is expected next.

use std::time::{Duration, Instant};

use crate::codec::Relayed;
use crate::queue::ring::SenderLane;
use crate::relay::{Intake, Untaken};

/// How long the lane of a sender is kept that has no connection.
const KEPT: Duration = Duration::from_secs(60);

/// How often it is looked whether its lane is still read.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Feed {
    pub(super) lane: SenderLane,
    /// All before are in the lane, or written.
    pub(super) next_seq: u64,
    /// Its connection ended then.
    pub(super) gone_at: Option<Instant>,
    checked_at: Instant,
    entry: Vec<u8>,
}

impl Feed {
    pub(super) fn new(lane: SenderLane, next_seq: u64) -> Feed {
        let checked_at = Instant::now();
        Feed { lane, next_seq, gone_at: None, checked_at, entry: Vec::new() }
    }

    /// Whether all its records are written.
    pub(super) fn is_written(&self) -> bool {
        self.lane.written() >= self.next_seq
    }

    /// Whether its lane may be given up for now.
    pub(super) fn is_idle(&self) -> bool {
        self.gone_at.is_some_and(|at| at.elapsed() >= KEPT) && self.is_written()
    }

    /// Whether its lane is not read any more; looked at now and then.
    pub(super) fn is_lost(&mut self) -> bool {
        let is_due = self.checked_at.elapsed() >= CHECK_INTERVAL;
        if is_due {
            self.checked_at = Instant::now();
        }
        is_due && self.lane.is_retired()
    }
}

impl Intake for Feed {
    fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Puts it into the lane.
    fn take(&mut self, seq: u64, origin: &[u8], record: &[u8]) -> Result<(), Untaken> {
        if seq < self.next_seq {
            return Ok(());
        }
        self.entry.clear();
        if !(Relayed { seq, origin, record }.write(&mut self.entry)) {
            // No lane holds it.
            return Err(Untaken::Damaged);
        }
        if !self.lane.push(&self.entry) {
            return Err(Untaken::Full);
        }
        self.next_seq += 1;
        Ok(())
    }
}
