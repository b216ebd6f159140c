//! What `ctl status` shows.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::{Hub, Worker};
use crate::Process;
use crate::listener::counts::{Counts, Tally};
use crate::listener::source_counts::SourceCounts;
use crate::queue::status::{
    ConfigRefusal, ConfigStatus, LevelStatus, Status, SyncStatus, Trouble, WorkerStatus,
};
use crate::record::now_ns;

/// Most bytes of workers in a status, so that it is one message.
const MAX_STATUS_BYTES: usize = 128 * 1024;

/// Most bytes that a status has of the reason why a configuration was refused.
const MAX_REASON_BYTES: usize = 2048;

/// At most what the numbers of one worker take there.
const NUMBERS_BYTES: usize = 64;

/// At most what its drops of one level take there.
const LEVEL_BYTES: usize = 12;

/// Most bytes of levels in a status, and at most what one takes there beside its name.
const MAX_LEVELS_BYTES: usize = 32 * 1024;
const SET_LEVEL_BYTES: usize = 24;

/// What a status says that never changes.
pub(in crate::listener) struct StatusBase {
    pub(in crate::listener) queue: String,
    pub(in crate::listener) started: Instant,
}

impl Hub {
    /// Adds to the counts of the worker that has this lane, or another of this process.
    pub(in crate::listener) fn count(&self, lane: u64, process: &Process, tally: &Tally) {
        let mut state = self.lock();
        let workers = &mut state.workers;
        let of_process = |worker: &&mut Worker| {
            worker.process.id == process.id && worker.process.started_ns == process.started_ns
        };
        let worker = match workers.contains_key(&lane) {
            true => workers.get_mut(&lane),
            false => workers.values_mut().find(of_process),
        };
        if let Some(worker) = worker {
            worker.tally.add(tally);
            worker.rate.add(tally.records, Instant::now());
        }
    }

    pub(in crate::listener) fn set_counts(&self, counts: Counts) {
        self.lock().counts = counts;
    }

    pub(in crate::listener) fn set_sources(&self, sources: Vec<Arc<SourceCounts>>) {
        self.lock().sources = sources;
    }

    pub(in crate::listener) fn set_sync(&self, sync: SyncStatus) {
        self.lock().sync = sync;
    }

    /// The log files are these from now on.
    pub(in crate::listener) fn set_logs<'p>(&self, paths: impl Iterator<Item = &'p Path>) {
        self.lock().logs = paths.map(|path| path.display().to_string()).collect();
    }

    /// The configuration of this source is in effect; without one, none.
    pub(in crate::listener) fn set_config(&self, source: Option<String>) {
        let loaded_ns = source.is_some().then(now_ns);
        let mut state = self.lock();
        let refusal = state.config.refusal.take();
        state.config = ConfigStatus { source, loaded_ns, refusal };
    }

    pub(in crate::listener) fn set_refused_config(&self, source: &str, reason: &str) {
        let cut = |text: &str| text[..text.floor_char_boundary(MAX_REASON_BYTES)].to_owned();
        let (source, reason, time_ns) = (cut(source), cut(reason), now_ns());
        self.lock().config.refusal = Some(ConfigRefusal { source, reason, time_ns });
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
            .map(|(lane, worker)| worker.status(*lane))
            .collect();
        workers.sort_by(|a, b| (&a.name, a.pid, &a.lane).cmp(&(&b.name, b.pid, &b.lane)));
        let more_workers = cut(&mut workers, MAX_STATUS_BYTES, |worker| {
            text_bytes(worker) + NUMBERS_BYTES + worker.dropped_by_level.len() * LEVEL_BYTES
        });
        let mut levels: Vec<_> = state.levels.status().collect();
        let level_bytes = |level: &LevelStatus| level.logger.len() + SET_LEVEL_BYTES;
        let more_levels = cut(&mut levels, MAX_LEVELS_BYTES, level_bytes);
        let Counts {
            records,
            drops,
            missing,
            unconfirmed,
            truncations,
            routed_files,
            unrouted,
            damaged_lanes,
            filter_panics,
            handlers,
        } = state.counts.clone();
        Status {
            pid: std::process::id(),
            queue: base.queue.clone(),
            uptime_s: base.started.elapsed().as_secs(),
            logs: state.logs.clone(),
            levels,
            more_levels,
            has_coarse_levels: state.levels.is_coarse(),
            workers,
            more_workers,
            records,
            dropped: drops.total(),
            dropped_by_level: drops.by_level(),
            missing,
            unconfirmed,
            truncations,
            routed_files,
            unrouted,
            damaged_lanes,
            filter_panics,
            refused: state
                .refused
                .iter()
                .map(|(why, count)| (why.reason().to_owned(), *count))
                .collect(),
            handlers,
            doors: state.sources.iter().map(|counts| counts.status()).collect(),
            trouble: state.trouble.clone(),
            sync: state.sync.clone(),
            config: state.config.clone(),
            stopping: state.stopping,
        }
    }
}

impl Worker {
    fn status(&self, lane: u64) -> WorkerStatus {
        let Tally { records, drops, missing, waits } = &self.tally;
        WorkerStatus {
            name: self.process.name.to_string(),
            pid: self.process.id,
            program: self.process.program.to_string(),
            lane: format!("{lane:016x}"),
            transport: self.transport.name().to_owned(),
            overflow: self.overflow.clone(),
            records: *records,
            records_per_s: self.rate.per_second(Instant::now()),
            dropped: drops.total(),
            dropped_by_level: drops.by_level(),
            outages: drops.outages,
            waits: *waits,
            missing: *missing,
        }
    }
}

/// Cuts a list to what one message may hold of it; how many are left out.
fn cut<T>(items: &mut Vec<T>, max_bytes: usize, bytes_of: impl Fn(&T) -> usize) -> u64 {
    let mut bytes = 0;
    let mut fits = |item: &T| {
        bytes += bytes_of(item);
        bytes <= max_bytes
    };
    let listed = items.iter().take_while(|item| fits(item)).count();
    let rest = items.len() - listed;
    items.truncate(listed);
    rest as u64
}

fn text_bytes(worker: &WorkerStatus) -> usize {
    let WorkerStatus { name, program, lane, transport, overflow, .. } = worker;
    [name, program, lane, transport, overflow].iter().map(|text| text.len()).sum()
}
