//! A listener that is killed at each step of a write, of a rotation and of a recovery: the next one
//! goes on there, and every record is in the log once.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use logboom::control;
use logboom::formatter::PatternFormatter;
use logboom::handler::RotatingFileHandler;
use logboom::{Certainty, Level, Overflow, QueueDir, QueueListener, TransportChoice};
use support::logs::{THREE_LOGS, configure_three_logs};
use support::sequence::{
    FORM, assert_each_is_whole, assert_each_worker_has_its_log, assert_end_is_whole,
    assert_once_over, assert_whole, assert_whole_as_read, die_at, log_sequence, put_foreign_files,
    start_workers, to,
};
use support::{PATIENCE, Place, Worker, role, wait_until};

/// `sequence`: logs it. Otherwise a listener with two log files in this directory.
#[test]
fn worker_process() {
    match role() {
        None => {}
        Some(role) if role[0] == "sequence" => log_sequence(),
        Some(role) => listen_to_two_files(Path::new(&role[1])),
    }
}

/// Kills a listener at each of the points, one after the other, and lets another one finish.
fn die_and_finish(place: &Place, points: &[&str], args: &[&str]) {
    put_foreign_files(place);
    let workers = start_workers(place);
    points.iter().for_each(|point| die_at(place, point, args));
    let listener = place.serve(place.logboom(&[&["listen"], args].concat()));
    workers.into_iter().for_each(Worker::finish);
    let report = listener.stop();
    assert_eq!((report.missing, report.dropped, report.left_lanes), (0, 0, 0));
}

fn with_one_log(points: &[&str]) {
    let place = Place::new();
    die_and_finish(&place, points, &to("app.log", FORM));
    assert_whole(&place);
}

/// On different loggers.
fn with_three_logs(points: &[&str]) {
    let place = Place::new();
    let config = configure_three_logs(&place, "lines", 4000);
    die_and_finish(&place, points, &["--config", config, "--drain-timeout", "1"]);
    assert_each_is_whole(&place, THREE_LOGS);
}

/// Beside the log with all, and fewer files open than there are.
const ROUTED: &[&str] = &["--route", "by/{worker}.log", "--max-open-files", "1"];

fn with_routes(points: &[&str]) {
    let place = Place::new();
    die_and_finish(&place, points, &[&to("app.log", FORM), ROUTED].concat());
    assert_whole(&place);
    assert_each_worker_has_its_log(&place, "by");
}

macro_rules! killed_at {
    ($($test:ident: $($point:literal),+;)+) => {
        $(#[test]
        fn $test() {
            with_one_log(&[$($point),+]);
        })+

        mod three_logs {
            $(#[test]
            fn $test() {
                super::with_three_logs(&[$($point),+]);
            })+
        }

        mod routes {
            $(#[test]
            fn $test() {
                super::with_routes(&[$($point),+]);
            })+
        }
    };
}

killed_at! {
    at_start_before_any_batch: "after-claim", "after-names";
    before_the_note: "before-note:5";
    between_note_and_announcement: "after-note:5";
    amid_the_announcement_of_a_lane: "amid-announce:8";
    between_announcements: "after-announce-of-lane:7";
    between_announcement_and_write: "after-announce:5";
    before_the_first_write: "before-write";
    before_a_write: "before-write:6";
    amid_the_first_write: "after-short-write";
    amid_a_write: "after-short-write:6";
    after_a_write: "after-write:6";
    between_written_and_head: "before-head:8";
    between_heads: "after-head-of-lane:7";
    after_heads: "after-heads:7";
    after_the_batch_is_done: "after-done:5";
    before_the_rename_of_the_current_file: "before-rename-1:3";
    after_the_rename_of_the_current_file: "after-rename-1:3";
    before_the_first_rename_of_a_backup: "before-rename-2";
    after_a_rename_of_a_backup: "after-rename-2:2";
    before_the_first_rename_of_a_rotation: "before-rename-4";
    after_the_first_rename_of_a_rotation: "after-rename-4";
    amid_the_renames_of_a_rotation: "after-rename-3:2";
    before_the_opening_of_a_new_file: "before-open:3";
    after_the_opening_of_a_new_file: "after-open:3";
    before_the_removal_of_a_lane: "before-lane-removal:2";
    recovery_before_it_names_its_files: "after-short-write:3", "after-claim";
    recovery_after_it_has_named_its_files: "after-short-write:3", "after-names";
    recovery_after_the_cut: "after-short-write:3", "after-cut";
    recovery_after_the_note: "after-short-write:3", "after-note";
    recovery_amid_the_announcement: "after-short-write:3", "amid-announce";
    recovery_between_announcements: "after-short-write:3", "after-announce-of-lane";
    recovery_amid_its_write: "after-short-write:3", "after-short-write", "after-short-write";
    recovery_after_its_write: "after-short-write:3", "after-write";
    recovery_between_heads: "after-write:3", "after-head-of-lane";
    recovery_after_heads: "after-write:3", "after-heads";
    recovery_after_a_rotation: "after-rename-2:2", "after-open", "after-rename-1";
}

#[test]
fn a_route_killed_at_each_of_its_steps() {
    for points in [
        &["before-route-open"][..],
        &["before-route-open:2"],
        &["after-route-open:2"],
        &["after-route-open:3"],
        &["before-route-close"],
        &["after-route-close:2"],
        &["after-names:3"],
        &["after-names:4"],
        // The file is opened again before it is known what is in it.
        &["after-note:9", "after-claim:2"],
        &["after-short-write:9", "after-claim:2"],
        &["after-short-write:9", "after-names"],
        &["after-short-write:9", "after-note"],
        &["after-write:9", "after-write"],
        &["after-write:9", "after-heads"],
        &["after-write:9", "before-route-open"],
    ] {
        println!("killed at {points:?}");
        with_routes(points);
    }
}

/// What a route has begun is resolved by listeners with another one, with none, and without a batch
/// that is begun.
#[test]
fn routes_that_have_changed_when_their_batch_is_recovered() {
    for point in ["after-note:4", "after-short-write:4", "after-write:4", "after-write:5"] {
        for next in [&["--route", "by/{program}-{worker}.log"][..], &[]] {
            let place = Place::new();
            let form = to("app.log", FORM);
            put_foreign_files(&place);
            let workers = start_workers(&place);
            die_at(&place, point, &[&form, ROUTED].concat());
            let listener = place.serve(place.logboom(&[&["listen"], &form[..], next].concat()));
            workers.into_iter().for_each(Worker::finish);
            assert_eq!(listener.stop().missing, 0);
            println!("killed at {point}, then {next:?}");
            assert_whole(&place);
        }
    }
}

/// The record that a rotation makes room for is not in the log yet, though it was read with those before.
#[test]
fn nothing_is_said_to_be_written_before_the_rotation_that_it_waits_for() {
    let place = Place::new();
    let worker = logboom::builder().queue(place.queue()).overflow(Overflow::Block);
    let worker = worker.transport(TransportChoice::Ring).pinned_filter("trace").attach().unwrap();
    for number in 0..3 {
        worker.log(Level::INFO, "a", format_args!("{number} {:60}", ""));
    }
    let form = ["--format", "%(message)s", "--max-bytes", "100", "--backup-count", "5"];
    for (pending, log) in [(2, "0"), (1, "1")] {
        die_at(&place, "before-open", &to("app.log", &form));
        let report = worker.flush(Certainty::Written, Duration::ZERO);
        assert_eq!(report.pending_records, pending);
        assert!(fs::read_to_string(place.path("app.log.1")).unwrap().starts_with(log));
    }
    place.listen(&form).stop();
    assert!(worker.flush(Certainty::Written, PATIENCE).is_complete());
}

/// The oldest backup goes; what is kept has no gap.
#[test]
fn renames_at_the_limit_of_backups() {
    const FEW: &[&str] = &["--backup-count", "3"];
    let form: Vec<_> = FORM.iter().take(4).chain(FEW).copied().collect();
    for point in ["before-rename-3:3", "after-rename-3:3", "after-rename-2:4", "after-rename-1:5"] {
        let place = Place::new();
        put_foreign_files(&place);
        let workers = start_workers(&place);
        die_at(&place, point, &to("app.log", &form));
        let listener = place.listen(&form);
        workers.into_iter().for_each(Worker::finish);
        assert_eq!(listener.stop().missing, 0);
        assert_end_is_whole(&place);
    }
}

/// Backups are compressed while others are written and renamed.
#[test]
fn compression_killed_at_each_of_its_steps() {
    let dated = ["--backup-names", "date", "--rotate-at", "every 1s"];
    for compression in ["zstd", "gzip"] {
        for point in
            ["amid-compression:3", "before-compressed:2", "after-compressed:3", "after-plain:4"]
        {
            for names in [&dated[..], &[]] {
                let form = [FORM, &["--compress", compression], names].concat();
                let place = Place::new();
                put_foreign_files(&place);
                let workers = start_workers(&place);
                die_at(&place, point, &to("app.log", &form));
                let listener = place.listen(&form);
                workers.into_iter().for_each(Worker::finish);
                assert_eq!(listener.stop().missing, 0);
                println!("killed at {point} with {form:?}");
                assert_whole_as_read(&place);
            }
        }
    }
}

fn listen_to_two_files(directory: &Path) {
    let open = |name: &str| {
        let pattern = "%(lane)s %(seq)s %(name)s %(processName)s %(message)s";
        let log = RotatingFileHandler::builder(directory.join(name));
        let log = log.max_bytes(if name == "one.log" { 4000 } else { 7000 }).backup_count(1000);
        log.open(PatternFormatter::new(pattern).unwrap()).unwrap()
    };
    let queue = QueueDir::from_env().unwrap().unwrap();
    let listener = QueueListener::builder(queue).file(open("one.log")).file(open("two.log"));
    // Its sockets are in the queue then: one that is killed leaves none behind elsewhere.
    let report = listener.own_process().bind().unwrap().run().unwrap();
    assert_eq!(report.missing, 0);
}

/// Whatever one file has, the other one gets what it has not.
#[test]
fn two_log_files_killed_between_them() {
    let cases: [&[&str]; 11] = [
        &["before-write:6"],
        &["after-short-write:6"],
        &["after-write:5"],
        &["after-write:6"],
        &["after-open:3"],
        &["after-write:5", "after-note"],
        &["after-write:5", "after-announce-of-lane"],
        &["after-write:5", "after-short-write"],
        &["after-write:5", "after-write"],
        &["after-write:5", "after-head-of-lane"],
        &["after-write:5", "after-done"],
    ];
    for points in cases {
        let place = Place::new();
        let directory = place.directory.path().display().to_string();
        let workers = start_workers(&place);
        for point in points {
            let mut listener = place.start_worker("listener", &["listen", &directory], |command| {
                command.env("LOGBOOM_FAULT", point);
            });
            assert_eq!(listener.process.wait(), 128 + 9, "not killed at {point}");
        }
        let listener = place.worker("listener", &["listen", &directory]);
        workers.into_iter().for_each(Worker::finish);
        wait_until("the listener", || control::status(&place.queue()).is_ok());
        control::stop(&place.queue(), PATIENCE).unwrap();
        listener.finish();
        println!("killed at {points:?}");
        assert_once_over(&[place.path("one.log")]);
        assert_once_over(&[place.path("two.log")]);
    }
}

/// All records to this log.
fn config_of(log: &str) -> String {
    format!(
        "version = 1\nformatters.form.format = '%(lane)s %(seq)s %(name)s %(processName)s %(message)s'\n\
         [handlers.log]\nclass = 'RotatingFileHandler'\nfilename = '{log}'\nmaxBytes = 4000\n\
         backupCount = 1000\nformatter = 'form'\n[root]\nlevel = 'INFO'\nhandlers = ['log']\n"
    )
}

/// Whatever a reload has come to, the next listener knows the log that was written last.
#[test]
fn a_listener_killed_amid_a_reload_and_in_its_first_batches() {
    let points = [
        "before-exchange",
        "after-names:2",
        "after-exchange",
        // What it says first in the new log, and the first records there.
        "after-note:2",
        "after-short-write:2",
        "after-write:2",
        "after-note:3",
        "after-announce:3",
        "after-short-write:3",
        "after-write:3",
        "after-heads:3",
    ];
    for point in points {
        for next in ["one.log", "two.log"] {
            let place = Place::new();
            fs::write(place.path("logboom.toml"), config_of("one.log")).unwrap();
            let mut command = place.logboom(&["listen"]);
            command.env("LOGBOOM_FAULT", point);
            let mut killed = place.serve(command);
            let log = config_of("two.log");
            let _killed =
                control::push_config(&place.queue(), "two.toml", log.as_bytes(), PATIENCE);
            let workers = start_workers(&place);
            assert_eq!(killed.process.wait(), 128 + 9, "not killed at {point}");
            fs::write(place.path("logboom.toml"), config_of(next)).unwrap();
            let listener = place.serve(place.logboom(&["listen"]));
            workers.into_iter().for_each(Worker::finish);
            println!("killed at {point}, then {next}");
            assert_eq!(listener.stop().missing, 0);
            let mut logs: Vec<_> = ["one.log", "two.log"].map(|log| place.path(log)).into();
            if next == "one.log" {
                logs.reverse();
            }
            logs.retain(|log| log.exists());
            assert_once_over(&logs);
        }
    }
}

#[test]
fn a_log_that_others_cut_before_the_recovery_has_the_batch_once() {
    for point in ["after-note", "after-short-write", "after-write"] {
        // Before the batch, in its first bytes, and amid it.
        for size_bytes in [0, 310, 610, 800] {
            let place = Place::new();
            let others = format!("x x x x x {:49}\n", "").repeat(10);
            fs::write(place.log(), &others).unwrap();
            let workers = start_workers(&place);
            die_at(&place, point, &to("app.log", FORM));
            let log = File::options().write(true).open(place.log()).unwrap();
            if size_bytes < log.metadata().unwrap().len() {
                log.set_len(size_bytes).unwrap();
            }
            let listener = place.listen(FORM);
            workers.into_iter().for_each(Worker::finish);
            assert_eq!(place.status().truncations, 0, "{point} {size_bytes}: we have cut it");
            listener.stop();
            assert_once_over(&[place.log()]);
        }
    }
}
