//! The process group of a worker: its main process and whatever that has started.

use std::fs;
use std::io;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

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
    pub(super) fn terminate(self) {
        self.signal(Signal::SIGTERM);
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
        match fs::read_dir("/proc") {
            Ok(entries) => entries
                .filter_map(io::Result::ok)
                .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
                .filter_map(|entry| fs::read(entry.path().join("stat")).ok())
                .any(|stat| live_group(&stat) == Some(self.0.as_raw())),
            Err(_) => killpg(self.0, None).is_ok(),
        }
    }
}

/// The process group in a line of `/proc/PID/stat`, if the process is alive (proc(5)).
fn live_group(stat: &[u8]) -> Option<i32> {
    // The name before may hold anything, brackets and line ends too.
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = str::from_utf8(&stat[name_end + 1..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(group)
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
    fn the_group_is_found_behind_any_program_name() {
        assert_eq!(live_group(b"7 (a) R 1 2 (b) S 1 70 70 0"), Some(70));
        assert_eq!(live_group(b"7 (\xff\n) S 1 71 70 0"), Some(71));
        assert_eq!(live_group(b"7 (sh) Z 1 72 70 0"), None);
        assert_eq!(live_group(b"7 (sh) S"), None);
        assert_eq!(live_group(b""), None);
    }
}
