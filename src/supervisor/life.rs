//! One life of a worker: its process, what that has started, and its output, from start to the last
//! trace.

use std::process::Child;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};
use std::{io, thread};

use super::capture::{Capture, CapturePlan, Captured, FLUSH_TIMEOUT, Output};
use super::children::Children;
use super::command::WorkerCommand;
use super::exit::{Exit, wait_unreaped};
use super::group::{GROUP_TICK, Group, LiveGroups};
use super::ready::Probe;
use super::{Event, LifeId, MAX_TIMEOUT};
use crate::record::now_ns;
use crate::worker_settings::{Readiness, StopSignal};
use crate::{Context, Process, QueueDir};

/// How long a killed worker may take to end and to have its output written: time to find a
/// listener, to flush, and some more.
pub(super) const GIVE_UP_TIMEOUT: Duration = FLUSH_TIMEOUT.saturating_mul(3);

/// How long a killed worker may take to end and to have its output written where somebody is in a hurry.
pub(super) const HURRY_TIMEOUT: Duration = Duration::from_secs(2);

/// A worker that was started.
pub(super) struct Life {
    pub(super) id: LifeId,
    pub(super) group: Group,
    pub(super) since: Instant,
    stop_timeout: Duration,
    child: Child,
    children: Children,
    /// Tells when it is ready, where somebody has to look for that.
    probe: Option<Probe>,
    capture: Capture,
    exit: Option<Exit>,
    captured: Option<Captured>,
    /// When its main process was seen to have ended.
    ended_at: Option<Instant>,
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

/// What a life is begun with.
pub(super) struct Birth<'s> {
    pub(super) id: LifeId,
    pub(super) queue: &'s QueueDir,
    pub(super) context: &'s Context,
    pub(super) events: &'s SyncSender<Event>,
    pub(super) children: &'s Children,
    /// Where its command does not say another.
    pub(super) stop_timeout: Duration,
    /// Whether what it prints keeps its colours, for those who show them.
    pub(super) keeps_styles: bool,
}

impl Life {
    /// Starts the command; what happens to it comes as events of this life.
    pub(super) fn begin(command: &mut WorkerCommand, birth: &Birth<'_>) -> io::Result<Life> {
        let (started_ns, since) = (now_ns(), Instant::now());
        let (mut child, output) = command.spawn(birth.queue, birth.context, birth.children)?;
        let group = i32::try_from(child.id()).ok().and_then(Group::new);
        let group = group.expect("invariant: a child has a pid greater than 1");
        let process = Process {
            name: command.name.as_str().into(),
            id: child.id(),
            program: command.program(),
            started_ns,
            context: birth.context.clone().into(),
        };
        match watch(output, (group, process), command, birth) {
            Ok((capture, probe)) => Ok(Life {
                id: birth.id,
                group,
                since,
                stop_timeout: command.lifecycle.stop_timeout.unwrap_or(birth.stop_timeout),
                child,
                children: birth.children.clone(),
                probe,
                capture,
                exit: None,
                captured: None,
                ended_at: None,
                stage: Stage::Running,
            }),
            Err(error) => {
                group.kill();
                child.wait()?;
                birth.children.forget(child.id());
                Err(error)
            }
        }
    }

    /// Its main process has ended; what is left of its group is asked to follow.
    pub(super) fn ended(&mut self, exit: Exit, stop_signal: StopSignal) {
        self.exit = Some(exit);
        self.ended_at = Some(Instant::now());
        self.probe = None;
        let was_asked_otherwise =
            self.stage != Stage::Running && stop_signal != StopSignal::default();
        self.terminate(StopSignal::default());
        if was_asked_otherwise {
            self.signal(|group| group.terminate(StopSignal::default().signal()));
        }
    }

    /// Its output has ended.
    pub(super) fn captured(&mut self, captured: Captured) {
        self.captured = Some(captured);
    }

    /// Asks it to end, once.
    pub(super) fn terminate(&mut self, signal: StopSignal) {
        if self.stage == Stage::Running {
            self.signal(|group| group.terminate(signal.signal()));
            let stop_timeout = self.stop_timeout.min(MAX_TIMEOUT);
            self.stage = Stage::Terminating { kill_at: Instant::now() + stop_timeout };
        }
    }

    fn kill(&mut self) {
        if matches!(self.stage, Stage::Running | Stage::Terminating { .. }) {
            self.signal(Group::kill);
            self.stage = Stage::Killed { give_up_at: Instant::now() + GIVE_UP_TIMEOUT };
        }
    }

    /// Kills it, and waits no longer than that takes.
    pub(super) fn kill_in_a_hurry(&mut self) {
        self.kill();
        if let Stage::Killed { give_up_at } = &mut self.stage {
            *give_up_at = (*give_up_at).min(Instant::now() + HURRY_TIMEOUT);
        }
    }

    /// Does what is due; true when nothing is left of it.
    pub(super) fn advance(&mut self, now: Instant, groups: &mut LiveGroups) -> bool {
        if let Stage::Terminating { kill_at } = self.stage
            && (now >= kill_at || self.is_alone(now, groups) && self.is_quiet())
        {
            self.kill();
        }
        if let Stage::Killed { give_up_at } = self.stage {
            if self.exit.is_some() {
                self.capture.finish();
            }
            if self.is_quiet() || now >= give_up_at {
                // A process that not even SIGKILL has ended is left to init.
                let _unreaped = self.child.try_wait();
                self.children.forget(self.child.id());
                self.stage = Stage::Over;
            }
        }
        self.stage == Stage::Over
    }

    /// Whether nobody of its group is left, as far as is known by now.
    fn is_alone(&mut self, now: Instant, groups: &mut LiveGroups) -> bool {
        self.ended_at.is_some_and(|at| groups.has_members(self.group, at, now) == Some(false))
    }

    /// When there may be something to do without any event.
    pub(super) fn next_step(&self, now: Instant) -> Option<Instant> {
        match self.stage {
            Stage::Running | Stage::Over => None,
            Stage::Terminating { kill_at } if self.exit.is_some() => {
                Some(kill_at.min(now + GROUP_TICK))
            }
            Stage::Terminating { kill_at: at } | Stage::Killed { give_up_at: at } => Some(at),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.exit.is_none()
    }

    /// Whether it was asked to end, or has left something behind that was.
    pub(super) fn is_leaving(&self) -> bool {
        self.stage != Stage::Running
    }

    /// How its main process has ended.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit
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

/// Starts the threads that wait for the worker's end, for its output, and for its being ready.
fn watch(
    output: Output,
    (group, process): (Group, Process),
    command: &WorkerCommand,
    birth: &Birth<'_>,
) -> io::Result<(Capture, Option<Probe>)> {
    // A send fails only where the supervisor is gone and nobody cares.
    let tell = |event: fn(LifeId) -> Event| {
        let (id, events) = (birth.id, birth.events.clone());
        move || drop(events.send(event(id)))
    };
    let readiness = command.lifecycle.readiness.as_ref();
    let on_line = match readiness {
        Some(Readiness::Log(pattern)) => {
            let tell = tell(Event::Ready);
            Some((pattern.clone(), Box::new(tell) as Box<dyn FnOnce() + Send>))
        }
        _ => None,
    };
    let (id, captures) = (birth.id, birth.events.clone());
    let plan = CapturePlan {
        process,
        queue: birth.queue.clone(),
        mode: command.capture,
        keeps_styles: birth.keeps_styles,
        on_line,
    };
    let capture = Capture::start(output, plan, move |captured| {
        drop(captures.send(Event::Captured(id, captured)));
    })?;
    let ends = birth.events.clone();
    thread::Builder::new().name("logboom-wait".into()).spawn(move || {
        drop(ends.send(Event::Ended(id, wait_unreaped(group.leader()))));
    })?;
    let probe = readiness
        .map(|readiness| Probe::start(readiness, command, birth.children, tell(Event::Ready)));
    Ok((capture, probe.transpose()?.flatten()))
}
