//! One lane in shared memory, as far as the listener has read it.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::round::{Chunk, LaneInput, Source};
use crate::queue::ring::LaneReader;
use crate::{Process, Thread, fault};

/// How long a lane whose worker has left is asked at every look whether it has ended.
const DOUBT: Duration = Duration::from_secs(1);

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
    /// Nothing behind this position is read, where a stop has set it.
    limit: Option<u64>,
    /// Not yet at first: a listener that is killed again and again removes what it can all the same.
    asked_alive_at: Option<Instant>,
    doubted_until: Option<Instant>,
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
            limit: None,
            asked_alive_at: None,
            doubted_until: None,
            damage: None,
            reader,
            name,
        }
    }

    /// From now on reads nothing that becomes visible later.
    pub(super) fn stop_at_tail(&mut self) {
        self.limit = Some(self.reader.tail());
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

    /// The entries before `position` are in the batch.
    pub(super) fn take(&mut self, position: u64) {
        self.taken = position;
    }

    /// The entries that are in the batch so far end with `thread` speaking.
    pub(super) fn set_thread(&mut self, thread: &Thread<'_>) {
        if self.thread != *thread {
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
        self.reader.set_written(self.next_seq);
        fault::point("before-head");
        self.reader.set_head(self.head);
        fault::point("after-head-of-lane");
    }

    /// Its worker has left the listener: it will end, or be seen to live on.
    pub(super) fn doubt(&mut self) {
        self.doubted_until = Instant::now().checked_add(DOUBT);
    }

    /// Whether nobody writes any more and all is written; asked at most once in `interval`, unless
    /// there is doubt.
    pub(super) fn has_ended(&mut self, interval: Duration) -> bool {
        let is_due = self.doubted_until.is_some_and(|until| Instant::now() < until)
            || self.asked_alive_at.is_none_or(|at| at.elapsed() >= interval);
        if self.head != self.reader.tail() || !is_due {
            return false;
        }
        self.asked_alive_at = Some(Instant::now());
        // First asked, then looked: what was written before the end is visible then.
        !self.reader.is_alive().unwrap_or(true) && self.head == self.reader.tail()
    }
}
