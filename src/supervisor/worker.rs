//! One worker over all its lives: when each begins, and what its end means.

mod report;

use std::io;
use std::time::{Duration, Instant};

use super::capture::Captured;
use super::command::WorkerCommand;
use super::exit::Exit;
use super::group::{Group, LiveGroups};
use super::life::{Birth, Life};
use super::restart::Restarts;
use super::{LifeId, MAX_TIMEOUT, Reason};
use crate::worker_settings::Readiness;

pub(super) struct Worker {
    pub(super) command: WorkerCommand,
    /// Those that it is started after, by their numbers.
    pub(super) after: Vec<usize>,
    restarts: Restarts,
    lives: u64,
    is_ready: bool,
    /// Whether all output of the lives that are over is in the log file.
    is_written: bool,
    /// Why it is not up, where it should be.
    failure: Option<String>,
    stage: Stage,
}

enum Stage {
    /// It was never started.
    Waiting,
    Alive {
        life: Box<Life>,
        /// By when it has to be ready.
        ready_by: Option<Instant>,
        /// What its end meant, as soon as that is clear.
        end: Option<End>,
    },
    /// It is started again at this time.
    Pausing(Instant),
    /// Somebody has stopped it, and may start it again.
    Stopped,
    Over,
}

/// What the end of a life means.
#[derive(Clone, Copy)]
enum End {
    /// Another one follows at this time.
    Again(Instant),
    /// None does before somebody asks for it.
    Stopped,
    Last,
}

/// What a worker does that others have to know.
pub(super) enum News {
    /// It has ended, or could not be started, for this reason, and is started again after a pause.
    Restarts(Reason, Duration),
    /// It has ended by itself, well, and for good.
    Ended(Reason),
    /// It has failed for good.
    Failed(Reason),
    /// Nothing is left of a life; whether all its output is in the log file, and whether it was ended on
    /// request.
    LifeOver { group: Group, is_written: bool, was_stopped: bool },
}

impl Worker {
    pub(super) fn new(command: WorkerCommand, after: Vec<usize>) -> Worker {
        Worker {
            restarts: Restarts::of(&command.lifecycle),
            command,
            after,
            lives: 0,
            is_ready: false,
            is_written: true,
            failure: None,
            stage: Stage::Waiting,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.command.name
    }

    /// Begins a life; its process.
    pub(super) fn start(&mut self, birth: Birth<'_>) -> io::Result<&Life> {
        if matches!(self.stage, Stage::Pausing(_)) {
            self.restarts.count();
        }
        self.stage = Stage::Over;
        self.failure = None;
        self.lives += 1;
        self.is_ready = false;
        let id = LifeId { life: self.lives, ..birth.id };
        let life = Life::begin(&mut self.command, &Birth { id, ..birth })?;
        let lifecycle = &self.command.lifecycle;
        self.is_ready = lifecycle.readiness.is_none();
        let ready_by =
            (!self.is_ready).then(|| life.since + lifecycle.ready_timeout.min(MAX_TIMEOUT));
        self.stage = Stage::Alive { life: Box::new(life), ready_by, end: None };
        match &self.stage {
            Stage::Alive { life, .. } => Ok(life),
            _ => unreachable!("invariant: it was set just now"),
        }
    }

    /// Its process could not be started: a life of no length that has failed.
    pub(super) fn not_started(&mut self, source: io::Error) -> News {
        let reason = Reason::NotStarted { name: self.command.name.clone(), source };
        self.failure = Some(reason.to_string());
        if let Some(pause) = self.restarts.next(true, Duration::ZERO) {
            self.stage = Stage::Pausing(Instant::now() + pause);
            return News::Restarts(reason, pause);
        }
        News::Failed(reason)
    }

    /// Nothing more is started, as it was asked to end or waits in vain.
    pub(super) fn give_up(&mut self) {
        match &mut self.stage {
            Stage::Waiting | Stage::Pausing(_) | Stage::Stopped => self.stage = Stage::Over,
            Stage::Alive { ready_by, end, .. } => {
                *ready_by = None;
                *end = Some(End::Last);
            }
            Stage::Over => {}
        }
    }

    /// Nothing more is started before somebody asks for it; what runs has to be asked to end.
    pub(super) fn hold(&mut self) {
        match &mut self.stage {
            Stage::Waiting | Stage::Pausing(_) => self.stage = Stage::Stopped,
            // It has ended by itself just now, or is being stopped with all others.
            Stage::Alive { end: Some(End::Last), .. } | Stage::Stopped | Stage::Over => return,
            Stage::Alive { ready_by, end, .. } => {
                *ready_by = None;
                *end = Some(End::Stopped);
            }
        }
        self.failure = None;
        self.is_ready = false;
    }

    /// It is to be started as in the beginning, unless it runs.
    pub(super) fn begin_anew(&mut self) {
        if matches!(self.stage, Stage::Pausing(_) | Stage::Stopped | Stage::Over) {
            self.restarts.begin_anew();
            self.is_ready = false;
            self.failure = None;
            self.stage = Stage::Waiting;
        }
    }

    /// It is not up for this reason.
    pub(super) fn has_failed(&mut self, reason: String) {
        self.failure = Some(reason);
    }

    /// Asks its process to end.
    pub(super) fn terminate(&mut self) {
        let signal = self.command.lifecycle.stop_signal;
        if let Stage::Alive { life, .. } = &mut self.stage {
            life.terminate(signal);
        }
    }

    pub(super) fn kill_in_a_hurry(&mut self) {
        if let Stage::Alive { life, .. } = &mut self.stage {
            life.kill_in_a_hurry();
        }
    }

    /// The main process of a life has ended.
    pub(super) fn ended(&mut self, id: LifeId, exit: Exit) -> Option<News> {
        let stop_signal = self.command.lifecycle.stop_signal;
        let Stage::Alive { life, .. } = &mut self.stage else { return None };
        if life.id != id {
            return None;
        }
        life.ended(exit, stop_signal);
        let is_waited_for = matches!(
            self.command.lifecycle.readiness,
            Some(Readiness::Log(_) | Readiness::Command(_) | Readiness::Tcp(_))
        );
        if exit.is_success() && !self.is_ready && is_waited_for {
            // What it has printed may still say that it was ready.
            return None;
        }
        self.judge()
    }

    /// The output of a life has ended.
    pub(super) fn captured(&mut self, id: LifeId, captured: Captured) {
        if let Stage::Alive { life, .. } = &mut self.stage
            && life.id == id
        {
            life.captured(captured);
        }
    }

    pub(super) fn ready(&mut self, id: LifeId) {
        // Without a time it is too late, as it is being ended.
        if let Stage::Alive { life, ready_by: ready_by @ Some(_), end: None } = &mut self.stage
            && life.id == id
        {
            (self.is_ready, *ready_by) = (true, None);
        }
    }

    /// Says what the end of the main process means, unless that was said, or it was asked to end.
    fn judge(&mut self) -> Option<News> {
        let Stage::Alive { life, ready_by, end: end @ None } = &mut self.stage else {
            return None;
        };
        let exit = life.exit()?;
        let lifecycle = &self.command.lifecycle;
        let name = self.command.name.clone();
        let was_late = !self.is_ready && ready_by.is_none();
        let is_done =
            !was_late && exit.is_success() && lifecycle.readiness == Some(Readiness::Exit);
        self.is_ready |= is_done;
        let reason = match exit.is_success() {
            _ if was_late => Reason::NotReady { name, within: Some(lifecycle.ready_timeout) },
            false => Reason::Failed { name, exit },
            true if !self.is_ready => Reason::NotReady { name, within: None },
            true => Reason::Ended { name },
        };
        let has_failed = !matches!(reason, Reason::Ended { .. });
        let good_for = if self.is_ready { life.since.elapsed() } else { Duration::ZERO };
        let pause = if is_done { None } else { self.restarts.next(has_failed, good_for) };
        self.is_ready &= !has_failed && pause.is_none();
        if has_failed {
            self.failure = Some(reason.to_string());
        }
        if let Some(pause) = pause {
            *end = Some(End::Again(Instant::now() + pause));
            return Some(News::Restarts(reason, pause));
        }
        *end = Some(End::Last);
        Some(if has_failed { News::Failed(reason) } else { News::Ended(reason) })
    }

    /// Does what is due; call it again as long as there are news.
    pub(super) fn advance(&mut self, now: Instant, groups: &mut LiveGroups) -> Option<News> {
        let signal = self.command.lifecycle.stop_signal;
        let Stage::Alive { life, ready_by, .. } = &mut self.stage else { return None };
        if ready_by.is_some_and(|at| now >= at) && !self.is_ready {
            *ready_by = None;
            life.terminate(signal);
        }
        if !life.advance(now, groups) {
            return None;
        }
        if let Some(news) = self.judge() {
            return Some(news);
        }
        let Stage::Alive { life, end, .. } = &self.stage else { return None };
        let (group, is_written) = (life.group, life.is_written());
        self.is_written &= is_written;
        self.stage = match end {
            Some(End::Again(at)) => Stage::Pausing(*at),
            Some(End::Stopped) => Stage::Stopped,
            _ => Stage::Over,
        };
        let was_stopped = matches!(self.stage, Stage::Stopped);
        Some(News::LifeOver { group, is_written, was_stopped })
    }

    /// When there may be something to do without any event.
    pub(super) fn next_step(&self, now: Instant) -> Option<Instant> {
        match &self.stage {
            Stage::Waiting | Stage::Stopped | Stage::Over => None,
            Stage::Pausing(at) => Some(*at),
            Stage::Alive { life, ready_by, .. } => {
                life.next_step(now).into_iter().chain(*ready_by).min()
            }
        }
    }

    /// Whether its main process runs.
    pub(super) fn is_running(&self) -> bool {
        matches!(&self.stage, Stage::Alive { life, .. } if life.is_running())
    }

    /// Whether its main process has ended, and it is waited for what that has left behind.
    pub(super) fn is_ending(&self) -> bool {
        matches!(&self.stage, Stage::Alive { life, .. } if !life.is_running())
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting)
    }

    /// Whether another life is to begin now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Pausing(at) if now >= at)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether nothing is left of it, and nothing comes.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Whether nothing is left of it, and nothing comes by itself.
    pub(super) fn is_at_rest(&self) -> bool {
        matches!(self.stage, Stage::Stopped | Stage::Over)
    }

    /// Whether it runs and is to go on.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Alive { .. }) && !self.is_leaving()
    }

    /// Whether its process is ending, or what that has left behind.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(&self.stage, Stage::Alive { life, end, .. } if end.is_some() || life.is_leaving())
    }

    /// Whether it is on its way to be up, or to an end.
    pub(super) fn is_coming(&self) -> bool {
        match self.stage {
            Stage::Waiting | Stage::Pausing(_) => true,
            Stage::Alive { .. } => !self.is_ready || self.is_leaving(),
            Stage::Stopped | Stage::Over => false,
        }
    }

    /// Whether all its output is in the log file.
    pub(super) fn is_written(&self) -> bool {
        self.is_written
    }
}
