//! How a child process ended.

use std::fmt;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// It ended by itself with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// Somebody else took its status, as the kernel does where SIGCHLD is ignored.
    Unseen,
}

impl Exit {
    /// Whether it ended by itself with code 0.
    pub fn is_success(self) -> bool {
        self == Exit::Code(0)
    }

    /// The code a shell gives it: 128+N for signal N; 1 where the status is unknown.
    pub fn shell_code(self) -> u8 {
        match self {
            Exit::Code(code) => u8::try_from(code).unwrap_or(1),
            Exit::Signal(signal) => u8::try_from(128 + signal).unwrap_or(1),
            Exit::Unseen => 1,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exited {code}"),
            Exit::Signal(signal) => write!(f, "was killed by {}", signal_name(*signal)),
            Exit::Unseen => write!(f, "ended with an unknown status"),
        }
    }
}

/// The name of a signal, such as `SIGTERM`.
pub(super) fn signal_name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |name| name.to_string())
}

/// Waits until the child `pid` has ended and leaves it a zombie, so that no other process can get
/// its number before it is reaped. Blocks as long as the child runs.
pub(super) fn wait_unreaped(pid: Pid) -> Exit {
    loop {
        match waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Ok(WaitStatus::Exited(_, code)) => return Exit::Code(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Exit::Signal(signal as i32),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return Exit::Unseen,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn shell(script: &str) -> (Child, Pid) {
        let child = Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        (child, pid)
    }

    #[test]
    fn a_child_that_was_waited_for_can_still_be_reaped() {
        let (mut child, pid) = shell("exit 3");
        assert_eq!(wait_unreaped(pid), Exit::Code(3));
        assert_eq!(wait_unreaped(pid), Exit::Code(3));
        assert_eq!(child.wait().unwrap().code(), Some(3));
        assert_eq!(wait_unreaped(pid), Exit::Unseen);
    }

    #[test]
    fn exits_read_as_a_shell_and_a_person_would_say_them() {
        let (mut child, pid) = shell("kill -KILL $$");
        let exit = wait_unreaped(pid);
        child.wait().unwrap();
        assert_eq!((exit.shell_code(), exit.to_string()), (137, "was killed by SIGKILL".into()));
        assert_eq!((Exit::Code(3).shell_code(), Exit::Code(3).to_string()), (3, "exited 3".into()));
        assert!(Exit::Code(0).is_success() && !exit.is_success());
    }
}
