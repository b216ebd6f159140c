//! The children of this process: those that it has started, and those that it was left with.
//!
//! A process that asks for it (`PR_SET_CHILD_SUBREAPER`, prctl(2)) becomes the parent of every
//! descendant whose own parent has ended: so nothing that a worker has started can leave its tree,
//! neither by a process group nor by a session of its own.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::group::processes;

/// The children that this process has started itself, and reaps itself. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Children(Arc<Mutex<HashSet<u32>>>);

impl Children {
    /// Starts one. Nobody takes it for an orphan until it is [forgotten](Self::forget).
    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let mut own = self.lock();
        let child = command.spawn()?;
        own.insert(child.id());
        Ok(child)
    }

    /// Opens what a child that is started meanwhile would inherit.
    pub(super) fn open<T>(&self, open: impl FnOnce() -> T) -> T {
        let _none_is_started = self.lock();
        open()
    }

    /// It has been reaped.
    pub(super) fn forget(&self, pid: u32) {
        self.lock().remove(&pid);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The orphans that this process was left with.
pub(super) struct Orphans {
    children: Children,
    /// Those that were asked to end.
    asked: HashSet<i32>,
}

impl Orphans {
    /// Takes all orphans among the descendants of this process from now on.
    ///
    /// # Errors
    /// The system refuses; it is older than Linux 3.4.
    pub(super) fn adopt(children: Children) -> io::Result<Orphans> {
        prctl::set_child_subreaper(true)?;
        Ok(Orphans { children, asked: HashSet::new() })
    }

    /// Asks each of them to end, once; true when there are none.
    pub(super) fn terminate(&mut self) -> bool {
        let living = self.living();
        living.iter().for_each(|pid| self.ask(*pid));
        living.is_empty()
    }

    /// Asks those of these processes to end, once, that are orphans of one of these workers, as far as
    /// their environment says so.
    pub(super) fn terminate_of(&mut self, workers: &[String], pids: &[i32]) {
        for pid in pids {
            let is_own = self.children.lock().contains(&(*pid as u32));
            if !is_own && worker_of(*pid).is_some_and(|name| workers.contains(&name)) {
                self.ask(Pid::from_raw(*pid));
            }
        }
    }

    fn ask(&mut self, pid: Pid) {
        // It is ours to reap, so the number is its own as long as it is not.
        if is_child(pid) && self.asked.insert(pid.as_raw()) {
            let _denied = kill(pid, Signal::SIGTERM).and_then(|()| kill(pid, Signal::SIGCONT));
        }
    }

    /// Kills each of them; true when there are none.
    pub(super) fn kill(&mut self) -> bool {
        let living = self.living();
        for pid in &living {
            let _denied = kill(*pid, Signal::SIGKILL);
        }
        living.is_empty()
    }

    /// Reaps those that have ended; the others.
    pub(super) fn living(&mut self) -> Vec<Pid> {
        let own = self.children.lock();
        let this = std::process::id();
        let orphans = processes().filter(|process| process.parent == this as i32);
        let orphans = orphans.filter(|process| !own.contains(&(process.pid as u32)));
        let orphans = orphans.map(|process| Pid::from_raw(process.pid));
        let living: Vec<_> = orphans.filter(|pid| !is_reaped(*pid)).collect();
        drop(own);
        self.asked.retain(|pid| living.contains(&Pid::from_raw(*pid)));
        living
    }
}

/// The worker by which a process was started, as its environment says.
fn worker_of(pid: i32) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environ.split(|byte| *byte == 0);
    let name = variables.find_map(|variable| variable.strip_prefix(b"LOGBOOM_WORKER="))?;
    String::from_utf8(name.to_owned()).ok()
}

fn is_child(pid: Pid) -> bool {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(pid), look).is_ok()
}

fn is_reaped(pid: Pid) -> bool {
    match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        Ok(status) => status != WaitStatus::StillAlive,
        Err(error) => error == Errno::ECHILD,
    }
}
