//! Where records come in that no lane of a queue carries: from a [`RecordSource`] through one queue,
//! bounded by bytes, to the drain. They are in memory only.

// What others write is received with that feature; without it nobody hands anything in.
#![cfg_attr(not(feature = "receiver"), allow(dead_code))]

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::receive::Event;
use super::source_counts::SourceCounts;
use super::stop::Stop;
use crate::codec::Drops;
use crate::{Level, Process, Record};

/// Most bytes of records that wait for the drain, and beyond them what one look at one peer brings.
const MAX_WAITING_BYTES: usize = 32 << 20;

/// A round takes so many bytes, and the arrival that exceeds them.
const MAX_ROUND_BYTES: usize = 2 << 20;

/// As soon as no more wait, sources that had to pause go on. That is after one round: a peer that is
/// not read for a second may give up, as Python's `SocketHandler` does.
const RESUME_BYTES: usize = MAX_WAITING_BYTES - MAX_ROUND_BYTES;

/// Somebody who gives records to a listener, on a thread of its own.
pub(crate) trait RecordSource: Send {
    /// Opens what others reach it by. Called once, before [`run`](Self::run).
    ///
    /// # Errors
    /// It cannot be opened.
    fn open(&mut self) -> io::Result<()>;

    /// What it is, for people; where it is as well once it is open.
    fn name(&self) -> String;

    /// Gives what comes to `inlet` and returns when that [is closing](Inlet::is_closing): then it
    /// takes what has come by that time and nothing more. It is dropped when that is written.
    fn run(&mut self, inlet: &Inlet);
}

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

    /// How much was ever pushed.
    pub(super) fn pushed(&self) -> u64 {
        self.lock().pushed
    }

    /// Whether all that was pushed up to `pushed` is taken.
    pub(super) fn has_taken(&self, pushed: u64) -> bool {
        self.lock().taken >= pushed
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

/// The way of one source into the listener.
pub(crate) struct Inlet {
    arrivals: Arc<Arrivals>,
    events: SyncSender<Event>,
    stop: Stop,
    wake: Arc<EventFd>,
    counts: Arc<SourceCounts>,
    connections: Arc<ConnectionRoom>,
}

/// How many connections all sources of a listener have, and may have by the descriptors.
pub(super) struct ConnectionRoom {
    used: AtomicUsize,
    max: usize,
}

impl ConnectionRoom {
    pub(super) fn new(max: usize) -> Arc<ConnectionRoom> {
        Arc::new(ConnectionRoom { used: AtomicUsize::new(0), max })
    }
}

impl Inlet {
    pub(super) fn new(
        arrivals: &Arc<Arrivals>,
        events: SyncSender<Event>,
        stop: Stop,
        counts: Arc<SourceCounts>,
        connections: Arc<ConnectionRoom>,
    ) -> io::Result<Inlet> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = Arc::new(EventFd::from_flags(flags)?);
        arrivals.lock().wakes.push(Arc::clone(&wake));
        Ok(Inlet { arrivals: Arc::clone(arrivals), events, stop, wake, counts, connections })
    }

    /// Gives records to the listener as the next of `lane`. Never blocks: ask for
    /// [room](Self::has_room) before anything is read.
    pub(crate) fn push(&self, lane: &mut InletLane, mut records: Vec<Record<'static>>) {
        let drops = lane.drops.take();
        if records.is_empty() && drops.is_none() {
            return;
        }
        self.counts.add_records(records.len());
        let mut bytes = 0;
        for record in &mut records {
            (record.lane, record.seq) = (lane.number, lane.next_seq);
            lane.next_seq += 1;
            bytes += record.memory_bytes();
        }
        let process = Arc::clone(&lane.process);
        let mut state = self.arrivals.lock();
        if state.has_ended {
            return;
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.push_back(Arrival { lane: lane.number, process, drops, records, bytes });
        state.bytes += bytes;
        state.pushed += 1;
        drop(state);
        if was_empty {
            // A drain with a full queue of events looks here before it waits for another.
            let _busy = self.events.try_send(Event::Arrived);
        }
    }

    /// Whether records may be pushed. If not, [`wake`](Self::wake) becomes readable when they may.
    pub(crate) fn has_room(&self) -> bool {
        let mut state = self.arrivals.lock();
        let has_room = state.bytes < MAX_WAITING_BYTES || state.has_ended;
        state.is_awaited |= !has_room;
        has_room
    }

    /// Whether the source is to end.
    pub(crate) fn is_closing(&self) -> bool {
        self.arrivals.lock().is_closing
    }

    /// Whether the drain has ended: nothing that is pushed reaches anybody.
    pub(crate) fn has_ended(&self) -> bool {
        self.arrivals.lock().has_ended
    }

    /// Readable when there is room again, or the source is to end.
    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Lets [`wake`](Self::wake) be readable no more.
    pub(crate) fn clear_wake(&self) {
        let _was_clear = self.wake.read();
    }

    /// What the status shows.
    pub(crate) fn counts(&self) -> &SourceCounts {
        &self.counts
    }

    /// Takes room for one more connection, which [`disconnect`](Self::disconnect) gives back; false
    /// where descriptors do not suffice.
    pub(crate) fn connect(&self) -> bool {
        let ConnectionRoom { used, max } = &*self.connections;
        let more = |used: usize| (used < *max).then_some(used + 1);
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// So many connections are closed.
    pub(crate) fn disconnect(&self, connections: usize) {
        self.connections.used.fetch_sub(connections, Ordering::Relaxed);
    }

    /// Asks the whole listener to stop.
    pub(crate) fn stop_listener(&self) {
        self.stop.request();
    }
}

#[cfg(test)]
impl Inlet {
    /// One whose listener takes nothing.
    pub(crate) fn alone() -> Inlet {
        let (events, _) = std::sync::mpsc::sync_channel(1);
        let (stop, counts) = (Stop::new(events.clone()), Arc::default());
        let connections = ConnectionRoom::new(usize::MAX);
        Inlet::new(&Arc::default(), events, stop, counts, connections).expect("an eventfd")
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.arrivals.lock().wakes.retain(|wake| !Arc::ptr_eq(wake, &self.wake));
        self.stop.wake();
    }
}

/// The lane of one peer: its records have an order and numbers of their own.
pub(crate) struct InletLane {
    number: u64,
    next_seq: u64,
    process: Arc<Process>,
    /// Calls that were dropped since the last record.
    drops: Option<Drops>,
}

impl InletLane {
    /// # Errors
    /// The system has no random number for it.
    pub(crate) fn new(process: Process) -> io::Result<InletLane> {
        let (number, process) = (getrandom::u64()?, Arc::new(process));
        Ok(InletLane { number, next_seq: 0, process, drops: None })
    }

    /// Whose records it carries.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// From now on it carries those of another process.
    pub(crate) fn set_process(&mut self, process: Process) {
        self.process = Arc::new(process);
    }

    /// Drops a record: it uses up a number, and the log says so before the next one.
    pub(crate) fn drop_record(&mut self, level: Level, time_ns: i64) {
        match &mut self.drops {
            Some(drops) => drops.add(level, time_ns),
            None => self.drops = Some(Drops::of(self.next_seq, level, time_ns)),
        }
        self.next_seq += 1;
    }

    /// Whether there are drops that the log does not know of.
    pub(crate) fn has_drops(&self) -> bool {
        self.drops.is_some()
    }
}

#[cfg(all(test, feature = "receiver"))]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    fn inlet() -> (Inlet, Receiver<Event>, Arc<Arrivals>) {
        let (sender, events) = sync_channel(4);
        let (arrivals, counts) = (Arc::default(), Arc::default());
        let stop = Stop::new(sender.clone());
        let inlet = Inlet::new(&arrivals, sender, stop, counts, ConnectionRoom::new(2))
            .expect("descriptors");
        (inlet, events, arrivals)
    }

    fn records(count: usize, bytes: usize) -> Vec<Record<'static>> {
        (0..count).map(|_| Record::new(0, Level::INFO, "", "x".repeat(bytes))).collect()
    }

    #[test]
    fn there_is_room_again_after_a_round_and_the_source_is_woken() {
        let (inlet, events, arrivals) = inlet();
        let mut lane = InletLane::new(Process::default()).unwrap();
        let mut pushed = 0;
        while inlet.has_room() {
            inlet.push(&mut lane, records(1, 1 << 20));
            pushed += 1;
        }
        assert_eq!(pushed, 32);
        assert_eq!(events.try_iter().count(), 1, "one for all that wait");
        let mut rounds = 0;
        while inlet.wake.read().is_err() {
            assert_eq!(arrivals.take().len(), 2);
            rounds += 1;
        }
        assert!(inlet.has_room() && (1..=2).contains(&rounds), "{rounds} rounds");
        let tail = arrivals.pushed();
        assert!(!arrivals.has_taken(tail));
        while !arrivals.take().is_empty() {}
        assert!(arrivals.has_taken(tail) && !arrivals.are_done());
        drop(inlet);
        assert!(arrivals.are_done());
    }

    #[test]
    fn what_is_dropped_is_told_before_the_next_record_and_has_numbers() {
        let (inlet, _events, arrivals) = inlet();
        let mut lane = InletLane::new(Process::default()).unwrap();
        inlet.push(&mut lane, records(1, 1));
        lane.drop_record(Level::INFO, 5);
        lane.drop_record(Level::DEBUG, 6);
        assert!(lane.has_drops());
        inlet.push(&mut lane, records(2, 1));
        lane.drop_record(Level::INFO, 7);
        inlet.push(&mut lane, Vec::new());
        inlet.push(&mut lane, Vec::new());
        let arrived = arrivals.take();
        let seqs = |arrival: &Arrival| arrival.records.iter().map(|record| record.seq).collect();
        assert_eq!(
            arrived.iter().map(seqs).collect::<Vec<Vec<_>>>(),
            [vec![0], vec![3, 4], vec![]]
        );
        let drops: Vec<_> = arrived.iter().map(|arrival| arrival.drops.as_ref()).collect();
        assert_eq!(drops[1].map(|drops| (drops.first_seq, drops.total())), Some((1, 2)));
        assert_eq!(drops[2].map(|drops| (drops.first_seq, drops.total())), Some((5, 1)));
        assert!(arrived.iter().flat_map(|arrival| &arrival.records).all(|r| r.lane == lane.number));
    }

    #[test]
    fn an_end_lets_go_of_what_waits_and_of_those_who_wait() {
        let (inlet, _events, arrivals) = inlet();
        let mut lane = InletLane::new(Process::default()).unwrap();
        inlet.push(&mut lane, records(3, 1));
        arrivals.close();
        assert!(inlet.is_closing() && inlet.wake.read().is_ok() && !inlet.has_ended());
        inlet.push(&mut lane, records(40, 1 << 20));
        assert!(!inlet.has_room());
        assert_eq!(arrivals.abandon(), 43);
        assert!(inlet.has_room() && inlet.has_ended());
        inlet.push(&mut lane, records(1, 1));
        assert!(arrivals.take().is_empty());
    }

    #[test]
    fn sources_share_the_descriptors() {
        let (inlet, _events, _arrivals) = inlet();
        assert_eq!([0; 3].map(|_| inlet.connect()), [true, true, false]);
        inlet.disconnect(1);
        assert!(inlet.connect() && !inlet.connect());
    }
}
