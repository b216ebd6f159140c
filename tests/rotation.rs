//! What users see of a `RotatingFileHandler`: its files, locks and refusals.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use logboom::formatter::Formatter;
use logboom::handler::{
    BackupNames, Handler, HandlerError, RotatingFileBuilder, RotatingFileHandler,
};
use logboom::{Level, LockError, Record};
use nix::sys::stat::Mode;
use tempfile::TempDir;

struct Message;

impl Formatter for Message {
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(record.message.as_bytes());
    }
}

fn record(message: &str) -> Record<'_> {
    Record::new(0, Level::INFO, "test", message)
}

/// A directory with a log.
struct Logs(TempDir);

impl Logs {
    fn new() -> Logs {
        Logs(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn builder(&self, max_bytes: u64, backup_count: u32) -> RotatingFileBuilder {
        RotatingFileHandler::builder(self.at("log")).max_bytes(max_bytes).backup_count(backup_count)
    }

    fn open(&self, max_bytes: u64, backup_count: u32) -> RotatingFileHandler {
        self.builder(max_bytes, backup_count).open(Message).unwrap()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_else(|error| format!("{name}: {error}"))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn write(handler: &mut RotatingFileHandler, messages: &[&str]) {
    for message in messages {
        handler.handle(&record(message)).unwrap();
    }
    handler.flush().unwrap();
}

fn refusal(builder: RotatingFileBuilder) -> HandlerError {
    builder.open(Message).err().expect("must be refused")
}

#[test]
fn a_record_that_would_fill_the_file_begins_the_next_one() {
    let logs = Logs::new();
    let mut handler = logs.open(10, 2);
    write(&mut handler, &["aaaa", "bbb", "cc", "two\nlines"]);
    handler.close().unwrap();
    assert_eq!(logs.names(), ["log", "log.1", "log.2"]);
    assert_eq!(logs.text("log.2"), "aaaa\nbbb\n");
    assert_eq!(logs.text("log.1"), "cc\n");
    assert_eq!(logs.text("log"), "two\nlines\n");
}

#[test]
fn a_record_longer_than_the_limit_stands_alone_and_whole() {
    let logs = Logs::new();
    let mut handler = logs.open(10, 3);
    let long = "x".repeat(1_000_000);
    write(&mut handler, &["a", &long, "b"]);
    assert_eq!(logs.text("log.2"), "a\n");
    assert_eq!(logs.text("log.1").len(), 1_000_001);
    assert_eq!(logs.text("log"), "b\n");
}

#[test]
fn a_limit_of_zero_lets_the_file_grow() {
    for (max_bytes, backup_count) in [(0, 3), (10, 0)] {
        let logs = Logs::new();
        let mut handler = logs.open(max_bytes, backup_count);
        write(&mut handler, &["0123456789"; 5]);
        handler.close().unwrap();
        assert_eq!(logs.names(), ["log"]);
        assert_eq!(logs.text("log").len(), 55);
    }
}

#[test]
fn records_in_memory_stay_below_the_limit_without_a_flush() {
    let logs = Logs::new();
    let mut handler = logs.open(0, 0);
    for _ in 0..1000 {
        handler.handle(&record(&"x".repeat(999))).unwrap();
    }
    let written_bytes = fs::metadata(logs.at("log")).unwrap().len();
    assert!(written_bytes >= 1_000_000 - 64 * 1024, "{written_bytes}");
}

#[test]
fn a_restart_appends_and_ends_a_torn_line() {
    let logs = Logs::new();
    fs::write(logs.at("log"), "before\nto").unwrap();
    let mut handler = logs.open(0, 0);
    write(&mut handler, &["after"]);
    assert_eq!(logs.text("log"), "before\nto\nafter\n");
    assert_eq!(handler.mended_lines(), 1);
}

#[test]
fn a_file_renamed_by_logrotate_loses_no_record() {
    let logs = Logs::new();
    let mut handler = logs.open(0, 0);
    write(&mut handler, &["one"]);
    handler.handle(&record("two")).unwrap();
    fs::rename(logs.at("log"), logs.at("log-20300101")).unwrap();
    write(&mut handler, &["three"]);
    assert_eq!(logs.text("log-20300101"), "one\n");
    assert_eq!(logs.text("log"), "two\nthree\n");
}

#[test]
fn a_truncated_file_is_small_again() {
    let logs = Logs::new();
    let mut handler = logs.open(20, 3);
    write(&mut handler, &["0123456789"]);
    fs::write(logs.at("log"), "").unwrap();
    write(&mut handler, &["0123456789"]);
    assert_eq!(logs.text("log"), "0123456789\n");
    assert!(!logs.at("log.1").exists());
}

#[test]
fn a_deleted_directory_comes_back_with_log_and_lock() {
    let logs = Logs::new();
    let path = logs.at("deep/er/log");
    let mut handler = RotatingFileHandler::builder(&path).open(Message).unwrap();
    write(&mut handler, &["lost"]);
    fs::remove_dir_all(logs.at("deep")).unwrap();
    write(&mut handler, &["kept"]);
    assert_eq!(logs.text("deep/er/log"), "kept\n");
    let error = refusal(RotatingFileHandler::builder(&path));
    assert!(matches!(error, HandlerError::Lock(LockError::Held { .. })), "{error:?}");
}

#[test]
fn a_second_handler_for_the_log_is_told_who_has_it() {
    let logs = Logs::new();
    let _handler = logs.builder(0, 0).open(Message).unwrap();
    let error = refusal(logs.builder(0, 0));
    let HandlerError::Lock(LockError::Held { path, pid }) = error else { panic!("{error:?}") };
    assert_eq!((path, pid), (logs.at(".log.lock"), Some(process::id())));
    assert_eq!(logs.text(".log.lock"), format!("{}\n\n", process::id()));
}

#[test]
fn neither_a_closed_nor_a_dropped_handler_leaves_a_lock_file() {
    let logs = Logs::new();
    logs.open(0, 0).close().unwrap();
    assert_eq!(logs.names(), ["log"]);
    drop(logs.open(0, 0));
    assert_eq!(logs.names(), ["log"]);
}

#[test]
fn what_is_no_regular_file_is_refused_without_blocking() {
    let logs = Logs::new();
    nix::unistd::mkfifo(&logs.at("log"), Mode::S_IRWXU).unwrap();
    let error = refusal(logs.builder(0, 0));
    assert_eq!(error.to_string(), format!("cannot open {}", logs.at("log").display()));
    let HandlerError::Io { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "it is a FIFO: choose the path of a regular file");
}

#[test]
fn a_path_without_a_file_name_is_refused() {
    for path in ["/", ""] {
        let error = refusal(RotatingFileHandler::builder(path));
        assert!(matches!(error, HandlerError::Io { operation: "open", .. }), "{error:?}");
    }
}

#[test]
fn a_log_whose_backups_would_have_too_long_names_is_refused() {
    let logs = Logs::new();
    let builder = |name_bytes: usize| {
        let builder = RotatingFileHandler::builder(logs.at(&"x".repeat(name_bytes))).max_bytes(10);
        builder.backup_names(BackupNames::Unique)
    };
    let mut handler = builder(208).open(Message).unwrap();
    write(&mut handler, &["aaaa", "bbb", "cccc"]);
    handler.close().unwrap();
    assert_eq!(logs.names().len(), 2);
    let locked = builder(209).open_locked(Message).err().expect("must be refused");
    for error in [refusal(builder(209)), locked] {
        let HandlerError::Io { operation: "open", source, .. } = error else { panic!("{error:?}") };
        let said = "its name has 209 bytes, and those of its backups are longer: choose one of 208 bytes \
                    at most";
        assert_eq!(source.to_string(), said);
    }
    assert_eq!(logs.names().len(), 2);
}

#[test]
fn a_refused_rotation_refuses_the_record() {
    let logs = Logs::new();
    // A backup has a longer path than there can be (`PATH_MAX`), and the lock file has not.
    let mut directory = logs.0.path().to_owned();
    while let missing_bytes @ 2.. = 3884_usize.saturating_sub(directory.as_os_str().len()) {
        directory.push("d".repeat(missing_bytes.min(100) - 1));
    }
    let path = directory.join("x".repeat(200));
    let builder = RotatingFileHandler::builder(&path).max_bytes(10);
    let mut handler = builder.backup_names(BackupNames::Unique).open(Message).unwrap();
    write(&mut handler, &["aaaa", "bbb"]);
    for _ in 0..3 {
        let error = handler.handle(&record("cccc")).unwrap_err();
        assert!(matches!(error, HandlerError::Io { operation: "rename", .. }), "{error:?}");
        handler.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "aaaa\nbbb\n");
    }
}

#[test]
fn a_directory_with_the_name_of_a_backup_does_not_stop_rotation() {
    let logs = Logs::new();
    fs::create_dir(logs.at("log.1")).unwrap();
    let mut handler = logs.open(10, 1);
    for text in ["aaaa", "bbbbb", "ccccc"] {
        write(&mut handler, &[text]);
    }
    assert_eq!(logs.names(), [".log.lock", "log", "log.1", "log.2"]);
    assert_eq!(
        (logs.text("log.2"), logs.text("log")),
        ("bbbbb\n".to_owned(), "ccccc\n".to_owned())
    );
}

#[test]
fn a_rotation_on_demand_needs_records_and_a_backup_count() {
    let logs = Logs::new();
    let mut handler = logs.open(0, 5);
    assert!(!handler.rotate().unwrap());
    handler.handle(&record("one")).unwrap();
    assert!(handler.rotate().unwrap());
    assert!(!handler.rotate().unwrap());
    handler.sync().unwrap();
    handler.close().unwrap();
    assert_eq!(logs.names(), ["log", "log.1"]);
    assert_eq!(logs.text("log.1"), "one\n");

    let mut unlimited = logs.open(0, 0);
    write(&mut unlimited, &["two"]);
    assert!(!unlimited.rotate().unwrap());
    assert_eq!(logs.text("log"), "two\n");
}

#[test]
fn a_relative_path_is_made_absolute() {
    let logs = Logs::new();
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count() - 1);
    let relative = Path::new(&up).join(logs.at("log").strip_prefix("/").unwrap());
    let handler = RotatingFileHandler::builder(&relative).open(Message).unwrap();
    assert_eq!(handler.path(), here.join(relative));
    assert_eq!(logs.names(), [".log.lock", "log"]);
}

/// Moves the log away whenever it is there, until told to stop; how often.
fn move_away(logs: &Logs, stop: &AtomicBool) -> u32 {
    let mut moves = 0;
    while !stop.load(Ordering::Relaxed) {
        if fs::rename(logs.at("log"), logs.at(&format!("moved.{moves}"))).is_ok() {
            moves += 1;
        }
        thread::yield_now();
    }
    moves
}

/// Tries until it is done: a log that is moved away at the wrong moment makes a call fail.
fn retry<T, E>(mut attempt: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(_) => assert!(Instant::now() < deadline, "failed for a minute"),
        }
    }
}

/// Tells a thread to stop, also where the test fails.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn all_lines(directory: &Path) -> Vec<u32> {
    let mut lines: Vec<u32> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name != ".log.lock"))
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            text.lines().map(|line| line.parse().unwrap()).collect::<Vec<u32>>()
        })
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_log_moved_away_at_any_moment_keeps_each_line_once() {
    const LINES: u32 = 5000;
    let logs = Logs::new();
    let mut handler = logs.open(200, 1_000_000);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stopping = Stopping(&stop);
        let mover = scope.spawn(|| move_away(&logs, &stop));
        retry(|| fs::metadata(logs.at("moved.0")));
        for number in 0..LINES {
            let line = number.to_string();
            retry(|| handler.handle(&record(&line)));
            if number % 7 == 0 {
                retry(|| handler.flush());
            }
        }
        retry(|| handler.flush());
        drop(stopping);
        assert!(mover.join().unwrap() > 0, "the log was never moved");
    });
    assert_eq!(all_lines(logs.0.path()), Vec::from_iter(0..LINES));
}
