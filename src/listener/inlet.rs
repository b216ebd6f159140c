//! Where records come in that no lane of a queue carries: from a
//! [`RecordSource`](super::RecordSource) through one queue, bounded by bytes, to the drain. They are in
//! memory only.

// Some of it is for the doors only.
#![cfg_attr(not(feature = "receiver"), allow(dead_code))]

#[cfg(all(test, feature = "receiver"))]
mod tests;

use std::borrow::Cow;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::arrivals::{Arrival, Arrivals};
use super::receive::Event;
use super::source_counts::SourceCounts;
use super::stop::Stop;
use crate::codec::Drops;
use crate::{Level, Process, Record};

/// Most bytes of one record in memory. Doors cut theirs to less.
const MAX_RECORD_BYTES: usize = 2 << 20;

/// How often a source that waits for room looks around all the same, in milliseconds.
const TICK_MS: u16 = 1000;

/// The way of one [`RecordSource`](crate::RecordSource) into the listener.
///
/// All sources together may have 32 MiB of records that wait for the log.
pub struct Inlet {
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
        arrivals.add(&wake);
        Ok(Inlet { arrivals: Arc::clone(arrivals), events, stop, wake, counts, connections })
    }

    /// A lane for one peer, whose records have an order and numbers of their own. `process` is whom
    /// the log names for what is dropped of it, and for records that name no process.
    ///
    /// # Errors
    /// The system has no random number for it.
    pub fn lane(&self, process: Process) -> io::Result<InletLane> {
        InletLane::new(process)
    }

    /// Gives a record to the listener as the next of `lane`, whose number it gets. Blocks while 32 MiB
    /// wait, as when the disk is full: what is not read meanwhile makes peers wait. A record of more
    /// than 2 MiB is dropped, counted and told. False when the listener has ended: nobody gets it.
    pub fn give(&self, lane: &mut InletLane, mut record: Record<'static>) -> bool {
        if record.memory_bytes() > MAX_RECORD_BYTES {
            lane.drop_record(record.level, record.time_ns);
            self.counts.add_dropped();
            self.push(lane, Vec::new());
            return !self.has_ended();
        }
        if !self.wait_for_last_room() || self.has_ended() {
            return false;
        }
        if *record.process == Process::default() {
            record.process = Cow::Owned(lane.process().clone());
        }
        self.push(lane, vec![record]);
        true
    }

    /// Counts something that is no record, by its reason: `ctl status` shows how often which was met.
    /// The first 64 reasons are told apart.
    pub fn refuse(&self, reason: &str) {
        self.counts.refuse(reason);
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
        let arrival = Arrival { lane: lane.number, process, drops, records, bytes };
        if self.arrivals.push(arrival) {
            // A drain with a full queue of events looks here before it waits for another.
            let _busy = self.events.try_send(Event::Arrived);
        }
    }

    /// Whether records may be pushed. If not, [`wake`](Self::wake) becomes readable when they may.
    pub(crate) fn has_room(&self) -> bool {
        self.arrivals.have_room()
    }

    /// Waits until the listener has room, or is closing; whether it has.
    pub(crate) fn wait_for_room(&self) -> bool {
        self.wait(|| self.is_closing())
    }

    /// The same while it is closing; then it has room as soon as it has ended.
    pub(crate) fn wait_for_last_room(&self) -> bool {
        self.wait(|| self.has_ended())
    }

    fn wait(&self, is_over: impl Fn() -> bool) -> bool {
        if self.has_room() {
            return true;
        }
        self.counts.add_pause();
        loop {
            // Before the look, so that no wake behind it is lost.
            self.clear_wake();
            if self.has_room() {
                return true;
            }
            if is_over() {
                return false;
            }
            let mut polled = [PollFd::new(self.wake(), PollFlags::POLLIN)];
            let _interrupted = poll(&mut polled, PollTimeout::from(TICK_MS));
        }
    }

    /// Whether the source is to end.
    pub fn is_closing(&self) -> bool {
        self.arrivals.are_closing()
    }

    /// Whether the drain has ended: nothing that is pushed reaches anybody.
    pub(crate) fn has_ended(&self) -> bool {
        self.arrivals.have_ended()
    }

    /// Readable when the source is to end, and now and then for nothing: to be waited for together
    /// with descriptors of the source. Ask [`is_closing`](Self::is_closing) before each wait.
    pub fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Lets [`wake`](Self::wake) be readable no more.
    pub fn clear_wake(&self) {
        let _was_clear = self.wake.read();
    }

    /// What the status shows.
    pub(crate) fn counts(&self) -> &Arc<SourceCounts> {
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
        self.arrivals.remove(&self.wake);
        self.stop.wake();
    }
}

/// The lane of one peer of a source: its records have an order and numbers of their own.
pub struct InletLane {
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
