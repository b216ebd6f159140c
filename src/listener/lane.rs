//! One lane in shared memory, as far as the listener has read it.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::round::{Chunk, LaneInput, Source};
use crate::queue::ring::LaneReader;
use crate::record::is_same;
use crate::{Process, Thread, fault};

/// How long a lane whose worker has left is asked at every look whether it has ended.
const ASKED_OFTEN: Duration = Duration::from_secs(1);

/// How long a lane is read on after its worker was told to leave it, because its file was deleted.
const LEAVING: Duration = Duration::from_secs(1);

pub(super) struct Lane {
    pub(super) reader: LaneReader,
    pub(super) name: OsString,
    pub(super) process: Arc<Process>,
    /// The thread of the last entry in the batch.
    thread: Thread<'static>,
    /// The thread that the next listener would be told.
    kept_thread: Thread<'static>,
    pub(super) next_seq: u64,
    /// Entries before this position are written.
    pub(super) head: u64,
    /// Entries before this position are in the batch.
    taken: u64,
    /// The next sequence number behind that.
    taken_seq: u64,
    /// Nothing behind this position is read, where a stop has set it.
    limit: Option<u64>,
    /// Calls that have waited for room, as last seen.
    waits: u64,
    /// Not yet at first: a listener that is killed again and again removes what it can all the same.
    asked_alive_at: Option<Instant>,
    asked_often_until: Option<Instant>,
    /// When its file was found deleted.
    retired_at: Option<Instant>,
    /// Why nothing more can be read.
    pub(super) damage: Option<String>,
}

impl Lane {
    pub(super) fn new(reader: LaneReader, name: OsString) -> Lane {
        let head = reader.head();
        let thread = reader.thread();
        Lane {
            process: Arc::new(reader.facts().process.clone()),
            thread: thread.clone(),
            kept_thread: thread,
            next_seq: reader.written(),
            head,
            taken: head,
            taken_seq: reader.written(),
            limit: None,
            waits: 0,
            asked_alive_at: None,
            asked_often_until: None,
            retired_at: None,
            damage: None,
            reader,
            name,
        }
    }

    /// From now on reads nothing that becomes visible later: that is for the next listener. One
    /// whose file was deleted no other will find; its worker is told to leave it.
    pub(super) fn stop_at_tail(&mut self) {
        self.retire_if_deleted();
        if self.retired_at.is_none() {
            self.limit = Some(self.reader.tail());
        }
    }

    /// Where there is something to read: the position behind it.
    pub(super) fn unread(&self) -> Option<u64> {
        let tail = self.limit.unwrap_or_else(|| self.reader.tail());
        Some(tail).filter(|tail| *tail != self.head && self.damage.is_none())
    }

    /// Copies what stands before `tail`, about `max_bytes` of it; `index` is the place of this lane
    /// among all.
    pub(super) fn read(&mut self, index: usize, tail: u64, max_bytes: usize) -> Option<LaneInput> {
        let mut bytes = Vec::new();
        match self.reader.read(self.head, tail, max_bytes, &mut bytes) {
            Ok(range) => Some(LaneInput {
                source: Source::Ring(index),
                lane: self.reader.facts().lane,
                process: Arc::clone(&self.process),
                thread: self.thread.clone(),
                chunks: vec![Chunk::Ring { bytes, range }],
            }),
            Err(damage) => {
                self.damage = Some(damage.to_string());
                None
            }
        }
    }

    /// Whether calls are written that may be said to be on the disk when they are.
    pub(super) fn may_be_synced(&self) -> bool {
        self.reader.written() > self.reader.synced() && !self.reader.is_doubtful()
    }

    /// How many calls have waited for room since this was last asked.
    pub(super) fn take_waits(&mut self) -> u64 {
        let seen = std::mem::replace(&mut self.waits, self.reader.waits());
        self.waits.saturating_sub(seen)
    }

    /// The entries before `position` are in the batch.
    pub(super) fn take(&mut self, position: u64) {
        self.taken = position;
        self.taken_seq = self.next_seq;
    }

    /// The entries that are in the batch so far end with `thread` speaking.
    pub(super) fn set_thread(&mut self, thread: &Thread<'_>) {
        let is_named = is_same(self.thread.name.as_bytes(), thread.name.as_bytes());
        if self.thread.id != thread.id || !is_named {
            self.thread = Thread { id: thread.id, name: thread.name.to_string().into() };
        }
    }

    pub(super) fn is_in_batch(&self) -> bool {
        self.taken != self.head
    }

    /// Notes how far batch `batch` goes.
    pub(super) fn announce(&self, batch: u64) {
        self.reader.set_next_head(self.taken);
        fault::point("amid-announce");
        self.reader.set_batch(batch);
        fault::point("after-announce-of-lane");
    }

    /// Gives up what is in the batch: it is written.
    pub(super) fn advance(&mut self) {
        if self.thread != self.kept_thread {
            self.reader.keep_thread(self.taken, &self.thread);
            self.kept_thread = self.thread.clone();
        }
        self.head = self.taken;
        // In this order: killed in between, the next listener counts nothing as missing.
        self.reader.set_written(self.taken_seq);
        fault::point("before-head");
        self.reader.set_head(self.head);
        fault::point("after-head-of-lane");
    }

    /// Its worker has left the listener: it will end, or be seen to live on.
    pub(super) fn ask_soon(&mut self) {
        self.asked_often_until = Instant::now().checked_add(ASKED_OFTEN);
    }

    /// Whether nobody writes any more and all is written; asked at most once in `interval`, unless
    /// its worker has left.
    pub(super) fn has_ended(&mut self, interval: Duration) -> bool {
        let is_due = self.asked_often_until.is_some_and(|until| Instant::now() < until)
            || self.asked_alive_at.is_none_or(|at| at.elapsed() >= interval);
        if self.head != self.reader.tail() || !is_due {
            return false;
        }
        self.asked_alive_at = Some(Instant::now());
        // First asked, then looked: what was written before the end is visible then.
        let is_alive = self.reader.is_alive().unwrap_or(true);
        if !is_alive {
            self.retire_if_deleted();
        }
        !is_alive && !self.is_being_left() && self.head == self.reader.tail()
    }

    fn retire_if_deleted(&mut self) {
        if self.retired_at.is_none() && self.reader.is_deleted() {
            self.reader.retire();
            self.retired_at = Some(Instant::now());
        }
    }

    /// Whether its file was deleted a moment ago: then nothing tells whether its worker lives.
    pub(super) fn is_being_left(&self) -> bool {
        self.retired_at.is_some_and(|at| at.elapsed() < LEAVING)
    }
}
