//! Rotation by time, names and limits over restarts, by a clock of the test.

#[cfg(all(feature = "compression", feature = "tail"))]
mod properties;

use std::cell::Cell;
use std::fs::{self, File};
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::rotation::BackupNames;
use crate::{Level, Record};

/// Later than all files that a test makes are born, so that their births do not count.
pub(super) const START_S: i64 = 4_102_444_800;

pub(super) const DAY_S: i64 = 86_400;

thread_local! {
    pub(super) static NOW_S: Cell<i64> = const { Cell::new(START_S) };
}

fn now_ns() -> i64 {
    NOW_S.get() * 1_000_000_000
}

struct Message;

impl Formatter for Message {
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(record.message.as_bytes());
    }
}

/// A log whose clock is that of the test.
pub(super) fn open(builder: RotatingFileBuilder) -> RotatingFileHandler {
    let mut handler = builder.open(Message).unwrap();
    handler.rotation.set_clock(now_ns, &handler.file);
    handler
}

pub(super) fn write(handler: &mut RotatingFileHandler, message: &str) {
    handler.handle(&Record::new(0, Level::INFO, "test", message)).unwrap();
}

fn write_at(handler: &mut RotatingFileHandler, now_s: i64, message: &str) {
    NOW_S.set(now_s);
    write(handler, message);
}

fn close(handler: RotatingFileHandler) {
    handler.close().unwrap();
}

/// The names in the directory of a log with their texts, without the log itself.
fn backups(path: &Path) -> Vec<(String, String)> {
    let mut found: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|found| found != path)
        .map(|found| {
            let name = found.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(found).unwrap())
        })
        .filter(|(name, _)| name != ".log.lock")
        .collect();
    found.sort();
    found
}

fn names(path: &Path) -> Vec<String> {
    backups(path).into_iter().map(|(name, _)| name).collect()
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("log")
    }

    fn builder(&self) -> RotatingFileBuilder {
        RotatingFileHandler::builder(self.path())
    }

    fn dated(&self, schedule: &str) -> RotatingFileBuilder {
        self.builder().rotate_at(schedule.parse().unwrap()).backup_names(BackupNames::Date)
    }
}

#[test]
fn an_interval_passes_also_where_programs_are_started_more_often() {
    let place = Place::new();
    // The birth of the file is of the real clock.
    NOW_S.set(crate::record::now_ns() / 1_000_000_000);
    let born_s = NOW_S.get();
    for start in 0..6 {
        let mut handler = open(place.dated("every 30m utc"));
        write_at(&mut handler, born_s + start * 420, "line");
        close(handler);
    }
    assert_eq!(backups(&place.path()).len(), 1, "{:?}", backups(&place.path()));
}

#[test]
fn a_start_before_a_boundary_that_has_passed_overwrites_nothing() {
    let place = Place::new();
    let mut handler = open(place.dated("midnight utc"));
    write_at(&mut handler, START_S, "one");
    write_at(&mut handler, START_S + DAY_S, "two");
    close(handler);
    // The clock was set back meanwhile.
    File::options()
        .append(true)
        .open(place.path())
        .unwrap()
        .set_modified(UNIX_EPOCH + Duration::from_secs(START_S as u64 + 5))
        .unwrap();
    NOW_S.set(START_S + 10);
    let mut handler = open(place.dated("midnight utc"));
    write_at(&mut handler, START_S + 20, "three");
    write_at(&mut handler, START_S + DAY_S, "four");
    close(handler);
    let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let expected = [text("log.2100-01-01", "one\n"), text("log.2100-01-01.1", "two\nthree\n")];
    assert_eq!(backups(&place.path()), expected);
}

#[test]
fn an_hour_that_comes_twice_has_two_backups() {
    let place = Place::new();
    let mut handler = open(place.dated("hourly"));
    handler.rotation.set_zone("Europe/Berlin");
    // 2100-10-31 00:30 UTC is 02:30 there, and so is 01:30 UTC.
    let start_s = START_S + 303 * DAY_S + 1800;
    NOW_S.set(start_s);
    let file = &handler.file;
    handler.rotation.begin(file);
    for hour in 0..3 {
        write_at(&mut handler, start_s + hour * 3600, &hour.to_string());
    }
    close(handler);
    assert_eq!(names(&place.path()), ["log.2100-10-31_02", "log.2100-10-31_02.1"]);
}

#[test]
fn a_time_and_a_size_rotate_whichever_comes_first() {
    let place = Place::new();
    let mut handler = open(place.dated("midnight utc").max_bytes(10));
    for (at_s, line) in [(0, "aaaa"), (1, "bbb"), (2, "ccc"), (DAY_S, "d"), (DAY_S + 1, "eeeeeee")]
    {
        write_at(&mut handler, START_S + at_s, line);
    }
    close(handler);
    let texts: Vec<_> = backups(&place.path()).into_iter().map(|(_, text)| text).collect();
    assert_eq!(names(&place.path()), ["log.2100-01-01", "log.2100-01-01.1", "log.2100-01-02"]);
    assert_eq!(texts, ["aaaa\nbbb\n", "ccc\n", "d\n"]);
}

#[test]
fn a_quiet_log_rotates_once_with_the_next_record() {
    let place = Place::new();
    let mut handler =
        open(place.builder().rotate_at("hourly utc".parse().unwrap()).backup_count(9));
    for at_s in [0, 1, 90_000, 90_001, 90_002] {
        write_at(&mut handler, START_S + at_s, "line");
    }
    close(handler);
    assert_eq!(names(&place.path()), ["log.1"]);
}

#[test]
fn a_file_without_records_does_not_rotate() {
    let place = Place::new();
    let mut handler = open(place.dated("hourly utc").rotate_on_start());
    for at_s in [90_000, 90_001, 90_002] {
        write_at(&mut handler, START_S + at_s, "line");
    }
    close(handler);
    assert_eq!(names(&place.path()), [""; 0]);
}

#[test]
fn each_start_has_files_of_its_own_when_asked() {
    let place = Place::new();
    for line in ["one", "two", "three"] {
        NOW_S.set(START_S);
        let builder = place.builder().backup_names(BackupNames::Unique).rotate_on_start();
        let mut handler = open(builder);
        write(&mut handler, line);
        write(&mut handler, line);
        close(handler);
    }
    let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let expected = [
        text("log.2100-01-01T00-00-00Z", "one\none\n"),
        text("log.2100-01-01T00-00-00Z.1", "two\ntwo\n"),
    ];
    assert_eq!(backups(&place.path()), expected);
    assert_eq!(fs::read_to_string(place.path()).unwrap(), "three\nthree\n");
}

#[test]
fn limits_hold_after_a_start_with_others_and_foreign_files_stay() {
    const FOREIGN: [&str; 6] = [
        "log.old",
        "log.1.bak",
        "log.2026-11-22.txt",
        "log-2026-11-22",
        "log.20261122",
        "other.log",
    ];
    let place = Place::new();
    for name in FOREIGN.iter().chain(&["log.2024-11-20", "log.2024-11-22T04-48-23Z"]) {
        fs::write(place.0.path().join(name), name).unwrap();
        let written_at = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let file = File::options().append(true).open(place.0.path().join(name)).unwrap();
        file.set_modified(written_at).unwrap();
    }
    let run = |builder: RotatingFileBuilder, lines: &[&str]| {
        NOW_S.set(crate::record::now_ns() / 1_000_000_000);
        let mut handler = open(builder);
        lines.iter().for_each(|line| write(&mut handler, line));
        close(handler);
    };
    let left = || {
        let is_own = |name: &String| !FOREIGN.contains(&&**name);
        names(&place.path()).into_iter().filter(is_own).collect::<Vec<_>>()
    };
    run(place.builder().max_bytes(5).backup_count(9), &["1", "22", "333", "4444", "5"]);
    let expected =
        ["log.1", "log.2", "log.2024-11-20", "log.2024-11-22T04-48-23Z", "log.3", "log.4"];
    assert_eq!(left(), expected);
    let year = Duration::from_secs(365 * 86_400);
    run(place.builder().keep_age(year).max_bytes(100).backup_count(9), &["1"]);
    assert_eq!(left(), ["log.1", "log.2", "log.3", "log.4"]);
    // "4444", "333" and "22" take 4 and 5 bytes: two fit beside one file.
    run(place.builder().keep_bytes(19).max_bytes(9).backup_count(9), &["1"]);
    assert_eq!(left(), ["log.1", "log.2"]);
    run(place.builder().max_bytes(100).backup_count(1), &["1"]);
    assert_eq!(left(), ["log.1"]);
    for name in FOREIGN {
        assert_eq!(fs::read_to_string(place.0.path().join(name)).unwrap(), name);
    }
}

#[test]
fn a_log_that_keeps_less_than_two_files_is_refused() {
    let place = Place::new();
    for (max_bytes, keep_bytes, is_right) in
        [(10, 20, true), (10, 19, false), (0, 1000, false), (10, u64::MAX, true)]
    {
        let builder = place.builder().max_bytes(max_bytes).keep_bytes(keep_bytes).backup_count(1);
        assert_eq!(builder.open(Message).is_ok(), is_right, "{max_bytes} {keep_bytes}");
    }
}
