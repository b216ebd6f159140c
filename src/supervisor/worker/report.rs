//! What a worker is doing, for those who ask.

use super::{Stage, Worker};
use crate::supervisor::control::{RunWorker, WorkerState};
use crate::worker_settings::Readiness;

impl Worker {
    /// Why it is not up, where it is not and nothing comes.
    pub(in crate::supervisor) fn problem(&self) -> Option<String> {
        let name = self.name();
        match &self.stage {
            Stage::Stopped => Some(format!("{name} was stopped by another request")),
            Stage::Over if self.failure.is_some() => self.failure.clone(),
            Stage::Over if !self.is_ready => {
                Some(format!("{name} was not started: the run is ending"))
            }
            _ => None,
        }
    }

    /// How it is, for those who ask.
    pub(in crate::supervisor) fn report(&self) -> RunWorker {
        let life = match &self.stage {
            Stage::Alive { life, .. } => Some(life),
            _ => None,
        };
        RunWorker {
            name: self.name().to_owned(),
            state: self.state(),
            pid: life.map(|life| life.group.leader().as_raw() as u32),
            uptime_s: life.map(|life| life.since.elapsed().as_secs()),
            restarts: self.restarts.total(),
            memory_bytes: None,
            failure: self.failure.clone(),
        }
    }

    fn state(&self) -> WorkerState {
        match &self.stage {
            Stage::Waiting => WorkerState::Waiting,
            Stage::Pausing(_) => WorkerState::BackingOff,
            Stage::Stopped => WorkerState::Stopped,
            Stage::Over if self.failure.is_some() => WorkerState::Failed,
            Stage::Over => WorkerState::Ended,
            Stage::Alive { .. } if self.is_leaving() => WorkerState::Stopping,
            Stage::Alive { .. } => match self.command.lifecycle.readiness {
                None | Some(Readiness::Exit) => WorkerState::Running,
                Some(_) if self.is_ready => WorkerState::Ready,
                Some(_) => WorkerState::Starting,
            },
        }
    }
}
