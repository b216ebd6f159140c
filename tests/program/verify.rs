//! `logboom verify` proves what a real listener wrote, and finds what was done to it afterwards.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use logboom::formatter::NUMBERED_PATTERN;
use logboom::verify::{Damage, Form, Report, verify};
use logboom::{Certainty, Overflow};
use nix::sys::signal::Signal;
use support::{PATIENCE, Place, files_of, hear, role, say};

const WORKERS: usize = 4;

/// More than fits into the queue of a worker.
const RECORDS: u64 = 50_000;

/// Logs one record, waits, logs many more, tells how many were dropped, waits, flushes.
#[test]
fn worker_process() {
    if role().is_none() {
        return;
    }
    let guard = logboom::builder().overflow(Overflow::DropNewest).init().unwrap();
    log::info!("attached\nand ready");
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
    say("ready");
    hear();
    for number in 1..RECORDS {
        log::info!(number; "a record of this worker");
    }
    say(&guard.handler().stats().dropped.to_string());
    hear();
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
}

/// A rotated log of four workers that dropped records, and how many.
fn log_with_drops(format: &str) -> (Place, u64) {
    let place = Place::new();
    let listener =
        place.listen(&["--max-bytes", "100kB", "--backup-count", "1000", "--format", format]);
    let mut workers: Vec<_> =
        (0..WORKERS).map(|n| place.worker(&format!("worker {n}"), &["drop"])).collect();
    workers.iter_mut().for_each(|worker| assert_eq!(worker.heard(), "ready"));
    listener.process.signal(Signal::SIGSTOP);
    workers.iter_mut().for_each(|worker| worker.tell("go"));
    let dropped = workers.iter_mut().map(|worker| worker.heard().parse::<u64>().unwrap()).sum();
    listener.process.signal(Signal::SIGCONT);
    workers.iter_mut().for_each(|worker| worker.tell("flush"));
    workers.into_iter().for_each(|worker| worker.finish());
    listener.stop();
    assert!(files_of(&place.log()).len() > 3);
    (place, dropped)
}

fn proved(place: &Place, form: &Form, dropped: u64) -> Report {
    let report = verify(place.log(), form).unwrap();
    assert!(report.is_whole(), "{report}");
    assert!(dropped > 0);
    assert_eq!(report.dropped, dropped);
    assert_eq!(report.records + dropped, WORKERS as u64 * RECORDS);
    assert_eq!((report.lanes, report.lanes_begun_before), (WORKERS as u64, 0));
    assert_eq!(report.files, files_of(&place.log()));
    report
}

/// `logboom verify ARGS LOG`: exit code, standard output, standard error.
fn run(place: &Place, args: &[&str]) -> (i32, String, String) {
    let log = place.log();
    let output = place.run(&[&["verify"], args, &[log.to_str().unwrap()]].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Takes the line `number`, from 0, out of a file.
fn remove_line(file: &Path, number: usize) {
    let text = fs::read_to_string(file).unwrap();
    let left = text.lines().enumerate().filter(|(at, _)| *at != number);
    fs::write(file, left.map(|(_, line)| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn a_rotated_json_log_of_workers_that_dropped_records_is_whole() {
    let (place, dropped) = log_with_drops("json");
    let report = proved(&place, &Form::Detect, dropped);
    let (code, out, err) = run(&place, &[]);
    assert_eq!((code, &*out, &*err), (0, &*format!("{report}\n"), ""));

    remove_line(&files_of(&place.log())[1], 7);
    let report = verify(place.log(), &Form::Json).unwrap();
    let [finding] = &report.findings[..] else { panic!("{report}") };
    assert!(matches!(&finding.damage, Damage::Gap { worker, .. } if worker.starts_with("worker ")));
    let (code, out, _) = run(&place, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, json), (65, serde_json::to_value(&report).unwrap()));
}

#[test]
fn a_text_log_with_lane_and_seq_is_whole() {
    let (place, dropped) = log_with_drops(NUMBERED_PATTERN);
    proved(&place, &Form::Pattern(NUMBERED_PATTERN.to_owned()), dropped);
    let (code, out, _) = run(&place, &["--format", NUMBERED_PATTERN]);
    assert_eq!(code, 0, "{out}");
    assert!(out.ends_with("\ndamage    none\n"), "{out}");

    remove_line(&files_of(&place.log())[1], 7);
    let (code, out, _) = run(&place, &["--format", NUMBERED_PATTERN]);
    assert_eq!(code, 65, "{out}");
    let (code, _, err) = run(&place, &[]);
    assert_eq!(code, 78, "{err}");
    assert!(err.contains("give the pattern they were logged with by --format"), "{err}");
}

#[test]
fn the_unfinished_last_line_of_a_running_listener_is_no_damage() {
    let place = Place::new();
    let listener = place.listen(&["--format", "json"]);
    assert!(place.run(&["log", "one record"]).status.success());
    File::options().append(true).open(place.log()).unwrap().write_all(b"{\"time").unwrap();

    let (code, out, _) = run(&place, &[]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("\nlines     1\n") && out.contains("it is not finished"), "{out}");
    listener.stop();
    let (code, out, _) = run(&place, &[]);
    assert_eq!(code, 65, "{out}");
    assert!(out.ends_with("app.log:2: no newline at the end: {\"time\n"), "{out}");
}

#[test]
fn a_log_that_proves_nothing_is_told_apart() {
    let place = Place::new();
    let (code, _, err) = run(&place, &[]);
    assert_eq!(code, 74, "{err}");
    assert!(err.starts_with("logboom: there is no log "), "{err}");

    let said = "{\"logger\":\"logboom\",\"message\":\"filtered: by level\",\
                \"fields\":{\"filtered\":true},\"lane\":\"000000000000beef\",\"seq\":0}\n";
    fs::write(place.log(), said).unwrap();
    let (code, _, err) = run(&place, &[]);
    assert_eq!(code, 65, "{err}");
    assert!(err.starts_with("logboom: this log was filtered: gaps prove nothing ("), "{err}");

    fs::write(place.log(), "text\n").unwrap();
    let (code, _, err) = run(&place, &["--format", "text"]);
    assert_eq!(code, 78, "{err}");
    assert!(err.contains("needs `%(lane)s`, `%(seq)s` and `%(name)s`"), "{err}");
}

#[test]
fn a_report_that_cannot_be_printed_is_an_error_of_one_line() {
    let place = Place::new();
    let listener = place.listen(&["--format", "json"]);
    assert!(place.run(&["log", "line"]).status.success());
    listener.stop();
    for args in [&["verify", "app.log"][..], &["verify", "--json", "app.log"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = place.logboom(args).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(74), 1), "{stderr}");
    }
}
