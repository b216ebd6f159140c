//! The bounded queue: chunks of encoded entries, ready to be sent as batches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Link;
use crate::codec::{Drops, encode_drops, encode_thread, set_seq};
use crate::queue::Certainty;
use crate::queue::batch::{
    HEADER_BYTES, LENGTH_BYTES, MARKS_BYTES, SOFT_BATCH_BYTES, entry_bytes, push_entry,
};
use crate::queue::control::Update;
use crate::{Level, Thread};

/// How long a closing lane that has something to send waits for a listener.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct State {
    chunks: VecDeque<Chunk>,
    /// Bytes of all chunks, the one being sent included.
    queued_bytes: usize,
    capacity_bytes: usize,
    spare: Vec<u8>,
    /// Sequence number of the next call.
    pub(super) next_seq: u64,
    /// The thread of the last record, so that only a change costs a mark.
    thread: Option<u64>,
    drops: Option<Drops>,
    pub(super) dropped: u64,
    /// Calls that have waited for room and of which no batch has told.
    pub(super) waits: u32,
    /// A call has waited in vain, and nothing was taken since.
    pub(super) outage: bool,
    pub(super) sender: SenderPhase,
    /// Something waits that is worth a batch of its own.
    pub(super) urgent: bool,
    pub(super) link: Option<Arc<Link>>,
    pub(super) sent_seq: u64,
    /// The first call that was not handed to the socket yet: the listener may confirm what the
    /// sender thread does not know to be sent.
    handed_seq: u64,
    written_seq: u64,
    synced_seq: u64,
    /// A flush waits for an fsync of the calls before this one.
    pub(super) sync_at: Option<u64>,
    /// The listener asks for the calls before this one, by a number it wants to hear again.
    pub(super) asked: Option<Asked>,
    /// The listener stops and takes the calls before this one.
    pub(super) pause_at: Option<u64>,
    /// Records handed to listeners that ended without confirming them.
    pub(super) lost: u64,
    /// How many of those a flush has told.
    pub(super) told_lost: u64,
    /// How many the next listener has to tell in the log.
    pub(super) unreported: u64,
    /// No record is taken any more; the sender thread ends when it has sent all.
    pub(super) closing_since: Option<Instant>,
}

/// A flush that the listener has asked for.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) number: u64,
    pub(super) at: u64,
}

/// What the sender thread is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SenderPhase {
    /// It waits for anything.
    Asleep,
    /// It has something and waits a moment for more.
    Lingering,
    Busy,
    /// The lane was closed; nothing is sent any more.
    Ended,
}

/// Entries with room for the batch header in front.
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    /// Sequence number of the first call after this chunk.
    pub(super) end_seq: u64,
}

impl State {
    pub(super) fn new(capacity_bytes: usize) -> State {
        State {
            chunks: VecDeque::new(),
            queued_bytes: 0,
            capacity_bytes,
            spare: Vec::new(),
            next_seq: 0,
            thread: None,
            drops: None,
            dropped: 0,
            waits: 0,
            outage: false,
            sender: SenderPhase::Busy,
            urgent: false,
            link: None,
            sent_seq: 0,
            handed_seq: 0,
            written_seq: 0,
            synced_seq: 0,
            sync_at: None,
            asked: None,
            pause_at: None,
            lost: 0,
            told_lost: 0,
            unreported: 0,
            closing_since: None,
        }
    }

    pub(super) fn capacity_bytes(&self) -> usize {
        self.capacity_bytes
    }

    /// Whether an entry of this length fits, with its marks.
    pub(super) fn has_room(&self, needed_bytes: usize) -> bool {
        self.queued_bytes + LENGTH_BYTES + needed_bytes + MARKS_BYTES <= self.capacity_bytes
    }

    pub(super) fn push_record(&mut self, entry: &mut [u8], thread: &Thread<'_>) {
        self.push_drops();
        self.chunk_for(entry.len() + MARKS_BYTES);
        if self.thread != Some(thread.id) {
            self.thread = Some(thread.id);
            let mut mark = Vec::new();
            encode_thread(thread.id, &thread.name, &mut mark);
            self.push(&mark, self.next_seq);
        }
        set_seq(entry, self.next_seq);
        self.next_seq += 1;
        self.push(entry, self.next_seq);
    }

    pub(super) fn count_drop(&mut self, level: Level, time_ns: i64) {
        match &mut self.drops {
            Some(drops) => drops.add(level, time_ns),
            None => self.drops = Some(Drops::of(self.next_seq, level, time_ns)),
        }
        self.next_seq += 1;
        self.dropped += 1;
    }

    /// Whether a record just pushed has to wake the sender thread.
    pub(super) fn wakes_sender(&mut self, urgent: bool) -> bool {
        self.urgent |= urgent;
        match self.sender {
            SenderPhase::Asleep => true,
            SenderPhase::Lingering => self.is_worth_sending(),
            SenderPhase::Busy | SenderPhase::Ended => false,
        }
    }

    /// Whether the sender has no reason to wait for more.
    pub(super) fn is_worth_sending(&self) -> bool {
        let asked = self.sync_at.is_some() || self.asked.is_some() || self.pause_at.is_some();
        asked || self.urgent || self.is_closing() || self.chunks.len() > 1
    }

    pub(super) fn has_output(&self) -> bool {
        let asked = self.sync_at.is_some() || self.asked.is_some() || self.pause_at.is_some();
        asked || self.drops.is_some() || !self.chunks.is_empty()
    }

    /// The oldest chunk, or an empty one that carries only a flag.
    pub(super) fn take_chunk(&mut self) -> Chunk {
        if self.chunks.len() < 2 {
            self.push_drops();
            self.urgent = false;
        }
        let end_seq = self.sent_seq;
        let empty = || Chunk { bytes: vec![0; HEADER_BYTES], end_seq };
        let chunk = self.chunks.pop_front().unwrap_or_else(empty);
        self.handed_seq = chunk.end_seq;
        chunk
    }

    /// Whether a closing lane has waited for a listener as long as it should.
    pub(super) fn waited_for_listener(&self) -> bool {
        self.link.is_none()
            && self.closing_since.is_some_and(|since| since.elapsed() >= CLOSE_TIMEOUT)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.sender == SenderPhase::Ended
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing_since.is_some()
    }

    /// A chunk was sent: its room is free again.
    pub(super) fn sent(&mut self, mut chunk: Chunk) {
        self.queued_bytes -= chunk.bytes.len() - HEADER_BYTES;
        self.sent_seq = chunk.end_seq;
        self.outage = false;
        chunk.bytes.clear();
        self.spare = chunk.bytes;
    }

    /// A chunk could not be sent: it is the first for the next listener.
    pub(super) fn put_back(&mut self, chunk: Chunk) {
        self.chunks.push_front(chunk);
        self.handed_seq = self.sent_seq;
        // The next record might follow in this chunk, which may say another thread.
        self.thread = None;
    }

    pub(super) fn unlink(&mut self) {
        self.link = None;
        self.pause_at = None;
        self.asked = None;
        self.count_lost();
    }

    /// What was sent and not confirmed will not be confirmed any more.
    pub(super) fn count_lost(&mut self) {
        let lost = self.sent_seq.saturating_sub(self.written_seq);
        self.lost += lost;
        self.unreported += lost;
        self.written_seq = self.written_seq.max(self.sent_seq);
    }

    pub(super) fn confirm(&mut self, update: &Update) {
        self.written_seq = self.written_seq.max(update.written_seq.min(self.handed_seq));
        self.synced_seq = self.synced_seq.max(update.synced_seq.min(self.handed_seq));
        if update.written_seq > 0 {
            // With the first batch of ours the listener has written what it had to tell.
            self.unreported = 0;
        }
    }

    /// The first call that is not yet as certain.
    pub(super) fn confirmed(&self, certainty: Certainty) -> u64 {
        match certainty {
            Certainty::Queued => self.next_seq,
            Certainty::Written => self.written_seq,
            Certainty::Synced => self.synced_seq,
        }
    }

    fn push_drops(&mut self) {
        if let Some(drops) = self.drops.take() {
            let mut mark = Vec::new();
            encode_drops(&drops, &mut mark);
            self.chunk_for(mark.len());
            self.push(&mark, drops.first_seq + drops.total());
        }
    }

    /// Makes sure that the last chunk takes `bytes` more; every chunk names its thread anew, because
    /// the listener that reads it may not have seen the one before.
    fn chunk_for(&mut self, bytes: usize) {
        if self.chunks.back().is_none_or(|last| last.bytes.len() + bytes > SOFT_BATCH_BYTES) {
            let mut buffer = std::mem::take(&mut self.spare);
            buffer.resize(HEADER_BYTES, 0);
            self.chunks.push_back(Chunk { bytes: buffer, end_seq: self.next_seq });
            self.thread = None;
        }
    }

    fn push(&mut self, entry: &[u8], end_seq: u64) {
        if let Some(last) = self.chunks.back_mut() {
            push_entry(&mut last.bytes, entry);
            last.end_seq = end_seq;
            self.queued_bytes += entry_bytes(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_may_be_confirmed_before_it_is_noted_as_sent() {
        let mut state = State::new(1 << 20);
        state.push_record(&mut [0; 64], &Thread::default());
        let chunk = state.take_chunk();
        state.confirm(&Update { written_seq: 1, ..Update::default() });
        state.sent(chunk);
        assert_eq!(state.confirmed(Certainty::Written), 1);
        state.unlink();
        assert_eq!(state.lost, 0);
    }
}
