//! When the log is brought to the disk, seen in the system calls of the listener, and what is said of
//! a disk that does not take it.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use logboom::{Certainty, Level, QueueHandler, TransportChoice};
use support::strace::Tracer;
use support::{Listener, PATIENCE, Place, wait_until};

const SYNCS: &str = "fsync,fdatasync,syncfs";

fn worker(place: &Place, transport: TransportChoice) -> QueueHandler {
    let builder = logboom::builder().queue(place.queue()).name("w").pinned_filter("trace");
    builder.transport(transport).attach().unwrap()
}

/// Logs one record and waits until it is written: a batch of its own.
fn log(worker: &QueueHandler, level: Level, text: &str) {
    worker.log(level, "test", format_args!("{text}"));
    assert!(worker.flush(Certainty::Written, PATIENCE).is_complete());
}

fn trace(place: &Place, listener: &Listener, expressions: &[&str]) -> Option<Tracer> {
    Tracer::attach(place, listener.process.pid(), &place.log(), expressions)
}

fn is_sync(call: &str) -> bool {
    SYNCS.split(',').any(|sync| call.starts_with(&format!("{sync}(")))
}

/// Whether each write that `wants` holds for is synced before the next write.
fn each_is_synced(calls: &[String], wants: impl Fn(&str) -> bool) -> bool {
    let written = |call: &String| call.starts_with("write(");
    let writes = calls.iter().enumerate().filter(|(_, call)| written(call) && wants(call));
    writes.map(|(at, _)| &calls[at + 1..]).all(|rest| {
        let sync = rest.iter().position(|call| is_sync(call));
        let next = rest.iter().position(written);
        sync.is_some_and(|sync| next.is_none_or(|next| sync < next))
    })
}

#[test]
fn every_batch_is_synced_before_the_next_and_a_flush_finds_it_done() {
    let place = Place::new();
    let listener = place.listen(&["--sync", "every-batch"]);
    let calls = format!("trace=write,{SYNCS}");
    let Some(tracer) = trace(&place, &listener, &[&calls]) else { return };
    let worker = worker(&place, TransportChoice::Ring);
    for number in 0..10 {
        log(&worker, Level::INFO, &format!("record {number}"));
        wait_until("the sync", || place.status().sync.syncs == number + 1);
        assert!(worker.flush(Certainty::Synced, PATIENCE).is_complete());
        assert!(place.run(&["ctl", "flush", "--sync"]).status.success());
        assert_eq!(place.status().sync.syncs, number + 1);
    }
    let calls = tracer.end();
    assert_eq!(calls.iter().filter(|call| is_sync(call)).count(), 10, "{calls:#?}");
    assert!(each_is_synced(&calls, |_| true), "{calls:#?}");
    let sync = place.status().sync;
    assert_eq!((&*sync.policy, sync.failed), ("every-batch", 0));
    assert!(sync.last_sync_ns.is_some());
    listener.stop();
}

#[test]
fn batches_with_a_severe_record_are_synced_and_no_others() {
    let place = Place::new();
    let listener = place.listen(&["--sync", "error"]);
    let calls = format!("trace=write,{SYNCS}");
    let Some(tracer) = trace(&place, &listener, &[&calls]) else { return };
    let worker = worker(&place, TransportChoice::Ring);
    for number in 0..5 {
        log(&worker, Level::WARNING, "not severe");
        log(&worker, [Level::ERROR, Level::CRITICAL][number % 2], "severe");
        wait_until("the sync", || place.status().sync.syncs == number as u64 + 1);
    }
    log(&worker, Level::WARNING, "not severe");
    let calls = tracer.end();
    assert_eq!(calls.iter().filter(|call| is_sync(call)).count(), 5, "{calls:#?}");
    let severe = |call: &str| call.contains("ERROR") || call.contains("CRITICAL");
    assert!(each_is_synced(&calls, severe), "{calls:#?}");
    listener.stop();
}

#[test]
fn an_interval_syncs_what_is_written_once_and_an_idle_log_never() {
    let place = Place::new();
    let listener = place.listen(&["--sync", "50ms"]);
    let worker = worker(&place, TransportChoice::Ring);
    for number in 1..=5 {
        log(&worker, Level::INFO, "record");
        wait_until("the sync", || place.status().sync.syncs == number);
    }
    let Some(tracer) = trace(&place, &listener, &[&format!("trace={SYNCS}")]) else { return };
    // Ten intervals in which nothing may happen.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(tracer.end(), Vec::<String>::new());
    assert!(worker.flush(Certainty::Synced, PATIENCE).is_complete());
    assert_eq!(place.status().sync.syncs, 5);
    listener.stop();
}

#[test]
fn without_a_policy_or_before_its_time_only_a_flush_syncs() {
    for policy in ["none", "24m"] {
        let place = Place::new();
        let listener = place.listen(&["--sync", policy]);
        for transport in [TransportChoice::Ring, TransportChoice::Channel] {
            let worker = worker(&place, transport);
            let before = place.status().sync.syncs;
            for _ in 0..20 {
                log(&worker, Level::CRITICAL, "record");
            }
            assert_eq!(place.status().sync.syncs, before);
            assert!(worker.flush(Certainty::Synced, PATIENCE).is_complete());
            assert_eq!(place.status().sync.syncs, before + 1);
        }
        listener.stop();
    }
}

#[test]
fn an_interrupted_sync_is_made_again() {
    let place = Place::new();
    let listener = place.listen(&[]);
    let calls = [&*format!("trace={SYNCS}"), &format!("inject={SYNCS}:error=EINTR:when=1..2")];
    let Some(tracer) = trace(&place, &listener, &calls) else { return };
    let worker = worker(&place, TransportChoice::Ring);
    log(&worker, Level::INFO, "record");
    assert!(worker.flush(Certainty::Synced, PATIENCE).is_complete());
    assert_eq!(tracer.end().iter().filter(|call| call.contains("EINTR")).count(), 2);
    let sync = place.status().sync;
    assert_eq!((sync.syncs, sync.failed), (1, 0));
    listener.stop();
}

/// A sync fails while a worker has unsynced records: nobody is ever told that they are on the disk.
fn doubt(transport: TransportChoice, policy: &str) {
    let place = Place::new();
    let listener = place.listen(&["--sync", policy]);
    let first = worker(&place, transport);
    log(&first, Level::INFO, "record 0");
    assert!(first.flush(Certainty::Synced, PATIENCE).is_complete());
    let calls = [&*format!("trace={SYNCS}"), &format!("inject={SYNCS}:error=EIO")];
    let Some(tracer) = trace(&place, &listener, &calls) else { return };
    log(&first, Level::INFO, "record 1");
    assert_eq!(first.flush(Certainty::Synced, Duration::from_millis(100)).pending_records, 1);
    wait_until("some tries", || place.status().trouble.is_some_and(|trouble| trouble.tries > 3));
    let trouble = place.status().trouble.unwrap();
    assert_eq!((&*trouble.operation, &*trouble.path), ("sync", place.log().to_str().unwrap()));
    assert!(trouble.cause.contains("Input/output error"), "{trouble}");
    // Nobody is held up.
    log(&first, Level::INFO, "record 2");
    let flush = place.run(&["ctl", "flush", "--sync"]);
    let said = String::from_utf8(flush.stderr).unwrap();
    assert_eq!(flush.status.code(), Some(74), "{said}");
    assert!(said.contains("a sync has failed"), "{said}");
    tracer.end();
    wait_until("the end of the trouble", || place.status().trouble.is_none());

    // The kernel reports each failure once: what succeeds now says nothing of what was written before.
    log(&first, Level::INFO, "record 3");
    let pending = |worker: &QueueHandler| {
        worker.flush(Certainty::Synced, Duration::from_millis(100)).pending_records
    };
    assert_eq!(pending(&first), 3);
    assert_eq!(place.run(&["ctl", "flush", "--sync"]).status.code(), Some(74));
    let second = worker(&place, transport);
    log(&second, Level::INFO, "record 4");
    assert!(second.flush(Certainty::Synced, PATIENCE).is_complete());
    assert!(place.status().sync.failed > 3);
    listener.stop();
    let text = place.lines();
    let told = text.iter().filter(|line| line.contains("cannot sync")).count();
    assert_eq!((told, text.len()), (1, 6), "{text:#?}");

    if transport == TransportChoice::Ring {
        // The next listener knows.
        let next = place.listen(&[]);
        log(&second, Level::INFO, "record 5");
        assert!(second.flush(Certainty::Synced, PATIENCE).is_complete());
        assert_eq!(pending(&first), 3);
        next.stop();
    }
}

#[test]
fn what_was_unsynced_when_a_sync_failed_is_never_said_to_be_on_the_disk() {
    for policy in ["none", "every-batch"] {
        doubt(TransportChoice::Ring, policy);
        doubt(TransportChoice::Channel, policy);
    }
}

#[test]
fn a_stop_that_cannot_sync_says_so() {
    let place = Place::new();
    let mut listener = place.listen(&[]);
    let worker = worker(&place, TransportChoice::Ring);
    log(&worker, Level::INFO, "record");
    let calls = [&*format!("trace={SYNCS}"), &format!("inject={SYNCS}:error=EDQUOT")];
    let Some(_tracer) = trace(&place, &listener, &calls) else { return };
    logboom::control::stop(&place.queue(), PATIENCE).unwrap();
    assert_eq!(listener.process.wait(), 74);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut listener.process.0.stderr.take().unwrap(), &mut said)
        .unwrap();
    assert!(said.contains("cannot sync") && said.contains("Disk quota exceeded"), "{said}");
    assert!(place.lines().last().unwrap().contains("cannot sync"), "{:?}", place.lines());
}
