//! The drain: rounds of batches, merged, filtered, and given to the handlers.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::files::Files;
use super::hub::{Counts, FinishedFlush, Hub, Refusal};
use super::notices::Notices;
use super::outlet::{Outlet, Told};
use super::receive::Event;
use super::round::{Item, LaneBatches, Merge};
use super::stop::Stop;
use crate::codec::Drops;
use crate::filter::Filter;
use crate::queue::control::{Flushed, Reply, StopReport};
use crate::queue::{BatchHeader, MAX_BATCH_BYTES};
use crate::{Process, Record};

/// How long a round waits for more lanes, so that the merge has something to merge.
const GATHER: Duration = Duration::from_millis(2);

/// A round takes no more batches than this.
const MAX_ROUND_BATCHES: usize = 64;

const _: () = assert!(MAX_ROUND_BATCHES * MAX_BATCH_BYTES <= 16 << 20);

/// Most rounds after the drain deadline.
const MAX_LATE_ROUNDS: usize = 8;

/// How often an idle drain looks for handlers that have something to report.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// How often a stopping drain looks whether all lanes have ended.
const STOP_TICK: Duration = Duration::from_millis(10);

pub(super) struct Drain {
    pub(super) hub: Arc<Hub>,
    pub(super) stop: Stop,
    pub(super) events: Receiver<Event>,
    pub(super) files: Files,
    pub(super) outlets: Vec<Outlet>,
    pub(super) filters: Vec<Box<dyn Filter>>,
    pub(super) drain_timeout: Duration,
    pub(super) notices: Notices,
    pub(super) lanes: HashMap<u64, Lane>,
    pub(super) counts: Counts,
    /// Records for the outlets, gathered in the round.
    pub(super) gathered: Vec<Told>,
}

/// What the drain remembers of a lane between rounds.
pub(super) struct Lane {
    process: Arc<Process>,
    next_seq: u64,
}

/// What a round has to tell the workers once it is written.
#[derive(Default)]
struct Marks {
    written: HashMap<u64, u64>,
    synced: Vec<u64>,
    /// The last flush of `ctl` that each lane has answered.
    answers: HashMap<u64, u64>,
    paused: Vec<u64>,
    gone: Vec<u64>,
}

impl Drain {
    /// Drains until a stop is asked for and done.
    pub(super) fn run(&mut self) -> StopReport {
        while !self.stop.is_requested() {
            self.round(IDLE_TICK);
        }
        self.hub.begin_stop();
        while !self.stop.left(self.drain_timeout).is_zero() {
            let quiet = !self.round(STOP_TICK);
            if quiet && self.hub.open_lanes() == 0 {
                break;
            }
        }
        // What has come by now is not the less accepted because the time is up.
        for _ in 0..MAX_LATE_ROUNDS {
            if !self.round(Duration::ZERO) {
                break;
            }
        }
        self.finish()
    }

    /// Takes what has come within `patience` and handles it; tells whether there were batches.
    fn round(&mut self, patience: Duration) -> bool {
        let patience = self.hub.next_flush_deadline().map_or(patience, |left| left.min(patience));
        let batches = self.gather(patience);
        let any = !batches.is_empty();
        let mut marks = Marks::default();
        let lanes = self.sort_by_lane(batches, &mut marks);
        for item in Merge::of(&lanes) {
            self.handle(item);
        }
        self.settle();
        self.tell(marks);
        any
    }

    fn gather(&mut self, patience: Duration) -> Vec<Vec<u8>> {
        let mut batches = Vec::new();
        let mut deadline = Instant::now() + patience;
        while batches.len() < MAX_ROUND_BATCHES {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Batch(batch)) => {
                    if batches.is_empty() {
                        deadline = Instant::now() + GATHER;
                    }
                    batches.push(batch);
                }
                Ok(Event::Wake) => deadline = Instant::now().min(deadline),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        batches
    }

    fn sort_by_lane(&mut self, batches: Vec<Vec<u8>>, marks: &mut Marks) -> Vec<LaneBatches> {
        let mut places: HashMap<u64, usize> = HashMap::new();
        let mut lanes: Vec<LaneBatches> = Vec::new();
        for batch in batches {
            let Some(header) = BatchHeader::read(&batch) else {
                self.hub.refuse(Refusal::DamagedBatch);
                continue;
            };
            let Some(process) = self.process_of(header.lane) else {
                self.hub.refuse(Refusal::UnknownLane);
                continue;
            };
            marks.note(&header);
            let place = *places.entry(header.lane).or_insert_with(|| {
                lanes.push(LaneBatches { lane: header.lane, process, batches: Vec::new() });
                lanes.len() - 1
            });
            lanes[place].batches.push(batch);
        }
        lanes
    }

    /// The process of a lane; at first sight of the lane, what its worker told when it attached.
    fn process_of(&mut self, lane: u64) -> Option<Arc<Process>> {
        match self.lanes.entry(lane) {
            Slot::Occupied(slot) => Some(Arc::clone(&slot.get().process)),
            Slot::Vacant(slot) => {
                let new = self.hub.lane(lane)?;
                let lane = Lane { process: new.process, next_seq: new.first_seq };
                Some(Arc::clone(&slot.insert(lane).process))
            }
        }
    }

    fn handle(&mut self, item: Item<'_>) {
        match item {
            Item::Record(record) => {
                self.expect(record.lane, record.seq, 1);
                self.hub.count(record.lane, 1, 0);
                self.emit(&record);
            }
            Item::Drops { drops, process, lane } => self.drops(&drops, process, lane),
            Item::Damage { lane } => {
                self.hub.refuse(Refusal::DamagedBatch);
                if let Some(lane) = self.lanes.get(&lane) {
                    self.notices.damage(&lane.process);
                }
            }
        }
    }

    fn drops(&mut self, drops: &Drops, process: &Process, lane: u64) {
        let total = drops.total();
        self.expect(lane, drops.first_seq, total);
        self.counts.dropped = self.counts.dropped.saturating_add(total);
        self.hub.count(lane, 0, total);
        self.emit_notice(Told { record: Notices::drops(drops, process, lane), about: None });
    }

    /// Counts what is missing before the call `seq`, which stands for `count` calls.
    fn expect(&mut self, lane: u64, seq: u64, count: u64) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            let missing = seq.saturating_sub(lane.next_seq);
            if missing > 0 {
                self.counts.missing += missing;
                self.notices.missing(&lane.process, lane.next_seq, missing);
            }
            lane.next_seq = seq.saturating_add(count).max(lane.next_seq);
        }
    }

    fn emit(&mut self, record: &Record<'_>) {
        if self.passes(record) {
            self.counts.records += 1;
            self.files.handle(record);
            if !self.outlets.is_empty() {
                self.gathered.push(Told { record: record.clone().into_owned(), about: None });
            }
        }
    }

    fn emit_notice(&mut self, notice: Told) {
        if self.passes(&notice.record) {
            self.files.handle_notice(&notice.record);
            self.gathered.push(notice);
        }
    }

    fn passes(&mut self, record: &Record<'_>) -> bool {
        self.filters.iter_mut().all(|filter| filter.passes(record))
    }

    /// Ends a round: what the listener itself has to say, then everything out of the buffers.
    fn settle(&mut self) {
        for loss in self.hub.take_losses() {
            self.notices.loss(&loss);
        }
        for (index, outlet) in self.outlets.iter().enumerate() {
            let texts = outlet.take_notices();
            texts.into_iter().for_each(|text| self.notices.handler_trouble(index, text));
        }
        self.files.take_notices().into_iter().for_each(|text| self.notices.file_trouble(text));
        self.notices.take().into_iter().for_each(|notice| self.emit_notice(notice));
        self.files.flush();
        if !self.gathered.is_empty() {
            let round: Arc<[Told]> = std::mem::take(&mut self.gathered).into();
            self.outlets.iter_mut().for_each(|outlet| outlet.offer(&round));
        }
    }

    /// Tells the workers how far they are written, and whoever waits for a flush that it is done.
    fn tell(&mut self, marks: Marks) {
        let flushes = self.hub.finished_flushes(&marks.answers);
        let wanted = !marks.synced.is_empty() || flushes.iter().any(|flush| flush.sync);
        let synced = wanted && self.files.sync();
        for (lane, seq) in marks.written {
            self.hub.confirm(lane, seq, synced.then_some(seq));
        }
        for FinishedFlush { silent_workers, reply, .. } in flushes {
            // Whoever asked may be gone.
            let _gone = reply.send(Reply::Flushed(Flushed { silent_workers, synced }));
        }
        marks.paused.into_iter().for_each(|lane| self.hub.mark_paused(lane));
        for lane in marks.gone {
            self.lanes.remove(&lane);
            self.hub.remove(lane);
        }
        self.counts.handlers = self.outlets.iter().map(Outlet::status).collect();
        self.hub.set_counts(self.counts.clone());
    }

    fn finish(&mut self) -> StopReport {
        let left_lanes = self.hub.open_lanes();
        self.outlets.iter_mut().for_each(Outlet::close);
        for outlet in &self.outlets {
            outlet.wait_ended(self.stop.left(self.drain_timeout));
        }
        // What the handlers had to complain about at the very end.
        self.settle();
        self.files.sync();
        StopReport {
            drained: self.counts.records,
            dropped: self.counts.dropped,
            missing: self.counts.missing + self.files.lost_records(),
            left_lanes,
        }
    }
}

impl Marks {
    fn note(&mut self, header: &BatchHeader) {
        let written = self.written.entry(header.lane).or_default();
        *written = header.end_seq.max(*written);
        if header.sync {
            self.synced.push(header.lane);
        }
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
