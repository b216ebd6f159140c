//! Pseudo-terminals for what workers print: programs write each line at once to a terminal, and collect
//! some kilobytes for anything else.

use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};

/// The size that programs see: wide, since what they break or cut for a window is broken in the log.
const SIZE: Winsize = Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };

/// Both sides of a terminal. It is nobody's controlling one: the session of a worker has had its own
/// from the start, or none.
pub(in crate::supervisor) struct Terminal {
    /// Where is read what was printed. After the last of their side is closed, reading fails with EIO.
    pub(in crate::supervisor) ours: OwnedFd,
    /// What a program has in the place of a pipe.
    pub(in crate::supervisor) theirs: OwnedFd,
}

impl Terminal {
    /// Opens one that hands on each byte as it is printed. Until this returns no process may be started:
    /// it would inherit both sides.
    pub(in crate::supervisor) fn open() -> nix::Result<Terminal> {
        let OpenptyResult { master: ours, slave: theirs } = openpty(&SIZE, None)?;
        for side in [&ours, &theirs] {
            fcntl(side, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        let mut modes = tcgetattr(&theirs)?;
        modes.output_flags.remove(OutputFlags::OPOST);
        modes.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&theirs, SetArg::TCSANOW, &modes)?;
        Ok(Terminal { ours, theirs })
    }
}
