//! Finds out when a worker is ready, where its output does not say so: one thread for each life
//! of a worker that has a way to tell.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::children::Children;
use super::command::WorkerCommand;
use super::group::Group;
use crate::worker_settings::Readiness;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// How long one connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a command may take before it is killed and tried again.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// How often is looked whether a command has ended.
const COMMAND_TICK: Duration = Duration::from_millis(10);

/// Looks again and again until the worker is ready, or until it is dropped.
pub(super) struct Probe {
    _stop: SyncSender<()>,
}

enum Attempt {
    Command(Command, Children),
    Tcp(SocketAddr),
}

impl Probe {
    /// Starts to look; `done` is called once. Nothing has to be looked for where the worker itself
    /// says that it is ready.
    pub(super) fn start(
        readiness: &Readiness,
        command: &WorkerCommand,
        children: &Children,
        done: impl FnOnce() + Send + 'static,
    ) -> io::Result<Option<Probe>> {
        let mut attempt = match readiness {
            Readiness::Log(_) | Readiness::Exit => return Ok(None),
            Readiness::Command(script) => {
                let mut shell = command.shell(script);
                shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                shell.process_group(0);
                Attempt::Command(shell, children.clone())
            }
            Readiness::Tcp(address) => Attempt::Tcp(*address),
        };
        let (stop, stopped) = sync_channel(0);
        thread::Builder::new().name("logboom-ready".into()).spawn(move || {
            while !attempt.succeeds(&stopped) {
                if is_stopped(&stopped, PAUSE) {
                    return;
                }
            }
            done();
        })?;
        Ok(Some(Probe { _stop: stop }))
    }
}

impl Attempt {
    fn succeeds(&mut self, stopped: &Receiver<()>) -> bool {
        match self {
            Attempt::Tcp(address) => TcpStream::connect_timeout(address, CONNECT_TIMEOUT).is_ok(),
            Attempt::Command(command, children) => {
                let Ok(mut child) = children.spawn(command) else { return false };
                let is_success = exits_well(&mut child, stopped);
                children.forget(child.id());
                is_success
            }
        }
    }
}

/// Waits for the end of a command, and kills it where that takes too long.
fn exits_well(child: &mut Child, stopped: &Receiver<()>) -> bool {
    let kill_at = Instant::now() + COMMAND_TIMEOUT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < kill_at && !is_stopped(stopped, COMMAND_TICK) => {}
            _ => break,
        }
    }
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Group::new) {
        group.kill();
    }
    let _killed = child.wait();
    false
}

/// Waits so long, or until nobody wants to know any more.
fn is_stopped(stopped: &Receiver<()>, timeout: Duration) -> bool {
    stopped.recv_timeout(timeout) == Err(RecvTimeoutError::Disconnected)
}
