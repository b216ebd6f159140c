//! What `ctl status` and the stop report count.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;
use std::time::Duration;

use logboom::control::{LevelCount, WorkerStatus};
use logboom::{Certainty, Level, Overflow};
use nix::sys::signal::Signal;
use support::{PATIENCE, Place, Worker, by_channel, hear, role, say, wait_until};

/// Logs `DEBUG` and `INFO` records until so many are dropped, or blocks, then tells how many calls of
/// each level it made and how many records were dropped; at last logs one more.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let overflow = match &*role[0] {
        "drop" => Overflow::DropNewest,
        "wait" => Overflow::BlockFor(Duration::from_millis(20)),
        _ => Overflow::Block,
    };
    let guard = logboom::builder().overflow(overflow).pinned_filter("trace").init().unwrap();
    say("up");
    hear();
    log::info!("attached");
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
    say("ready");
    hear();
    let mut calls = 0;
    while role[0] != "few" && guard.handler().stats().dropped < 100 {
        log::debug!("{:200}", "fine");
        log::info!("{:200}", "coarse");
        calls += 1;
    }
    if role[0] == "few" {
        (0..10).for_each(|number| log::info!("record {number}"));
        assert_eq!(guard.flush(Certainty::Written, Duration::from_millis(200)).pending_records, 10);
    }
    say(&format!("{calls} {}", guard.handler().stats().dropped));
    hear();
    // First, so that there is room for one more.
    let _lost = guard.flush(Certainty::Written, PATIENCE);
    log::info!("after");
    let _pending = guard.flush(Certainty::Written, PATIENCE);
    say("flushed");
    hear();
}

/// A worker that has logged its first record, once the listener knows it.
fn attached(place: &Place, policy: &str, change: impl FnOnce(&mut Command)) -> Worker {
    let mut worker = place.start_worker("w", &[policy], change);
    assert_eq!(worker.heard(), "up");
    wait_until("the worker", || !place.status().workers.is_empty());
    worker.tell("begin");
    assert_eq!(worker.heard(), "ready");
    worker
}

fn the_worker(place: &Place) -> WorkerStatus {
    place.status().workers.into_iter().find(|worker| worker.name == "w").unwrap()
}

/// Lets a worker drop records while the listener stands still; what the status says afterwards.
fn dropped(policy: &str, change: impl FnOnce(&mut Command)) -> WorkerStatus {
    let place = Place::new();
    let listener = place.listen(&[]);
    let mut worker = attached(&place, policy, change);
    listener.process.signal(Signal::SIGSTOP);
    worker.tell("go");
    let said = worker.heard();
    listener.process.signal(Signal::SIGCONT);
    let (calls, dropped) = said.split_once(' ').unwrap();
    let (calls, dropped): (u64, u64) = (calls.parse().unwrap(), dropped.parse().unwrap());
    worker.tell("flush");
    assert_eq!(worker.heard(), "flushed");
    let records = 2 * calls + 2 - dropped;
    wait_until("the counts", || {
        place.status().records == records && the_worker(&place).records == records
    });

    let (status, seen) = (place.status(), the_worker(&place));
    let levels: Vec<Level> = seen.dropped_by_level.iter().map(|count| count.level).collect();
    assert_eq!(levels, [Level::DEBUG, Level::INFO]);
    let sum = |counts: &[LevelCount]| counts.iter().map(|count| count.records).sum::<u64>();
    assert_eq!((seen.dropped, sum(&seen.dropped_by_level)), (dropped, dropped));
    assert_eq!((status.dropped, &status.dropped_by_level), (dropped, &seen.dropped_by_level));
    assert!(seen.outages > 0 && seen.outages <= dropped);
    assert_eq!((seen.missing, status.missing), (0, 0));
    check_output(&place, &seen);
    worker.finish();
    assert_eq!(listener.stop().dropped, dropped);
    seen
}

fn check_output(place: &Place, seen: &WorkerStatus) {
    let text = String::from_utf8(place.run(&["ctl", "status"]).stdout).unwrap();
    let count = |at: usize| seen.dropped_by_level[at].records;
    let levels = format!("DEBUG {}, INFO {}", count(0), count(1));
    assert!(text.contains(&format!("{} dropped ({levels}), 0 missing", seen.dropped)), "{text}");
    let line = text.lines().find(|line| line.starts_with("w ")).unwrap();
    assert!(line.contains(&seen.overflow) && line.ends_with(&levels), "{line}");
    let output = place.run(&["ctl", "status", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(json["workers"][0]["dropped_by_level"][0]["level"], 10);
    assert_eq!(json["workers"][0]["overflow"], *seen.overflow);
    assert_eq!(json["trouble"], serde_json::Value::Null);
    let help = String::from_utf8(place.run(&["ctl", "status", "--help"]).stdout).unwrap();
    let keys = |object: &serde_json::Value| object.as_object().unwrap().keys().cloned().collect();
    let keys: Vec<Vec<String>> = vec![keys(&json), keys(&json["sync"]), keys(&json["workers"][0])];
    for key in keys.concat() {
        assert!(help.contains(&key), "`ctl status --help` does not say what {key} is");
    }
}

#[test]
fn drops_are_counted_by_level_for_each_worker_and_in_all() {
    let ring = dropped("drop", |_| {});
    assert_eq!((&*ring.transport, &*ring.overflow, ring.waits), ("ring", "drop-newest", 0));
    let channel = dropped("drop", by_channel);
    assert_eq!(
        (&*channel.transport, &*channel.overflow, channel.waits),
        ("channel", "drop-newest", 0)
    );
}

#[test]
fn calls_that_wait_are_counted() {
    let ring = dropped("wait", |_| {});
    assert_eq!(ring.overflow, "block-for 20ms");
    assert!(ring.waits > 0);
    let channel = dropped("wait", by_channel);
    assert!(channel.waits > 0);
}

#[test]
fn records_in_the_hands_of_a_killed_listener_are_unconfirmed_and_no_success() {
    let place = Place::new();
    let mut first = place.listen(&[]);
    let mut worker = attached(&place, "few", by_channel);
    first.process.signal(Signal::SIGSTOP);
    worker.tell("go");
    worker.heard();
    first.process.signal(Signal::SIGKILL);
    first.process.wait();
    let next = place.listen(&[]);
    worker.tell("go on");
    assert_eq!(worker.heard(), "flushed");
    wait_until("the loss", || place.status().unconfirmed == 10);
    worker.finish();
    let output = place.run(&["ctl", "stop"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(74), "{said}");
    assert_eq!(said, "drained 1, dropped 0, missing 0, unconfirmed 10, left 0 lanes\n");
    drop(next);
}
