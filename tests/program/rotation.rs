//! Rotation of a running listener: when it is asked to, by time, and what stays.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use logboom::control;
use logboom::{Certainty, Overflow};
use nix::sys::signal::Signal;
use support::{PATIENCE, Place, hear, role, say, wait_until};

const FORM: [&str; 2] = ["--format", "%(processName)s %(message)s"];

/// Logs each line it is told, and says when that is written.
#[test]
fn worker_process() {
    if role().is_none() {
        return;
    }
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    loop {
        match &*hear() {
            "end" => break,
            line => log::info!("{line}"),
        }
        assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
        say("written");
    }
}

/// What the backups and the log have, the oldest first.
fn texts(place: &Place) -> Vec<String> {
    let files = support::files_of(&place.log());
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn a_listener_rotates_when_ctl_or_a_signal_asks() {
    let place = Place::new();
    let listener = place.listen(&FORM);
    let mut worker = place.worker("w", &["lines"]);
    let mut log = |line: &str| {
        worker.tell(line);
        assert_eq!(worker.heard(), "written");
    };
    let asked = place.run(&["ctl", "rotate"]);
    assert_eq!(String::from_utf8(asked.stdout).unwrap(), "0 log files rotated\n");
    log("one");
    let asked = place.run(&["ctl", "rotate"]);
    assert_eq!(String::from_utf8(asked.stdout).unwrap(), "1 log files rotated\n");
    assert_eq!(texts(&place), ["w one\n", ""]);
    log("two");
    listener.process.signal(Signal::SIGUSR1);
    wait_until("the rotation", || texts(&place).len() == 3);
    log("three");
    assert_eq!(texts(&place), ["w one\n", "w two\n", "w three\n"]);
    worker.tell("end");
    worker.finish();
    assert!(listener.stop().is_complete());
}

#[test]
fn a_rotation_that_is_not_possible_is_told_and_holds_nobody_up() {
    let place = Place::new();
    let listener = place.listen(&[&FORM[..], &["--backup-count", "1"]].concat());
    let mut worker = place.worker("w", &["lines"]);
    let mut log = |line: &str| {
        worker.tell(line);
        assert_eq!(worker.heard(), "written");
    };
    log("one");
    fs::create_dir(place.path("app.log.1")).unwrap();
    let asked = place.run(&["ctl", "rotate"]);
    let said = String::from_utf8(asked.stderr).unwrap();
    assert_eq!(asked.status.code(), Some(74), "{said}");
    assert!(said.contains("cannot rename") && said.contains("0 log files rotated"), "{said}");
    log("two");
    fs::remove_dir(place.path("app.log.1")).unwrap();
    assert_eq!(control::rotate(&place.queue(), PATIENCE).unwrap().files, 1);
    assert_eq!(texts(&place), ["w one\nw two\n", ""]);
    worker.tell("end");
    worker.finish();
    assert!(listener.stop().is_complete());
}
