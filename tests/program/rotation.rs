//! Rotation of a running listener: when it is asked to, by time, and what stays.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use logboom::control;
use logboom::verify::{Form, verify};
use logboom::{Certainty, Overflow};
use nix::sys::signal::Signal;
use support::{PATIENCE, Place, Process, hear, role, say, wait_until};

const FORM: [&str; 2] = ["--format", "%(processName)s %(message)s"];

/// Logs so many numbers, or each line it is told, and says when that is written.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    if let Ok(count) = role[0].parse::<u32>() {
        (0..count).for_each(|number| log::info!("{number}"));
        assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
        return;
    }
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
    // The new log comes last; before that files are renamed.
    wait_until("the rotation", || support::files_of(&place.log()).len() == 3);
    log("three");
    assert_eq!(texts(&place), ["w one\n", "w two\n", "w three\n"]);
    worker.tell("end");
    worker.finish();
    assert!(listener.stop().is_complete());
}

#[test]
fn a_rotation_that_is_not_possible_is_told_and_holds_nobody_up() {
    let place = Place::new();
    // A backup has a longer path than there can be (`PATH_MAX`), and the lock file has not.
    let mut directory = place.directory.path().to_owned();
    while let missing_bytes @ 2.. = 3884_usize.saturating_sub(directory.as_os_str().len()) {
        directory.push("d".repeat(missing_bytes.min(100) - 1));
    }
    let path = directory.join("x".repeat(200));
    let path = path.to_str().unwrap();
    let args = ["listen", "--log", path, "--backup-names", "unique"];
    let listener = place.serve(place.logboom(&[&args[..], &FORM].concat()));
    let mut worker = place.worker("w", &["lines"]);
    let mut log = |line: &str| {
        worker.tell(line);
        assert_eq!(worker.heard(), "written");
    };
    log("one");
    let asked = place.run(&["ctl", "rotate"]);
    let said = String::from_utf8(asked.stderr).unwrap();
    assert_eq!(asked.status.code(), Some(74), "{said}");
    assert!(said.contains("cannot rename") && said.contains("no log file was rotated"), "{said}");
    log("two");
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("w ")).collect();
    assert_eq!(lines, ["w one", "w two"]);
    worker.tell("end");
    worker.finish();
    assert!(listener.stop().is_complete());
}

/// The names beside the log that begin with its own, in order.
fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.directory.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("app.log")).collect();
    names.sort();
    names
}

fn tail(place: &Place) -> String {
    let output = place.run(&["tail", "-n", "all", "app.log"]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn rotate(place: &Place) {
    assert_eq!(control::rotate(&place.queue(), PATIENCE).unwrap().files, 1);
}

#[test]
fn backups_are_compressed_read_renamed_and_deleted_over_starts_with_other_settings() {
    const OTHERS: [&str; 3] = ["app.log.1.gz", "app.log.7.zst", "app.log.2026-11-22.gz"];
    let place = Place::new();
    for name in OTHERS {
        fs::write(place.path(name), name).unwrap();
    }
    let mut worker = place.worker("w", &["lines"]);
    let mut log = |line: &str| {
        worker.tell(line);
        assert_eq!(worker.heard(), "written");
    };
    let own = || {
        let mut names = names(&place);
        names.retain(|name| !OTHERS.contains(&&**name));
        names
    };
    let wait_for_names = |expected: &[&str]| wait_until("the compression", || own() == expected);

    let listener = place.listen(&[&FORM[..], &["--compress", "zstd"]].concat());
    log("one");
    rotate(&place);
    wait_for_names(&["app.log", "app.log.1.zst"]);
    log("two");
    rotate(&place);
    wait_for_names(&["app.log", "app.log.1.zst", "app.log.2.zst"]);
    assert_eq!(tail(&place), "w one\nw two\n");
    listener.stop();

    // Without compression, with another one, and with less to keep.
    let listener = place.listen(&FORM);
    log("three");
    rotate(&place);
    assert_eq!(own(), ["app.log", "app.log.1", "app.log.2.zst", "app.log.3.zst"]);
    log("four");
    rotate(&place);
    listener.stop();
    assert_eq!(own(), ["app.log", "app.log.1", "app.log.2", "app.log.3.zst", "app.log.4.zst"]);
    let listener = place.listen(&[&FORM[..], &["--compress", "gzip"]].concat());
    log("five");
    // The name of the first is taken by a file of others.
    wait_for_names(&["app.log", "app.log.1", "app.log.2.gz", "app.log.3.zst", "app.log.4.zst"]);
    assert_eq!(tail(&place), "w one\nw two\nw three\nw four\nw five\n");
    listener.stop();
    let listener = place.listen(&[&FORM[..], &["--backup-count", "3"]].concat());
    log("six");
    wait_for_names(&["app.log", "app.log.1", "app.log.2.gz", "app.log.3.zst"]);
    rotate(&place);
    assert_eq!(own(), ["app.log", "app.log.1", "app.log.2", "app.log.3.gz"]);
    assert_eq!(tail(&place), "w three\nw four\nw five\nw six\n");
    listener.stop();
    for name in OTHERS {
        assert_eq!(fs::read_to_string(place.path(name)).unwrap(), name);
    }
    worker.tell("end");
    worker.finish();
}

#[test]
fn a_log_is_followed_across_rotations_and_compressions() {
    const LINES: u32 = 30_000;
    let place = Place::new();
    let form = ["--compress", "zstd", "--max-bytes", "2kB", "--backup-count", "100000"];
    let dated = [&form[..], &["--backup-names", "unique"]].concat();
    for (name, form) in [("numbered", &form[..]), ("dated", &dated)] {
        let listener = place.listen(&[&FORM[..], form].concat());
        let read = place.path(name);
        let mut tail = place.logboom(&["tail", "-f", "-n", "0", "app.log"]);
        tail.stdin(Stdio::null()).stdout(fs::File::create(&read).unwrap());
        let mut tail = Process(tail.spawn().unwrap());
        // Only what it has begun to follow is new to it.
        let mut first = place.worker("first", &["lines"]);
        wait_until("the first line", || {
            first.tell("line");
            assert_eq!(first.heard(), "written");
            !fs::read(&read).unwrap().is_empty()
        });
        first.tell("end");
        first.finish();
        place.worker("w", &[&LINES.to_string()]).finish();
        let expected: String = (0..LINES).map(|number| format!("w {number}\n")).collect();
        let followed = || {
            let text = fs::read_to_string(&read).unwrap();
            let own = text.lines().filter(|line| line.starts_with("w "));
            own.map(|line| format!("{line}\n")).collect::<String>()
        };
        wait_until("the last line", || followed().len() >= expected.len());
        assert!(followed() == expected, "{name}: not each line once and in order");
        tail.0.kill().unwrap();
        tail.wait();
        listener.stop();
    }
}

#[test]
fn ten_thousand_backups_cost_one_look_at_their_directory_at_the_start_and_with_each_rotation() {
    const BACKUPS: usize = 10_000;
    let place = Place::in_shared_memory();
    for number in 0..BACKUPS {
        let name = format!("app.log.20{:02}-01-01.{}", 10 + number / 1000, 1 + number % 1000);
        fs::write(place.path(&name), "").unwrap();
    }
    let mut command = Command::new("strace");
    let calls = "trace=%file,getdents64";
    command.args(["-f", "-o"]).arg(place.path("trace")).args(["-e", calls, "-s", "4096"]);
    let listen = place.logboom(&["listen", "--log", "app.log", "--backup-names", "date"]);
    command.arg(listen.get_program()).args(listen.get_args());
    command.args(FORM).args(["--backup-count", "10000"]).current_dir(place.directory.path());
    listen.get_envs().for_each(|(name, value)| {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    });
    let Ok(child) = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn() else {
        eprintln!("skipped: install strace to count system calls");
        return;
    };
    let mut strace = Process(child);
    let mut has_ended = false;
    wait_until("the listener", || {
        has_ended = strace.0.try_wait().unwrap().is_some();
        has_ended || control::status(&place.queue()).is_ok()
    });
    if has_ended {
        let mut said = String::new();
        strace.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.contains("Operation not permitted"), "{said}");
        eprintln!("skipped: processes cannot be traced here");
        return;
    }
    let mut worker = place.worker("w", &["lines"]);
    let trace = || {
        let text = fs::read_to_string(place.path("trace")).unwrap();
        let looks_at = format!(
            "{}\", O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY",
            place.directory.path().display()
        );
        let looks = text.lines().filter(|line| line.contains(&looks_at)).count();
        let of_backups = text.lines().filter(|line| line.contains("app.log.20")).count();
        (looks, of_backups)
    };
    worker.tell("one");
    assert_eq!(worker.heard(), "written");
    assert_eq!(trace(), (1, 0), "looks at the directory, and calls for backups, at the start");
    rotate(&place);
    // The oldest makes room for the new one.
    let (looks, of_backups) = trace();
    assert_eq!(looks, 2, "looks at the directory after a rotation");
    assert!(of_backups <= 3, "{of_backups} calls for backups");
    worker.tell("end");
    worker.finish();
    control::stop(&place.queue(), PATIENCE).unwrap();
    strace.wait();
}

#[test]
fn a_log_with_compressed_backups_is_verified_to_its_first_record() {
    for (compression, backup) in [("zstd", "app.log.1.zst"), ("gzip", "app.log.1.gz")] {
        let place = Place::new();
        let listener = place.listen(&["--format", "json", "--compress", compression]);
        let mut worker = place.worker("w", &["lines"]);
        for line in ["one", "two"] {
            worker.tell(line);
            assert_eq!(worker.heard(), "written");
            if line == "one" {
                rotate(&place);
                wait_until("the compression", || names(&place) == ["app.log", backup]);
            }
        }
        worker.tell("end");
        worker.finish();
        listener.stop();
        let report = verify(place.log(), &Form::Detect).unwrap();
        assert!(report.is_whole(), "{report:?}");
        assert_eq!((report.records, report.lanes_begun_before), (2, 0), "{report:?}");
    }
}
