//! One worker: its process, what that has started, and its output, from start to the last trace.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};
use std::{io, thread};

use super::Event;
use super::capture::{Capture, Captured, FLUSH_TIMEOUT};
use super::exit::{Exit, wait_unreaped};
use super::group::Group;
use crate::record::now_ns;
use crate::worker::hand_on;
use crate::{Context, Process, QueueDir};

/// Longest name of a worker.
pub const MAX_NAME_BYTES: usize = 64;

/// How often is looked whether the last processes of a group have ended.
const GROUP_TICK: Duration = Duration::from_millis(20);

/// How long a killed worker may take to end and to have its output written: time to find a
/// listener, to flush, and some more.
const GIVE_UP_TIMEOUT: Duration = FLUSH_TIMEOUT.saturating_mul(3);

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
        Ok(WorkerCommand { name: name.to_owned(), command })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn program(&self) -> Arc<str> {
        let path = Path::new(self.command.get_program());
        path.file_name().unwrap_or_default().to_string_lossy().into()
    }

    fn spawn(&mut self, queue: &QueueDir, context: &Context) -> io::Result<Child> {
        hand_on(&mut self.command, Some(queue), &self.name, context);
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
    }
}

pub(super) fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(plain)
}

/// A worker that was started.
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) group: Group,
    child: Child,
    capture: Capture,
    exit: Option<Exit>,
    captured: Option<Captured>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// Its group was asked to end.
    Terminating {
        kill_at: Instant,
    },
    /// Its group was killed; its output may still be on its way.
    Killed {
        give_up_at: Instant,
    },
    /// Nothing is left of it.
    Over,
}

impl Worker {
    /// Starts the command; its end and the end of its output come as events of worker `number`.
    pub(super) fn start(
        mut command: WorkerCommand,
        number: usize,
        queue: &QueueDir,
        context: &Context,
        events: &SyncSender<Event>,
    ) -> io::Result<Worker> {
        let started_ns = now_ns();
        let mut child = command.spawn(queue, context)?;
        let group = i32::try_from(child.id()).ok().and_then(Group::new);
        let group = group.expect("invariant: a child has a pid greater than 1");
        let process = Process {
            name: command.name.as_str().into(),
            id: child.id(),
            program: command.program(),
            started_ns,
            context: context.clone().into(),
        };
        match watch(&mut child, group, process, number, queue, events) {
            Ok(capture) => Ok(Worker {
                name: command.name,
                group,
                child,
                capture,
                exit: None,
                captured: None,
                stage: Stage::Running,
            }),
            Err(error) => {
                group.kill();
                child.wait()?;
                Err(error)
            }
        }
    }

    /// Its main process has ended; what is left of its group is asked to follow.
    pub(super) fn ended(&mut self, exit: Exit, stop_timeout: Duration) {
        self.exit = Some(exit);
        self.terminate(stop_timeout);
    }

    /// Its output has ended.
    pub(super) fn captured(&mut self, captured: Captured) {
        self.captured = Some(captured);
    }

    pub(super) fn terminate(&mut self, stop_timeout: Duration) {
        if self.stage == Stage::Running {
            self.signal(Group::terminate);
            self.stage = Stage::Terminating { kill_at: Instant::now() + stop_timeout };
        }
    }

    pub(super) fn kill(&mut self) {
        if matches!(self.stage, Stage::Running | Stage::Terminating { .. }) {
            self.signal(Group::kill);
            self.stage = Stage::Killed { give_up_at: Instant::now() + GIVE_UP_TIMEOUT };
        }
    }

    /// Does what is due; true when this was the last step and nothing is left of the worker.
    pub(super) fn advance(&mut self, now: Instant) -> bool {
        if let Stage::Terminating { kill_at } = self.stage
            && (now >= kill_at || self.is_quiet() && !self.group.has_members())
        {
            self.kill();
        }
        let Stage::Killed { give_up_at } = self.stage else {
            return false;
        };
        if self.exit.is_some() {
            self.capture.finish();
        }
        let over = self.is_quiet() || now >= give_up_at;
        if over {
            // A process that not even SIGKILL has ended is left to init.
            let _unreaped = self.child.try_wait();
            self.stage = Stage::Over;
        }
        over
    }

    /// When there may be something to do without any event.
    pub(super) fn next_step(&self, now: Instant) -> Option<Instant> {
        match self.stage {
            Stage::Running | Stage::Over => None,
            Stage::Terminating { kill_at } if self.is_quiet() => {
                Some(kill_at.min(now + GROUP_TICK))
            }
            Stage::Terminating { kill_at: at } | Stage::Killed { give_up_at: at } => Some(at),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.exit.is_none()
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Whether all its output is in the log file.
    pub(super) fn is_written(&self) -> bool {
        self.captured == Some(Captured::Written)
    }

    /// Its main process and both its pipes have ended.
    fn is_quiet(&self) -> bool {
        self.exit.is_some() && self.captured.is_some()
    }

    /// Signals its group, which the main process pins until it is reaped.
    fn signal(&self, signal: impl FnOnce(Group)) {
        if self.exit != Some(Exit::Unseen) {
            signal(self.group);
        }
    }
}

/// Starts the threads that wait for the worker's end and for its output.
fn watch(
    child: &mut Child,
    group: Group,
    process: Process,
    number: usize,
    queue: &QueueDir,
    events: &SyncSender<Event>,
) -> io::Result<Capture> {
    let (ends, captures) = (events.clone(), events.clone());
    // A send fails only where the supervisor is gone and nobody cares.
    let capture = Capture::start(child, process, queue.clone(), move |captured| {
        let _gone = captures.send(Event::Captured { number, captured });
    })?;
    thread::Builder::new().name("logboom-wait".into()).spawn(move || {
        let _gone = ends.send(Event::Ended { number, exit: wait_unreaped(group.leader()) });
    })?;
    Ok(capture)
}

#[cfg(test)]
mod tests {
    use super::*;

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
