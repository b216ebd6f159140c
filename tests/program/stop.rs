//! The sentinel, from wherever it comes: everything accepted is written, and nothing is left behind.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::Read;
use std::time::Duration;

use logboom::{AttachError, Certainty, Level, Overflow, QueueDir, QueueListener};
use nix::sys::signal::Signal;
use support::{PATIENCE, Place, by_channel, hear, role, say, wait_until};

const PATTERN: &str = "%(processName)s %(message)s";

/// Logs `role[1]` records, waits to be told to go, and logs once more.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    if role[0] == "cycles" {
        return cycles();
    }
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    for number in 0..role[1].parse::<u32>().unwrap() {
        log::info!("record {number}");
    }
    say("logged");
    hear();
    log::info!("after");
    let report = guard.flush(Certainty::Written, Duration::from_millis(100));
    say(&report.pending_records.to_string());
}

/// Runs listeners on a thread of this process, one after the other.
fn cycles() {
    let directory = tempfile::tempdir().unwrap();
    let count = |folder: &str| fs::read_dir(format!("/proc/self/{folder}")).unwrap().count();
    let cycle = || {
        let queue = QueueDir::at(directory.path().join("q")).unwrap();
        let listener = QueueListener::builder(queue.clone()).bind().unwrap().spawn().unwrap();
        let handler = logboom::builder().queue(queue).attach().unwrap();
        handler.log(Level::INFO, "test", format_args!("record"));
        drop(handler);
        assert_eq!(listener.stop().unwrap().drained, 1);
    };
    cycle();
    let (threads, descriptors) = (count("task"), count("fd"));
    (0..20).for_each(|_| cycle());
    // The last threads may still be on their way out.
    wait_until("threads and descriptors", || {
        count("task") <= threads && count("fd") <= descriptors
    });
}

fn leftovers(place: &Place) -> Vec<String> {
    let names = |path: &std::path::Path| {
        let entries = fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let beside = names(place.directory.path()).into_iter().filter(|name| name.ends_with(".lock"));
    let mut left: Vec<_> = names(place.queue().path()).into_iter().chain(beside).collect();
    left.sort();
    left
}

#[test]
fn termination_and_interrupt_drain_report_and_clean_up() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = Place::new();
        let mut listener = place.listen(&["--format", PATTERN]);
        let mut worker = place.worker("w", &["log", "1000"]);
        worker.heard();
        listener.process.signal(signal);
        assert_eq!(listener.process.wait(), 0);
        let mut said = String::new();
        listener.process.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "logboom: drained 1000, dropped 0, missing 0, left 1 lanes\n");
        assert_eq!(place.messages_of("w").len(), 1000);
        // The lane of the worker that lives on, and what serves it.
        assert_eq!(leftovers(&place), ["bell", "journal", "lanes"]);
        worker.tell("go");
        worker.finish();
        place.listen(&["--format", PATTERN]).stop();
        assert_eq!(place.messages_of("w").len(), 1001);
        assert_eq!(leftovers(&place), Vec::<String>::new());
    }
}

#[test]
fn a_worker_outlives_its_listener_and_knows_what_is_pending() {
    let place = Place::new();
    let listener = place.listen(&["--format", PATTERN]);
    let mut worker = place.worker("w", &["log", "10"]);
    worker.heard();
    assert_eq!(listener.stop().left_lanes, 1);
    worker.tell("go");
    assert_eq!(worker.heard(), "1");
    let next = place.listen(&["--format", PATTERN]);
    wait_until("the worker's last record", || place.messages_of("w").len() == 11);
    next.stop();
    assert_eq!(place.messages_of("w").last().unwrap(), "after");
}

#[test]
fn a_hang_up_does_not_stop_a_listener() {
    let place = Place::new();
    let listener = place.listen(&[]);
    listener.process.signal(Signal::SIGHUP);
    assert!(place.run(&["log", "still here"]).status.success());
    listener.stop();
    assert_eq!(place.lines().len(), 1);
}

#[test]
fn while_stopping_nobody_attaches_and_a_second_sentinel_changes_nothing() {
    let place = Place::new();
    let mut listener = place.listen(&["--drain-timeout", "5"]);
    // A worker that stands still keeps the stop waiting: its queue is its own.
    let mut worker = place.start_worker("w", &["log", "1"], by_channel);
    worker.heard();
    worker.process.signal(Signal::SIGSTOP);
    let queue = place.queue();
    let asked = std::thread::spawn(move || logboom::control::stop(&queue, PATIENCE).unwrap());
    wait_until("the stop", || place.status().stopping);
    listener.process.signal(Signal::SIGTERM);
    let output = place.run(&["log", "too late"]);
    assert_eq!(output.status.code(), Some(69));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "logboom: the listener refused: stopping\n"
    );
    worker.process.signal(Signal::SIGCONT);
    let report = asked.join().unwrap();
    assert_eq!((report.drained, report.missing, report.left_lanes), (1, 0, 0));
    assert_eq!(listener.process.wait(), 0);
}

#[test]
fn everybody_who_asks_before_the_end_gets_the_report_and_later_ones_find_no_listener() {
    const ROUNDS: usize = 20;
    const ASKERS: u64 = 8;
    let mut answered = 0;
    for _ in 0..ROUNDS {
        let place = Place::new();
        let mut listener = place.listen(&[]);
        assert!(place.run(&["log", "record"]).status.success());
        let ask = |number| {
            std::thread::sleep(Duration::from_micros(300 * number));
            logboom::control::stop(&place.queue(), PATIENCE)
        };
        let answers: Vec<_> = std::thread::scope(|scope| {
            let askers: Vec<_> =
                (0..ASKERS).map(|number| scope.spawn(move || ask(number))).collect();
            askers.into_iter().map(|asker| asker.join().unwrap()).collect()
        });
        assert_eq!(listener.process.wait(), 0);
        for answer in answers {
            match answer {
                Ok(report) => {
                    assert_eq!((report.drained, report.missing, report.left_lanes), (1, 0, 0));
                    answered += 1;
                }
                Err(AttachError::NoListener { .. }) => {}
                Err(error) => panic!("connected, and yet: {error}"),
            }
        }
    }
    assert!(answered > ROUNDS, "never two at once: nothing is shown");
}

#[test]
fn ctl_flush_writes_what_every_worker_has_queued() {
    let place = Place::new();
    let listener = place.listen(&["--format", PATTERN]);
    let mut workers: Vec<_> =
        (0..4).map(|n| place.worker(&format!("w{n}"), &["log", "500"])).collect();
    workers.iter_mut().for_each(|worker| assert_eq!(worker.heard(), "logged"));
    for args in [&["ctl", "flush"][..], &["ctl", "flush", "--sync"]] {
        assert!(place.run(args).status.success());
        assert_eq!(place.lines().len(), 2000);
    }
    assert_eq!(listener.stop().drained, 2000);
}

#[test]
fn a_process_that_runs_many_listeners_keeps_no_thread_and_no_descriptor_of_them() {
    let place = Place::new();
    place.worker("w", &["cycles"]).finish();
}

#[test]
fn without_a_name_the_log_is_called_after_the_queue_in_use() {
    let place = Place::new();
    let listener = place.serve(place.logboom(&["listen"]));
    assert!(place.run(&["log", "hello"]).status.success());
    listener.stop();
    assert_eq!(fs::read_to_string(place.path("logs/q.log")).unwrap().lines().count(), 1);
    let tail = place.run(&["tail"]);
    assert!(String::from_utf8(tail.stdout).unwrap().trim_end().ends_with("hello"));
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let place = Place::new();
    let listener = place.listen(&[]);
    for args in [&["ctl", "status"][..], &["ctl", "status", "--json"], &["tail"]] {
        assert!(place.run(&["log", "line"]).status.success());
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = place.logboom(args).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{args:?}");
    }
    listener.stop();
}
