//! The one writer of a lane: encodes records into it and makes them visible.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::bell::Bell;
use super::entry::{FRAME_BYTES, frame, framed_bytes};
use super::gate::Gate;
use super::lane::Lane;
use super::layout::Words;
use super::slot::Slot;
use super::{LANE_BYTES, fork, futex, protocol};
use crate::codec::{Draft, Drops, encode_drops, encode_record, encode_thread, set_seq};
use crate::{Level, Thread};

/// Writes one lane. There is one for each lane, owned by a thread, by the pool, or by a lock.
pub(super) struct LaneWriter {
    lane: Arc<Lane>,
    bell: Arc<Bell>,
    tail: u64,
    /// The listener's position as last seen: never ahead of it.
    head: u64,
    next_seq: u64,
    /// The thread of the last record, so that only a change costs a mark.
    thread: Option<u64>,
    drops: Option<Drops>,
}

/// What an entry has to have beside its bytes.
pub(super) struct Call<'a> {
    pub(super) level: Level,
    pub(super) time_ns: i64,
    pub(super) thread: &'a Thread<'a>,
}

impl<'a> Call<'a> {
    pub(super) fn of(draft: &'a Draft<'a>) -> Call<'a> {
        Call { level: draft.level, time_ns: draft.time_ns, thread: &draft.thread }
    }
}

/// Where [`LaneWriter::send`] has put a record.
#[derive(PartialEq, Eq)]
pub(super) enum Written {
    InLane,
    /// It has outgrown the room there, so it is finished beside and has to be appended.
    Aside,
}

/// The lane was retired while a call waited for room.
pub(super) struct Homeless;

impl LaneWriter {
    /// The writer of a lane that was just made.
    pub(super) fn new(lane: Arc<Lane>, bell: Arc<Bell>) -> LaneWriter {
        LaneWriter { lane, bell, tail: 0, head: 0, next_seq: 0, thread: None, drops: None }
    }

    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Encodes a record into the lane, or where there is too little room into `aside`. Never waits.
    pub(super) fn send(&mut self, draft: &Draft<'_>, gate: &Gate, aside: &mut Vec<u8>) -> Written {
        let call = Call::of(draft);
        let marks = self.marks(call.thread);
        let marks_bytes = marks.as_ref().map_or(0, Marks::framed_bytes);
        let entry_at = self.tail + marks_bytes as u64;
        if self.free_bytes(0) < LANE_BYTES / 2 {
            self.head = protocol::observe(self.lane.head());
        }
        let room = self.free_bytes(gate.reserve_bytes(call.level, LANE_BYTES));
        let room = room.saturating_sub(marks_bytes + FRAME_BYTES);
        // SAFETY: behind the tail, and no further than the reader's head, nobody but the writer
        // touches the ring, and `self` is the lane's only writer.
        let mut slot =
            unsafe { Slot::open(self.lane.mapping(), entry_at + FRAME_BYTES as u64, room, aside) };
        encode_record(draft, self.next_seq, &mut slot);
        let Some(entry_bytes) = slot.finish() else {
            return Written::Aside;
        };
        self.write(entry_at, &frame(entry_at, entry_bytes));
        self.write_marks(marks.as_ref());
        self.commit(entry_at + framed_bytes(entry_bytes) as u64, &call);
        Written::InLane
    }

    /// Writes a finished record into the lane, or drops it by policy.
    pub(super) fn append(
        &mut self,
        entry: &mut [u8],
        call: &Call<'_>,
        gate: &Gate,
    ) -> Result<(), Homeless> {
        let marks = self.marks(call.thread);
        let marks_bytes = marks.as_ref().map_or(0, Marks::framed_bytes);
        let needed_bytes = marks_bytes + framed_bytes(entry.len());
        match self.wait_for_room(needed_bytes, call.level, gate) {
            Room::Free => {
                set_seq(entry, self.next_seq);
                let entry_at = self.write_marks(marks.as_ref());
                let end = self.write_entry(entry_at, entry);
                self.commit(end, call);
            }
            Room::Full => self.adopt_drops(&Drops::of(0, call.level, call.time_ns)),
            Room::Retired => return Err(Homeless),
        }
        Ok(())
    }

    /// Writes a finished entry that has its number already; false where there is no room. Never waits.
    #[cfg(feature = "listener")]
    pub(super) fn try_append(&mut self, entry: &[u8]) -> bool {
        let needed_bytes = framed_bytes(entry.len());
        if self.free_bytes(0) < needed_bytes {
            self.head = protocol::observe(self.lane.head());
        }
        let fits = needed_bytes <= self.free_bytes(0);
        if fits {
            let end = self.write_entry(self.tail, entry);
            self.publish(end);
        }
        fits
    }

    /// Wakes a listener that rests, and one that sleeps where it has to make room.
    pub(super) fn ring(&self) {
        if self.tail.wrapping_sub(self.head) > LANE_BYTES as u64 / 2 {
            self.bell.ring();
        } else {
            self.bell.ring_if_resting();
        }
    }

    /// Counts calls that were dropped after all that was written before.
    pub(super) fn adopt_drops(&mut self, drops: &Drops) {
        match &mut self.drops {
            Some(before) => before.add_all(drops),
            None => self.drops = Some(Drops { first_seq: self.next_seq, ..drops.clone() }),
        }
        let total = drops.total();
        self.next_seq += total;
        self.lane.dropped.fetch_add(total, Ordering::Relaxed);
        self.lane.records.store(self.next_seq, Ordering::Relaxed);
    }

    /// Writes the mark of dropped calls without waiting for a record to follow, if there is room.
    pub(super) fn mark_drops(&mut self) {
        if self.drops.is_none() {
            return;
        }
        let mark = self.drop_mark();
        self.head = protocol::observe(self.lane.head());
        if framed_bytes(mark.len()) <= self.free_bytes(0) {
            let end = self.write_entry(self.tail, &mark);
            self.publish(end);
        }
    }

    /// Ends the part of one thread, since the next may have the same number by chance.
    pub(super) fn part(&mut self) {
        self.mark_drops();
        self.thread = None;
    }

    fn drop_mark(&self) -> Vec<u8> {
        let mut mark = Vec::new();
        if let Some(drops) = &self.drops {
            encode_drops(drops, &mut mark);
        }
        mark
    }

    /// What has to stand before a record of `thread`: mostly nothing.
    #[inline]
    fn marks(&self, thread: &Thread<'_>) -> Option<Marks> {
        let is_needed = self.drops.is_some() || self.thread != Some(thread.id);
        is_needed.then(|| self.make_marks(thread))
    }

    #[cold]
    fn make_marks(&self, thread: &Thread<'_>) -> Marks {
        let mut mark = Vec::new();
        if self.thread != Some(thread.id) {
            encode_thread(thread.id, &thread.name, &mut mark);
        }
        Marks { drops: self.drop_mark(), thread: mark }
    }

    /// Bytes that may be written if `reserve_bytes` are to stay free. A head that cannot be right
    /// leaves none.
    fn free_bytes(&self, reserve_bytes: usize) -> usize {
        let used = usize::try_from(self.tail.wrapping_sub(self.head)).unwrap_or(usize::MAX);
        let free = LANE_BYTES.saturating_sub(used).saturating_sub(reserve_bytes);
        free - free % 8
    }

    fn wait_for_room(&mut self, needed_bytes: usize, level: Level, gate: &Gate) -> Room {
        let reserve_bytes = gate.reserve_bytes(level, LANE_BYTES);
        let mut wait = None;
        let mut has_waited = false;
        loop {
            self.head = protocol::observe(self.lane.head());
            if needed_bytes <= self.free_bytes(reserve_bytes) {
                return Room::Free;
            }
            self.bell.ring();
            let Some(slice) = gate.next_slice(&mut wait, self.bell.heartbeat()) else {
                return Room::Full;
            };
            if self.lane.check(&fork::hold_off()) {
                return Room::Retired;
            }
            if !std::mem::replace(&mut has_waited, true) {
                self.lane.waits().fetch_add(1, Ordering::Relaxed);
            }
            protocol::announce_sleep(self.lane.room_asleep());
            if protocol::observe(self.lane.head()) == self.head {
                futex::wait(self.lane.head(), self.head, slice);
            }
        }
    }

    fn write_marks(&self, marks: Option<&Marks>) -> u64 {
        let marks = marks.into_iter().flat_map(|marks| [&marks.drops, &marks.thread]);
        let marks = marks.filter(|mark| !mark.is_empty());
        marks.fold(self.tail, |at, mark| self.write_entry(at, mark))
    }

    /// Writes `entry` at `at`, which has room for it; the position behind it.
    fn write_entry(&self, at: u64, entry: &[u8]) -> u64 {
        self.write(at, &frame(at, entry.len()));
        self.write(at + FRAME_BYTES as u64, entry);
        at + framed_bytes(entry.len()) as u64
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        // SAFETY: only the lane's writer gets here, with positions in the free space behind its
        // tail, which no reader looks at before it is published.
        unsafe { self.lane.mapping().write(at, bytes) }
    }

    /// Makes the record that ends at `end`, and the marks before it, visible.
    fn commit(&mut self, end: u64, call: &Call<'_>) {
        self.next_seq += 1;
        self.thread = Some(call.thread.id);
        self.lane.records.store(self.next_seq, Ordering::Relaxed);
        self.publish(end);
        if call.level >= Level::WARNING {
            self.bell.ring();
        } else {
            self.ring();
        }
    }

    fn publish(&mut self, end: u64) {
        self.drops = None;
        self.tail = end;
        protocol::publish(self.lane.tail(), end);
        self.lane.published_seq.store(self.next_seq, Ordering::Release);
    }
}

/// Entries that say what a record cannot.
struct Marks {
    drops: Vec<u8>,
    thread: Vec<u8>,
}

impl Marks {
    fn framed_bytes(&self) -> usize {
        let framed = |mark: &Vec<u8>| if mark.is_empty() { 0 } else { framed_bytes(mark.len()) };
        framed(&self.drops) + framed(&self.thread)
    }
}

enum Room {
    Free,
    Full,
    Retired,
}
