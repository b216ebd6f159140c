//! `logboom tail -f` while logs are written, rotated and compressed.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use logboom::{Certainty, Overflow, control};
use support::{PATIENCE, Place, Process, role, say, wait_until};

const WORKERS: usize = 4;

/// So many for each worker.
const RECORDS: u64 = 30_000;

#[test]
fn worker_process() {
    if role().is_none() {
        return;
    }
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    (0..RECORDS).for_each(|number| log::info!("record {number}"));
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
    say("done");
}

/// `logboom tail -f`, ended when the test ends.
struct Follower {
    process: Process,
    lines: Receiver<String>,
    complaints: Receiver<String>,
}

/// The lines that are read, as they come.
fn lines_of(read: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    let read = BufReader::new(read).lines();
    thread::spawn(move || read.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}

impl Follower {
    fn start(place: &Place, args: &[&str]) -> Follower {
        let mut command = place.logboom(&[&["tail", "-f"], args].concat());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process(command.spawn().unwrap());
        let lines = lines_of(process.0.stdout.take().unwrap());
        let complaints = lines_of(process.0.stderr.take().unwrap());
        Follower { process, lines, complaints }
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    #[track_caller]
    fn expect(&self, line: &str) {
        assert_eq!(self.line(), line);
    }
}

#[test]
fn workers_at_full_speed_are_followed_through_rotation_and_compression() {
    let place = Place::new();
    let pattern = "%(asctime)s %(levelname)s %(processName)s %(message)s";
    let listener = place.listen(&[
        "--format",
        pattern,
        "--max-bytes",
        "0",
        "--backup-count",
        "100000",
        "--compress",
        "zstd",
    ]);
    let plain = Follower::start(&place, &["-n", "all", "app.log"]);
    let asked = Follower::start(&place, &["-n", "all", "-g", "5$", "--format", pattern, "app.log"]);
    let mut workers: Vec<_> =
        (0..WORKERS).map(|n| place.worker(&format!("w{n}"), &["log"])).collect();
    let mut rotations = 0;
    let (sender, done) = mpsc::channel();
    let waiter = thread::spawn(move || {
        workers.iter_mut().for_each(|worker| assert_eq!(worker.heard(), "done"));
        workers.into_iter().for_each(|worker| worker.finish());
        sender.send(()).unwrap();
    });
    while done.recv_timeout(Duration::from_millis(100)).is_err() {
        control::rotate(&place.queue(), PATIENCE).unwrap();
        rotations += 1;
    }
    waiter.join().unwrap();
    listener.stop();
    assert!(rotations > 2, "{rotations}");

    for (follower, is_wanted) in
        [(plain, (|_| true) as fn(&u64) -> bool), (asked, |number| number % 10 == 5)]
    {
        let wanted: Vec<_> = (0..RECORDS).filter(is_wanted).collect();
        let mut numbers: HashMap<String, Vec<u64>> = HashMap::new();
        while numbers.values().map(Vec::len).sum::<usize>() < WORKERS * wanted.len() {
            let line = follower.line();
            let words: Vec<_> = line.split(' ').collect();
            let [_, _, "INFO", worker, "record", number] = words[..] else { continue };
            numbers.entry(worker.to_owned()).or_default().push(number.parse().unwrap());
        }
        for (worker, numbers) in numbers {
            assert!(numbers == wanted, "{worker}: {} of {}", numbers.len(), wanted.len());
        }
        assert!(follower.lines.try_iter().all(|line| !line.contains(" record ")));
    }
}

/// Appends to a log of a place.
fn append(place: &Place, log: &str, line: &str) {
    let mut file = File::options().append(true).create(true).open(place.path(log)).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

#[test]
fn several_logs_are_followed_each_through_rotation_and_one_that_does_not_exist_yet() {
    let place = Place::new();
    append(&place, "a.log", "2026-11-22 04:00:00,000 INFO a first\n");
    append(&place, "b.log", "2026-11-22 04:00:01,000 INFO b first\n");
    let follower = Follower::start(&place, &["a.log", "b.log", "c.log"]);
    follower.expect("2026-11-22 04:00:00,000 INFO a first");
    follower.expect("2026-11-22 04:00:01,000 INFO b first");
    for round in 0..50 {
        let log = ["a.log", "b.log", "c.log"][round % 3];
        let line = format!("2026-11-22 04:01:{round:02},000 INFO {log} {round}");
        append(&place, log, &format!("{line}\n"));
        follower.expect(&line);
        fs::rename(place.path(log), place.path(&format!("{log}.1"))).unwrap();
    }
}

#[test]
fn logs_that_come_into_a_followed_directory_are_followed_from_their_first_record() {
    let place = Place::new();
    fs::create_dir(place.path("logs")).unwrap();
    append(&place, "logs/a.log", "2026-11-22 04:00:00,000 INFO a\n");
    let follower = Follower::start(&place, &["logs"]);
    follower.expect("2026-11-22 04:00:00,000 INFO a");
    append(&place, "logs/b.log", "2026-11-22 04:00:01,000 INFO b first\n");
    append(&place, "logs/b.log", "2026-11-22 04:00:02,000 INFO b second\n");
    append(&place, "logs/notes.txt", "2026-11-22 04:00:02,000 INFO of no log\n");
    follower.expect("2026-11-22 04:00:01,000 INFO b first");
    follower.expect("2026-11-22 04:00:02,000 INFO b second");
    append(&place, "logs/a.log", "2026-11-22 04:00:03,000 INFO a again\n");
    follower.expect("2026-11-22 04:00:03,000 INFO a again");
}

#[test]
fn a_directory_without_logs_is_followed_until_some_come() {
    let place = Place::new();
    fs::create_dir(place.path("logs")).unwrap();
    for until in [&[][..], &["--until", "2999-01-01"]] {
        let follower = Follower::start(&place, &[until, &["-C", "1", "logs"]].concat());
        append(&place, "logs/a.log", "2026-11-22 04:00:00,000 INFO a\n");
        follower.expect("2026-11-22 04:00:00,000 INFO a");
        fs::remove_file(place.path("logs/a.log")).unwrap();
    }
}

#[test]
fn followed_records_are_asked_and_what_comes_late_of_them_stays_with_them() {
    let place = Place::new();
    append(&place, "a.log", "2026-11-22 04:00:00,000 ERROR old\n");
    let follower = Follower::start(&place, &["-l", "error", "a.log"]);
    follower.expect("2026-11-22 04:00:00,000 ERROR old");
    append(&place, "a.log", "2026-11-22 04:00:01,000 INFO no\n\tno\n");
    append(&place, "a.log", "2026-11-22 04:00:02,000 ERROR yes\n");
    follower.expect("2026-11-22 04:00:02,000 ERROR yes");
    append(&place, "a.log", "Traceback\n");
    follower.expect("Traceback");
    append(&place, "a.log", "2026-11-22 04:00:03,000 INFO no\n");
    append(&place, "a.log", "\tno\n2026-11-22 04:00:04,000 ERROR again\n");
    follower.expect("2026-11-22 04:00:04,000 ERROR again");
}

#[test]
fn a_follower_goes_on_over_lines_that_cannot_be_asked() {
    let place = Place::new();
    for (log, format) in [("a.log", &[][..]), ("b.log", &["--format", "%(levelname)s %(message)s"])]
    {
        append(&place, log, "");
        let follower = Follower::start(&place, &[format, &["-l", "error", log]].concat());
        append(&place, log, "Starting\n");
        assert!(follower.complaints.recv_timeout(PATIENCE).unwrap().contains("--format"));
        append(&place, log, "still\n");
        let line =
            if log == "a.log" { "2026-11-22 04:00:00,000 - web - ERROR - x" } else { "ERROR x" };
        append(&place, log, &format!("{line}\n"));
        follower.expect(line);
    }
}

/// Waits until it ends by itself.
#[track_caller]
fn expect_end(mut follower: Follower) {
    wait_until("the end", || follower.process.0.try_wait().unwrap().is_some());
    assert_eq!(follower.complaints.iter().collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_follower_ends_behind_the_range_it_was_asked_for() {
    let place = Place::new();
    append(&place, "a.log", "2199-11-22 04:00:00,000 INFO in the range\n");
    let until = ["--zone", "UTC", "--until", "2199-11-22 04:00:10", "-n", "all", "a.log"];
    let follower = Follower::start(&place, &until);
    follower.expect("2199-11-22 04:00:00,000 INFO in the range");
    append(&place, "a.log", "2199-11-22 04:00:20,000 INFO behind it\n");
    append(&place, "a.log", "2199-11-22 05:00:00,000 INFO far behind it\n");
    expect_end(follower);
}

#[test]
fn a_follower_of_a_range_that_is_over_ends_whatever_the_last_record_is() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    append(&place, "a.log", "2019-11-22 04:00:00,000 INFO long before its end\n");
    append(&place, "b.log", "");
    for path in ["a.log", "b.log", "none.log", "empty"] {
        let follower = Follower::start(&place, &["--until", "2020-01-01", path]);
        if path == "a.log" {
            follower.expect("2019-11-22 04:00:00,000 INFO long before its end");
        }
        expect_end(follower);
    }
}
