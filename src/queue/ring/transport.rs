//! `Ring`: the transport over lanes.

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::{LaneError, refused};
use super::fork::{self, Guard};
use super::gate::Gate;
use super::lane::Lane;
use super::layout::Words;
use super::pool::{Pool, Settings};
use super::seat::{Seat, with_seat};
use super::{futex, protocol};
use crate::Process;
use crate::codec::Draft;
use crate::queue::{Certainty, FlushReport, Overflow, QueueDir, QueueStats, Transport};

/// Longest sleep of a flush without a look at the clock and the lane.
const FLUSH_SLICE: Duration = Duration::from_millis(10);

/// Longest wait for a listener without a look whether it is still there.
const SETTLE_SLICE: Duration = Duration::from_millis(50);

/// The lanes of one process in one queue. Needs no listener: what is queued waits for one, and for
/// the next where one ends. In the child of a fork it goes on with lanes of the child's own.
#[derive(Clone)]
pub(crate) struct Ring {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    first_lane: u64,
    pub(super) gate: Gate,
    pub(super) settings: Settings,
    pool: Mutex<Pool>,
    /// Calls dropped by threads that have no lane.
    pub(super) unplaced: AtomicU64,
}

impl Ring {
    /// Makes the first of at most `max_lanes` lanes, and the queue directory `dir` where it is
    /// missing.
    ///
    /// # Errors
    /// There is no room for a lane, or the directory is of no use.
    pub(crate) fn start(
        dir: QueueDir,
        process: Process,
        overflow: Overflow,
        max_lanes: usize,
    ) -> Result<Ring, LaneError> {
        fork::prepare().map_err(refused("prepare forks in", dir.path()))?;
        let made_in = std::process::id();
        let mut shared = Shared {
            first_lane: 0,
            gate: Gate::new(overflow),
            settings: Settings { dir, process, max_lanes, made_in },
            pool: Mutex::new(Pool::new()),
            unplaced: AtomicU64::new(0),
        };
        shared.first_lane = shared.with_pool(|pool, guard| pool.stock(&shared.settings, guard))?;
        Ok(Ring { shared: Arc::new(shared) })
    }

    /// The lane that was made at the start.
    pub(crate) fn first_lane(&self) -> u64 {
        self.shared.first_lane
    }

    /// Keeps the connection to a listener, which ends with the ring.
    pub(crate) fn attached(&self, stream: UnixStream) {
        self.shared.with_pool(|pool, _| {
            pool.keep(stream);
            if self.is_closed() {
                pool.disconnect();
            }
        });
    }

    /// Forgets the connection to a listener that is gone.
    pub(crate) fn detached(&self) {
        self.shared.with_pool(|pool, _| pool.disconnect());
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.shared.gate.is_closed()
    }

    /// Leaves lanes whose files were deleted: the next records go into new ones. Call it now and
    /// then, since no log call spends a system call on it.
    pub(crate) fn leave_deleted_lanes(&self) {
        self.shared.with_pool(Pool::forget_retired);
    }

    /// Writes the marks of dropped calls, as far as no other thread is at it.
    fn mark_drops(&self) {
        with_seat(&self.shared, Seat::mark_drops);
        self.shared.with_pool(|pool, _| pool.mark_drops());
    }
}

impl Shared {
    /// Runs `act` with the pool of this process, while nobody forks.
    pub(super) fn with_pool<R>(&self, act: impl FnOnce(&mut Pool, &mut Guard) -> R) -> R {
        let mut guard = fork::hold_off();
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.follow_fork();
        act(&mut pool, &mut guard)
    }
}

impl Transport for Ring {
    fn send(&self, draft: &Draft<'_>) {
        with_seat(&self.shared, |seat| seat.send(draft));
    }

    fn flush(&self, certainty: Certainty, timeout: Duration) -> FlushReport {
        self.mark_drops();
        let (lanes, bell) = self.shared.with_pool(|pool, _| {
            let target =
                |lane: &Arc<Lane>| (Arc::clone(lane), lane.published_seq.load(Ordering::Acquire));
            (pool.lanes().iter().map(target).collect::<Vec<_>>(), pool.bell().cloned())
        });
        if certainty == Certainty::Queued {
            return FlushReport { pending_records: 0 };
        }
        if certainty == Certainty::Synced {
            for (lane, target) in &lanes {
                lane.sync_asked().fetch_max(*target, Ordering::Relaxed);
            }
        }
        if let Some(bell) = bell {
            bell.ring();
        }
        let deadline = Instant::now().checked_add(timeout);
        let pending = |(lane, target): &(Arc<Lane>, u64)| wait(lane, certainty, *target, deadline);
        FlushReport { pending_records: lanes.iter().map(pending).sum() }
    }

    /// What is in shared memory survives: only a listener that is there is worth a wait.
    fn settle(&self, timeout: Duration) {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let is_attached = self.shared.with_pool(|pool, _| pool.is_attached());
            let left =
                deadline.map_or(SETTLE_SLICE, |at| at.saturating_duration_since(Instant::now()));
            if !is_attached || left.is_zero() {
                return self.mark_drops();
            }
            if self.flush(Certainty::Written, left.min(SETTLE_SLICE)).is_complete() {
                return;
            }
        }
    }

    fn close(&self) {
        self.mark_drops();
        self.shared.gate.close();
        self.shared.with_pool(Pool::end);
    }

    fn stats(&self) -> QueueStats {
        let unplaced = self.shared.unplaced.load(Ordering::Relaxed);
        let placed = self.shared.with_pool(|pool, _| pool.stats());
        QueueStats { records: placed.records + unplaced, dropped: placed.dropped + unplaced }
    }
}

/// Waits until the calls of `lane` before `target` are as certain as asked; how many are not.
fn wait(lane: &Lane, certainty: Certainty, target: u64, deadline: Option<Instant>) -> u64 {
    let word = if certainty == Certainty::Synced { lane.synced() } else { lane.written() };
    loop {
        let seen = protocol::observe(word);
        let left = deadline
            .map_or(FLUSH_SLICE, |deadline| deadline.saturating_duration_since(Instant::now()));
        // Nobody will ever write what is in a retired lane.
        if seen >= target || left.is_zero() || lane.is_retired() {
            return target.saturating_sub(seen);
        }
        protocol::announce_sleep(lane.flush_asleep());
        if protocol::observe(word) == seen {
            futex::wait(word, seen, left.min(FLUSH_SLICE));
        }
    }
}
