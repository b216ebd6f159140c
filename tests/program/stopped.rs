//! A listener, or a worker, that stands still (SIGSTOP) holds nobody longer than promised.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use logboom::{Certainty, Overflow};
use nix::sys::signal::Signal;
use support::{PATIENCE, Place, hear, role, say, wait_until};

const PATTERN: &str = "%(processName)s %(message)s";

/// How long the listener stands still.
const STANDSTILL: Duration = Duration::from_secs(5);

/// `POLICY N`: logs one record, waits, logs N more, tells how it went, waits, flushes.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let overflow = match role[0].as_str() {
        "block" => Overflow::Block,
        "block-for" => Overflow::BlockFor(Duration::from_millis(200)),
        _ => Overflow::DropNewest,
    };
    let guard = logboom::builder().overflow(overflow).init().unwrap();
    log::info!("record 0");
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
    say("ready");
    if hear() == "leave" {
        log::info!("last words");
        return;
    }
    let begun = Instant::now();
    let before_kb = resident_kb();
    for number in 1..=role[1].parse::<u32>().unwrap() {
        log::info!("record {number}");
    }
    let elapsed = begun.elapsed();
    let grown_kb = resident_kb().saturating_sub(before_kb);
    say(&format!("{} {} {grown_kb}", elapsed.as_millis(), guard.handler().stats().dropped));
    if hear() == "flush" {
        assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
    }
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

struct Outcome {
    calls_took: Duration,
    dropped: u64,
    grown_kb: u64,
}

impl Outcome {
    fn read(text: &str) -> Outcome {
        let numbers: Vec<u64> = text.split(' ').map(|word| word.parse().unwrap()).collect();
        Outcome {
            calls_took: Duration::from_millis(numbers[0]),
            dropped: numbers[1],
            grown_kb: numbers[2],
        }
    }
}

/// Every call of `records` is in the log, or counted in a drop line in its place.
fn accounted(place: &Place, worker: &str, records: u64) -> u64 {
    let (mut next, mut dropped) = (0, 0);
    for message in place.messages_of(worker) {
        if let Some(number) = message.strip_prefix("record ") {
            assert_eq!(number.parse::<u64>().unwrap(), next, "out of place");
            next += 1;
        } else {
            let count = message.strip_prefix("dropped ").unwrap().split(' ').next().unwrap();
            let count: u64 = count.parse().unwrap();
            assert!(
                message.contains(&format!("(INFO {count}) from {worker} between ")),
                "{message}"
            );
            (next, dropped) = (next + count, dropped + count);
        }
    }
    assert_eq!(next, records, "calls that are neither written nor counted as dropped");
    dropped
}

fn calls_under_a_standstill(policy: &str) -> Outcome {
    const RECORDS: u64 = 400_000;
    let place = Place::new();
    let listener = place.listen(&["--format", PATTERN]);
    let mut worker = place.worker("w", &[policy, &RECORDS.to_string()]);
    worker.heard();
    listener.process.signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    worker.tell("go");
    let outcome = Outcome::read(&worker.heard());
    wait_until("the end of the standstill", || stopped.elapsed() >= STANDSTILL);
    listener.process.signal(Signal::SIGCONT);
    worker.tell("flush");
    worker.finish();
    let report = listener.stop();

    assert_eq!(accounted(&place, "w", RECORDS + 1), outcome.dropped);
    assert_eq!((report.dropped, report.missing), (outcome.dropped, 0));
    assert!(outcome.dropped > 0);
    assert!(outcome.grown_kb < 16 * 1024, "the worker grew by {} kB", outcome.grown_kb);
    outcome
}

#[test]
fn drop_newest_never_waits_and_counts_what_it_drops() {
    let outcome = calls_under_a_standstill("drop");
    assert!(outcome.calls_took < Duration::from_secs(10), "{:?}", outcome.calls_took);
}

#[test]
fn block_for_waits_once_per_outage_and_counts_what_it_drops() {
    let outcome = calls_under_a_standstill("block-for");
    assert!(outcome.calls_took >= Duration::from_millis(200), "it did not wait");
    // Waiting for every dropped call would take hours.
    assert!(outcome.calls_took < Duration::from_secs(10), "{:?}", outcome.calls_took);
}

#[test]
fn block_waits_until_the_listener_goes_on_and_loses_nothing() {
    const RECORDS: u64 = 100_000;
    let place = Place::new();
    let listener = place.listen(&["--format", PATTERN]);
    let mut worker = place.worker("w", &["block", &RECORDS.to_string()]);
    worker.heard();
    listener.process.signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    worker.tell("go");
    wait_until("the end of the standstill", || stopped.elapsed() >= STANDSTILL);
    listener.process.signal(Signal::SIGCONT);
    let outcome = Outcome::read(&worker.heard());
    worker.tell("flush");
    worker.finish();
    listener.stop();

    assert!(outcome.calls_took >= STANDSTILL / 2, "100 000 records fitted into the queue");
    assert!(outcome.grown_kb < 16 * 1024, "the worker grew by {} kB", outcome.grown_kb);
    assert_eq!(accounted(&place, "w", RECORDS + 1), 0);
}

#[test]
fn a_worker_ends_while_its_listener_stands_still() {
    let place = Place::new();
    let listener = place.listen(&["--format", PATTERN]);
    let mut worker = place.worker("w", &["drop", "0"]);
    worker.heard();
    listener.process.signal(Signal::SIGSTOP);
    worker.tell("leave");
    worker.finish();
    listener.process.signal(Signal::SIGCONT);
    listener.stop();
    assert_eq!(place.messages_of("w"), ["record 0", "last words"]);
}

#[test]
fn ctl_gives_up_on_a_listener_that_stands_still_and_the_stop_is_done_when_it_goes_on() {
    let place = Place::new();
    let mut listener = place.listen(&[]);
    listener.process.signal(Signal::SIGSTOP);
    let begun = Instant::now();
    let output = place.run(&["ctl", "stop", "--timeout", "1"]);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did not answer"));
    listener.process.signal(Signal::SIGTERM);
    listener.process.signal(Signal::SIGCONT);
    assert_eq!(listener.process.wait(), 0);
}

#[test]
fn a_listener_stops_at_its_deadline_while_a_worker_stands_still() {
    let place = Place::new();
    let listener = place.listen(&["--format", PATTERN, "--drain-timeout", "1"]);
    let mut worker = place.worker("w", &["drop", "0"]);
    worker.heard();
    worker.process.signal(Signal::SIGSTOP);
    let report = listener.stop();
    assert_eq!((report.drained, report.missing, report.left_lanes), (1, 0, 1));
}
