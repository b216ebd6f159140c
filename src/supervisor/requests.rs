//! What a supervisor does on request: workers are started, stopped and restarted while others run.

use std::sync::mpsc::SyncSender;

use super::Supervisor;
use super::control::{Action, Answer, Asked, Changed, Request, RunStatus};
use super::worker::Worker;

/// Most requests that are being done.
const MAX_CHANGES: usize = 64;

/// Most names that an answer lists of the workers that there are.
const MAX_KNOWN: usize = 32;

/// A request that is being done.
pub(super) struct Change {
    action: Action,
    /// The workers, by their numbers.
    workers: Vec<usize>,
    stage: Stage,
    reply: SyncSender<Answer>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It waits for the end of lives.
    Ending,
    /// It waits until workers are up.
    Starting,
}

impl Supervisor {
    pub(super) fn asked(&mut self, asked: Asked) {
        let Asked { request, reply } = asked;
        match request {
            Request::Status => {
                let status = RunStatus {
                    pid: std::process::id(),
                    uptime_s: self.since.elapsed().as_secs(),
                    stopping: self.reason.is_some(),
                    workers: self.workers.iter().map(Worker::report).collect(),
                };
                answer(&reply, Answer::Status(status));
            }
            Request::Change { action, names } => match self.begin_change(action, &names) {
                Ok(workers) => {
                    let stage = Stage::Ending;
                    self.changes.push(Change { action, workers, stage, reply });
                }
                Err(refusal) => answer(&reply, refusal),
            },
        }
    }

    /// Begins what is asked for; the workers that it is about.
    fn begin_change(&mut self, action: Action, names: &[String]) -> Result<Vec<usize>, Answer> {
        let refused = |reason: String| Err(Answer::Refused { reason });
        if self.is_ending() && action != Action::Stop {
            return refused("the run is ending: nothing is started".into());
        }
        if self.changes.len() >= MAX_CHANGES {
            return refused("too many requests at once: try again".into());
        }
        let workers = self.numbers_of(names)?;
        // Who wants them to stop waits for the same end as others that do.
        let is_other = |change: &&Change| action != Action::Stop || change.action != Action::Stop;
        let ending = self.changes.iter().filter(|change| change.stage == Stage::Ending);
        let mut taken = ending.filter(is_other).flat_map(|change| &change.workers);
        if let Some(number) = taken.find(|number| workers.contains(number)) {
            let name = self.workers[*number].name();
            return refused(format!("{name} is being stopped by another request: try again"));
        }
        let is_to_start = |number: &&usize| match action {
            Action::Start => !self.workers[**number].is_up(),
            Action::Restart => true,
            Action::Stop => false,
        };
        for number in workers.iter().filter(is_to_start) {
            self.check_startable(*number, &workers)?;
        }
        for number in &workers {
            let worker = &mut self.workers[*number];
            if action != Action::Start || worker.is_leaving() {
                worker.hold();
            }
        }
        Ok(workers)
    }

    /// The workers of these names, in their order.
    fn numbers_of(&self, names: &[String]) -> Result<Vec<usize>, Answer> {
        let has_name = |worker: &Worker, name: &String| {
            worker.name() == name || worker.command.family.as_ref() == Some(name)
        };
        for name in names {
            if !self.workers.iter().any(|worker| has_name(worker, name)) {
                let mut known: Vec<_> =
                    self.workers.iter().map(|worker| worker.name().to_owned()).collect();
                let more = known.len().saturating_sub(MAX_KNOWN);
                known.truncate(MAX_KNOWN);
                known.extend((more > 0).then(|| format!("{more} more")));
                return Err(Answer::Unknown { name: name.clone(), known });
            }
        }
        let is_meant =
            |number: &usize| names.iter().any(|name| has_name(&self.workers[*number], name));
        Ok((0..self.workers.len()).filter(is_meant).collect())
    }

    /// Refuses where a worker would wait for one that neither runs nor is started with it.
    fn check_startable(&self, number: usize, asked: &[usize]) -> Result<(), Answer> {
        let worker = &self.workers[number];
        let missing = worker.after.iter().filter(|other| !asked.contains(other)).find(|other| {
            let other = &self.workers[**other];
            other.is_at_rest() && !other.is_ready()
        });
        let Some(missing) = missing else { return Ok(()) };
        let (name, other) = (worker.name(), self.workers[*missing].name());
        let reason = format!(
            "{name} starts after {other}, which does not run: start both, as in \
             `logboom ctl start {other} {name}`"
        );
        Err(Answer::Refused { reason })
    }

    /// Does what is due for requests, and answers those that are done. Tells whether workers are to be
    /// started for them.
    pub(super) fn advance_changes(&mut self) -> bool {
        let mut has_moved = false;
        for mut change in std::mem::take(&mut self.changes) {
            if change.stage == Stage::Ending && self.have_ended(&change) {
                change.stage = Stage::Starting;
                if change.action != Action::Stop && !self.is_ending() {
                    change.workers.iter().for_each(|number| self.workers[*number].begin_anew());
                    has_moved = true;
                }
            }
            match self.outcome_of(&change) {
                Some(changed) => answer(&change.reply, Answer::Changed(changed)),
                None => self.changes.push(change),
            }
        }
        has_moved
    }

    /// Whether the lives that have to end for it have; asks those to end that no other of them needs.
    fn have_ended(&mut self, change: &Change) -> bool {
        if change.action == Action::Start {
            return !change.workers.iter().any(|number| self.workers[*number].is_leaving());
        }
        if self.reason.is_none() {
            self.terminate_unneeded(&change.workers);
        }
        change.workers.iter().all(|number| self.workers[*number].is_at_rest())
    }

    /// What has become of it, when that is clear.
    fn outcome_of(&self, change: &Change) -> Option<Changed> {
        let workers = || change.workers.iter().map(|number| &self.workers[*number]);
        let is_stop = change.action == Action::Stop;
        if change.stage == Stage::Ending || !is_stop && workers().any(Worker::is_coming) {
            return None;
        }
        let problems = match is_stop {
            true => Vec::new(),
            false => workers().filter_map(Worker::problem).collect(),
        };
        Some(Changed { workers: workers().map(Worker::report).collect(), problems })
    }
}

fn answer(reply: &SyncSender<Answer>, answer: Answer) {
    // Whoever asked may have gone.
    let _gone = reply.try_send(answer);
}
