//! One round: the batches that were there, merged by time into one sequence of entries.
//!
//! A k-way merge over the heads of the lanes (never a sort: clocks step back, and a lane keeps its
//! own order whatever its times say).

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use super::arrivals::Arrival;
use crate::codec::{DecodeError, Drops, Entry, Relayed, decode};
use crate::queue::{Entries, ring};
use crate::relay::Origin;
use crate::{Level, Process, Record, Thread};

/// Where entries come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The lane of this number, by the Channel transport.
    Channel(u64),
    /// The lane at this place among those in shared memory.
    Ring(usize),
    /// A lane that only memory has, by an inlet.
    Inlet,
}

/// The entries of one lane that a round has to merge, in their order.
pub(super) struct LaneInput {
    pub(super) source: Source,
    pub(super) lane: u64,
    pub(super) process: Arc<Process>,
    /// The thread that speaks until a mark says another.
    pub(super) thread: Thread<'static>,
    pub(super) chunks: Vec<Chunk>,
}

impl LaneInput {
    pub(super) fn bytes(&self) -> usize {
        let length = |chunk: &Chunk| match chunk {
            Chunk::Batch(bytes) | Chunk::Ring { bytes, .. } => bytes.len(),
            Chunk::Arrived(arrival) => arrival.bytes,
        };
        self.chunks.iter().map(length).sum()
    }
}

/// Entries in a row.
pub(super) enum Chunk {
    Batch(Vec<u8>),
    Ring { bytes: Vec<u8>, range: ring::ReadRange },
    Arrived(Arrival),
}

/// One entry, in the order of the merge.
pub(super) struct Merged<'m, 'a> {
    /// Which of the inputs it is from.
    pub(super) input: usize,
    pub(super) source: Source,
    /// The position behind the entry; of meaning in a ring.
    pub(super) end: u64,
    pub(super) item: Item<'m, 'a>,
}

/// What the entry says: lent, because a record is large and stays where it was read.
pub(super) enum Item<'m, 'a> {
    Record {
        record: &'m Record<'a>,
        /// Its number in the lane it is read from.
        seq: u64,
    },
    Drops {
        drops: &'m Drops,
        process: &'a Process,
        lane: u64,
    },
    /// This entry, or the rest of this batch, cannot be read.
    Damage,
}

/// The entries of all lanes, by time across lanes and in order within each.
pub(super) struct Merge<'a> {
    lanes: Vec<LaneHead<'a>>,
    /// The lanes that have a head, but for the one whose turn it is.
    heap: BinaryHeap<Reverse<(i64, usize)>>,
    /// The lane whose head was lent last.
    turn: Option<usize>,
}

struct LaneHead<'a> {
    input: &'a LaneInput,
    chunks: std::slice::Iter<'a, Chunk>,
    entries: ChunkEntries<'a>,
    head: Option<HeadKind<'a>>,
    /// The last record that was read, with the thread that speaks. The next one is read in its place,
    /// since most of what it says is the same.
    record: Record<'a>,
    /// Its number in this lane.
    seq: u64,
    /// Where it was made, if that was elsewhere.
    origin: &'a [u8],
    /// The position behind the last entry that was looked at.
    position: u64,
}

/// What stands at the head of a lane.
enum HeadKind<'a> {
    Record,
    Arrived(&'a Record<'static>),
    Drops(Drops),
    Damage,
}

enum ChunkEntries<'a> {
    Batch(Entries<'a>),
    Ring(ring::Entries<'a>),
    Arrived { drops: Option<&'a Drops>, records: std::slice::Iter<'a, Record<'static>> },
}

impl<'a> Merge<'a> {
    pub(super) fn of(inputs: &'a [LaneInput]) -> Merge<'a> {
        let mut lanes: Vec<_> = inputs.iter().map(LaneHead::of).collect();
        let mut heap = BinaryHeap::with_capacity(lanes.len());
        for (index, lane) in lanes.iter_mut().enumerate() {
            heap.extend(lane.advance().map(|time_ns| Reverse((time_ns, index))));
        }
        Merge { lanes, heap, turn: None }
    }

    /// The next entry.
    pub(super) fn next(&mut self) -> Option<Merged<'_, 'a>> {
        let input = self.take_turn()?;
        self.turn = Some(input);
        let lane = &self.lanes[input];
        let item = match lane.head.as_ref()? {
            HeadKind::Record => Item::Record { record: &lane.record, seq: lane.seq },
            HeadKind::Arrived(record) => Item::Record { record, seq: record.seq },
            HeadKind::Drops(drops) => {
                let LaneInput { process, lane, .. } = lane.input;
                Item::Drops { drops, process, lane: *lane }
            }
            HeadKind::Damage => Item::Damage,
        };
        Some(Merged { input, source: lane.input.source, end: lane.position, item })
    }

    /// The lane of the next entry. While it is that of the last one, as most often where few lanes
    /// are busy, the heap is not touched.
    fn take_turn(&mut self) -> Option<usize> {
        let Some(last) = self.turn.take() else {
            return self.heap.pop().map(|Reverse((_, index))| index);
        };
        let after = self.lanes[last].advance().map(|time_ns| Reverse((time_ns, last)));
        match (after, self.heap.peek_mut()) {
            (Some(after), Some(mut first)) if *first > after => {
                let Reverse((_, index)) = std::mem::replace(&mut *first, after);
                Some(index)
            }
            (Some(_), _) => Some(last),
            (None, first) => first.map(|first| PeekMut::pop(first).0.1),
        }
    }

    /// Where each lane was left: the position behind its last entry, and the thread that spoke last.
    pub(super) fn ends(self) -> impl Iterator<Item = (Source, u64, Thread<'static>)> {
        self.lanes.into_iter().map(|lane| {
            let Thread { id, name } = lane.record.thread;
            (lane.input.source, lane.position, Thread { id, name: name.into_owned().into() })
        })
    }
}

impl<'a> LaneHead<'a> {
    fn of(input: &'a LaneInput) -> LaneHead<'a> {
        let LaneInput { process, lane, thread, .. } = input;
        let record = Record {
            thread: Thread { id: thread.id, name: Cow::Borrowed(&thread.name) },
            process: Cow::Borrowed(process),
            lane: *lane,
            ..Record::new(0, Level::INFO, "", "")
        };
        let entries = ChunkEntries::Batch(Entries::of(&[]));
        let chunks = input.chunks.iter();
        LaneHead { input, chunks, entries, head: None, record, seq: 0, origin: &[], position: 0 }
    }

    /// Reads the next entry into the head; its time.
    fn advance(&mut self) -> Option<i64> {
        self.head = self.next_kind();
        Some(match self.head.as_ref()? {
            HeadKind::Record => self.record.time_ns,
            HeadKind::Arrived(record) => record.time_ns,
            HeadKind::Drops(drops) => drops.last_ns,
            HeadKind::Damage => i64::MIN,
        })
    }

    fn next_kind(&mut self) -> Option<HeadKind<'a>> {
        loop {
            if let ChunkEntries::Arrived { drops, records } = &mut self.entries {
                let drops = drops.take().map(|drops| HeadKind::Drops(drops.clone()));
                let next = drops.or_else(|| records.next().map(HeadKind::Arrived));
                if next.is_some() {
                    return next;
                }
            }
            let Some(entry) = self.next_entry() else {
                self.entries = match self.chunks.next()? {
                    Chunk::Batch(bytes) => ChunkEntries::Batch(Entries::of(bytes)),
                    Chunk::Ring { bytes, range } => {
                        ChunkEntries::Ring(ring::Entries::of(bytes, *range))
                    }
                    Chunk::Arrived(arrival) => ChunkEntries::Arrived {
                        drops: arrival.drops.as_ref(),
                        records: arrival.records.iter(),
                    },
                };
                continue;
            };
            match entry.and_then(|bytes| self.decode(bytes).ok()) {
                Some(Entry::Record) => return Some(HeadKind::Record),
                Some(Entry::Thread { id, name }) => {
                    self.record.thread = Thread { id, name: name.into() };
                }
                Some(Entry::Drops(drops)) => return Some(HeadKind::Drops(drops)),
                None => {
                    self.skip_batch();
                    return Some(HeadKind::Damage);
                }
            }
        }
    }

    #[inline]
    fn decode(&mut self, bytes: &'a [u8]) -> Result<Entry<'a>, DecodeError> {
        match Relayed::read(bytes) {
            Some(relayed) => self.decode_relayed(relayed),
            None => {
                let entry = decode(bytes, &mut self.record);
                self.seq = self.record.seq;
                entry
            }
        }
    }

    /// Reads a record that was made elsewhere: it keeps the lane, number, thread and process that it
    /// has there.
    fn decode_relayed(&mut self, relayed: Relayed<'a>) -> Result<Entry<'a>, DecodeError> {
        self.seq = relayed.seq;
        if relayed.origin != self.origin {
            let Origin { lane, thread, process } =
                Origin::read(relayed.origin).ok_or(DecodeError)?;
            (self.record.lane, self.record.thread) = (lane, thread);
            self.record.process = Cow::Owned(process);
            self.origin = relayed.origin;
        }
        decode(relayed.record, &mut self.record)
    }

    /// The next entry; within, `None` where its length is wrong.
    fn next_entry(&mut self) -> Option<Option<&'a [u8]>> {
        match &mut self.entries {
            ChunkEntries::Batch(entries) => entries.next().map(Result::ok),
            ChunkEntries::Ring(entries) => entries.next().map(|(entry, end)| {
                self.position = end;
                Some(entry)
            }),
            ChunkEntries::Arrived { .. } => None,
        }
    }

    /// Behind a damaged entry of a batch nothing can be trusted. In a ring the frames are checked
    /// before, so what follows is whole.
    fn skip_batch(&mut self) {
        if let ChunkEntries::Batch(entries) = &mut self.entries {
            *entries = Entries::of(&[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Draft, encode_record, encode_thread};
    use crate::queue::{HEADER_BYTES, push_entry};

    fn batch(times: &[i64]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        let mut mark = Vec::new();
        encode_thread(7, "t", &mut mark);
        push_entry(&mut bytes, &mark);
        for (seq, time_ns) in times.iter().enumerate() {
            let mut entry = Vec::new();
            let draft = Draft::new(*time_ns, Level::INFO, "l", format_args!("m"));
            encode_record(&draft, seq as u64, &mut entry);
            push_entry(&mut bytes, &entry);
        }
        bytes
    }

    fn lane(lane: u64, batches: Vec<Vec<u8>>) -> LaneInput {
        LaneInput {
            source: Source::Channel(lane),
            lane,
            process: Arc::default(),
            thread: Thread::default(),
            chunks: batches.into_iter().map(Chunk::Batch).collect(),
        }
    }

    fn merged(lanes: &[LaneInput]) -> Vec<(u64, i64)> {
        let told = |merged: Merged<'_, '_>| match (merged.item, merged.source) {
            (Item::Record { record, .. }, _) => (record.lane, record.time_ns),
            (Item::Drops { lane, .. }, _) => (lane, -1),
            (Item::Damage, Source::Channel(lane)) => (lane, -2),
            (Item::Damage, _) => unreachable!("only the channel here"),
        };
        let mut merge = Merge::of(lanes);
        std::iter::from_fn(|| merge.next().map(told)).collect()
    }

    #[test]
    fn lanes_are_merged_by_time() {
        let lanes = [lane(1, vec![batch(&[1, 4]), batch(&[6])]), lane(2, vec![batch(&[2, 3, 5])])];
        assert_eq!(merged(&lanes), [(1, 1), (2, 2), (2, 3), (1, 4), (2, 5), (1, 6)]);
    }

    #[test]
    fn a_lane_keeps_its_order_when_its_clock_steps_back() {
        let lanes = [lane(1, vec![batch(&[10, 2, 11])]), lane(2, vec![batch(&[3])])];
        assert_eq!(merged(&lanes), [(2, 3), (1, 10), (1, 2), (1, 11)]);
    }

    #[test]
    fn damage_ends_a_batch_and_not_the_lane() {
        let mut damaged = batch(&[1, 2]);
        let at = damaged.len() - 1;
        damaged[at] = 0xff;
        damaged.truncate(at);
        let lanes = [lane(1, vec![damaged, batch(&[3])])];
        assert_eq!(merged(&lanes), [(1, 1), (1, -2), (1, 3)]);
    }
}
