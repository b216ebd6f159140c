//! What sources have brought and the drain has not taken yet: one queue, bounded by bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::eventfd::EventFd;

use crate::codec::Drops;
use crate::{Process, Record};

/// Most bytes of records that wait for the drain, and beyond them what one look at one peer brings.
const MAX_WAITING_BYTES: usize = 32 << 20;

/// A round takes so many bytes, and the arrival that exceeds them.
const MAX_ROUND_BYTES: usize = 2 << 20;

/// As soon as no more wait, sources that had to pause go on. That is after one round: a peer that is
/// not read for a second may give up, as Python's `SocketHandler` does.
const RESUME_BYTES: usize = MAX_WAITING_BYTES - MAX_ROUND_BYTES;

/// What comes next in a lane: what was dropped, and then records.
pub(super) struct Arrival {
    pub(super) lane: u64,
    pub(super) process: Arc<Process>,
    pub(super) drops: Option<Drops>,
    pub(super) records: Vec<Record<'static>>,
    pub(super) bytes: usize,
}

/// What all sources of a listener have brought and its drain has not yet taken.
#[derive(Default)]
pub(super) struct Arrivals(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Arrival>,
    bytes: usize,
    /// Arrivals that were ever pushed, and taken.
    pushed: u64,
    taken: u64,
    /// A source waits for room.
    is_awaited: bool,
    is_closing: bool,
    /// The drain takes nothing more.
    has_ended: bool,
    /// One for each source that runs.
    wakes: Vec<Arc<EventFd>>,
}

impl Arrivals {
    /// One more source, which is woken through this.
    pub(super) fn add(&self, wake: &Arc<EventFd>) {
        self.lock().wakes.push(Arc::clone(wake));
    }

    /// The source has ended.
    pub(super) fn remove(&self, wake: &Arc<EventFd>) {
        self.lock().wakes.retain(|other| !Arc::ptr_eq(other, wake));
    }

    /// Whether more may be pushed. If not, all sources are woken when it may.
    pub(super) fn have_room(&self) -> bool {
        let mut state = self.lock();
        let have_room = state.bytes < MAX_WAITING_BYTES || state.has_ended;
        state.is_awaited |= !have_room;
        have_room
    }

    /// Adds to what waits; true if nothing did, so that the drain may have to be told. Never blocks.
    pub(super) fn push(&self, arrival: Arrival) -> bool {
        let mut state = self.lock();
        if state.has_ended {
            return false;
        }
        let was_empty = state.waiting.is_empty();
        state.bytes += arrival.bytes;
        state.waiting.push_back(arrival);
        state.pushed += 1;
        was_empty
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a round has to merge.
    pub(super) fn take(&self) -> Vec<Arrival> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < MAX_ROUND_BYTES
            && let Some(arrival) = state.waiting.pop_front()
        {
            bytes += arrival.bytes;
            taken.push(arrival);
        }
        state.taken += taken.len() as u64;
        state.bytes -= bytes;
        if state.is_awaited && state.bytes <= RESUME_BYTES {
            state.is_awaited = false;
            state.wake();
        }
        taken
    }

    /// Whether there is something to take.
    pub(super) fn are_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// How much was ever pushed.
    pub(super) fn pushed(&self) -> u64 {
        self.lock().pushed
    }

    /// Whether all that was pushed up to `pushed` is taken.
    pub(super) fn has_taken(&self, pushed: u64) -> bool {
        self.lock().taken >= pushed
    }

    /// Whether sources are to end.
    pub(super) fn are_closing(&self) -> bool {
        self.lock().is_closing
    }

    /// Whether the drain has ended: nothing that is pushed reaches anybody.
    pub(super) fn have_ended(&self) -> bool {
        self.lock().has_ended
    }

    /// Lets the sources end.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closing = true;
        state.wake();
    }

    /// Whether all sources have ended and nothing of them is left.
    pub(super) fn are_done(&self) -> bool {
        let state = self.lock();
        state.wakes.is_empty() && state.waiting.is_empty()
    }

    /// Takes nothing more; how many records nobody will get.
    pub(super) fn abandon(&self) -> u64 {
        let mut state = self.lock();
        (state.is_closing, state.has_ended) = (true, true);
        state.wake();
        state.bytes = 0;
        let abandoned = std::mem::take(&mut state.waiting);
        abandoned.iter().map(|arrival| arrival.records.len() as u64).sum()
    }
}

impl State {
    fn wake(&self) {
        for wake in &self.wakes {
            // Full of wakes, it is awake.
            let _full = wake.write(1);
        }
    }
}
