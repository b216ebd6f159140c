//! The drain: rounds of batches, merged, filtered, and given to the handlers.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::bound::Bound;
use super::channels::{ChannelLane, Channels, Marks};
use super::counts::{Counts, Tally};
use super::files::Files;
use super::gather::Pace;
use super::hub::{FinishedFlush, Hub};
use super::inlets::Inlets;
use super::lanes::{Lanes, Tails};
use super::notices::Notices;
use super::outlet::{Recipients, Told};
use super::outlets::Outlets;
use super::receive::Event;
use super::recovery::Recovery;
use super::refusal::Refusal;
use super::rotate::Rotate;
use super::round::{Item, LaneInput, Merge, Merged, Source};
use super::senders::Senders;
use super::stop::Stop;
use super::tasks::Tasks;
use crate::logger::{Delivery, Filters, Routing};
use crate::queue::control::Reply;
use crate::queue::ring::Bell;
use crate::queue::status::{Flushed, StopReport};
use crate::record::now_ns;

/// Most rounds after the drain deadline.
const MAX_LATE_ROUNDS: usize = 8;

/// How often an idle drain looks for log files that others have moved, and for handlers that have
/// something to report.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// How often a stopping drain looks whether all lanes have ended.
const STOP_TICK: Duration = Duration::from_millis(10);

pub(super) struct Drain {
    pub(super) bound: Bound,
    /// Others have removed the queue, and the drain stops by itself.
    pub(super) has_lost_queue: bool,
    /// The log does not get every record, and says so.
    pub(super) is_filtered: bool,
    pub(super) says_filtered: bool,
    pub(super) hub: Arc<Hub>,
    pub(super) stop: Stop,
    pub(super) bell: Arc<Bell>,
    pub(super) events: Receiver<Event>,
    pub(super) files: Files,
    pub(super) outlets: Outlets,
    pub(super) filters: Filters,
    pub(super) routing: Routing,
    /// How often filters have panicked that are not used any more.
    pub(super) past_panics: u64,
    pub(super) tasks: Arc<Tasks>,
    /// Of one record; kept for its memory.
    pub(super) deliveries: Vec<Delivery>,
    pub(super) drain_timeout: Duration,
    pub(super) notices: Notices,
    pub(super) channels: Channels,
    pub(super) lanes: Lanes,
    pub(super) senders: Senders,
    pub(super) inlets: Inlets,
    pub(super) counts: Counts,
    /// Records in the batch.
    pub(super) batch_records: u64,
    /// Those of them that came by the Channel transport or an inlet: they are nowhere else.
    pub(super) unwritten_records: u64,
    pub(super) pace: Pace,
    /// The last flush of `ctl`, and how far lanes and inlets had come when it was asked for.
    pub(super) flush: Option<(u64, Tails, u64)>,
    pub(super) rotate: Rotate,
}

/// Who wants what is written on the disk now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SyncWish {
    /// Nobody: the policy decides.
    None,
    /// Workers, who wait while a failed sync rests.
    OfWorkers,
    /// `ctl`, or a stop.
    OfPerson,
}

impl Drain {
    /// Drains until a stop is asked for and done.
    pub(super) fn run(&mut self) -> StopReport {
        // A configuration may be what lets the first batch be written.
        self.tasks.open();
        self.say_filtered();
        self.commit();
        while !self.stop.is_requested() {
            if self.bound.is_lost() {
                self.give_up_queue();
            } else {
                self.round(IDLE_TICK);
                self.attend();
            }
        }
        self.tasks.close();
        // Before the last look: what they put into lanes later would stay there.
        self.senders.close();
        if !self.has_lost_queue {
            self.lanes.look();
        }
        self.lanes.stop_at_tails();
        self.hub.begin_stop();
        self.inlets.close();
        while !self.stop.left(self.drain_timeout).is_zero() {
            let quiet = !self.round(STOP_TICK);
            let may_more_come =
                self.lanes.are_being_left() || !self.inlets.are_done() || !self.senders.are_done();
            if quiet && self.hub.open_lanes() == 0 && !may_more_come {
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

    /// Nobody finds this listener any more, while it keeps its log from every other: it stops. What
    /// comes to the queue's path from now on is for the next one.
    fn give_up_queue(&mut self) {
        self.has_lost_queue = true;
        self.notices.lost_queue(self.bound.queue());
        self.stop.request();
    }

    /// Brings what a killed listener has begun to its end: exactly the entries it had announced go
    /// to exactly the files that do not have them.
    pub(super) fn recover(&mut self, recovery: &Recovery) {
        self.lanes.look();
        if self.files.resolve(recovery) {
            let inputs = self.lanes.read_announced(recovery.batch());
            self.merge(&inputs);
            self.files.end_recovery(&mut self.lanes);
        }
    }

    /// Takes what has come within `patience` and handles it; tells whether there was anything.
    fn round(&mut self, patience: Duration) -> bool {
        let due = [self.hub.next_flush_deadline(), self.files.sync_state().due_in()];
        let patience = due.into_iter().flatten().fold(patience, Duration::min);
        self.lanes.look();
        let batches = self.gather(patience);
        let mut marks = Marks::default();
        let mut inputs = self.channels.sort(batches, &mut marks);
        inputs.append(&mut self.inlets.take());
        if !self.files.has_given_up() {
            // What stays in the lanes is for the next listener.
            inputs.append(&mut self.lanes.read());
        }
        // Behind what was read: who sent it because of a new level knew of that later than the hub.
        if let Some(tree) = self.hub.take_tree() {
            self.routing.set_tree(tree);
        }
        self.pace = self.pace.after(inputs.iter().map(LaneInput::bytes).sum());
        self.files.look();
        self.merge(&inputs);
        self.settle();
        self.rotate_where_asked();
        self.tell(&marks);
        let is_busy = !self.pace.is_idle();
        if is_busy && !self.files.has_given_up() {
            self.bell.beat();
        }
        is_busy
    }

    fn merge(&mut self, inputs: &[LaneInput]) {
        let mut tallies = vec![Tally::default(); inputs.len()];
        let mut merge = Merge::of(inputs);
        while let Some(Merged { input, source, end, item }) = merge.next() {
            let tally = &mut tallies[input];
            match item {
                Item::Record { record, seq } => {
                    tally.missing += self.expect(source, seq, 1);
                    tally.records += 1;
                    self.unwritten_records += u64::from(!matches!(source, Source::Ring(_)));
                    self.emit(record);
                    if let Source::Ring(index) = source {
                        self.lanes.get_mut(index).set_thread(&record.thread);
                    }
                }
                Item::Drops { drops, process, lane } => {
                    tally.missing += self.expect(source, drops.first_seq, drops.total());
                    tally.drops.add(drops);
                    self.counts.drops.add(drops);
                    let record = Notices::drops(drops, process, lane);
                    self.emit_notice(Told { record, recipients: Recipients::ALL });
                }
                Item::Damage => self.damage(source),
            }
            if let Source::Ring(index) = source {
                self.lanes.get_mut(index).take(end);
            }
        }
        for (source, end, thread) in merge.ends() {
            if let Source::Ring(index) = source {
                let lane = self.lanes.get_mut(index);
                lane.take(end);
                lane.set_thread(&thread);
            }
        }
        for (input, mut tally) in inputs.iter().zip(tallies) {
            tally.waits = match input.source {
                Source::Ring(index) => self.lanes.get_mut(index).take_waits(),
                Source::Channel(lane) => {
                    self.channels.get_mut(lane).map_or(0, ChannelLane::take_waits)
                }
                // No worker, who has counts of its own.
                Source::Inlet => continue,
            };
            self.hub.count(input.lane, &input.process, &tally);
        }
    }

    fn damage(&mut self, source: Source) {
        self.hub.refuse(Refusal::DamagedBatch);
        let process = match source {
            Source::Channel(lane) => {
                self.channels.get_mut(lane).map(|lane| Arc::clone(&lane.process))
            }
            Source::Ring(index) => Some(Arc::clone(&self.lanes.get_mut(index).process)),
            Source::Inlet => None,
        };
        if let Some(process) = process {
            self.notices.damage(&process);
        }
    }

    /// Counts what is missing before the call `seq`, which stands for `count` calls.
    fn expect(&mut self, source: Source, seq: u64, count: u64) -> u64 {
        let (process, next_seq) = match source {
            Source::Channel(lane) => match self.channels.get_mut(lane) {
                Some(lane) => (&lane.process, &mut lane.next_seq),
                None => return 0,
            },
            Source::Ring(index) => {
                let lane = self.lanes.get_mut(index);
                (&lane.process, &mut lane.next_seq)
            }
            // Numbered in this process.
            Source::Inlet => return 0,
        };
        let missing = seq.saturating_sub(*next_seq);
        if missing > 0 {
            self.counts.missing += missing;
            self.notices.missing(process, *next_seq, missing);
        }
        *next_seq = seq.saturating_add(count).max(*next_seq);
        missing
    }

    pub(super) fn commit(&mut self) {
        if self.files.commit(&mut self.lanes) {
            self.counts.records += self.batch_records;
        } else {
            self.counts.missing += self.unwritten_records;
        }
        self.batch_records = 0;
        self.unwritten_records = 0;
    }

    /// Ends a round: what the listener itself has to say, then everything out of the buffers.
    pub(super) fn settle(&mut self) {
        self.say_filtered();
        for loss in self.hub.take_losses() {
            self.counts.unconfirmed += loss.records;
            self.notices.loss(&loss);
        }
        for (text, recipients) in self.outlets.take_notices() {
            self.notices.tell(text, recipients);
        }
        let troubles = self.files.take_notices().into_iter().chain(self.lanes.take_troubles());
        let troubles = troubles.chain(self.hub.take_notices());
        let troubles = troubles.chain(self.filters.take_notices());
        let troubles = troubles.chain(self.routing.take_notices());
        troubles.for_each(|text| self.notices.trouble(text));
        self.notices.take().into_iter().for_each(|notice| self.emit_notice(notice));
        if !self.filters.is_empty() || self.routing.has_filters() {
            self.summarize(now_ns());
        }
        self.commit();
        self.outlets.hand_over();
    }

    /// Rotates the log files between two batches, and tells whoever has asked.
    fn rotate_where_asked(&mut self) {
        let asked = self.hub.take_rotations();
        if (self.rotate.take() || !asked.is_empty()) && !self.files.has_given_up() {
            let rotated = self.files.rotate();
            for reply in asked {
                // Whoever asked may be gone.
                let _gone = reply.send(Reply::Rotated(rotated.clone()));
            }
        }
    }

    /// Tells the workers how far they are written, and whoever waits for a flush that it is done.
    fn tell(&mut self, marks: &Marks) {
        let passed = self.passed_flush();
        let flushes = self.hub.finished_flushes(&marks.answers, passed);
        if !self.files.has_given_up() {
            self.channels.set_written(marks);
        }
        let wish = if flushes.iter().any(|flush| flush.sync) {
            SyncWish::OfPerson
        } else if self.lanes.wants_sync() || marks.wants_sync {
            SyncWish::OfWorkers
        } else {
            SyncWish::None
        };
        self.sync(wish);
        if !self.files.has_given_up() {
            self.channels.confirm(marks, self.files.sync_state().is_complete());
        }
        let synced = self.files.sync_state().is_complete_without_doubt();
        for FinishedFlush { silent_workers, is_written: written, reply, .. } in flushes {
            // Whoever asked may be gone.
            let _gone = reply.send(Reply::Flushed(Flushed { silent_workers, written, synced }));
        }
        self.channels.settle(marks);
        marks.gone.iter().for_each(|lane| self.lanes.ask_soon(*lane));
        self.show_counts();
    }

    pub(super) fn show_counts(&mut self) {
        self.counts.truncations = self.files.truncations();
        self.counts.routed_files = self.files.routes().open_files() as u64;
        self.counts.unrouted = self.files.routes().unrouted();
        self.counts.damaged_lanes = self.lanes.damaged();
        self.counts.filter_panics =
            self.past_panics + self.filters.panics() + self.routing.panics();
        self.counts.handlers = self.outlets.status();
        self.hub.set_counts(self.counts.clone());
    }

    /// Brings the log files to the disk where somebody wants that now, or the policy does, and tells
    /// the lanes in shared memory how far they are.
    fn sync(&mut self, wish: SyncWish) {
        match wish {
            SyncWish::OfPerson => self.files.sync(),
            SyncWish::OfWorkers if !self.files.sync_state().is_resting() => self.files.sync(),
            SyncWish::OfWorkers | SyncWish::None => self.files.sync_if_due(),
        }
        if self.files.sync_state().take_failure() {
            self.lanes.doubt();
            self.channels.doubt();
        }
        if self.files.sync_state().is_complete() {
            self.lanes.set_synced();
        }
    }

    /// Number of the last flush for which the lanes are written far enough.
    fn passed_flush(&mut self) -> u64 {
        let last = self.hub.last_flush();
        if self.flush.as_ref().is_none_or(|(number, ..)| *number != last) {
            self.flush = Some((last, self.lanes.tails(), self.inlets.tail()));
        }
        match &mut self.flush {
            Some((number, tails, tail))
                if self.lanes.has_passed(tails) && self.inlets.have_passed(*tail) =>
            {
                tails.forget();
                *number
            }
            _ => 0,
        }
    }

    fn finish(&mut self) -> StopReport {
        self.counts.missing += self.inlets.abandon();
        self.summarize(i64::MAX);
        self.settle();
        self.lanes.close();
        let left_lanes = self.hub.open_lanes() + self.lanes.count();
        self.outlets.close(&self.stop, self.drain_timeout);
        self.sync(SyncWish::OfPerson);
        // What files and handlers had to complain about at the very end.
        self.settle();
        self.sync(SyncWish::OfPerson);
        StopReport {
            drained: self.counts.records,
            dropped: self.counts.drops.total(),
            missing: self.counts.missing,
            unconfirmed: self.counts.unconfirmed,
            left_lanes,
            // Known when the files are closed.
            log_failed: false,
        }
    }
}
