//! What the listener's threads share: the attached workers, what each still has to be told, and
//! who waits for the stop.

mod flushes;
mod levels;
mod status;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipc_channel::ipc::IpcSender;

pub(super) use self::flushes::FinishedFlush;
use self::flushes::Flush;
use self::levels::LevelWait;
pub(super) use self::status::StatusBase;
use super::counts::{Counts, Tally};
use super::levels::Levels;
use super::rate::Rate;
use super::refusal::Refusal;
use super::source_counts::SourceCounts;
use crate::Process;
use crate::level_table::LevelTable;
use crate::queue::control::{Reply, ToWorker, TransportKind, Update, WorkerFacts};
use crate::queue::status::{ConfigStatus, StopReport, SyncStatus, Trouble};

/// Most peers of `ctl` that wait for a flush, for a level, for a rotation, and for a stop.
const MAX_WAITING_PEERS: usize = 64;

/// Most notices that wait for the log; what is too many is not said.
const MAX_NOTICES: usize = 64;

/// Most losses that wait to be told of; workers that have more to tell are asked to come again.
const MAX_LOSSES: usize = 1024;

#[derive(Default)]
pub(super) struct Hub {
    state: Mutex<State>,
    /// The notifier waits here for something to tell a worker.
    outbox: Condvar,
    /// A stop waits here until everything was told.
    told: Condvar,
}

#[derive(Default)]
struct State {
    workers: HashMap<u64, Worker>,
    refused: BTreeMap<Refusal, u64>,
    counts: Counts,
    trouble: Option<Trouble>,
    sync: SyncStatus,
    flushes: Vec<Flush>,
    last_flush: u64,
    levels: Levels,
    level_waits: Vec<LevelWait>,
    stop_replies: Vec<IpcSender<Reply>>,
    /// Current log files.
    logs: Vec<String>,
    config: ConfigStatus,
    /// What the log should say, from other threads than the drain.
    notices: Vec<String>,
    /// Those who have asked for a rotation.
    rotations: Vec<IpcSender<Reply>>,
    /// Losses that attaching workers told of, for the log.
    losses: Vec<Loss>,
    stopping: bool,
    ended: bool,
    report: Option<StopReport>,
    sources: Vec<Arc<SourceCounts>>,
}

struct Worker {
    process: Arc<Process>,
    transport: TransportKind,
    first_seq: u64,
    /// `None` once it is gone, so that no descriptor waits for the drain.
    reply: Option<IpcSender<ToWorker>>,
    pending: Option<Update>,
    /// A message was sent and not acknowledged: the next one could block.
    unseen: bool,
    /// It takes no levels of a listener.
    is_pinned: bool,
    /// Numbers of the last level table that it was told, and of that which it obeys.
    told_levels: u64,
    obeys: u64,
    paused: bool,
    /// Its process has ended; its last batches may still be on their way.
    gone: bool,
    overflow: String,
    tally: Tally,
    rate: Rate,
}

impl Worker {
    /// Whether a batch of it may still come. Lanes in shared memory are looked at instead.
    fn may_send(&self) -> bool {
        !self.paused && self.transport == TransportKind::Channel
    }

    fn next_message(&mut self, levels: &Levels) -> Option<(IpcSender<ToWorker>, Update)> {
        let reply = self.reply.as_ref().filter(|_| !self.unseen)?.clone();
        let has_old_levels = !self.is_pinned && self.told_levels < levels.number();
        let table = has_old_levels.then(|| levels.table().clone());
        if self.pending.is_none() && table.is_none() {
            return None;
        }
        let update = Update { levels: table, ..self.pending.take().unwrap_or_default() };
        self.told_levels = levels.number();
        self.unseen = true;
        Some((reply, update))
    }
}

/// Records that a worker handed to a listener which ended before it said that they were written.
pub(super) struct Loss {
    pub(super) process: Arc<Process>,
    pub(super) next_seq: u64,
    pub(super) records: u64,
}

/// What the drain has to know of a lane that it meets for the first time.
pub(super) struct NewLane {
    pub(super) process: Arc<Process>,
    pub(super) first_seq: u64,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn refuse(&self, refusal: Refusal) {
        *self.lock().refused.entry(refusal).or_default() += 1;
    }

    /// Adds a worker; refused while stopping, and where its lane is attached already. Returns the
    /// levels that it is to be welcomed with.
    pub(super) fn register(
        &self,
        facts: &WorkerFacts,
        reply: IpcSender<ToWorker>,
    ) -> Result<LevelTable, Refusal> {
        let mut state = self.lock();
        if state.stopping || state.ended {
            return Err(Refusal::Stopping);
        }
        if state.workers.contains_key(&facts.lane) {
            return Err(Refusal::BadHello);
        }
        if state.losses.len() >= MAX_LOSSES {
            return Err(Refusal::TooMany);
        }
        let process = Arc::new(facts.process());
        if facts.unconfirmed > 0 {
            let (next_seq, records) = (facts.first_seq, facts.unconfirmed);
            state.losses.push(Loss { process: Arc::clone(&process), next_seq, records });
        }
        let worker = Worker {
            process,
            transport: facts.transport,
            first_seq: facts.first_seq,
            reply: Some(reply),
            pending: None,
            // The welcome, which whoever registers is about to send.
            unseen: true,
            is_pinned: facts.is_pinned,
            told_levels: state.levels.number(),
            obeys: 0,
            paused: false,
            gone: false,
            overflow: facts.overflow().to_owned(),
            tally: Tally::default(),
            rate: Rate::new(Instant::now()),
        };
        state.workers.insert(facts.lane, worker);
        Ok(state.levels.table().clone())
    }

    /// A lane's facts, for the drain.
    pub(super) fn lane(&self, lane: u64) -> Option<NewLane> {
        self.lock().workers.get(&lane).map(|worker| NewLane {
            process: Arc::clone(&worker.process),
            first_seq: worker.first_seq,
        })
    }

    /// The worker acknowledged its last message.
    pub(super) fn seen(&self, lane: u64) {
        let mut state = self.lock();
        if let Some(worker) = state.workers.get_mut(&lane) {
            worker.unseen = false;
            worker.obeys = worker.told_levels;
        }
        state.note_obedience(lane);
        drop(state);
        self.outbox.notify_one();
    }

    /// The worker's process has ended: nobody is there to be told anything.
    pub(super) fn mark_gone(&self, lane: u64) {
        let mut state = self.lock();
        if let Some(worker) = state.workers.get_mut(&lane) {
            worker.gone = true;
            worker.pending = None;
            worker.reply = None;
        }
        state.note_obedience(lane);
        drop(state);
        self.told.notify_all();
    }

    /// Workers that are attached, or not yet drained.
    pub(super) fn worker_count(&self) -> usize {
        self.lock().workers.len()
    }

    /// All that a gone worker sent is drained.
    pub(super) fn remove(&self, lane: u64) {
        let mut state = self.lock();
        state.workers.remove(&lane);
        drop(state);
        self.told.notify_all();
    }

    /// Tells a worker how far its records are certain.
    pub(super) fn confirm(&self, lane: u64, written_seq: u64, synced_seq: u64) {
        self.tell(lane, |update| {
            update.written_seq = update.written_seq.max(written_seq);
            update.synced_seq = update.synced_seq.max(synced_seq);
        });
    }

    fn tell(&self, lane: u64, change: impl FnOnce(&mut Update)) {
        if let Some(worker) = self.lock().workers.get_mut(&lane).filter(|worker| !worker.gone) {
            change(worker.pending.get_or_insert_default());
        }
        self.outbox.notify_one();
    }

    pub(super) fn mark_paused(&self, lane: u64) {
        if let Some(worker) = self.lock().workers.get_mut(&lane) {
            worker.paused = true;
        }
    }

    /// Waits for a message that may be sent now; `None` when the listener has ended.
    pub(super) fn next_message(&self) -> Option<(IpcSender<ToWorker>, Update)> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            state.pass_time();
            let State { workers, levels, .. } = &mut *state;
            let message = workers.values_mut().find_map(|worker| worker.next_message(levels));
            if message.is_some() {
                return message;
            }
            self.told.notify_all();
            let now = Instant::now();
            state = match state.next_deadline() {
                Some(deadline) => {
                    let patience = deadline.saturating_duration_since(now);
                    let waited = self.outbox.wait_timeout(state, patience);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.outbox.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Says something in the log at the end of the next round.
    pub(super) fn say(&self, text: String) {
        let mut state = self.lock();
        if state.notices.len() < MAX_NOTICES {
            state.notices.push(text);
        }
    }

    pub(super) fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().notices)
    }

    pub(super) fn take_losses(&self) -> Vec<Loss> {
        std::mem::take(&mut self.lock().losses)
    }

    /// Refuses new workers from now on and tells the attached ones to send what they have.
    pub(super) fn begin_stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        for worker in state.workers.values_mut().filter(|worker| !worker.gone) {
            worker.pending.get_or_insert_default().stop = true;
        }
        drop(state);
        self.outbox.notify_one();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Keeps the reply until the files are rotated. After the end it gives up the reply, which tells
    /// whoever asked.
    pub(super) fn ask_rotation(&self, reply: IpcSender<Reply>) {
        let mut state = self.lock();
        match state.rotations.len() {
            _ if state.ended => {}
            0..MAX_WAITING_PEERS => state.rotations.push(reply),
            _ => refuse_peer(&mut state),
        }
    }

    /// Those who have asked for a rotation since the last time.
    pub(super) fn take_rotations(&self) -> Vec<IpcSender<Reply>> {
        std::mem::take(&mut self.lock().rotations)
    }

    /// Keeps the reply for the end; one that comes after it gets the report at once.
    pub(super) fn reply_when_stopped(&self, reply: IpcSender<Reply>) {
        let mut state = self.lock();
        match state.report {
            Some(report) => report_stop(vec![reply], report),
            None if state.stop_replies.len() >= MAX_WAITING_PEERS => refuse_peer(&mut state),
            None => state.stop_replies.push(reply),
        }
    }

    /// Lanes of the Channel transport that may still send something.
    pub(super) fn open_lanes(&self) -> u64 {
        let state = self.lock();
        state.workers.values().filter(|worker| worker.may_send()).count() as u64
    }

    /// Waits until every worker was told all there is to tell, at most `timeout`.
    pub(super) fn wait_told(&self, timeout: Duration) {
        let waiting = |state: &mut State| {
            state.workers.values().any(|worker| !worker.gone && worker.pending.is_some())
        };
        drop(self.told.wait_timeout_while(self.lock(), timeout, waiting));
    }

    /// Tells everybody who asked for the stop how it went, also those who still ask.
    pub(super) fn report_stop(&self, report: StopReport) {
        let mut state = self.lock();
        state.report = Some(report);
        let replies = std::mem::take(&mut state.stop_replies);
        drop(state);
        report_stop(replies, report);
    }

    /// Lets go of all workers, so that they look for a successor, and lets the other threads end.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.workers.clear();
        state.flushes.clear();
        state.level_waits.clear();
        drop(state);
        self.outbox.notify_all();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }
}

/// Counts a peer of `ctl` that is one too many; it sees its channel closed.
fn refuse_peer(state: &mut State) {
    *state.refused.entry(Refusal::TooMany).or_default() += 1;
}

fn report_stop(replies: Vec<IpcSender<Reply>>, report: StopReport) {
    for reply in replies {
        // Whoever asked may be gone.
        let _gone = reply.send(Reply::Stopped(report));
    }
}
