//! A listener, or a worker, that stands still (SIGSTOP) holds nobody longer than promised.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use logboom::{Certainty, Guard, Overflow};
use nix::sys::signal::Signal;
use serde_json::Value;
use support::{PATIENCE, Place, hear, role, say, wait_until};

/// What `logboom verify` needs, behind what the tests look for.
const PATTERN: &str = "%(processName)s %(lane)s %(seq)s %(name)s %(message)s";

/// How long the listener stands still.
const STANDSTILL: Duration = Duration::from_secs(10);

const WAIT: Duration = Duration::from_millis(200);

/// How many warnings a worker logs when its queue is full.
const WARNINGS: u64 = 100;

/// Most by which a worker may grow: 10 s of records that were kept would be hundreds of megabytes.
const MAX_GROWTH_KB: u64 = 16 * 1024;

/// `role[0]` is a policy. Logs one record, waits; then logs until it is told to stop, flushes, and
/// tells how it went.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let overflow = match role[0].as_str() {
        "block" => Overflow::Block,
        "block-for" => Overflow::BlockFor(WAIT),
        "drop-below" => Overflow::DropBelow(logboom::Level::WARNING),
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
    let told = log_until_told(&guard);
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
    say(&told);
    hear();
}

/// Calls; dropped calls; number of the first warning; the longest call in ms; growth in kB.
fn log_until_told(guard: &Guard) -> String {
    let before_kb = resident_kb();
    let (mut calls, mut first_warning, mut longest) = (1, None, Duration::ZERO);
    let told = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            hear();
            told.store(true, Ordering::Relaxed);
        });
        while !told.load(Ordering::Relaxed) {
            let begun = Instant::now();
            log::info!("record {calls}");
            longest = longest.max(begun.elapsed());
            calls += 1;
            if first_warning.is_none() && guard.handler().stats().dropped > 0 {
                first_warning = Some(calls);
                (calls..calls + WARNINGS).for_each(|number| log::warn!("record {number}"));
                calls += WARNINGS;
            }
        }
    });
    let (dropped, grown_kb) =
        (guard.handler().stats().dropped, resident_kb().saturating_sub(before_kb));
    format!("{calls} {dropped} {} {} {grown_kb}", first_warning.unwrap_or(0), longest.as_millis())
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What a worker tells of itself.
struct Told {
    calls: u64,
    dropped: u64,
    first_warning: u64,
    longest: Duration,
    grown_kb: u64,
}

impl Told {
    fn read(text: &str) -> Told {
        let numbers: Vec<u64> = text.split(' ').map(|word| word.parse().unwrap()).collect();
        let [calls, dropped, first_warning, longest_ms, grown_kb] = numbers[..] else {
            panic!("{text}")
        };
        let longest = Duration::from_millis(longest_ms);
        Told { calls, dropped, first_warning, longest, grown_kb }
    }
}

/// The numbers of the calls that are in the log. Every other one of `calls` is counted in a drop line
/// in its place.
fn written(place: &Place, told: &Told) -> Vec<u64> {
    let (mut next, mut dropped, mut written) = (0, 0, Vec::new());
    for line in place.messages_of("w") {
        let message = line.splitn(4, ' ').nth(3).unwrap();
        if let Some(number) = message.strip_prefix("record ") {
            assert_eq!(number.parse::<u64>().unwrap(), next, "out of place");
            written.push(next);
            next += 1;
        } else {
            let count = message.strip_prefix("dropped ").unwrap().split(' ').next().unwrap();
            let count: u64 = count.parse().unwrap();
            assert!(message.contains(") from w between "), "{message}");
            (next, dropped) = (next + count, dropped + count);
        }
    }
    assert_eq!((next, dropped), (told.calls, told.dropped), "neither written nor counted");
    written
}

/// What `ctl status` says that the one worker has dropped.
fn dropped_by_status(place: &Place) -> u64 {
    let output = place.run(&["ctl", "status", "--json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["workers"][0]["name"], "w");
    status["workers"][0]["dropped"].as_u64().unwrap()
}

/// Lets a worker log while its listener stands still; what it tells, and which calls are written.
fn standstill(policy: &str, transport: &str) -> (Told, Vec<u64>) {
    let place = Place::new();
    let listener = place.listen(&["--format", PATTERN]);
    let mut worker = place.start_worker("w", &[policy], |command| {
        command.env("LOGBOOM_TRANSPORT", transport);
    });
    worker.heard();
    // The counters of a worker are those since it was attached.
    wait_until("the worker", || place.status().workers.len() == 1);
    listener.process.signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    worker.tell("go");
    wait_until("the end of the standstill", || stopped.elapsed() >= STANDSTILL);
    listener.process.signal(Signal::SIGCONT);
    worker.tell("stop");
    let told = Told::read(&worker.heard());
    wait_until("the counters", || dropped_by_status(&place) == told.dropped);
    worker.finish();
    let report = listener.stop();
    assert_eq!((report.dropped, report.missing), (told.dropped, 0));
    let verified = place.run(&["verify", "--format", PATTERN, "app.log"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let written = written(&place, &told);
    assert!(told.grown_kb < MAX_GROWTH_KB, "the worker grew by {} kB", told.grown_kb);
    (told, written)
}

fn block_waits_and_loses_nothing(transport: &str) {
    let (told, written) = standstill("block", transport);
    assert_eq!((told.dropped, written.len() as u64), (0, told.calls));
    assert!(told.longest >= STANDSTILL / 2, "10 s of records fitted into the queue");
}

fn block_for_waits_once_per_outage_and_counts_what_it_drops(transport: &str) {
    let (told, _) = standstill("block-for", transport);
    assert!(told.longest >= WAIT, "it did not wait");
    // With a wait for each there would be time for 50.
    assert!(told.dropped > 1000, "{} calls dropped: it waited again and again", told.dropped);
}

fn drop_newest_never_waits_and_counts_what_it_drops(transport: &str) {
    let (told, _) = standstill("drop-newest", transport);
    assert!(told.dropped > 1000, "{} calls dropped: it waited", told.dropped);
}

fn drop_below_keeps_what_matters(transport: &str) {
    let (told, written) = standstill("drop-below", transport);
    assert!(told.dropped > 1000, "{} calls dropped: it waited", told.dropped);
    let warnings = told.first_warning..told.first_warning + WARNINGS;
    let kept = written.iter().filter(|number| warnings.contains(number)).count();
    assert_eq!(kept as u64, WARNINGS, "warnings are dropped");
}

/// All at once, because each takes as long as the listener stands still.
#[test]
fn each_policy_is_kept_while_the_listener_stands_still() {
    let policies = [
        block_waits_and_loses_nothing,
        block_for_waits_once_per_outage_and_counts_what_it_drops,
        drop_newest_never_waits_and_counts_what_it_drops,
        drop_below_keeps_what_matters,
    ];
    thread::scope(|scope| {
        for transport in ["ring", "channel"] {
            for policy in policies {
                scope.spawn(move || policy(transport));
            }
        }
    });
}

#[test]
fn a_worker_ends_while_its_listener_stands_still() {
    let place = Place::new();
    let listener = place.listen(&["--format", PATTERN]);
    let mut worker = place.worker("w", &["drop-newest"]);
    worker.heard();
    listener.process.signal(Signal::SIGSTOP);
    worker.tell("leave");
    worker.finish();
    listener.process.signal(Signal::SIGCONT);
    listener.stop();
    let lines = place.messages_of("w");
    assert!(lines.len() == 2 && lines[1].ends_with(" last words"), "{lines:?}");
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
    let mut worker = place.worker("w", &["drop-newest"]);
    worker.heard();
    worker.process.signal(Signal::SIGSTOP);
    let report = listener.stop();
    assert_eq!((report.drained, report.missing, report.left_lanes), (1, 0, 1));
}
