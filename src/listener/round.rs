//! One round: the batches that were there, merged by time into one sequence of entries.
//!
//! A k-way merge over the heads of the lanes (never a sort: clocks step back, and a lane keeps its
//! own order whatever its times say).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::codec::{Drops, Entry, decode};
use crate::queue::Entries;
use crate::{Process, Record, Thread};

/// The batches of one lane, in the order they came.
pub(super) struct LaneBatches {
    pub(super) lane: u64,
    pub(super) process: Arc<Process>,
    pub(super) batches: Vec<Vec<u8>>,
}

/// What stands at the head of a lane.
pub(super) enum Item<'a> {
    Record(Record<'a>),
    Drops {
        drops: Drops,
        process: &'a Process,
        lane: u64,
    },
    /// The rest of a batch cannot be read.
    Damage {
        lane: u64,
    },
}

impl Item<'_> {
    fn time_ns(&self) -> i64 {
        match self {
            Item::Record(record) => record.time_ns,
            Item::Drops { drops, .. } => drops.last_ns,
            Item::Damage { .. } => i64::MIN,
        }
    }
}

/// The entries of all lanes, by time across lanes and in order within each.
pub(super) struct Merge<'a> {
    lanes: Vec<LaneHead<'a>>,
    heap: BinaryHeap<Reverse<(i64, usize)>>,
}

struct LaneHead<'a> {
    lane: u64,
    process: &'a Process,
    batches: std::slice::Iter<'a, Vec<u8>>,
    entries: Entries<'a>,
    thread: Thread<'a>,
    head: Option<Item<'a>>,
}

impl<'a> Merge<'a> {
    pub(super) fn of(lanes: &'a [LaneBatches]) -> Merge<'a> {
        let mut merge = Merge { lanes: Vec::with_capacity(lanes.len()), heap: BinaryHeap::new() };
        for (index, lane) in lanes.iter().enumerate() {
            merge.lanes.push(LaneHead {
                lane: lane.lane,
                process: &lane.process,
                batches: lane.batches.iter(),
                entries: Entries::of(&[]),
                thread: Thread::default(),
                head: None,
            });
            merge.advance(index);
        }
        merge
    }

    fn advance(&mut self, index: usize) {
        let lane = &mut self.lanes[index];
        lane.head = lane.next_item();
        if let Some(item) = &lane.head {
            self.heap.push(Reverse((item.time_ns(), index)));
        }
    }
}

impl<'a> Iterator for Merge<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let Reverse((_, index)) = self.heap.pop()?;
        let item = self.lanes[index].head.take();
        self.advance(index);
        item
    }
}

impl<'a> LaneHead<'a> {
    fn next_item(&mut self) -> Option<Item<'a>> {
        loop {
            let Some(entry) = self.entries.next() else {
                self.entries = Entries::of(self.batches.next()?);
                continue;
            };
            match entry.ok().and_then(|bytes| decode(bytes).ok()) {
                Some(Entry::Record(record)) => {
                    return Some(Item::Record(record.into_record(
                        self.process,
                        self.thread.clone(),
                        self.lane,
                    )));
                }
                Some(Entry::Thread { id, name }) => self.thread = Thread { id, name: name.into() },
                Some(Entry::Drops(drops)) => {
                    return Some(Item::Drops { drops, process: self.process, lane: self.lane });
                }
                None => {
                    self.entries = Entries::of(&[]);
                    return Some(Item::Damage { lane: self.lane });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
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

    fn lane(lane: u64, batches: Vec<Vec<u8>>) -> LaneBatches {
        LaneBatches { lane, process: Arc::default(), batches }
    }

    fn merged(lanes: &[LaneBatches]) -> Vec<(u64, i64)> {
        let told = |item: Item<'_>| match item {
            Item::Record(record) => (record.lane, record.time_ns),
            Item::Drops { lane, .. } => (lane, -1),
            Item::Damage { lane } => (lane, -2),
        };
        Merge::of(lanes).map(told).collect()
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
