//! What `ctl` and a supervisor say to each other.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
pub(in crate::supervisor) enum Request {
    Status,
    Change { action: Action, names: Vec<String> },
}

/// What a supervisor answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub(in crate::supervisor) enum Answer {
    Status(RunStatus),
    Changed(Changed),
    Unknown { name: String, known: Vec<String> },
    Refused { reason: String },
}

/// What can be done with workers that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Start those that do not run.
    Start,
    /// Ask them to end, by their stop signals.
    Stop,
    /// Stop them, and start them when they have ended.
    Restart,
}

/// What has become of workers that were started or stopped on request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Changed {
    /// How they are now.
    pub workers: Vec<RunWorker>,
    /// What went wrong, one clause for each worker that did not come up.
    pub problems: Vec<String>,
}

/// The workers of a supervisor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunStatus {
    /// Process id of the supervisor.
    pub pid: u32,
    /// Seconds since it was started.
    pub uptime_s: u64,
    /// Whether all workers are being stopped.
    pub stopping: bool,
    /// The workers, in the order in which they were given.
    pub workers: Vec<RunWorker>,
}

/// One worker of a supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunWorker {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: WorkerState,
    /// Its main process, where it has one.
    pub pid: Option<u32>,
    /// Seconds since that was started.
    pub uptime_s: Option<u64>,
    /// How often it was started again because it had ended.
    pub restarts: u64,
    /// Bytes of memory that the processes of its group have resident; what they share counts for each.
    pub memory_bytes: Option<u64>,
    /// Why it has failed, for good or until it is started again.
    pub failure: Option<String>,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WorkerState {
    /// It was never started, because others have to be ready before.
    Waiting,
    /// It runs and is not ready.
    Starting,
    /// It runs and has said or shown that it is ready.
    Ready,
    /// It runs, and nothing tells when it is ready.
    Running,
    /// It was asked to end, or what it has left behind was.
    Stopping,
    /// It has ended on request.
    Stopped,
    /// It has ended, and is started again after a pause.
    BackingOff,
    /// It has ended, and has not failed.
    Ended,
    /// It has failed, and is not started again.
    Failed,
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            WorkerState::Waiting => "waiting",
            WorkerState::Starting => "starting",
            WorkerState::Ready => "ready",
            WorkerState::Running => "running",
            WorkerState::Stopping => "stopping",
            WorkerState::Stopped => "stopped",
            WorkerState::BackingOff => "backing-off",
            WorkerState::Ended => "ended",
            WorkerState::Failed => "failed",
        })
    }
}
