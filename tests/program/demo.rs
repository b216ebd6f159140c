//! `logboom demo` shows what it promises and leaves nothing behind but its log.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use logboom::QueueDir;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Place, Process, lines_of, processes_with, wait_until};

/// Runs a demo to its good end; what it printed. No process and no queue of it may be left.
fn demo(mut command: Command) -> String {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut process = Process(child);
    let mut printed = String::new();
    process.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(process.wait(), 0, "{printed}");
    let queue = QueueDir::named(&format!("demo-{}", process.pid())).unwrap();
    assert!(!queue.path().exists(), "{} is left", queue.path().display());
    assert_eq!(processes_with(queue.path().to_str().unwrap()), Vec::<String>::new());
    printed
}

/// `DATE TIME WORKER LOGGER LEVEL MESSAGE`, in the widths of the cookbook's pattern.
fn assert_cookbook_line(line: &str) {
    let (time, rest) = line.split_at(24);
    let shape = time.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(shape, "0000-00-00 00:00:00,000 ", "{line}");
    let (worker, rest) = rest.split_at(11);
    assert!(worker.starts_with("Process-") && worker.ends_with(' '), "{line}");
    let (logger, rest) = rest.split_at(6);
    assert!(["a.b.c ", "d.e.f "].contains(&logger), "{line}");
    let (level, message) = rest.split_at(9);
    assert!(
        ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"].contains(&level.trim_end()),
        "{line}"
    );
    assert!(["1", "2", "3"].map(|n| format!("Random message #{n}")).contains(&message.to_owned()));
}

#[test]
fn a_hundred_records_of_ten_workers_are_in_the_files_however_often_it_runs() {
    let place = Place::new();
    for _ in 0..2 {
        let mut command = place.logboom(&["demo"]);
        command.env("RUST_LOG", "error").env("LOGBOOM_FILTER", "off");
        let printed = demo(command);
        let lines = lines_of(&place.path("logboom-demo/mptest.log"));
        assert_eq!(lines.len(), 100);
        lines.iter().for_each(|line| assert_cookbook_line(line));
        for number in 1..=10 {
            let of_worker = |line: &&String| line[24..35].trim_end() == format!("Process-{number}");
            assert_eq!(lines.iter().filter(of_worker).count(), 10);
            assert!(printed.contains(&format!("Worker started: Process-{number}\n")));
        }
        assert!(printed.contains(&lines.join("\n")), "the log is not shown in order");
        assert!(printed.ends_with("\n100 records from 10 workers, none missing\n"), "{printed}");
        for entry in fs::read_dir(place.path("logboom-demo")).unwrap() {
            let entry = entry.unwrap();
            assert!(entry.file_name().to_str().unwrap().starts_with("mptest.log"), "{entry:?}");
            assert!(entry.metadata().unwrap().len() <= 2000, "{entry:?}");
        }
    }
}

#[test]
fn the_records_of_each_worker_come_in_their_order() {
    let place = Place::new();
    let format = "--format=%(processName)s %(seq)d";
    demo(place.logboom(&["demo", format, "--max-bytes=0", "--log=all.log"]));
    let mut next: HashMap<String, u32> = HashMap::new();
    for line in lines_of(&place.path("all.log")) {
        let (worker, seq) = line.split_once(' ').unwrap();
        let expected = next.entry(worker.to_owned()).or_default();
        assert_eq!(seq, expected.to_string(), "{worker}");
        *expected += 1;
    }
    assert!(next.len() == 10 && next.values().all(|count| *count == 10), "{next:?}");
}

#[test]
fn a_demo_whose_listener_is_killed_shows_all_records_all_the_same() {
    let place = Place::new();
    let mut command = place.logboom(&["demo", "--format=%(processName)s %(seq)d"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut process = Process(child);
    let queue = QueueDir::named(&format!("demo-{}", process.pid())).unwrap();
    let log = place.path("logboom-demo/mptest.log");
    wait_until("the first records", || log.exists() && !lines_of(&log).is_empty());
    let listener = logboom::control::status(&queue).unwrap().pid;
    kill(Pid::from_raw(listener as i32), Signal::SIGKILL).unwrap();
    let mut printed = String::new();
    process.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(process.wait(), 0, "{printed}");
    assert!(printed.ends_with("\n100 records from 10 workers, none missing\n"), "{printed}");
    let mut lines = lines_of(&log);
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 100, "doubled or lost");
    assert!(!queue.path().exists(), "{} is left", queue.path().display());
}

#[test]
fn a_log_that_is_there_already_is_not_touched() {
    let place = Place::new();
    fs::write(place.log(), "mine\n").unwrap();
    let output = place.run(&["demo", "--log=app.log"]);
    assert_eq!(output.status.code(), Some(74));
    assert_eq!(fs::read_to_string(place.log()).unwrap(), "mine\n");
}
