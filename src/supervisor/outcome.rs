//! What a supervisor has to tell: on its way, at its end, and where it cannot begin.

use std::fmt;
use std::io;
use std::time::Duration;

use super::exit::{Exit, signal_name};

/// Why all workers have ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// Each of them by itself, with code 0.
    AllEnded,
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
    /// A signal asked for it.
    Interrupted {
        /// Its number.
        signal: i32,
    },
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
        matches!(self.reason, Reason::Failed { .. } | Reason::NotStarted { .. })
    }

    /// The exit code for it, as a shell has it: that of the worker that failed, 128+N for a signal;
    /// 127 for a program that was not found and 126 for one that cannot be executed; else 0.
    pub fn exit_code(&self) -> u8 {
        match &self.reason {
            Reason::AllEnded | Reason::Interrupted { .. } => 0,
            Reason::Failed { exit, .. } => exit.shell_code(),
            Reason::NotStarted { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Reason::NotStarted { .. } => 126,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::AllEnded => return write!(f, "all workers ended"),
            Reason::Interrupted { signal } => {
                return write!(f, "interrupted by {}", signal_name(*signal));
            }
            Reason::Failed { name, exit } => write!(f, "{name} {exit}")?,
            Reason::NotStarted { name, source } => write!(f, "cannot start {name}: {source}")?,
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
        let failed = |exit| Reason::Failed { name: "api".into(), exit };
        let not_started =
            |kind| Reason::NotStarted { name: "api".into(), source: io::Error::from(kind) };
        let cases = [
            (outcome(Reason::AllEnded, 0), "all workers ended", 0),
            (outcome(Reason::Interrupted { signal: 2 }, 5), "interrupted by SIGINT", 0),
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
