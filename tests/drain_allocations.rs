//! The way of a record from its lane to the log file allocates nothing.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use logboom::formatter::PatternFormatter;
use logboom::handler::RotatingFileHandler;
use logboom::{Level, Overflow, QueueDir, QueueListener, TransportChoice};

/// More than a round takes and than a batch holds, and less than a lane does.
const MANY_RECORDS: u64 = 1600;
const FEW_RECORDS: u64 = 100;

/// Rounds, batches and their notes in the journal may allocate: about this often for a record that
/// is the first of a round.
const ALLOCATIONS_PER_ROUND: u64 = 50;

/// How often a listener allocates, on the thread that drains, that finds `records` in a lane.
fn allocations(place: &Path, records: u64) -> u64 {
    let queue = || QueueDir::at(place.join(format!("q{records}"))).unwrap();
    let handler = logboom::builder()
        .queue(queue())
        .name("a-worker")
        .transport(TransportChoice::Ring)
        .overflow(Overflow::DropNewest)
        .attach()
        .unwrap();
    for number in 0..records {
        handler.log(Level::INFO, "http.access", format_args!("request {number} served in 5 ms"));
    }
    assert_eq!(handler.stats().dropped, 0);
    let path = place.join(format!("log{records}"));
    let file = RotatingFileHandler::builder(&path).max_bytes(1 << 30).backup_count(1);
    let file = file.open(PatternFormatter::default()).unwrap();
    let listener = QueueListener::builder(queue()).file(file).bind().unwrap();
    listener.stop_handle().request();
    let mut drained = 0;
    let counted = allocation_counter::measure(|| drained = listener.run().unwrap().drained);
    assert_eq!(drained, records);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count() as u64, records);
    counted.count_total
}

#[test]
fn a_record_on_its_way_to_the_file_allocates_nothing() {
    let place = tempfile::tempdir().unwrap();
    // What is made once for a process, as the local time zone.
    allocations(place.path(), 1);
    let (few, many) =
        (allocations(place.path(), FEW_RECORDS), allocations(place.path(), MANY_RECORDS));
    let bound = few + 4 * ALLOCATIONS_PER_ROUND;
    assert!(many <= bound, "{FEW_RECORDS} records: {few}; {MANY_RECORDS} records: {many}");
}
