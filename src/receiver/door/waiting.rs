//! Waiting for descriptors.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How often a door that waits looks around all the same.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// Waits until one of these is readable, at most `timeout`; which of them are.
pub(super) fn readable<const N: usize>(fds: [BorrowedFd<'_>; N], timeout: Duration) -> [bool; N] {
    let mut polled = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    // Interrupted: nothing is known to be ready.
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    let is_known = poll(&mut polled, timeout).is_ok();
    polled.map(|fd| is_known && fd.any().unwrap_or(false))
}
