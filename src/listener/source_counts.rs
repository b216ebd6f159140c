//! What a source counts, as `ctl status` shows it.

#![cfg_attr(not(feature = "receiver"), allow(dead_code))]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::queue::status::DoorStatus;

/// Most reasons that are told apart.
const MAX_REASONS: usize = 64;

/// What has no place among them.
const OTHER_REASONS: &str = "other reasons";

/// Counts of one source, written by its thread.
#[derive(Debug, Default)]
pub(crate) struct SourceCounts {
    name: String,
    peers: AtomicU64,
    records: AtomicU64,
    dropped: AtomicU64,
    overflowed: AtomicU64,
    pauses: AtomicU64,
    refused: Mutex<BTreeMap<String, u64>>,
}

impl SourceCounts {
    pub(super) fn new(name: String) -> SourceCounts {
        SourceCounts { name, ..SourceCounts::default() }
    }

    pub(super) fn add_records(&self, records: usize) {
        self.records.fetch_add(records as u64, Ordering::Relaxed);
    }

    /// So many peers are there now.
    pub(crate) fn set_peers(&self, peers: usize) {
        self.peers.store(peers as u64, Ordering::Relaxed);
    }

    /// A record was received and dropped.
    pub(crate) fn add_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// The kernel has dropped so many datagrams by now.
    pub(crate) fn set_overflowed(&self, datagrams: u64) {
        self.overflowed.store(datagrams, Ordering::Relaxed);
    }

    /// A peer, or all of them, had to wait.
    pub(crate) fn add_pause(&self) {
        self.pauses.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was closed, or a datagram refused.
    pub(crate) fn refuse(&self, reason: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = refused.contains_key(reason) || refused.len() < MAX_REASONS;
        let reason = if is_known { reason } else { OTHER_REASONS };
        match refused.get_mut(reason) {
            Some(count) => *count += 1,
            None => {
                refused.insert(reason.to_owned(), 1);
            }
        }
    }

    pub(crate) fn status(&self) -> DoorStatus {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        DoorStatus {
            name: self.name.clone(),
            peers: count(&self.peers),
            records: count(&self.records),
            dropped: count(&self.dropped),
            overflowed: count(&self.overflowed),
            pauses: count(&self.pauses),
            refused: refused.iter().map(|(reason, count)| (reason.clone(), *count)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_each_and_bounded() {
        let counts = SourceCounts::new("door".to_owned());
        (0..100).for_each(|reason| counts.refuse(&reason.to_string()));
        counts.refuse("0");
        let refused = counts.status().refused;
        let count = |reason: &str| refused.iter().find(|(why, _)| why == reason).unwrap().1;
        assert_eq!((refused.len(), count("0"), count(OTHER_REASONS)), (65, 2, 36));
    }
}
