//! The contract of a transport, over one common lane and over lanes of their own.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Queue, start};
use crate::queue::contract::{self, Bench, PATIENCE};
use crate::queue::ring::reader::{Entries, LaneReader};
use crate::queue::ring::{MAX_LANES_PER_PROCESS, Ring};
use crate::queue::{Certainty, Overflow, Transport};

/// A ring and the reading side of its only lane.
struct RingBench<const MAX_LANES: usize> {
    ring: Ring,
    reader: Mutex<LaneReader>,
    _queue: Queue,
}

impl<const MAX_LANES: usize> Bench for RingBench<MAX_LANES> {
    fn start(overflow: Overflow) -> Self {
        let queue = Queue::new();
        let ring = start(queue.dir(), overflow, MAX_LANES);
        let reader = queue.readers().pop().expect("the first lane");
        RingBench { ring, reader: Mutex::new(reader), _queue: queue }
    }

    fn transport(&self) -> &dyn Transport {
        &self.ring
    }

    fn receive(&self) -> Vec<Vec<u8>> {
        let reader = self.reader.lock().expect("no panic");
        let deadline = Instant::now() + PATIENCE;
        let mut out = Vec::new();
        loop {
            // The mark of calls that were dropped is written by the next call, or by a flush.
            assert!(self.ring.flush(Certainty::Queued, Duration::ZERO).is_complete());
            let range = reader.read(reader.head(), reader.tail(), 64 * 1024, &mut out);
            let range = range.expect("undamaged");
            if range.from < range.to {
                reader.set_head(range.to);
                return Entries::of(&out, range).map(|(entry, _)| entry.to_vec()).collect();
            }
            assert!(Instant::now() < deadline, "waited in vain");
            std::thread::yield_now();
        }
    }

    fn confirm(&self, seq: u64) {
        self.reader.lock().expect("no panic").set_written(seq);
    }
}

impl<const MAX_LANES: usize> Drop for RingBench<MAX_LANES> {
    fn drop(&mut self) {
        self.ring.close();
    }
}

#[test]
fn a_common_lane_keeps_the_contract_of_a_transport() {
    contract::check::<RingBench<1>>();
}

#[test]
fn lanes_of_their_own_keep_the_contract_of_a_transport() {
    contract::check_with_one_caller::<RingBench<MAX_LANES_PER_PROCESS>>();
}
