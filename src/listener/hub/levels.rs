//! The levels that `ctl level` sets: which workers obey, whose acknowledgement is awaited, and until when.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use ipc_channel::ipc::IpcSender;

use super::{Hub, MAX_WAITING_PEERS, State, Worker, refuse_peer};
use crate::listener::levels::printed;
use crate::logger::{LevelRules, LoggerTree};
use crate::logger_names::canonical;
use crate::queue::control::{Reply, SetLevel};
use crate::queue::status::{LevelReport, WorkerName};

/// Longest time that a `ctl level` waits for workers.
const MAX_LEVEL_TIMEOUT: Duration = Duration::from_secs(3600);

/// Longest time for which a level is set, where it is not for good.
const MAX_LEVEL_DURATION: Duration = Duration::from_secs(366 * 24 * 3600);

/// Most workers that are named in an answer, for each reason.
const MAX_NAMED_WORKERS: usize = 128;

/// A `ctl level` in progress.
pub(super) struct LevelWait {
    setting: SetLevel,
    /// The table that workers have to obey.
    number: u64,
    /// The workers that were asked to.
    asked: Vec<u64>,
    /// Those that have not acknowledged.
    awaited: HashSet<u64>,
    deadline: Instant,
    reply: IpcSender<Reply>,
}

impl Hub {
    /// Takes what decides about levels, at first and whenever that changes, and tells the workers. The
    /// drain finds the tree by [`Hub::take_tree`].
    pub(in crate::listener) fn set_rules(&self, rules: LevelRules) {
        self.lock().levels.set_rules(rules);
        self.outbox.notify_one();
    }

    /// A tree of loggers that the drain has to use from now on, if there is one.
    ///
    /// It was there before any worker was told of it. So it counts for all that workers send because
    /// they were told, if it is taken after what they have sent was read, and before that is routed.
    pub(in crate::listener) fn take_tree(&self) -> Option<LoggerTree> {
        self.lock().levels.take_tree()
    }

    /// Sets a level, and replies when all workers that were attached by then obey, or the time is up.
    pub(in crate::listener) fn set_level(&self, setting: SetLevel, reply: IpcSender<Reply>) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        if state.level_waits.len() >= MAX_WAITING_PEERS {
            return refuse_peer(&mut state);
        }
        let now = Instant::now();
        let after = |ms, longest: Duration| now + Duration::from_millis(ms).min(longest);
        let until = setting.for_ms.map(|ms| after(ms, MAX_LEVEL_DURATION));
        if let Err(reason) = state.levels.set(&setting.logger, setting.level, until) {
            drop(state);
            // Whoever asked may be gone.
            let _gone = reply.send(Reply::Refused(reason));
            return;
        }
        let number = state.levels.number();
        let attached = state.workers.iter().filter(|(_, worker)| worker.takes_levels());
        let asked: Vec<u64> = attached.map(|(lane, _)| *lane).collect();
        let awaited = asked.iter().filter(|lane| state.workers[*lane].obeys < number);
        let awaited = awaited.copied().collect();
        let deadline = after(setting.timeout_ms, MAX_LEVEL_TIMEOUT);
        state.level_waits.push(LevelWait { setting, number, asked, awaited, deadline, reply });
        state.answer_levels(now);
        drop(state);
        self.outbox.notify_one();
    }
}

impl State {
    /// What the clock brings: levels that are set back, and answers that wait no longer.
    pub(super) fn pass_time(&mut self) {
        let now = Instant::now();
        self.levels.set_back(now);
        self.answer_levels(now);
    }

    /// When the clock brings something next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let waits = self.level_waits.iter().map(|wait| wait.deadline);
        waits.chain(self.levels.next_end()).min()
    }

    /// The worker of this lane has acknowledged, or is gone.
    pub(super) fn note_obedience(&mut self, lane: u64) {
        let obeys =
            self.workers.get(&lane).filter(|worker| !worker.gone).map(|worker| worker.obeys);
        for wait in &mut self.level_waits {
            if obeys.is_none_or(|number| number >= wait.number) {
                wait.awaited.remove(&lane);
            }
        }
        self.answer_levels(Instant::now());
    }

    /// Answers those who wait for nobody any more. Each has a channel of its own with room for it.
    fn answer_levels(&mut self, now: Instant) {
        let State { level_waits, workers, .. } = self;
        let is_over = |wait: &mut LevelWait| wait.awaited.is_empty() || wait.deadline <= now;
        for wait in level_waits.extract_if(.., is_over) {
            let attached = |lane: &&u64| workers.get(lane).is_some_and(|worker| !worker.gone);
            let obeying =
                wait.asked.iter().filter(attached).filter(|lane| !wait.awaited.contains(lane));
            let obeying = obeying.count() as u64;
            let named = |lane: &u64| workers.get(lane).map(Worker::name);
            let (pending, more_pending) = cut(wait.awaited.iter().filter_map(named));
            let pinned = workers.values().filter(|worker| !worker.gone && worker.is_pinned);
            let (pinned, more_pinned) = cut(pinned.map(Worker::name));
            let logger = printed(&canonical(&wait.setting.logger));
            let level = wait.setting.level;
            let report =
                LevelReport { logger, level, obeying, pending, more_pending, pinned, more_pinned };
            // Whoever asked may be gone.
            let _gone = wait.reply.send(Reply::LevelSet(report));
        }
    }
}

impl Worker {
    fn takes_levels(&self) -> bool {
        !self.gone && !self.is_pinned
    }

    fn name(&self) -> WorkerName {
        WorkerName { name: self.process.name.to_string(), pid: self.process.id }
    }
}

/// As many names as an answer may have, in order; how many are left out.
fn cut(names: impl Iterator<Item = WorkerName>) -> (Vec<WorkerName>, u64) {
    let mut names: Vec<_> = names.collect();
    names.sort();
    let rest = names.len().saturating_sub(MAX_NAMED_WORKERS);
    names.truncate(MAX_NAMED_WORKERS);
    (names, rest as u64)
}
