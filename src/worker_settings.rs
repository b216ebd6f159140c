//! What is said of a worker before it is started: the words that Procfiles, configurations and
//! supervisors share.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::Signal;
use regex::{Regex, RegexBuilder};

/// How often a worker is started again in a row where nothing else is said.
pub const DEFAULT_MAX_RESTARTS: u32 = 10;

/// How long a worker may take to be ready where nothing else is said.
pub const DEFAULT_READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Most processes of one worker.
pub const MAX_COUNT: u16 = 1000;

/// Most memory, in bytes, that the pattern of a log line may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// A worker as a Procfile or a configuration describes it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkerSettings {
    /// What `/bin/sh -c` gets.
    pub command: String,
    /// How many processes of it there are, at most [`MAX_COUNT`]; 0: none is started.
    pub count: u16,
    /// Variables that it has beside the inherited ones, and instead of those with the same name.
    pub environment: Vec<(String, String)>,
    /// Its first process has this as `PORT`, the next ones the following numbers.
    pub port: Option<u16>,
    /// A file with more of them, which the others come before.
    pub env_file: Option<PathBuf>,
    /// Where it runs; where the supervisor does, unless said.
    pub directory: Option<PathBuf>,
    /// Whether it prints to pseudo-terminals, so that programs write each line at once.
    pub pty: bool,
    /// What its output becomes.
    pub capture: CaptureMode,
    /// When it is started and how it is stopped.
    pub lifecycle: Lifecycle,
}

impl WorkerSettings {
    /// One process of a command for `/bin/sh`, with the defaults of all else.
    pub fn new(command: impl Into<String>) -> WorkerSettings {
        WorkerSettings {
            command: command.into(),
            count: 1,
            environment: Vec::new(),
            port: None,
            env_file: None,
            directory: None,
            pty: false,
            capture: CaptureMode::default(),
            lifecycle: Lifecycle::default(),
        }
    }
}

/// What the output of a worker becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaptureMode {
    /// A line that is one JSON object with a message becomes what it says, and the lines of a traceback
    /// of Python, Java or Rust become one record; any other line is a record as it is.
    #[default]
    Auto,
    /// Each line is a record as it is.
    Lines,
}

impl fmt::Display for CaptureMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CaptureMode::Auto => "auto",
            CaptureMode::Lines => "lines",
        })
    }
}

impl FromStr for CaptureMode {
    type Err = WorkerSettingError;

    fn from_str(text: &str) -> Result<CaptureMode, WorkerSettingError> {
        match text {
            "auto" => Ok(CaptureMode::Auto),
            "lines" => Ok(CaptureMode::Lines),
            _ => Err(WorkerSettingError::CaptureMode),
        }
    }
}

/// When a worker is started, whether it is started again, and how it is stopped.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lifecycle {
    /// It is started when these are ready, and they are stopped when it has ended. Default: none.
    pub after: Vec<String>,
    /// When it is ready. Default: as soon as it is started.
    pub readiness: Option<Readiness>,
    /// How long that may take in each of its lives; later it has failed. Default:
    /// [`DEFAULT_READY_TIMEOUT`].
    pub ready_timeout: Duration,
    /// Whether it is started again when it has ended. Default: [`Restart::No`].
    pub restart: Restart,
    /// How often in a row it is started again. A life of a minute that got ready begins the count anew.
    /// Default: [`DEFAULT_MAX_RESTARTS`].
    pub max_restarts: u32,
    /// What asks it to end. Default: SIGTERM.
    pub stop_signal: StopSignal,
    /// How long it may take to end, at most a year. Default: that of the supervisor.
    pub stop_timeout: Option<Duration>,
}

impl Default for Lifecycle {
    fn default() -> Lifecycle {
        Lifecycle {
            after: Vec::new(),
            readiness: None,
            ready_timeout: DEFAULT_READY_TIMEOUT,
            restart: Restart::No,
            max_restarts: DEFAULT_MAX_RESTARTS,
            stop_signal: StopSignal::default(),
            stop_timeout: None,
        }
    }
}

/// How it is known that a worker is ready.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Readiness {
    /// It has printed a line that matches.
    Log(LinePattern),
    /// This command for `/bin/sh` exits 0. It is tried again and again, in the directory and the
    /// environment of the worker.
    Command(String),
    /// Somebody listens at this address.
    Tcp(SocketAddr),
    /// It has exited 0, as one that prepares something for others.
    Exit,
}

/// A regular expression for lines, in the syntax of the crate `regex`; it matches anywhere unless
/// anchored.
#[derive(Clone, Debug)]
pub struct LinePattern(Regex);

impl LinePattern {
    #[cfg(feature = "supervisor")]
    pub(crate) fn matches(&self, line: &str) -> bool {
        self.0.is_match(line)
    }
}

impl PartialEq for LinePattern {
    fn eq(&self, other: &LinePattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl fmt::Display for LinePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromStr for LinePattern {
    type Err = WorkerSettingError;

    fn from_str(text: &str) -> Result<LinePattern, WorkerSettingError> {
        let built = RegexBuilder::new(text).size_limit(MAX_PATTERN_BYTES).build();
        built.map(LinePattern).map_err(|error| WorkerSettingError::Pattern(error.to_string()))
    }
}

/// Whether a worker that has ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// No.
    #[default]
    No,
    /// When it has failed: it did not exit 0, was not ready in time, or could not be started.
    OnFailure,
    /// However it has ended.
    Always,
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Restart::No => "no",
            Restart::OnFailure => "on-failure",
            Restart::Always => "always",
        })
    }
}

impl FromStr for Restart {
    type Err = WorkerSettingError;

    fn from_str(text: &str) -> Result<Restart, WorkerSettingError> {
        match text {
            "no" => Ok(Restart::No),
            "on-failure" => Ok(Restart::OnFailure),
            "always" => Ok(Restart::Always),
            _ => Err(WorkerSettingError::Restart),
        }
    }
}

/// The signal that asks a worker to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopSignal(Signal);

impl StopSignal {
    #[cfg(feature = "supervisor")]
    pub(crate) fn signal(self) -> Signal {
        self.0
    }
}

impl Default for StopSignal {
    fn default() -> StopSignal {
        StopSignal(Signal::SIGTERM)
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromStr for StopSignal {
    type Err = WorkerSettingError;

    /// Reads `SIGINT`, or `INT`.
    fn from_str(text: &str) -> Result<StopSignal, WorkerSettingError> {
        let name = text.strip_prefix("SIG").unwrap_or(text);
        let signal = format!("SIG{name}").parse().map_err(|_| WorkerSettingError::Signal)?;
        Ok(StopSignal(signal))
    }
}

/// Why a text is no setting of a worker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerSettingError {
    /// It is no [`CaptureMode`].
    #[error("expected auto or lines")]
    CaptureMode,
    /// It is no [`Restart`].
    #[error("expected no, on-failure or always")]
    Restart,
    /// It is no [`StopSignal`].
    #[error("expected the name of a signal, such as SIGINT")]
    Signal,
    /// It is no [`LinePattern`].
    #[error("no usable regular expression: {0}")]
    Pattern(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_are_shown() {
        for restart in [Restart::No, Restart::OnFailure, Restart::Always] {
            assert_eq!(restart.to_string().parse(), Ok(restart));
        }
        for mode in [CaptureMode::Auto, CaptureMode::Lines] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        for signal in ["SIGINT", "SIGTERM", "SIGUSR1"] {
            let read: StopSignal = signal.parse().unwrap();
            assert_eq!(read.to_string(), signal);
            assert_eq!(signal[3..].parse(), Ok(read));
        }
        assert_eq!("^up$".parse::<LinePattern>().unwrap().to_string(), "^up$");
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for text in ["", "SIG", "SIGSIGINT", "SIGNOTHING", "int", "2", "INT "] {
            assert_eq!(text.parse::<StopSignal>(), Err(WorkerSettingError::Signal), "{text}");
        }
        for text in ["", "never", "No", "on_failure"] {
            assert_eq!(text.parse::<Restart>(), Err(WorkerSettingError::Restart), "{text}");
        }
        for text in ["", "json", "Auto"] {
            assert_eq!(text.parse::<CaptureMode>(), Err(WorkerSettingError::CaptureMode), "{text}");
        }
        for text in ["(", "a{100000}{100000}"] {
            assert!(text.parse::<LinePattern>().is_err(), "{text}");
        }
    }
}
