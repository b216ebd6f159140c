//! How two processes tell each other of news through words that both have mapped.
//!
//! One side stores its news and then looks whether the other sleeps; the other says that it sleeps
//! and then looks for news. The fences make these two orders one: at least one of them sees what
//! the other did, so no wake is lost.

use super::sync::{AtomicU64, Ordering, fence};

/// Makes all that was written before visible to whoever reads `word`.
pub(super) fn publish(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Release);
}

/// Reads `word` and with it all that was written before it was published.
pub(super) fn observe(word: &AtomicU64) -> u64 {
    word.load(Ordering::Acquire)
}

/// Says that we are about to sleep; look for news once more after this.
pub(super) fn announce_sleep(asleep: &AtomicU64) {
    asleep.store(1, Ordering::Relaxed);
    fence(Ordering::SeqCst);
}

/// After news was published: whether the other side has to be woken, and by us.
pub(super) fn takes_wake(asleep: &AtomicU64) -> bool {
    fence(Ordering::SeqCst);
    asleep.load(Ordering::Relaxed) != 0 && asleep.swap(0, Ordering::Relaxed) != 0
}
