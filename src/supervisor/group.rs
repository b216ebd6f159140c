//! The process group of a worker: its main process and whatever that has started.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How often is looked whether the last processes of a group have ended.
pub(super) const GROUP_TICK: Duration = Duration::from_millis(20);

/// A process group that may be signalled.
///
/// Its number is safe to use while its leader is not reaped: until then no other process gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group(Pid);

impl Group {
    /// The group `pgid`; `None` for 0, 1 and negative numbers, which `kill` takes for our own group,
    /// for everybody, or for init.
    pub(super) fn new(pgid: i32) -> Option<Group> {
        (pgid > 1).then(|| Group(Pid::from_raw(pgid)))
    }

    pub(super) fn leader(self) -> Pid {
        self.0
    }

    /// Asks every member to end. Stopped ones are continued, or they would not hear it.
    pub(super) fn terminate(self, signal: Signal) {
        self.signal(signal);
        self.signal(Signal::SIGCONT);
    }

    /// Ends every member.
    pub(super) fn kill(self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(self, signal: Signal) {
        // The only other answers are that nobody is left, or nobody that we may signal.
        let _nobody = killpg(self.0, signal);
    }

    /// Whether a member is alive; zombies are not. Looks through `/proc`; without one, zombies
    /// count as alive.
    pub(super) fn has_members(self) -> bool {
        if fs::exists("/proc/self/stat").unwrap_or(false) {
            processes().any(|process| process.is_alive && process.group == self.0.as_raw())
        } else {
            killpg(self.0, None).is_ok()
        }
    }
}

/// Which groups have living members, looked up for all workers together: each look goes through all
/// processes.
#[derive(Default)]
pub(super) struct LiveGroups {
    looked_at: Option<Instant>,
    groups: HashSet<i32>,
    /// Living children of this process that were found by the last look.
    children: Vec<i32>,
}

impl LiveGroups {
    /// Whether a member was alive at `since` or later; nothing where it was looked a moment ago, and
    /// before that.
    pub(super) fn has_members(
        &mut self,
        group: Group,
        since: Instant,
        now: Instant,
    ) -> Option<bool> {
        let is_new = |at: Instant| at >= since && at + GROUP_TICK > now;
        if !self.looked_at.is_some_and(is_new) {
            if self.looked_at.is_some_and(|at| now < at + GROUP_TICK) {
                return None;
            }
            self.looked_at = Some(now);
            let this = std::process::id() as i32;
            let living: Vec<_> = processes().filter(|process| process.is_alive).collect();
            self.groups = living.iter().map(|process| process.group).collect();
            let children = living.iter().filter(|process| process.parent == this);
            self.children = children.map(|process| process.pid).collect();
            if self.groups.is_empty() {
                // Without a `/proc`, zombies count as alive.
                return Some(group.has_members());
            }
        }
        Some(self.groups.contains(&group.0.as_raw()))
    }
}

impl LiveGroups {
    /// The children of this process, once after each look.
    pub(super) fn take_children(&mut self) -> Vec<i32> {
        std::mem::take(&mut self.children)
    }
}

/// What `/proc` says of a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProcessEntry {
    pub(super) pid: i32,
    pub(super) is_alive: bool,
    pub(super) parent: i32,
    pub(super) group: i32,
}

/// All processes; none without a `/proc`.
pub(super) fn processes() -> impl Iterator<Item = ProcessEntry> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(io::Result::ok);
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        process_of(pid, &fs::read(entry.path().join("stat")).ok()?)
    })
}

/// Reads a line of `/proc/PID/stat` (proc(5)).
fn process_of(pid: i32, stat: &[u8]) -> Option<ProcessEntry> {
    // The name before may hold anything, brackets and line ends too.
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = str::from_utf8(&stat[name_end + 1..]).ok()?.split_ascii_whitespace();
    let is_alive = !matches!(fields.next()?, "Z" | "X");
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(ProcessEntry { pid, is_alive, parent, group })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;
    use crate::supervisor::exit::{Exit, wait_unreaped};

    #[test]
    fn numbers_that_kill_takes_for_others_are_no_group() {
        for pgid in [i32::MIN, -5, -1, 0, 1] {
            assert_eq!(Group::new(pgid), None, "{pgid}");
        }
        assert!(Group::new(2).is_some());
    }

    #[test]
    fn a_group_lives_until_its_last_process_is_dead() {
        let mut child = Command::new("/bin/sh");
        let mut child = child.args(["-c", "sleep 1000 & wait"]).process_group(0).spawn().unwrap();
        let group = Group::new(child.id() as i32).unwrap();
        assert!(group.has_members());
        group.kill();
        assert_eq!(wait_unreaped(group.leader()), Exit::Signal(9));
        while group.has_members() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }

    #[test]
    fn parent_and_group_are_found_behind_any_program_name() {
        let entry =
            |is_alive, parent, group| Some(ProcessEntry { pid: 7, is_alive, parent, group });
        assert_eq!(process_of(7, b"7 (a) R 1 2 (b) S 1 70 70 0"), entry(true, 1, 70));
        assert_eq!(process_of(7, b"7 (\xff\n) S 1 71 70 0"), entry(true, 1, 71));
        assert_eq!(process_of(7, b"7 (sh) Z 5 72 70 0"), entry(false, 5, 72));
        assert_eq!(process_of(7, b"7 (sh) S 1"), None);
        assert_eq!(process_of(7, b""), None);
    }
}
