//! Sleeping on a word of shared memory, futex(2).

use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The kernel compares 32 bits: those that change with every step.
const LOW_HALF: usize = if cfg!(target_endian = "big") { 1 } else { 0 };

/// Sleeps while the low half of `word` is that of `seen`, until woken or `timeout` has passed; may
/// also return for no reason.
pub(super) fn wait(word: &AtomicU64, seen: u64, timeout: Duration) {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: the address is that of a live atomic, which the kernel only reads, and the timeout
    // lives until the call returns. The word may be shared with other processes: no private futex.
    unsafe {
        libc::syscall(libc::SYS_futex, low_half(word), libc::FUTEX_WAIT, seen as u32, &timeout);
    }
}

/// Wakes all that sleep on `word`.
pub(super) fn wake_all(word: &AtomicU64) {
    // SAFETY: the kernel uses the address as a name only.
    unsafe {
        libc::syscall(libc::SYS_futex, low_half(word), libc::FUTEX_WAKE, i32::MAX);
    }
}

fn low_half(word: &AtomicU64) -> *const u32 {
    word.as_ptr().cast::<u32>().wrapping_add(LOW_HALF)
}
