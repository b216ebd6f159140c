//! Lanes that a listener takes away, and listeners that come and go.

use std::fs;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{Queue, messages, start, until};
use crate::Level;
use crate::codec::Draft;
use crate::queue::contract::PATIENCE;
use crate::queue::ring::bell::Bell;
use crate::queue::ring::{LANES_DIR, Ring, quarantine};
use crate::queue::{Certainty, Overflow, Transport};

fn send(ring: &Ring, message: &str) {
    ring.send(&Draft::new(1, Level::INFO, "l", format_args!("{message}")));
}

#[test]
fn records_go_on_in_a_new_lane_after_one_was_quarantined() {
    for max_lanes in [1, 8] {
        let queue = Queue::new();
        let ring = start(queue.dir(), Overflow::Block, max_lanes);
        send(&ring, "lost");
        let damaged = queue.lanes().pop().expect("a lane");
        let reader = queue.readers().pop().expect("a lane");
        quarantine(&damaged).expect("renamed");
        // Nobody will write what is in it: a flush does not wait.
        assert_eq!(ring.flush(Certainty::Written, 2 * PATIENCE).pending_records, 1);
        send(&ring, "kept");
        assert_eq!(messages(&queue.readers()[0]), ["kept"]);
        assert!(!reader.is_alive().expect("no file of this name"));
        assert_eq!((ring.stats().records, ring.stats().dropped), (2, 0));
    }
}

#[test]
fn a_call_that_waits_for_room_moves_on_when_the_lane_is_quarantined() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::Block);
    let text = "x".repeat(10_000);
    thread::scope(|scope| {
        let caller = scope.spawn(|| (0..40).for_each(|_| send(&ring, &text)));
        let reader = queue.readers().pop().expect("a lane");
        until("the lane is full", || reader.tail() > 250_000);
        quarantine(&queue.lanes().pop().expect("a lane")).expect("renamed");
        caller.join().expect("no panic");
    });
    assert!(messages(&queue.readers()[0]).len() >= 14);
}

#[test]
fn a_lane_whose_file_is_taken_away_while_it_is_made_is_made_again() {
    const LANES: usize = 200;
    let queue = Queue::new();
    let ended = AtomicBool::new(false);
    let folder = queue.dir().path().join(LANES_DIR);
    let (taken, made) = thread::scope(|scope| {
        let thief = scope.spawn(|| {
            let mut taken = 0;
            while !ended.load(Ordering::Relaxed) {
                for found in fs::read_dir(&folder).into_iter().flatten().flatten() {
                    let path = found.path();
                    let is_new = path.extension().is_some_and(|ending| ending == "new");
                    // By their random names half of all, however fast the thief is.
                    let is_wanted = found.file_name().as_encoded_bytes()[0] < b'8';
                    taken += usize::from(is_new && is_wanted && fs::remove_file(&path).is_ok());
                }
            }
            taken
        });
        let make = |_| Ring::start(queue.dir(), Default::default(), Overflow::Block, 1).is_ok();
        let made = (0..LANES).map(make).filter(|is_made| *is_made).count();
        ended.store(true, Ordering::Relaxed);
        (thief.join().expect("no panic"), made)
    });
    // All files that were made for one lane may be taken, but not those of many.
    assert!(taken > 0 && made > LANES / 2, "{taken} taken, {made} made");
    assert_eq!(queue.lanes().len(), made);
}

#[test]
fn the_end_of_a_worker_waits_for_a_listener_that_is_there_and_for_no_other() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::Block);
    send(&ring, "x");
    let reader = queue.readers().pop().expect("a lane");
    let settle = |until_settled: &dyn Fn()| {
        thread::scope(|scope| {
            let settling = scope.spawn(|| ring.settle(2 * PATIENCE));
            until_settled();
            until("it is settled", || settling.is_finished());
        });
    };
    settle(&|| {});
    let (worker, listener) = UnixStream::pair().expect("a pair");
    ring.attached(worker.try_clone().expect("a stream"));
    settle(&|| ring.detached());
    ring.attached(worker);
    settle(&|| reader.set_written(1));
    drop(listener);
}

#[test]
fn any_record_wakes_a_listener_that_rests_and_none_one_that_looks() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    let bell = Bell::open(&queue.dir()).expect("the bell");
    let hears = |timeout| {
        thread::scope(|scope| {
            let sleeping = scope.spawn(|| bell.sleep(timeout, || false));
            until("the sleep has ended", || {
                send(&ring, "x");
                sleeping.is_finished()
            });
            sleeping.join().expect("no panic")
        })
    };
    bell.rest();
    assert!(hears(2 * PATIENCE));
    bell.rise();
    let reader = queue.readers().pop().expect("a lane");
    reader.set_head(reader.tail());
    let before = reader.tail();
    thread::scope(|scope| {
        let sleeping = scope.spawn(|| bell.sleep(Duration::from_millis(50), || false));
        while !sleeping.is_finished() && reader.tail() - before < 100_000 {
            send(&ring, "x");
        }
        assert!(!sleeping.join().expect("no panic"));
    });
}
