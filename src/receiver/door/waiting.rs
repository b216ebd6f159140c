//! Waiting for descriptors, and for room in the listener.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::listener::Inlet;

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

/// Waits until the listener has room, or is closing; whether it has.
pub(super) fn wait_for_room(inlet: &Inlet) -> bool {
    wait(inlet, || inlet.is_closing())
}

/// The same while it is closing; then it has room as soon as it has ended.
pub(super) fn wait_for_last_room(inlet: &Inlet) -> bool {
    wait(inlet, || inlet.has_ended())
}

fn wait(inlet: &Inlet, is_over: impl Fn() -> bool) -> bool {
    if inlet.has_room() {
        return true;
    }
    inlet.counts().add_pause();
    loop {
        // Before the look, so that no wake behind it is lost.
        inlet.clear_wake();
        if inlet.has_room() {
            return true;
        }
        if is_over() {
            return false;
        }
        readable([inlet.wake()], TICK);
    }
}
