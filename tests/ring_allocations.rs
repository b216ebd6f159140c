//! A log call over the Ring transport allocates nothing.

#![allow(unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use log::Log;
use logboom::{Level, Overflow, QueueDir, TransportChoice};

/// The system's allocator, which counts for each thread.
struct Counting;

thread_local!(static ALLOCATIONS: Cell<u64> = const { Cell::new(0) });

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(old, layout, bytes) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_log_call_over_the_ring_allocates_nothing() {
    let place = tempfile::tempdir().unwrap();
    let handler = logboom::builder()
        .queue(QueueDir::at(place.path().join("q")).unwrap())
        .transport(TransportChoice::Ring)
        .overflow(Overflow::DropNewest)
        .attach()
        .unwrap();
    let call = |number: u32| {
        handler.log(Level::INFO, "a.b", format_args!("number {number} of {:?}", "many"));
        let pairs = [("user", number)];
        let mut record = log::Record::builder();
        record.level(log::Level::Error).target("a::b").file(Some("x.rs")).line(Some(7));
        record.key_values(&pairs);
        Log::log(&handler, &record.args(format_args!("and {number}")).build());
    };
    // The first call takes a lane and asks who this thread is.
    call(0);
    let before = ALLOCATIONS.get();
    (1..=300).for_each(call);
    assert_eq!(ALLOCATIONS.get(), before);
    let stats = handler.stats();
    assert_eq!((stats.records, stats.dropped), (602, 0));
}
