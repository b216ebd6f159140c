//! What the listener's threads share: the attached workers, what each still has to be told, and
//! the counters that `ctl status` shows.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipc_channel::ipc::IpcSender;

use crate::Process;
use crate::queue::control::{
    HandlerStatus, Reply, Status, StopReport, ToWorker, TransportKind, Update, WorkerFacts,
    WorkerStatus,
};

/// Why a peer or a batch was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    NoGreeting,
    Silent,
    OtherUser,
    OtherVersion,
    TooMany,
    NoDescriptors,
    Stopping,
    BadHello,
    UnknownLane,
    DamagedBatch,
}

impl Refusal {
    /// The reason, as `ctl status` and the refused peer read it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Refusal::NoGreeting => "no greeting of logboom",
            Refusal::Silent => "silent for too long",
            Refusal::OtherUser => "another user",
            Refusal::OtherVersion => "another protocol version",
            Refusal::TooMany => "too many attach at once, try again",
            Refusal::NoDescriptors => {
                "too many workers for the listener's limit of descriptors (ulimit -Hn): raise it"
            }
            Refusal::Stopping => "stopping",
            Refusal::BadHello => "no valid hello",
            Refusal::UnknownLane => "batch of an unknown lane",
            Refusal::DamagedBatch => "damaged batch",
        }
    }
}

/// Most peers of `ctl` that wait for a flush, and for a stop.
const MAX_WAITING_PEERS: usize = 64;

/// Most losses that wait to be told of; workers that have more to tell are asked to come again.
const MAX_LOSSES: usize = 1024;

/// Most bytes of workers in a status, so that it is one message.
const MAX_STATUS_BYTES: usize = 128 * 1024;

/// At most what the numbers of one worker take there.
const NUMBERS_BYTES: usize = 32;

/// Longest time that a flush waits for silent workers.
const MAX_FLUSH_TIMEOUT: Duration = Duration::from_secs(3600);

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
    trouble: Option<String>,
    flushes: Vec<Flush>,
    last_flush: u64,
    stop_replies: Vec<IpcSender<Reply>>,
    /// Losses that attaching workers told of, for the log.
    losses: Vec<Loss>,
    stopping: bool,
    ended: bool,
    report: Option<StopReport>,
}

/// Totals that the drain keeps.
#[derive(Clone, Default)]
pub(super) struct Counts {
    pub(super) records: u64,
    pub(super) dropped: u64,
    pub(super) missing: u64,
    pub(super) damaged_lanes: u64,
    pub(super) handlers: Vec<HandlerStatus>,
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
    paused: bool,
    /// Its process has ended; its last batches may still be on their way.
    gone: bool,
    records: u64,
    dropped: u64,
}

impl Worker {
    fn next_message(&mut self) -> Option<(IpcSender<ToWorker>, Update)> {
        let reply = self.reply.as_ref().filter(|_| !self.unseen)?.clone();
        let update = self.pending.take()?;
        self.unseen = true;
        Some((reply, update))
    }
}

/// A `ctl flush` in progress.
struct Flush {
    number: u64,
    /// Lanes whose answer is awaited.
    lanes: Vec<u64>,
    sync: bool,
    deadline: Instant,
    reply: IpcSender<Reply>,
}

/// A `ctl flush` for which nobody is awaited any more.
pub(super) struct FinishedFlush {
    pub(super) silent_workers: u64,
    pub(super) sync: bool,
    pub(super) reply: IpcSender<Reply>,
}

/// Records that a worker handed to a listener which ended before it said that they were written.
pub(super) struct Loss {
    pub(super) process: Arc<Process>,
    pub(super) next_seq: u64,
    pub(super) records: u64,
}

/// What a round had of one lane.
pub(super) struct Tally {
    pub(super) process: Arc<Process>,
    pub(super) records: u64,
    pub(super) dropped: u64,
}

impl Tally {
    pub(super) fn of(process: &Arc<Process>) -> Tally {
        Tally { process: Arc::clone(process), records: 0, dropped: 0 }
    }
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

    /// Adds a worker; refused while stopping, and where its lane is attached already.
    pub(super) fn register(
        &self,
        facts: &WorkerFacts,
        reply: IpcSender<ToWorker>,
    ) -> Result<(), Refusal> {
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
            paused: false,
            gone: false,
            records: 0,
            dropped: 0,
        };
        state.workers.insert(facts.lane, worker);
        Ok(())
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
        if let Some(worker) = self.lock().workers.get_mut(&lane) {
            worker.unseen = false;
        }
        self.outbox.notify_one();
    }

    /// The worker's process has ended: nobody is there to be told anything.
    pub(super) fn mark_gone(&self, lane: u64) {
        if let Some(worker) = self.lock().workers.get_mut(&lane) {
            worker.gone = true;
            worker.pending = None;
            worker.reply = None;
        }
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
    pub(super) fn confirm(&self, lane: u64, written_seq: u64, synced_seq: Option<u64>) {
        self.tell(lane, |update| {
            update.written_seq = update.written_seq.max(written_seq);
            update.synced_seq = update.synced_seq.max(synced_seq.unwrap_or(0));
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

    /// Adds to the counts of the worker that has this lane, or another of this process.
    pub(super) fn count(&self, lane: u64, tally: &Tally) {
        let mut state = self.lock();
        let workers = &mut state.workers;
        let of_process = |worker: &&mut Worker| {
            worker.process.id == tally.process.id
                && worker.process.started_ns == tally.process.started_ns
        };
        let worker = match workers.contains_key(&lane) {
            true => workers.get_mut(&lane),
            false => workers.values_mut().find(of_process),
        };
        if let Some(worker) = worker {
            worker.records += tally.records;
            worker.dropped += tally.dropped;
        }
    }

    pub(super) fn set_counts(&self, counts: Counts) {
        self.lock().counts = counts;
    }

    /// Why a log file cannot be written at the moment.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        self.lock().trouble = trouble;
    }

    /// Waits for a message that may be sent now; `None` when the listener has ended.
    pub(super) fn next_message(&self) -> Option<(IpcSender<ToWorker>, Update)> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            if let Some(message) = state.workers.values_mut().find_map(Worker::next_message) {
                return Some(message);
            }
            self.told.notify_all();
            state = self.outbox.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Begins a `ctl flush`: every attached worker is asked to send what it has. After the end it
    /// gives up the reply, which tells whoever asked.
    pub(super) fn begin_flush(&self, sync: bool, timeout: Duration, reply: IpcSender<Reply>) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        if state.flushes.len() >= MAX_WAITING_PEERS {
            return refuse_peer(&mut state);
        }
        state.last_flush += 1;
        let number = state.last_flush;
        let mut lanes = Vec::new();
        // Lanes in shared memory are looked at, not asked.
        let is_asked =
            |worker: &Worker| !worker.paused && worker.transport == TransportKind::Channel;
        for (lane, worker) in state.workers.iter_mut().filter(|(_, worker)| is_asked(worker)) {
            // The last batches of a gone worker may still be on their way.
            if !worker.gone {
                worker.pending.get_or_insert_default().flush = number;
            }
            lanes.push(*lane);
        }
        let deadline = Instant::now() + timeout.min(MAX_FLUSH_TIMEOUT);
        state.flushes.push(Flush { number, lanes, sync, deadline, reply });
        drop(state);
        self.outbox.notify_one();
    }

    /// Takes the flushes for which no worker is awaited any more, given the answers of a round by
    /// lane; a worker that answers a later flush has answered the earlier ones. The lanes in shared
    /// memory have been written as far as flush `passed` wants it.
    pub(super) fn finished_flushes(
        &self,
        answers: &HashMap<u64, u64>,
        passed: u64,
    ) -> Vec<FinishedFlush> {
        let mut state = self.lock();
        let State { flushes, workers, .. } = &mut *state;
        for flush in flushes.iter_mut() {
            let answered =
                |lane: &u64| answers.get(lane).is_some_and(|number| *number >= flush.number);
            flush.lanes.retain(|lane| workers.contains_key(lane) && !answered(lane));
        }
        let now = Instant::now();
        let finished = flushes.extract_if(.., |flush| {
            (flush.lanes.is_empty() && flush.number <= passed) || flush.deadline <= now
        });
        let finished = finished.map(|flush| FinishedFlush {
            silent_workers: flush.lanes.len() as u64,
            sync: flush.sync,
            reply: flush.reply,
        });
        finished.collect()
    }

    /// Number of the last flush that was asked for.
    pub(super) fn last_flush(&self) -> u64 {
        self.lock().last_flush
    }

    /// How long until a flush gives up its silent workers.
    pub(super) fn next_flush_deadline(&self) -> Option<Duration> {
        let next = self.lock().flushes.iter().map(|flush| flush.deadline).min()?;
        Some(next.saturating_duration_since(Instant::now()))
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
        let is_open =
            |worker: &&Worker| !worker.paused && worker.transport == TransportKind::Channel;
        state.workers.values().filter(is_open).count() as u64
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
        drop(state);
        self.outbox.notify_all();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    pub(super) fn status(&self, base: &StatusBase) -> Status {
        let state = self.lock();
        let mut workers: Vec<_> = state
            .workers
            .iter()
            .filter(|(_, worker)| !worker.gone)
            .map(|(lane, worker)| WorkerStatus {
                name: worker.process.name.to_string(),
                pid: worker.process.id,
                program: worker.process.program.to_string(),
                lane: format!("{lane:016x}"),
                records: worker.records,
                dropped: worker.dropped,
            })
            .collect();
        workers.sort_by(|a, b| (&a.name, a.pid, &a.lane).cmp(&(&b.name, b.pid, &b.lane)));
        let more_workers = cut(&mut workers);
        let Counts { records, dropped, missing, damaged_lanes, handlers } = state.counts.clone();
        Status {
            pid: std::process::id(),
            queue: base.queue.clone(),
            uptime_s: base.started.elapsed().as_secs(),
            logs: base.logs.clone(),
            workers,
            more_workers,
            records,
            dropped,
            missing,
            damaged_lanes,
            refused: state
                .refused
                .iter()
                .map(|(why, count)| (why.reason().to_owned(), *count))
                .collect(),
            handlers,
            trouble: state.trouble.clone(),
            stopping: state.stopping,
        }
    }
}

/// Counts a peer of `ctl` that is one too many; it sees its channel closed.
fn refuse_peer(state: &mut State) {
    *state.refused.entry(Refusal::TooMany).or_default() += 1;
}

/// Cuts the list of workers to what one message may hold; how many are left out.
fn cut(workers: &mut Vec<WorkerStatus>) -> u64 {
    let mut bytes = 0;
    let mut fits = |worker: &WorkerStatus| {
        let WorkerStatus { name, program, lane, .. } = worker;
        bytes += name.len() + program.len() + lane.len() + NUMBERS_BYTES;
        bytes <= MAX_STATUS_BYTES
    };
    let listed = workers.iter().take_while(|worker| fits(worker)).count();
    let rest = workers.len() - listed;
    workers.truncate(listed);
    rest as u64
}

/// What a status says that never changes.
pub(super) struct StatusBase {
    pub(super) queue: String,
    pub(super) logs: Vec<String>,
    pub(super) started: Instant,
}

fn report_stop(replies: Vec<IpcSender<Reply>>, report: StopReport) {
    for reply in replies {
        // Whoever asked may be gone.
        let _gone = reply.send(Reply::Stopped(report));
    }
}
