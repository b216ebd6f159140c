//! What to start as a worker.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::capture::{Output, Terminal};
use super::children::Children;
use crate::worker::hand_on;
use crate::worker_settings::{CaptureMode, Lifecycle};
use crate::{Context, QueueDir};

/// Longest name of a worker.
pub const MAX_NAME_BYTES: usize = 64;

/// A name that is not usable for a worker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "worker name `{0}` is not usable: take 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_` or `.`"
)]
pub struct WorkerNameError(String);

/// What to start as a worker, and its name.
#[derive(Debug)]
pub struct WorkerCommand {
    pub(super) name: String,
    pub(super) capture: CaptureMode,
    has_pty: bool,
    pub(super) lifecycle: Lifecycle,
    /// The name that it shares with other processes of the same worker.
    pub(super) family: Option<String>,
    command: Command,
}

impl WorkerCommand {
    /// A worker of this name. Its standard streams, its process group and the variables
    /// `LOGBOOM_QUEUE`, `LOGBOOM_WORKER` and `LOGBOOM_CONTEXT` are set when it is started; all else is
    /// the command's.
    ///
    /// # Errors
    /// The name is not plain: letters, digits, `-`, `_`, `.`, at most [`MAX_NAME_BYTES`].
    pub fn new(name: &str, command: Command) -> Result<WorkerCommand, WorkerNameError> {
        if !is_plain_name(name) {
            return Err(WorkerNameError(name.chars().take(MAX_NAME_BYTES).collect()));
        }
        Ok(WorkerCommand {
            name: name.to_owned(),
            capture: CaptureMode::default(),
            has_pty: false,
            lifecycle: Lifecycle::default(),
            family: None,
            command,
        })
    }

    /// Gives it a pseudo-terminal each for its standard output and its standard error, instead of pipes, so
    /// that programs print each line at once. Its standard input stays `/dev/null`.
    pub fn pty(mut self) -> WorkerCommand {
        self.has_pty = true;
        self
    }

    /// What its output becomes. Default: [`CaptureMode::Auto`].
    pub fn capture(mut self, capture: CaptureMode) -> WorkerCommand {
        self.capture = capture;
        self
    }

    /// When it is started, whether it is started again, and how it is stopped. The names in
    /// [`after`](Lifecycle::after) are those of other workers of the same supervisor.
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> WorkerCommand {
        self.lifecycle = lifecycle;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn program(&self) -> Arc<str> {
        let path = Path::new(self.command.get_program());
        path.file_name().unwrap_or_default().to_string_lossy().into()
    }

    pub(super) fn spawn(
        &mut self,
        queue: &QueueDir,
        context: &Context,
        children: &Children,
    ) -> io::Result<(Child, Output)> {
        hand_on(&mut self.command, Some(queue), &self.name, context);
        self.command.stdin(Stdio::null()).process_group(0);
        if self.has_pty { self.spawn_at_terminals(children) } else { self.spawn_at_pipes(children) }
    }

    fn spawn_at_pipes(&mut self, children: &Children) -> io::Result<(Child, Output)> {
        let (stdout, their_stdout) = io::pipe()?;
        let (stderr, their_stderr) = io::pipe()?;
        self.command.stdout(their_stdout).stderr(their_stderr);
        let output = Output { stdout: stdout.into(), stderr: stderr.into() };
        Ok((self.spawn_once(children)?, output))
    }

    fn spawn_at_terminals(&mut self, children: &Children) -> io::Result<(Child, Output)> {
        let both = children.open(|| Ok((Terminal::open()?, Terminal::open()?)));
        let (stdout, stderr) = both.map_err(no_terminal)?;
        self.command.stdout(stdout.theirs).stderr(stderr.theirs);
        let output = Output { stdout: stdout.ours, stderr: stderr.ours };
        Ok((self.spawn_once(children)?, output))
    }

    /// Starts it at what was opened for it. The command would keep that open, and it would never end.
    fn spawn_once(&mut self, children: &Children) -> io::Result<Child> {
        let spawned = children.spawn(&mut self.command);
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        spawned.map_err(|error| self.say_what_is_missing(error))
    }

    /// The system says the same of a program, its directory and its interpreter.
    fn say_what_is_missing(&self, error: io::Error) -> io::Error {
        if error.kind() != io::ErrorKind::NotFound {
            return error;
        }
        let directory = self.command.get_current_dir().unwrap_or(".".as_ref());
        let program = Path::new(self.command.get_program());
        let why = if !directory.exists() {
            format!("there is no directory {}", directory.display())
        } else if program.components().count() > 1 && directory.join(program).exists() {
            let program = program.display();
            format!("the interpreter that {program} names in its first line is not there")
        } else {
            return error;
        };
        io::Error::new(error.kind(), why)
    }

    /// A command for `/bin/sh` in the directory and the environment that the worker has.
    pub(super) fn shell(&self, script: &str) -> Command {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(script);
        if let Some(directory) = self.command.get_current_dir() {
            shell.current_dir(directory);
        }
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }
}

fn no_terminal(error: nix::Error) -> io::Error {
    io::Error::other(format!("no pseudo-terminal can be had ({}): start it without", error.desc()))
}

pub(super) fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_missing_is_named() {
        let mut command = Command::new("true");
        command.current_dir("/no/such");
        let worker = WorkerCommand::new("w", command).unwrap();
        let error = worker.say_what_is_missing(io::ErrorKind::NotFound.into());
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(error.to_string(), "there is no directory /no/such");
        let other = worker.say_what_is_missing(io::ErrorKind::PermissionDenied.into());
        assert_eq!(other.to_string(), "permission denied");
    }

    #[test]
    fn only_plain_names_name_a_worker() {
        let name = |name: &str| WorkerCommand::new(name, Command::new("true")).map(|_| ());
        for plain in ["api", "Process-1", "a_b.c", &"x".repeat(MAX_NAME_BYTES)] {
            assert_eq!(name(plain), Ok(()));
        }
        for odd in ["", "a b", "a/b", "ä", "a\n", "a=b", &"x".repeat(MAX_NAME_BYTES + 1)] {
            assert!(name(odd).is_err(), "{odd:?}");
        }
    }
}
