//! A batch that a killed listener has left: which listener may go on in its log, and where.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;

use logboom::QueueDir;
use logboom::formatter::Formatter;
use logboom::handler::{Handler, RotatingFileHandler};
use logboom::{Level, Record};
use support::sequence::{
    FORM, assert_once_over, assert_whole, die_at, log_sequence, put_foreign_files, start_workers,
    to,
};
use support::{Place, SmallDisk, Worker, role, wait_until};

#[test]
fn worker_process() {
    if role().is_some() {
        log_sequence();
    }
}

struct Message;

impl Formatter for Message {
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(record.message.as_bytes());
    }
}

/// Runs a listener of another queue on `app.log` that is expected not to start.
fn other_queue(place: &Place, args: &[&str]) -> Output {
    let mut command = place.logboom(&["listen", "--queue-dir", "other"]);
    command.args(to("app.log", FORM)).args(args).output().unwrap()
}

/// A listener of another queue on `app.log`, once it serves.
fn listen_as_other(place: &Place, args: &[&str]) -> (support::Process, QueueDir) {
    let mut command = place.logboom(&["-q", "listen", "--queue-dir", "other"]);
    let process = support::Process(command.args(to("app.log", FORM)).args(args).spawn().unwrap());
    let queue = QueueDir::at(place.path("other")).unwrap();
    wait_until("the other listener", || logboom::control::status(&queue).is_ok());
    (process, queue)
}

fn stop_other((mut process, queue): (support::Process, QueueDir)) {
    logboom::control::stop(&queue, support::PATIENCE).unwrap();
    assert_eq!(process.wait(), 0);
}

fn assert_refused(place: &Place, output: &Output) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(73), "{text}");
    let queue = place.queue().path().display().to_string();
    assert!(text.contains(&queue) && text.contains("--force"), "{text}");
}

fn log_as_other(place: &Place, message: &str) {
    let output = place.run(&["log", "--queue-dir", "other", message]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_listener_of_another_queue_refuses_a_log_that_is_unresolved() {
    for point in ["after-note:3", "after-short-write:3", "after-write:3"] {
        let place = Place::new();
        put_foreign_files(&place);
        let workers = start_workers(&place);
        die_at(&place, point, &to("app.log", FORM));
        // Twice: a refusal leaves things as they are.
        assert_refused(&place, &other_queue(&place, &[]));
        assert_refused(&place, &other_queue(&place, &[]));
        let listener = place.listen(FORM);
        workers.into_iter().for_each(Worker::finish);
        listener.stop();
        assert_whole(&place);
        stop_other(listen_as_other(&place, &[]));
    }
}

#[test]
fn a_handler_without_a_queue_does_not_write_to_a_log_that_is_unresolved() {
    let place = Place::new();
    put_foreign_files(&place);
    let workers = start_workers(&place);
    die_at(&place, "after-short-write:3", &to("app.log", FORM));
    let mut handler = RotatingFileHandler::builder(place.log()).open(Message).unwrap();
    handler.handle(&Record::new(0, Level::INFO, "app", "a line of its own")).unwrap();
    let error = handler.flush().unwrap_err();
    assert!(error.to_string().contains(place.queue().path().to_str().unwrap()), "{error}");
    drop(handler);
    let listener = place.listen(FORM);
    workers.into_iter().for_each(Worker::finish);
    listener.stop();
    assert_whole(&place);
}

#[test]
fn a_batch_that_is_done_does_not_keep_another_queue_from_the_log() {
    for point in ["before-note:3", "after-done:3", "after-rename-1:2"] {
        let place = Place::new();
        let workers = start_workers(&place);
        die_at(&place, point, &to("app.log", FORM));
        stop_other(listen_as_other(&place, &[]));
        let listener = place.listen(FORM);
        workers.into_iter().for_each(Worker::finish);
        listener.stop();
        assert_once_over(&[place.log()]);
    }
}

#[test]
fn a_queue_that_is_gone_has_nothing_unresolved() {
    let place = Place::new();
    let mut workers = start_workers(&place);
    die_at(&place, "after-short-write:3", &to("app.log", FORM));
    workers.iter_mut().for_each(|worker| worker.process.signal(nix::sys::signal::SIGKILL));
    fs::remove_dir_all(place.queue().path()).unwrap();
    stop_other(listen_as_other(&place, &[]));
}

/// The other queue gets the log; what the first one has in its lanes goes to its next log.
#[test]
fn a_forced_listener_cuts_nothing_and_doubles_nothing_of_the_other_queue() {
    for point in ["after-note:3", "after-short-write:3", "after-write:3"] {
        let place = Place::new();
        let workers = start_workers(&place);
        die_at(&place, point, &to("app.log", FORM));
        let other = listen_as_other(&place, &["--force"]);
        log_as_other(&place, "first of the other");
        let mut command = place.logboom(&["listen"]);
        command.args(to("next.log", FORM));
        let listener = place.serve(command);
        log_as_other(&place, "second of the other");
        workers.into_iter().for_each(Worker::finish);
        listener.stop();
        stop_other(other);
        assert_once_over(&[place.log(), place.path("next.log")]);
        let lines = place.lines();
        let of_other: Vec<_> = lines.iter().filter(|line| line.contains("of the other")).collect();
        assert_eq!(of_other.len(), 2, "{of_other:?}");
    }
}

/// The old log keeps the batch if it has all of it, and the new one begins with it if not.
#[test]
fn a_listener_with_another_log_resolves_the_old_one_first() {
    let cases: [&[&str]; 9] = [
        &["after-note:3"],
        &["after-short-write:3"],
        &["after-write:3"],
        &["after-heads:3"],
        &["after-short-write:3", "after-names"],
        &["after-short-write:3", "after-cut"],
        &["after-short-write:3", "after-note"],
        &["after-short-write:3", "after-short-write"],
        &["after-write:3", "after-head-of-lane"],
    ];
    for points in cases {
        let place = Place::new();
        let workers = start_workers(&place);
        let mut logs = Vec::new();
        for (number, point) in points.iter().enumerate() {
            logs.push(format!("log-{number}/app.log"));
            die_at(&place, point, &to(&logs[number], FORM));
        }
        let listener = place.listen(FORM);
        workers.into_iter().for_each(Worker::finish);
        listener.stop();
        println!("killed at {points:?}");
        let mut logs: Vec<_> = logs.iter().map(|log| place.path(log)).collect();
        logs.retain(|log| log.exists());
        logs.push(place.log());
        assert_once_over(&logs);
    }
}

#[test]
fn an_old_log_that_another_process_has_is_not_touched() {
    let place = Place::new();
    let workers = start_workers(&place);
    die_at(&place, "after-short-write:3", &to("app.log", FORM));
    let holder = RotatingFileHandler::builder(place.log()).open(Message).unwrap();
    let mut command = place.logboom(&["listen"]);
    let output = command.args(to("next.log", FORM)).output().unwrap();
    assert_eq!(output.status.code(), Some(73));
    drop(holder);
    let listener = place.listen(FORM);
    workers.into_iter().for_each(Worker::finish);
    listener.stop();
    assert_once_over(&[place.log()]);
}

/// As `logrotate` may do while no listener is there.
#[test]
fn a_log_that_was_renamed_is_resolved_under_its_new_name() {
    for point in ["after-note", "after-short-write", "after-write"] {
        let place = Place::new();
        let workers = start_workers(&place);
        let form: Vec<_> =
            ["--max-bytes", "0"].into_iter().chain(FORM[..2].iter().copied()).collect();
        die_at(&place, point, &to("app.log", &form));
        fs::rename(place.log(), place.path("app.log-20260101")).unwrap();
        let listener = place.listen(FORM);
        workers.into_iter().for_each(Worker::finish);
        listener.stop();
        assert_once_over(&[place.path("app.log-20260101"), place.log()]);
    }
}

#[test]
fn a_journal_that_was_deleted_between_batches_is_not_missed() {
    for point in ["after-note:3", "after-done:3", "after-heads:3"] {
        let place = Place::new();
        put_foreign_files(&place);
        let workers = start_workers(&place);
        die_at(&place, point, &to("app.log", FORM));
        fs::remove_file(place.queue().path().join("journal")).unwrap();
        let listener = place.listen(FORM);
        workers.into_iter().for_each(Worker::finish);
        listener.stop();
        assert_whole(&place);
    }
}

#[test]
fn when_the_journal_has_no_room_records_wait_until_there_is() {
    let place = Place::new();
    put_foreign_files(&place);
    let Some(disk) = SmallDisk::mount(place.queue().path(), "8M") else {
        println!("skipped: a tmpfs cannot be mounted here");
        return;
    };
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(place.queue().path(), fs::Permissions::from_mode(0o700)).unwrap();
    // The lanes are there, and after them there is no room for the journal.
    let workers = start_workers(&place);
    let lanes = || fs::read_dir(place.lanes()).map_or(0, Iterator::count);
    wait_until("the lanes", || lanes() >= 3);
    for name in ["lock", "bell"] {
        let file =
            fs::File::options().append(true).create(true).open(place.queue().path().join(name));
        file.unwrap();
    }
    fs::write(place.queue().path().join("lock"), "0\n\n").unwrap();
    let filler = disk.fill(16 << 20);
    let listener = place.listen(FORM);
    wait_until("the trouble", || {
        place
            .status()
            .trouble
            .is_some_and(|trouble| trouble.cause.contains("No space left on device"))
    });
    assert_eq!(fs::metadata(place.log()).unwrap().len(), 0, "written without a note");
    fs::remove_file(filler).unwrap();
    workers.into_iter().for_each(Worker::finish);
    listener.stop();
    assert_whole(&place);
}

/// Stops a listener whose log is on a full disk.
fn stop_on_full_disk(place: &Place) {
    let mut command = place.logboom(&["listen"]);
    let mut listener = place.serve({
        command.args(to("disk/app.log", FORM));
        command
    });
    wait_until("the trouble", || place.status().trouble.is_some());
    logboom::control::stop(&place.queue(), support::PATIENCE).unwrap();
    assert_eq!(listener.process.wait(), 74);
}

#[test]
fn a_recovery_that_a_full_disk_prevents_is_left_to_the_next_listener() {
    for point in ["after-short-write:3", "after-write:3"] {
        let place = Place::new();
        let Some(disk) = SmallDisk::mount(&place.path("disk"), "256k") else {
            println!("skipped: a tmpfs cannot be mounted here");
            return;
        };
        let workers = start_workers(&place);
        die_at(&place, point, &to("disk/app.log", FORM));
        let filler = disk.fill(1 << 20);
        stop_on_full_disk(&place);
        stop_on_full_disk(&place);
        let args = to("disk/app.log", FORM);
        let mut other = place.logboom(&["listen", "--queue-dir", "other"]);
        assert_refused(&place, &other.args(&args).output().unwrap());
        fs::remove_file(filler).unwrap();
        let mut command = place.logboom(&["listen"]);
        command.args(args);
        let listener = place.serve(command);
        workers.into_iter().for_each(Worker::finish);
        listener.stop();
        assert_once_over(&[Path::new("disk/app.log")].map(|log| place.directory.path().join(log)));
    }
}
