//! What a supervisor has to tell: on its way, at its end, and where it cannot begin.

use std::fmt;
use std::io;
use std::time::Duration;

use super::exit::{Exit, signal_name};
use super::order::OrderError;

/// Why all workers have ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// Each of them by itself, with code 0.
    AllEnded,
    /// This one by itself, with code 0, which was to end the others.
    Ended {
        /// The worker.
        name: String,
    },
    /// This one failed by itself.
    Failed {
        /// The worker.
        name: String,
        /// How it ended.
        exit: Exit,
    },
    /// This one could not be started.
    NotStarted {
        /// The worker.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// This one was not ready in time, or ended before it was.
    NotReady {
        /// The worker.
        name: String,
        /// The time that it had; nothing where it has ended.
        within: Option<Duration>,
    },
    /// Somebody asked the listener to stop, as `logboom ctl stop` does.
    Asked,
    /// A signal asked for it.
    Interrupted {
        /// Its number.
        signal: i32,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::AllEnded => write!(f, "all workers ended"),
            Reason::Asked => write!(f, "stopped by request"),
            Reason::Interrupted { signal } => write!(f, "interrupted by {}", signal_name(*signal)),
            Reason::Ended { name } => write!(f, "{name} exited 0"),
            Reason::Failed { name, exit } => write!(f, "{name} {exit}"),
            Reason::NotStarted { name, source } => write!(f, "cannot start {name}: {source}"),
            Reason::NotReady { name, within: None } => {
                write!(f, "{name} exited 0 before it was ready")
            }
            Reason::NotReady { name, within: Some(within) } => {
                write!(f, "{name} was not ready within {} s", within.as_secs_f32())
            }
        }
    }
}

/// How the work of a supervisor went.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Why all workers have ended.
    pub reason: Reason,
    /// How many workers had to be stopped for it.
    pub stopped: usize,
    /// Whether all that the workers printed is in the log file.
    pub written: bool,
}

impl Outcome {
    /// Whether a worker failed.
    pub fn is_failure(&self) -> bool {
        match self.reason {
            Reason::Failed { .. } | Reason::NotStarted { .. } | Reason::NotReady { .. } => true,
            Reason::AllEnded
            | Reason::Ended { .. }
            | Reason::Interrupted { .. }
            | Reason::Asked => false,
        }
    }

    /// The exit code for it, as a shell has it: that of the worker that failed, 128+N for a signal;
    /// 127 for a program that was not found and 126 for one that cannot be executed; 1 for one that
    /// was not ready in time; else 0.
    pub fn exit_code(&self) -> u8 {
        match &self.reason {
            Reason::AllEnded
            | Reason::Ended { .. }
            | Reason::Interrupted { .. }
            | Reason::Asked => 0,
            Reason::NotReady { .. } => 1,
            Reason::Failed { exit, .. } => exit.shell_code(),
            Reason::NotStarted { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Reason::NotStarted { .. } => 126,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if matches!(self.reason, Reason::AllEnded | Reason::Interrupted { .. } | Reason::Asked) {
            return Ok(());
        }
        match self.stopped {
            0 => Ok(()),
            1 => write!(f, "; stopped 1 other"),
            others => write!(f, "; stopped {others} others"),
        }
    }
}

/// Something that happens while workers run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// Some of the context is not handed on to the workers.
    Context {
        /// What, and why.
        complaint: String,
    },
    /// A worker was started.
    Started {
        /// The worker.
        name: String,
        /// Its process.
        pid: u32,
    },
    /// A worker has ended, or could not be started, and is started again after a pause.
    Restarts {
        /// Which, and why.
        reason: Reason,
        /// The pause.
        pause: Duration,
    },
    /// A worker has failed, and the others go on.
    Failed {
        /// What happened.
        reason: String,
    },
    /// A worker has ended because somebody asked for it.
    Stopped {
        /// The worker.
        name: String,
    },
    /// Workers cannot be started and stopped one by one.
    ControlUnavailable {
        /// What the system said.
        source: io::Error,
    },
    /// A worker is not started, because one that it waits for has failed.
    WaitsInVain {
        /// The worker.
        name: String,
        /// Whom it waits for.
        other: String,
    },
    /// What workers have left behind outside their process groups cannot be found at the end.
    OrphansUnseen {
        /// What the system said.
        source: io::Error,
    },
    /// Processes that workers have left behind could not be ended.
    OrphansLeft {
        /// How many.
        count: usize,
    },
    /// Some of what a worker printed may not be in the log file.
    OutputUncertain {
        /// The worker.
        name: String,
    },
    /// The listener has ended, and is started again after a pause.
    ListenerEnded {
        /// How it ended.
        exit: Exit,
        /// The pause.
        pause: Duration,
    },
    /// The listener could not be started again; the next attempt is made after a pause.
    ListenerNotStarted {
        /// What the system said.
        source: io::Error,
        /// The pause.
        pause: Duration,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Context { complaint } => write!(f, "{complaint}"),
            Notice::Started { name, pid } => write!(f, "started {name}, process {pid}"),
            Notice::Restarts { reason, pause } => {
                write!(f, "{reason}; starting it again in {} ms", pause.as_millis())
            }
            Notice::Failed { reason } => write!(f, "{reason}; the others go on"),
            Notice::Stopped { name } => write!(f, "{name} was stopped on request"),
            Notice::ControlUnavailable { source } => {
                write!(f, "workers cannot be started and stopped by `logboom ctl`: {source}")
            }
            Notice::WaitsInVain { name, other } => {
                write!(f, "{name} is not started: it waits for {other}, which has ended")
            }
            Notice::OrphansUnseen { source } => write!(
                f,
                "processes that leave their groups will not end with their workers: {source}"
            ),
            Notice::OrphansLeft { count } => {
                write!(f, "{count} processes that workers have left behind cannot be ended")
            }
            Notice::OutputUncertain { name } => {
                write!(
                    f,
                    "some output of {name} may not be in the log: no listener has confirmed it"
                )
            }
            Notice::ListenerEnded { exit, pause } => {
                write!(f, "the listener {exit}; starting it again in {} ms", pause.as_millis())
            }
            Notice::ListenerNotStarted { source, pause } => {
                write!(f, "cannot start the listener: {source}; ")?;
                write!(f, "trying again in {} ms", pause.as_millis())
            }
        }
    }
}

/// Why there is no listener to supervise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuperviseError {
    /// The workers cannot be brought into an order; nothing was started.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// Its program could not be started.
    #[error("cannot start the listener")]
    Spawn {
        /// What the system said.
        source: io::Error,
    },
    /// It ended without having been asked, or without a report.
    #[error("the listener {exit}: see what it printed")]
    ListenerDied {
        /// How it ended.
        exit: Exit,
    },
    /// A signal asked for the end, and it did not get ready within a second; it was killed.
    #[error("interrupted by {} before the listener was ready", signal_name(*signal))]
    Interrupted {
        /// Its number.
        signal: i32,
    },
    /// It did not get where it should within its time, and was killed.
    #[error("the listener did not answer in time and was killed: records may be missing")]
    ListenerStuck,
    /// It died and could not be started again.
    #[error("the listener is down: records may be missing")]
    ListenerDown,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(reason: Reason, stopped: usize) -> Outcome {
        Outcome { reason, stopped, written: true }
    }

    #[test]
    fn the_reason_is_one_clause_and_one_code() {
        const SECOND: Duration = Duration::from_secs(1);
        let failed = |exit| Reason::Failed { name: "api".into(), exit };
        let not_started =
            |kind| Reason::NotStarted { name: "api".into(), source: io::Error::from(kind) };
        let cases = [
            (outcome(Reason::AllEnded, 0), "all workers ended", 0),
            (outcome(Reason::Interrupted { signal: 2 }, 5), "interrupted by SIGINT", 0),
            (outcome(Reason::Asked, 5), "stopped by request", 0),
            (outcome(Reason::Ended { name: "api".into() }, 2), "api exited 0; stopped 2 others", 0),
            (
                outcome(Reason::NotReady { name: "db".into(), within: Some(SECOND) }, 1),
                "db was not ready within 1 s; stopped 1 other",
                1,
            ),
            (outcome(failed(Exit::Code(3)), 4), "api exited 3; stopped 4 others", 3),
            (
                outcome(failed(Exit::Signal(9)), 1),
                "api was killed by SIGKILL; stopped 1 other",
                137,
            ),
            (
                outcome(not_started(io::ErrorKind::NotFound), 0),
                "cannot start api: entity not found",
                127,
            ),
            (
                outcome(not_started(io::ErrorKind::PermissionDenied), 0),
                "cannot start api: permission denied",
                126,
            ),
        ];
        for (outcome, text, code) in cases {
            assert_eq!((outcome.to_string().as_str(), outcome.exit_code()), (text, code));
        }
    }
}
