//! The lanes of the Channel transport: what is remembered of each between rounds, and what a round
//! has to tell its worker.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use super::hub::{Hub, NewLane};
use super::refusal::Refusal;
use super::round::{Chunk, LaneInput, Source};
use crate::queue::BatchHeader;
use crate::{Process, Thread};

pub(super) struct Channels {
    hub: Arc<Hub>,
    lanes: HashMap<u64, ChannelLane>,
}

/// What is remembered of one lane.
pub(super) struct ChannelLane {
    pub(super) process: Arc<Process>,
    pub(super) next_seq: u64,
    /// The calls before this one are in the log files.
    written_seq: u64,
    /// The calls before this one are on the disk.
    synced_seq: u64,
    /// A sync failed when there were some in between: no later call may be said to be on the disk.
    is_doubtful: bool,
    /// Calls that have waited for room since this was last asked.
    waits: u64,
}

/// What a round has to tell the workers once it is written.
#[derive(Default)]
pub(super) struct Marks {
    written: HashMap<u64, u64>,
    /// Whether a worker waits for an fsync.
    pub(super) wants_sync: bool,
    /// The last flush of `ctl` that each lane has answered.
    pub(super) answers: HashMap<u64, u64>,
    paused: Vec<u64>,
    pub(super) gone: Vec<u64>,
}

impl Channels {
    pub(super) fn new(hub: Arc<Hub>) -> Channels {
        Channels { hub, lanes: HashMap::new() }
    }

    pub(super) fn get_mut(&mut self, lane: u64) -> Option<&mut ChannelLane> {
        self.lanes.get_mut(&lane)
    }

    /// The batches of each lane, in their order; what their headers say goes to `marks`.
    pub(super) fn sort(&mut self, batches: Vec<Vec<u8>>, marks: &mut Marks) -> Vec<LaneInput> {
        let mut places: HashMap<u64, usize> = HashMap::new();
        let mut inputs: Vec<LaneInput> = Vec::new();
        for batch in batches {
            let Some(header) = BatchHeader::read(&batch) else {
                self.hub.refuse(Refusal::DamagedBatch);
                continue;
            };
            let Some(lane) = self.meet(header.lane) else {
                self.hub.refuse(Refusal::UnknownLane);
                continue;
            };
            lane.waits += u64::from(header.waits);
            let process = Arc::clone(&lane.process);
            marks.note(&header);
            let place = *places.entry(header.lane).or_insert_with(|| {
                inputs.push(LaneInput {
                    source: Source::Channel(header.lane),
                    lane: header.lane,
                    process,
                    thread: Thread::default(),
                    chunks: Vec::new(),
                });
                inputs.len() - 1
            });
            inputs[place].chunks.push(Chunk::Batch(batch));
        }
        inputs
    }

    /// The lane; at first sight, what its worker told when it attached.
    fn meet(&mut self, lane: u64) -> Option<&mut ChannelLane> {
        Some(match self.lanes.entry(lane) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => slot.insert(ChannelLane::new(self.hub.lane(lane)?)),
        })
    }

    /// What the round had is in the log files.
    pub(super) fn set_written(&mut self, marks: &Marks) {
        for (lane, seq) in &marks.written {
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.written_seq = *seq;
            }
        }
    }

    /// What is written may never get to the disk, so that nothing later can be said to be there.
    pub(super) fn doubt(&mut self) {
        let lanes = self.lanes.values_mut().filter(|lane| lane.may_be_synced());
        lanes.for_each(|lane| lane.is_doubtful = true);
    }

    /// Tells the workers whose records were in the round, and those for whom a sync has changed
    /// something, how far they are.
    pub(super) fn confirm(&mut self, marks: &Marks, is_synced: bool) {
        for (number, lane) in &mut self.lanes {
            let has_more_synced = is_synced && lane.may_be_synced();
            if has_more_synced {
                lane.synced_seq = lane.written_seq;
            }
            if has_more_synced || marks.written.contains_key(number) {
                self.hub.confirm(*number, lane.written_seq, lane.synced_seq);
            }
        }
    }

    /// Takes note of the workers that pause or have ended.
    pub(super) fn settle(&mut self, marks: &Marks) {
        marks.paused.iter().for_each(|lane| self.hub.mark_paused(*lane));
        for lane in &marks.gone {
            self.lanes.remove(lane);
            self.hub.remove(*lane);
        }
    }
}

impl ChannelLane {
    fn new(lane: NewLane) -> ChannelLane {
        ChannelLane {
            process: lane.process,
            next_seq: lane.first_seq,
            written_seq: 0,
            synced_seq: 0,
            is_doubtful: false,
            waits: 0,
        }
    }

    /// Whether calls are written that may be said to be on the disk when they are.
    fn may_be_synced(&self) -> bool {
        self.written_seq > self.synced_seq && !self.is_doubtful
    }

    /// How many calls have waited for room since this was last asked.
    pub(super) fn take_waits(&mut self) -> u64 {
        std::mem::take(&mut self.waits)
    }
}

impl Marks {
    fn note(&mut self, header: &BatchHeader) {
        let written = self.written.entry(header.lane).or_default();
        *written = header.end_seq.max(*written);
        self.wants_sync |= header.sync;
        if header.answer > 0 {
            self.answers.insert(header.lane, header.answer);
        }
        if header.pause {
            self.paused.push(header.lane);
        }
        if header.gone {
            self.gone.push(header.lane);
        }
    }
}
