//! The contract of a [`Transport`], as tests that every transport has to pass.

use std::time::{Duration, Instant};

use super::{Certainty, Overflow, Transport};
use crate::codec::{Draft, Entry, decode};
use crate::{Level, Record, Thread};

/// Longest wait for anything that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A transport with the listener's end of it.
pub(crate) trait Bench: Sync {
    /// A lane with an empty queue, and a listener that reads nothing unless told to.
    fn start(overflow: Overflow) -> Self;

    fn transport(&self) -> &dyn Transport;

    /// Waits for what comes next and takes it; encoded entries, in order.
    fn receive(&self) -> Vec<Vec<u8>>;

    /// Says that the calls before `seq` are written.
    fn confirm(&self, seq: u64);
}

/// What the listener's end has seen.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Record { seq: u64, message: String, thread: String },
    Drops { total: u64 },
}

/// Runs the whole battery.
pub(crate) fn check<B: Bench>() {
    check_with_one_caller::<B>();
    threads_share_a_lane_without_loss::<B>();
}

/// Runs what needs no more than one calling thread at a time.
pub(crate) fn check_with_one_caller<B: Bench>() {
    records_arrive_once_in_order_with_their_threads::<B>();
    the_largest_record_arrives_cut::<B>();
    drop_newest_returns_and_marks_what_it_drops_in_its_place::<B>();
    drop_below_keeps_an_eighth_for_what_matters::<B>();
    block_for_waits_once_per_outage::<B>();
    block_waits_for_room_and_loses_nothing::<B>();
    a_flush_waits_for_the_word_of_the_listener::<B>();
    a_closed_lane_ends_a_call_that_waits::<B>();
}

fn send(transport: &dyn Transport, thread: &str, message: &str) {
    let thread = Thread { id: thread.len() as u64, name: thread.into() };
    transport.send(&Draft { thread, ..Draft::new(1, Level::INFO, "l", format_args!("{message}")) });
}

fn receive_until<B: Bench>(bench: &B, end_seq: u64) -> Vec<Seen> {
    let (mut seen, mut next_seq, mut thread) = (Vec::new(), 0, String::new());
    while next_seq < end_seq {
        for entry in bench.receive() {
            let mut record = Record::new(0, Level::INFO, "", "");
            match decode(&entry, &mut record).expect("an entry") {
                Entry::Thread { name, .. } => thread = name.to_owned(),
                Entry::Record => {
                    assert_eq!(record.seq, next_seq);
                    next_seq += 1;
                    let message = record.message.into_owned();
                    seen.push(Seen::Record { seq: record.seq, message, thread: thread.clone() });
                }
                Entry::Drops(drops) => {
                    assert_eq!(drops.first_seq, next_seq);
                    next_seq += drops.total();
                    seen.push(Seen::Drops { total: drops.total() });
                }
            }
        }
    }
    assert_eq!(next_seq, end_seq);
    seen
}

fn records_arrive_once_in_order_with_their_threads<B: Bench>() {
    let bench = B::start(Overflow::Block);
    let calls = [("one", "a"), ("one", "b"), ("three", "c"), ("one", "d")];
    calls.iter().for_each(|(thread, message)| send(bench.transport(), thread, message));
    let expected = calls.iter().zip(0..).map(|((thread, message), seq)| Seen::Record {
        seq,
        message: (*message).to_owned(),
        thread: (*thread).to_owned(),
    });
    assert_eq!(receive_until(&bench, 4), expected.collect::<Vec<_>>());
}

fn the_largest_record_arrives_cut<B: Bench>() {
    let bench = B::start(Overflow::Block);
    send(bench.transport(), "t", &"x".repeat(1 << 20));
    let seen = receive_until(&bench, 1);
    let Seen::Record { message, .. } = &seen[0] else { panic!("{seen:?}") };
    assert!(message.len() > 100_000 && message.ends_with(" bytes]"));
}

fn threads_share_a_lane_without_loss<B: Bench>() {
    const THREADS: usize = 4;
    const CALLS: u64 = 2000;
    let bench = B::start(Overflow::Block);
    let seen = std::thread::scope(|scope| {
        for thread in 1..=THREADS {
            let (transport, name) = (bench.transport(), "t".repeat(thread));
            scope.spawn(move || {
                (0..CALLS).for_each(|call| send(transport, &name, &call.to_string()))
            });
        }
        receive_until(&bench, THREADS as u64 * CALLS)
    });
    for thread in 1..=THREADS {
        let name = "t".repeat(thread);
        let own = seen.iter().filter_map(|seen| match seen {
            Seen::Record { message, thread, .. } if *thread == name => message.parse::<u64>().ok(),
            _ => None,
        });
        assert!(own.eq(0..CALLS), "the calls of {name}");
    }
}

/// Calls until one is dropped; how many calls that took.
fn fill(transport: &dyn Transport) -> u64 {
    let text = "x".repeat(1000);
    while transport.stats().dropped == 0 {
        send(transport, "t", &text);
        assert!(transport.stats().records < 100_000, "no limit");
    }
    transport.stats().records
}

fn drop_newest_returns_and_marks_what_it_drops_in_its_place<B: Bench>() {
    let bench = B::start(Overflow::DropNewest);
    let filled = fill(bench.transport());
    (0..9).for_each(|_| send(bench.transport(), "t", &"x".repeat(1000)));
    let dropped = bench.transport().stats().dropped;
    let seen = receive_until(&bench, filled + 9);
    // More than one mark where a sender has made room meanwhile.
    let marked = seen.iter().map(|seen| if let Seen::Drops { total } = seen { *total } else { 0 });
    assert_eq!(marked.sum::<u64>(), dropped);
    send(bench.transport(), "t", "after");
    let messages = bench.receive().into_iter().filter_map(|entry| {
        let mut record = Record::new(0, Level::INFO, "", "");
        let is_record = decode(&entry, &mut record) == Ok(Entry::Record);
        is_record.then(|| record.message.into_owned())
    });
    assert_eq!(messages.collect::<Vec<_>>(), ["after"]);
}

fn drop_below_keeps_an_eighth_for_what_matters<B: Bench>() {
    let bench = B::start(Overflow::DropBelow(Level::WARNING));
    let transport = bench.transport();
    let filled = fill(transport);
    let text = "x".repeat(1000);
    let warn = || {
        transport.send(&Draft::new(1, Level::WARNING, "l", format_args!("{text}")));
        transport.stats()
    };
    let mut kept = 0;
    while warn().dropped == 1 {
        kept += 1;
    }
    // An eighth of the 256 KiB that both transports have here; and the room of what was sent
    // meanwhile, which is at most what a socket takes by default (212 992 bytes) and a batch.
    assert!((25..=350).contains(&kept), "{kept} warnings after {filled} others");
}

fn block_for_waits_once_per_outage<B: Bench>() {
    const WAIT: Duration = Duration::from_millis(100);
    let bench = B::start(Overflow::BlockFor(WAIT));
    let begun = Instant::now();
    let filled = fill(bench.transport());
    assert!(begun.elapsed() >= WAIT, "it did not wait");
    let begun = Instant::now();
    (0..1000).for_each(|_| send(bench.transport(), "t", &"x".repeat(1000)));
    assert!(begun.elapsed() < WAIT * 1000 / 2, "it waited for every call");
    receive_until(&bench, filled + 1000);
}

fn block_waits_for_room_and_loses_nothing<B: Bench>() {
    const CALLS: u64 = 5000;
    let bench = B::start(Overflow::Block);
    std::thread::scope(|scope| {
        let transport = bench.transport();
        let text = "x".repeat(1000);
        let caller = scope.spawn(move || (0..CALLS).for_each(|_| send(transport, "t", &text)));
        while transport.stats().records < 100 {
            std::thread::yield_now();
        }
        // More than a quarter of a second is not what a call takes that does not wait.
        assert!(!transport.flush(Certainty::Written, Duration::from_millis(250)).is_complete());
        assert!(!caller.is_finished(), "5 MB fitted into the queue");
        receive_until(&bench, CALLS);
    });
    assert_eq!(bench.transport().stats().dropped, 0);
}

fn a_flush_waits_for_the_word_of_the_listener<B: Bench>() {
    let bench = B::start(Overflow::Block);
    let transport = bench.transport();
    (0..3).for_each(|_| send(transport, "t", "x"));
    assert!(transport.flush(Certainty::Queued, Duration::ZERO).is_complete());
    assert_eq!(transport.flush(Certainty::Written, Duration::ZERO).pending_records, 3);
    receive_until(&bench, 3);
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| transport.flush(Certainty::Written, PATIENCE));
        bench.confirm(2);
        bench.confirm(3);
        assert!(flush.join().expect("no panic").is_complete());
    });
    assert!(transport.flush(Certainty::Written, Duration::ZERO).is_complete());
}

fn a_closed_lane_ends_a_call_that_waits<B: Bench>() {
    let bench = B::start(Overflow::Block);
    std::thread::scope(|scope| {
        let transport = bench.transport();
        let caller = scope.spawn(move || {
            let text = "x".repeat(1000);
            (0..5000).for_each(|_| send(transport, "t", &text));
        });
        while transport.stats().records < 100 {
            std::thread::yield_now();
        }
        // More than a quarter of a second is not what a call takes that does not wait.
        assert!(!transport.flush(Certainty::Written, Duration::from_millis(250)).is_complete());
        assert!(!caller.is_finished(), "5 MB fitted into the queue");
        transport.close();
        caller.join().expect("no panic");
    });
}
