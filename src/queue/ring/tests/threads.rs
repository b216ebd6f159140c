//! Which thread writes where, and what happens when there is no lane or no more directory.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::fs::{self, File};
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::{Queue, messages, start, until};
use crate::codec::Draft;
use crate::queue::contract::PATIENCE;
use crate::queue::ring::bell::Bell;
use crate::queue::ring::layout::Words;
use crate::queue::ring::{
    LANE_BYTES, LANES_DIR, LaneError, MAX_LANES_PER_PROCESS, MAX_QUEUE_BYTES, Ring, protocol,
};
use crate::queue::{Certainty, Overflow, QueueDir, Transport};
use crate::{Level, Process, Thread};

fn send(ring: &Ring, message: &dyn fmt::Display) {
    ring.send(&Draft::new(1, Level::INFO, "l", format_args!("{message}")));
}

#[test]
fn threads_that_follow_each_other_use_one_lane() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    for number in 0..20 {
        thread::scope(|scope| scope.spawn(|| send(&ring, &number)).join().expect("no panic"));
    }
    let readers = queue.readers();
    assert_eq!(readers.len(), 1);
    assert_eq!(messages(&readers[0]), (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn threads_beyond_the_bound_share_the_last_lane() {
    const THREADS: usize = 6;
    let queue = Queue::new();
    let ring = start(queue.dir(), Overflow::DropNewest, 3);
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                send(&ring, &"first");
                together.wait();
                (0..100).for_each(|n| send(&ring, &n));
            });
        }
    });
    let found: Vec<_> = queue.readers().iter().map(|reader| messages(reader).len()).collect();
    assert_eq!(found.len(), 3);
    assert_eq!(found.iter().sum::<usize>(), THREADS * 101);
    assert_eq!(found.iter().max(), Some(&(4 * 101)));
}

/// Logs while it is formatted.
struct Chatty<'a> {
    ring: &'a Ring,
    times: usize,
}

impl fmt::Display for Chatty<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.times).for_each(|n| send(self.ring, &format_args!("inner {n}")));
        f.write_str("outer")
    }
}

#[test]
fn a_record_logged_by_a_display_follows_the_one_it_is_in() {
    for max_lanes in [1, MAX_LANES_PER_PROCESS] {
        let queue = Queue::new();
        let ring = start(queue.dir(), Overflow::DropNewest, max_lanes);
        send(&ring, &Chatty { ring: &ring, times: 2 });
        send(&ring, &"after");
        let found = messages(&queue.readers()[0]);
        assert_eq!(found, ["outer", "inner 0", "inner 1", "after"]);
    }
}

#[test]
fn a_display_that_logs_without_end_is_cut_and_counted() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::Block);
    send(&ring, &Chatty { ring: &ring, times: 1000 });
    send(&ring, &"after");
    assert_eq!(messages(&queue.readers()[0]).len(), 1 + 64 + 1);
    assert_eq!((ring.stats().records, ring.stats().dropped), (1002, 1000 - 64));
}

#[test]
fn a_display_runs_once_and_may_panic() {
    struct Once(Cell<u32>);
    impl fmt::Display for Once {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.set(self.0.get() + 1);
            (0..100).try_for_each(|_| f.write_str(&"x".repeat(1000)))
        }
    }
    struct Bad;
    impl fmt::Display for Bad {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            std::panic::resume_unwind(Box::new("bad"))
        }
    }
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    let once = Once(Cell::new(0));
    (0..3).for_each(|_| send(&ring, &once));
    assert_eq!(once.0.get(), 3);
    assert_eq!((ring.stats().records, ring.stats().dropped), (3, 1));
    send(&ring, &format_args!("before {Bad}"));
    let found = messages(&queue.readers()[0]);
    assert_eq!(found.len(), 3);
    assert_eq!(found[2], "before …[formatting panicked]");
}

#[test]
fn a_thread_local_destructor_can_log() {
    struct Last(Ring);
    impl Drop for Last {
        fn drop(&mut self) {
            send(&self.0, &"last");
        }
    }
    thread_local!(static LAST: RefCell<Option<Last>> = const { RefCell::new(None) });
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    // Destructors run in the reverse order of first use: once after the ring's own, once before.
    for uses_ring_first in [true, false] {
        let ring = ring.clone();
        let logging = thread::spawn(move || {
            if uses_ring_first {
                send(&ring, &"first");
            }
            LAST.set(Some(Last(ring.clone())));
            send(&ring, &"then");
        });
        logging.join().expect("no panic");
    }
    assert_eq!(messages(&queue.readers()[0]), ["first", "then", "last", "then", "last"]);
}

#[test]
fn marks_say_which_thread_speaks() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    for (id, name) in [(1, "a"), (1, "a"), (2, "b")] {
        let thread = Thread { id, name: name.into() };
        ring.send(&Draft { thread, ..Draft::new(1, Level::INFO, "l", format_args!("x")) });
    }
    assert_eq!(super::read_all(&queue.readers()[0]).len(), 3 + 2);
}

#[test]
fn records_go_on_in_a_new_lane_after_the_directory_was_deleted() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    send(&ring, &"lost");
    fs::remove_dir_all(queue.dir().path()).expect("removed");
    ring.leave_deleted_lanes();
    send(&ring, &"kept");
    assert_eq!(messages(&queue.readers()[0]), ["kept"]);
    assert_eq!(ring.stats().records, 2);
}

#[test]
fn a_call_that_waits_for_room_moves_on_when_the_lane_is_deleted() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::Block);
    thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let text = "x".repeat(10_000);
            (0..40).for_each(|_| send(&ring, &text));
        });
        let reader = queue.readers().pop().expect("a lane");
        until("the lane is full", || reader.tail() > 250_000);
        fs::remove_dir_all(queue.dir().path()).expect("removed");
        caller.join().expect("no panic");
    });
    assert_eq!(ring.stats().records, 40);
    assert!(messages(&queue.readers()[0]).len() >= 14);
}

#[test]
fn a_thread_without_a_lane_counts_and_says_so_when_it_has_one() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    send(&ring, &"one lane is mine");
    let ballast = queue.dir().path().join(LANES_DIR).join("ballast");
    File::create(&ballast).expect("a file").set_len(MAX_QUEUE_BYTES).expect("sparse");
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..3).for_each(|n| send(&ring, &n));
            assert_eq!((ring.stats().records, ring.stats().dropped), (4, 3));
            fs::remove_file(&ballast).expect("removed");
            until("a lane is made", || {
                send(&ring, &"x");
                queue.lanes().len() == 2
            });
        });
    });
    let mut found: Vec<_> = queue.readers().iter().map(messages).collect();
    found.sort();
    assert_eq!(found, [vec!["one lane is mine"], vec!["x"]]);
    let stats = ring.stats();
    assert_eq!(stats.records - stats.dropped, 2);
}

fn refusal(dir: QueueDir) -> LaneError {
    let ring = Ring::start(dir, Process::default(), Overflow::Block, MAX_LANES_PER_PROCESS);
    ring.err().expect("there is no room")
}

#[test]
fn lanes_beyond_the_bound_of_the_queue_are_refused_by_name() {
    let queue = Queue::new();
    queue.ring(Overflow::Block).close();
    let ballast = File::create(queue.dir().path().join(LANES_DIR).join("ballast")).expect("a file");
    ballast.set_len(MAX_QUEUE_BYTES).expect("sparse");
    let error = refusal(queue.dir());
    assert!(error.is_lack_of_room());
    assert!(error.to_string().contains("268435456 bytes"), "{error}");
}

#[test]
fn a_full_file_system_is_an_error_and_leaves_nothing_behind() {
    let place = tempfile::tempdir().expect("a directory");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=128k,mode=700", "none"])
        .arg(place.path())
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    }
    let dir = QueueDir::at(place.path().join("q")).expect("a short path");
    let error = refusal(dir.clone());
    let left = fs::read_dir(dir.path().join(LANES_DIR)).expect("lanes").count();
    let unmounted = Command::new("umount").arg(place.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert!(error.is_lack_of_room(), "{error:?}");
    assert_eq!(left, 0);
}

#[test]
fn a_closed_ring_frees_its_lanes_and_drops_what_comes_after() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::Block);
    send(&ring, &"before");
    let reader = queue.readers().pop().expect("a lane");
    assert!(reader.is_alive().expect("a lock"));
    ring.close();
    assert!(!reader.is_alive().expect("a lock"));
    send(&ring, &"after");
    assert_eq!(messages(&reader), ["before"]);
    assert_eq!((ring.stats().records, ring.stats().dropped), (2, 1));
    reader.remove().expect("removed");
    assert_eq!(queue.lanes().len(), 0);
}

#[test]
fn a_flush_for_the_disk_asks_for_it_and_waits_for_it() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::Block);
    send(&ring, &"x");
    let reader = queue.readers().pop().expect("a lane");
    thread::scope(|scope| {
        let flush = scope.spawn(|| ring.flush(Certainty::Synced, PATIENCE));
        until("it asks", || reader.sync_asked() == 1);
        reader.set_written(1);
        reader.set_synced(1);
        assert!(flush.join().expect("no panic").is_complete());
    });
    assert!(ring.flush(Certainty::Written, Duration::ZERO).is_complete());
}

#[test]
fn what_the_listener_notes_in_a_lane_is_found_by_the_next() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::Block);
    send(&ring, &"x");
    let reader = queue.readers().pop().expect("a lane");
    reader.set_next_head(reader.tail());
    reader.set_batch(3);
    reader.set_written(1);
    reader.set_synced(1);
    let next = queue.readers().pop().expect("the same lane");
    assert_eq!((next.head(), next.next_head(), next.batch()), (0, reader.tail(), 3));
    assert_eq!((next.written(), next.synced()), (1, 1));
}

#[test]
fn a_warning_wakes_a_listener_that_sleeps() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    let reader = queue.readers().pop().expect("a lane");
    let bell = Bell::open(&queue.dir()).expect("the bell");
    thread::scope(|scope| {
        let sleeping = scope.spawn(|| bell.sleep(2 * PATIENCE, || reader.tail() > 0));
        ring.send(&Draft::new(1, Level::WARNING, "l", format_args!("x")));
        until("the listener is awake", || sleeping.is_finished());
    });
}

#[test]
fn a_lane_that_fills_wakes_a_listener_that_sleeps() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    let bell = Bell::open(&queue.dir()).expect("the bell");
    let text = "x".repeat(1000);
    thread::scope(|scope| {
        let sleeping = scope.spawn(|| bell.sleep(2 * PATIENCE, || false));
        until("the listener is awake", || {
            send(&ring, &text);
            sleeping.is_finished()
        });
    });
}

#[test]
fn a_caller_that_waits_for_room_is_woken_when_half_of_its_lane_is_free() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    let text = "x".repeat(1000);
    until("the lane is full", || {
        send(&ring, &text);
        ring.stats().dropped > 0
    });
    let reader = queue.readers().pop().expect("a lane");
    let middle = reader.tail() - LANE_BYTES as u64 / 2;
    protocol::announce_sleep(reader.room_asleep());
    reader.set_head(middle - 8);
    assert_eq!(reader.room_asleep().load(Ordering::Relaxed), 1);
    reader.set_head(middle);
    assert_eq!(reader.room_asleep().load(Ordering::Relaxed), 0);
}
