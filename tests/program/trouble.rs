//! What goes wrong with files and arguments: one line, the designed exit code, nothing accepted lost.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use logboom::Overflow;
use support::{
    PATIENCE, Place, SmallDisk, by_channel, copy_program, hear, role, say, unprivileged, wait_until,
};

/// Logs `role[1]` records once told to.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let guard = logboom::builder().overflow(Overflow::DropNewest).init().unwrap();
    say("ready");
    hear();
    for number in 0..role[1].parse::<u32>().unwrap() {
        log::info!("record {number} {:100}", "");
    }
    say(&guard.handler().stats().dropped.to_string());
    hear();
}

fn one_line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "not one line: {text:?}");
    text
}

#[test]
fn unusable_arguments_are_named_and_end_with_code_2() {
    let place = Place::new();
    let cases: [&[&str]; 8] = [
        &["listen", "--max-bytes", "nonsense"],
        &["listen", "--max-bytes", "99999999999G"],
        &["listen", "--backup-count", "many"],
        &["listen", "--level", "loud"],
        &["listen", "--format", "%(nonsense)s"],
        &["listen", "--sync", "sometimes"],
        &["run", "--sync", "30", "--", "true"],
        &["listen", "--queue", "a", "--queue-dir", "b"],
    ];
    for args in cases {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with("error: ") && text.contains(args[1]), "{text}");
    }
    assert_eq!(place.run(&["listen", "--queue", "../x"]).status.code(), Some(78));
    assert!(!place.queue().path().exists(), "something was begun");
}

#[test]
fn a_directory_without_write_permission_is_an_error_of_one_line() {
    let place = Place::new();
    // The program itself may stand where an unprivileged user cannot reach it.
    let program = place.path("logboom");
    copy_program(Path::new(env!("CARGO_BIN_EXE_logboom")), &program);
    let closed = place.path("closed");
    fs::create_dir(&closed).unwrap();
    use std::os::unix::fs::PermissionsExt;
    for (path, mode) in [(place.directory.path(), 0o755), (&*closed, 0o555)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let run = |args: &[&str]| {
        let mut command = Command::new(&program);
        command.args(args).current_dir(place.directory.path());
        unprivileged(&mut command);
        command.output().unwrap()
    };
    let output = run(&["listen", "--queue-dir", "closed/q", "--log", "/dev/null"]);
    assert_eq!(output.status.code(), Some(74));
    let output = run(&["listen", "--queue-dir", "closed/q", "--log", "closed/app.log"]);
    assert_eq!(output.status.code(), Some(74));
    let text = one_line(&output);
    assert!(text.contains("closed/app.log") && text.contains("Permission denied"), "{text}");
}

#[test]
fn a_log_that_is_no_regular_file_is_refused() {
    let place = Place::new();
    fs::write(place.path("target"), "").unwrap();
    std::os::unix::fs::symlink(place.path("target"), place.path("link.log")).unwrap();
    for log in ["/dev/null", "/tmp", "link.log"] {
        let output = place.run(&["listen", "--log", log]);
        assert_eq!(output.status.code(), Some(74), "{log}");
        assert!(one_line(&output).contains(log), "{log}");
    }
}

#[test]
fn a_time_zone_that_is_none_is_told_in_the_log() {
    for (zone, is_told) in
        [("Nowhere/Land", true), ("CET-1CEST,M3.5.0,M10.5.0/3", false), ("", false)]
    {
        let place = Place::new();
        let mut command = place.logboom(&["listen", "--log", "app.log", "--format", "%(message)s"]);
        command.env("TZ", zone);
        let listener = place.serve(command);
        assert!(listener.stop().is_complete());
        let said = fs::read_to_string(place.log()).unwrap();
        assert_eq!(
            said.starts_with("TZ is `Nowhere/Land`, which is no time zone"),
            is_told,
            "{said}"
        );
        assert_eq!(said.lines().count(), usize::from(is_told), "{said}");
    }
}

#[test]
fn a_listener_does_not_start_on_a_full_disk_and_says_so() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.path("disk"), "256k") else {
        println!("skipped: a tmpfs cannot be mounted here");
        return;
    };
    disk.fill(1 << 20);
    let output = place.run(&["listen", "--log", "disk/app.log"]);
    assert_eq!(output.status.code(), Some(74));
    let text = one_line(&output);
    assert!(text.contains("disk/app.log") && text.contains("No space left on device"), "{text}");
}

#[test]
fn when_the_disk_fills_up_records_wait_and_all_are_written_when_there_is_room() {
    const RECORDS: u64 = 1000;
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.path("disk"), "256k") else {
        println!("skipped: a tmpfs cannot be mounted here");
        return;
    };
    let mut command = place.logboom(&[
        "listen",
        "--log",
        "disk/app.log",
        "--format",
        "%(processName)s %(message)s",
    ]);
    command.args(["--max-bytes", "0"]);
    let listener = place.serve(command);
    let filler = disk.fill(1 << 20);
    let mut worker = place.worker("w", &["log", &RECORDS.to_string()]);
    worker.heard();
    worker.tell("go");
    assert_eq!(worker.heard(), "0", "records were dropped");
    wait_until("the trouble", || {
        place
            .status()
            .trouble
            .is_some_and(|trouble| trouble.cause.contains("No space left on device"))
    });
    fs::remove_file(filler).unwrap();
    wait_until("the records", || {
        place.status().records >= RECORDS && place.status().trouble.is_none()
    });
    worker.finish();
    assert_eq!(listener.stop().missing, 0);
    let log = fs::read_to_string(place.path("disk/app.log")).unwrap();
    let numbers = log
        .lines()
        .filter_map(|line| line.strip_prefix("w record ")?.trim_end().parse::<u64>().ok());
    assert!(numbers.eq(0..RECORDS), "not all records, once and in order");
    assert!(log.contains("No space left on device"), "the log does not say what happened");
}

#[test]
fn a_stop_on_a_full_disk_says_what_is_missing() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.path("disk"), "256k") else {
        println!("skipped: a tmpfs cannot be mounted here");
        return;
    };
    let listener =
        place.serve(place.logboom(&["listen", "--log", "disk/app.log", "--drain-timeout", "1"]));
    disk.fill(1 << 20);
    let mut worker = place.start_worker("w", &["log", "100"], by_channel);
    worker.heard();
    worker.tell("go");
    assert_eq!(worker.heard(), "0");
    wait_until("the trouble", || place.status().trouble.is_some());
    assert_eq!(listener.stop().missing, 100);
}

#[test]
fn a_stop_on_a_full_disk_leaves_lanes_for_the_next_listener() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.path("disk"), "256k") else {
        println!("skipped: a tmpfs cannot be mounted here");
        return;
    };
    let listen = || place.logboom(&["listen", "--log", "disk/app.log", "--drain-timeout", "1"]);
    let mut listener = place.serve(listen());
    let filler = disk.fill(1 << 20);
    let mut worker = place.worker("w", &["log", "100"]);
    worker.heard();
    worker.tell("go");
    assert_eq!(worker.heard(), "0");
    wait_until("the trouble", || place.status().trouble.is_some());
    let report = logboom::control::stop(&place.queue(), PATIENCE).unwrap();
    assert_eq!((report.missing, report.left_lanes, report.log_failed), (0, 1, true));
    assert_eq!(listener.process.wait(), 74);
    worker.finish();
    fs::remove_file(filler).unwrap();
    let last_report = place.serve(listen()).stop();
    assert_eq!((last_report.missing, last_report.log_failed), (0, false));
    // What the first could not write it has not drained.
    assert_eq!(report.drained + last_report.drained, 100);
    let log = fs::read_to_string(place.path("disk/app.log")).unwrap();
    let numbers =
        log.lines().filter_map(|line| line.split("record ").nth(1)?.trim_end().parse::<u64>().ok());
    assert!(numbers.eq(0..100), "not all records, once and in order");
}

#[test]
fn a_stop_says_that_the_disk_refused_the_last_writes_and_ends_with_code_74() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.path("disk"), "256k") else {
        println!("skipped: a tmpfs cannot be mounted here");
        return;
    };
    let mut listener =
        place.serve(place.logboom(&["listen", "--log", "disk/app.log", "--drain-timeout", "1"]));
    disk.fill(1 << 20);
    let mut worker = place.worker("w", &["log", "100"]);
    worker.heard();
    worker.tell("go");
    assert_eq!(worker.heard(), "0");
    wait_until("the trouble", || place.status().trouble.is_some());
    let stop = place.run(&["ctl", "stop"]);
    assert_eq!((stop.status.code(), listener.process.wait()), (Some(74), 74));
    let report = String::from_utf8(stop.stdout).unwrap();
    assert!(report.contains("missing 0, left 1 lanes; the log could not be written"), "{report}");
}
