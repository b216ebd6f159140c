//! Pseudo-terminals.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

/// Both sides of a new pseudo-terminal. No process that is started inherits them: one that did would
/// keep a hang-up from happening.
pub fn open_terminal() -> (File, File) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let keyboard = posix_openpt(flags).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname_r(&keyboard).unwrap();
    let terminal =
        File::options().read(true).write(true).custom_flags(flags.bits()).open(name).unwrap();
    (File::from(OwnedFd::from(keyboard)), terminal)
}
