//! What is counted, and what `ctl status` shows of it.

use std::sync::Arc;
use std::time::Instant;

use super::{Hub, Worker};
use crate::Process;
use crate::queue::status::{HandlerStatus, Status, SyncStatus, Trouble, WorkerStatus};

/// Totals that the drain keeps.
#[derive(Clone, Default)]
pub(in crate::listener) struct Counts {
    pub(in crate::listener) records: u64,
    pub(in crate::listener) dropped: u64,
    pub(in crate::listener) missing: u64,
    pub(in crate::listener) handlers: Vec<HandlerStatus>,
}

/// What a round had of one lane.
pub(in crate::listener) struct Tally {
    pub(in crate::listener) process: Arc<Process>,
    pub(in crate::listener) records: u64,
    pub(in crate::listener) dropped: u64,
}

impl Tally {
    pub(in crate::listener) fn of(process: &Arc<Process>) -> Tally {
        Tally { process: Arc::clone(process), records: 0, dropped: 0 }
    }
}

/// What a status says that never changes.
pub(in crate::listener) struct StatusBase {
    pub(in crate::listener) queue: String,
    pub(in crate::listener) logs: Vec<String>,
    pub(in crate::listener) started: Instant,
}

impl Hub {
    /// Adds to the counts of the worker that has this lane, or another of this process.
    pub(in crate::listener) fn count(&self, lane: u64, tally: &Tally) {
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

    pub(in crate::listener) fn set_counts(&self, counts: Counts) {
        self.lock().counts = counts;
    }

    pub(in crate::listener) fn set_sync(&self, sync: SyncStatus) {
        self.lock().sync = sync;
    }

    /// What cannot be done with a log file at the moment.
    pub(in crate::listener) fn set_trouble(&self, trouble: Option<Trouble>) {
        self.lock().trouble = trouble;
    }

    pub(in crate::listener) fn status(&self, base: &StatusBase) -> Status {
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
        let Counts { records, dropped, missing, handlers } = state.counts.clone();
        Status {
            pid: std::process::id(),
            queue: base.queue.clone(),
            uptime_s: base.started.elapsed().as_secs(),
            logs: base.logs.clone(),
            workers,
            records,
            dropped,
            missing,
            refused: state
                .refused
                .iter()
                .map(|(why, count)| (why.reason().to_owned(), *count))
                .collect(),
            handlers,
            trouble: state.trouble.clone(),
            sync: state.sync.clone(),
            stopping: state.stopping,
        }
    }
}
