//! The protocol under loom, which tries every order of its steps and every value that a weak memory
//! may return. The very source of the protocol is compiled here, over loom's atomics.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use self::sync::{AtomicU64, Ordering};

mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

#[expect(clippy::duplicate_mod, reason = "each has atomics of its own")]
#[path = "../protocol.rs"]
mod protocol;

/// What two sides share: something published, the flag of who sleeps, and bytes that are no atomics.
struct Shared {
    news: AtomicU64,
    asleep: AtomicU64,
    bytes: UnsafeCell<u64>,
}

// SAFETY: the protocol under test orders the accesses to the cell; loom reports where it does not.
unsafe impl Sync for Shared {}

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared {
            news: AtomicU64::new(0),
            asleep: AtomicU64::new(0),
            bytes: UnsafeCell::new(0),
        })
    }
}

#[test]
fn what_is_published_was_written_before() {
    loom::model(|| {
        let shared = Shared::new();
        let writer = Arc::clone(&shared);
        let writing = thread::spawn(move || {
            // SAFETY: the cell is live; loom checks that nobody else is at it.
            writer.bytes.with_mut(|bytes| unsafe { *bytes = 7 });
            protocol::publish(&writer.news, 1);
        });
        if protocol::observe(&shared.news) == 1 {
            // SAFETY: as above.
            shared.bytes.with(|bytes| assert_eq!(unsafe { *bytes }, 7));
        }
        writing.join().expect("no panic");
    });
}

#[test]
fn whoever_goes_to_sleep_has_seen_the_news_or_is_woken() {
    loom::model(|| {
        let shared = Shared::new();
        let waker = Arc::clone(&shared);
        let waking = thread::spawn(move || {
            protocol::publish(&waker.news, 1);
            protocol::takes_wake(&waker.asleep)
        });
        protocol::announce_sleep(&shared.asleep);
        let seen = protocol::observe(&shared.news) == 1;
        let woken = waking.join().expect("no panic");
        assert!(seen || woken, "a wake was lost");
    });
}

#[test]
fn of_two_wakers_one_wakes_and_no_news_is_missed() {
    loom::model(|| {
        let shared = Shared::new();
        let second = Arc::new(AtomicU64::new(0));
        let wake = |news: Arc<AtomicU64>, shared: Arc<Shared>| {
            thread::spawn(move || {
                protocol::publish(&news, 1);
                protocol::takes_wake(&shared.asleep)
            })
        };
        let first = Arc::new(AtomicU64::new(0));
        let wakers = [
            wake(Arc::clone(&first), Arc::clone(&shared)),
            wake(Arc::clone(&second), Arc::clone(&shared)),
        ];
        protocol::announce_sleep(&shared.asleep);
        let seen = [&first, &second].map(|news| protocol::observe(news) == 1);
        let woken = wakers.map(|waker| waker.join().expect("no panic"));
        assert!(woken.iter().filter(|woken| **woken).count() <= 1);
        let missed = seen.contains(&false) && !woken.contains(&true);
        assert!(!missed, "a wake was lost");
        assert_eq!(shared.asleep.load(Ordering::Relaxed), u64::from(!woken.contains(&true)));
    });
}
