//! What a `RotatingFileHandler` does when the system has no more room, and when it has again.
//!
//! The limits are those of a process, so each test has one of its own, which prints into a pipe: a
//! file as its standard output would meet the limit too.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use logboom::formatter::Formatter;
use logboom::handler::{Handler, HandlerError, RotatingFileHandler};
use logboom::{Level, Record};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};

/// Set in the process of one test.
const ALONE: &str = "LOGBOOM_TEST_ALONE";

struct Message;

impl Formatter for Message {
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(record.message.as_bytes());
    }
}

fn open(path: &Path, max_bytes: u64, backup_count: u32) -> RotatingFileHandler {
    RotatingFileHandler::builder(path)
        .max_bytes(max_bytes)
        .backup_count(backup_count)
        .open(Message)
        .unwrap()
}

/// Line `number`, 100 bytes long with its newline.
fn line(number: usize) -> String {
    format!("{number:099}")
}

fn lines(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| line(number) + "\n").collect()
}

fn give(handler: &mut RotatingFileHandler, number: usize) -> Result<(), HandlerError> {
    handler.handle(&Record::new(0, Level::INFO, "test", line(number)))
}

fn kind(error: &HandlerError) -> (&'static str, io::ErrorKind) {
    match error {
        HandlerError::Io { operation, source, .. } => (operation, source.kind()),
        error => panic!("{error:?}"),
    }
}

/// Runs the test `name` in a process of its own; true in that process.
fn is_alone(name: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(ALONE, "yes");
    let output = test.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    false
}

/// A soft limit of this process, set back on drop.
struct SoftLimit {
    resource: Resource,
    before: u64,
}

impl SoftLimit {
    fn set(resource: Resource, soft: u64) -> SoftLimit {
        // A write beyond the limit is an error only where its signal is held back.
        SigSet::from(Signal::SIGXFSZ).thread_block().unwrap();
        let (before, hard) = getrlimit(resource).unwrap();
        setrlimit(resource, soft, hard).unwrap();
        SoftLimit { resource, before }
    }
}

impl Drop for SoftLimit {
    fn drop(&mut self) {
        let (_, hard) = getrlimit(self.resource).unwrap();
        setrlimit(self.resource, self.before, hard).unwrap();
    }
}

/// A handler that has written lines 0 to 9 and, before it was refused, a part of line 10.
fn torn_amid_line_10(path: &Path) -> (RotatingFileHandler, SoftLimit) {
    let mut handler = open(path, 0, 0);
    let limit = SoftLimit::set(Resource::RLIMIT_FSIZE, 1050);
    for number in 0..12 {
        give(&mut handler, number).unwrap();
    }
    for _ in 0..3 {
        let error = handler.flush().unwrap_err();
        assert_eq!(kind(&error), ("write", io::ErrorKind::FileTooLarge));
    }
    assert_eq!(fs::metadata(path).unwrap().len(), 1050);
    (handler, limit)
}

#[test]
fn a_write_cut_short_goes_on_at_the_right_byte() {
    if !is_alone("a_write_cut_short_goes_on_at_the_right_byte") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let (mut handler, limit) = torn_amid_line_10(&path);
    drop(limit);
    give(&mut handler, 12).unwrap();
    handler.flush().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), lines(0..13));
}

#[test]
fn a_full_buffer_refuses_records_until_there_is_room() {
    if !is_alone("a_full_buffer_refuses_records_until_there_is_room") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let (mut handler, limit) = torn_amid_line_10(&path);
    let mut next = 12;
    while give(&mut handler, next).is_ok() {
        next += 1;
    }
    assert!((12..12 + 64 * 1024 / 100).contains(&next), "{next}");
    give(&mut handler, next).unwrap_err();
    drop(limit);
    give(&mut handler, next).unwrap();
    handler.flush().unwrap();
    assert!(fs::read_to_string(&path).unwrap() == lines(0..next + 1));
}

#[test]
fn a_line_torn_in_a_moved_file_is_ended_there() {
    if !is_alone("a_line_torn_in_a_moved_file_is_ended_there") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("log"), directory.path().join("moved"));
    let (mut handler, limit) = torn_amid_line_10(&path);
    fs::rename(&path, &moved).unwrap();
    handler.flush().unwrap_err();
    drop(limit);
    handler.flush().unwrap();
    give(&mut handler, 12).unwrap();
    handler.flush().unwrap();
    assert_eq!(fs::read_to_string(&moved).unwrap(), lines(0..12));
    assert_eq!(fs::read_to_string(&path).unwrap(), lines(12..13));
}

#[test]
fn a_line_torn_in_a_deleted_file_is_whole_in_the_next() {
    if !is_alone("a_line_torn_in_a_deleted_file_is_whole_in_the_next") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let (mut handler, limit) = torn_amid_line_10(&path);
    fs::remove_file(&path).unwrap();
    drop(limit);
    handler.flush().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), lines(0..12));
}

#[test]
fn a_rotation_without_descriptors_waits_until_there_are_some() {
    if !is_alone("a_rotation_without_descriptors_waits_until_there_are_some") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mut handler = open(&at("log"), 250, 5);
    give(&mut handler, 0).unwrap();
    give(&mut handler, 1).unwrap();
    let limit = SoftLimit::set(Resource::RLIMIT_NOFILE, 0);
    for _ in 0..3 {
        assert_eq!(kind(&give(&mut handler, 2).unwrap_err()).0, "list");
        handler.flush().unwrap();
    }
    drop(limit);
    assert!(!at("log.1").exists());
    give(&mut handler, 2).unwrap();
    handler.flush().unwrap();
    assert_eq!(fs::read_to_string(at("log.1")).unwrap(), lines(0..2));
    assert_eq!(fs::read_to_string(at("log")).unwrap(), lines(2..3));
}

#[test]
fn a_rotation_that_cannot_open_the_next_file_shifts_once() {
    if !is_alone("a_rotation_that_cannot_open_the_next_file_shifts_once") {
        return;
    }
    // Room for the directory, the log, its lock and one more.
    let Some(disk) = SmallDisk::mount("size=64k,nr_inodes=4") else {
        eprintln!("skipped: mounting a small disk needs root");
        return;
    };
    let at = |name: &str| disk.0.path().join(name);
    let mut handler = open(&at("log"), 250, 5);
    give(&mut handler, 0).unwrap();
    give(&mut handler, 1).unwrap();
    fs::write(at("filler"), "").unwrap();
    for _ in 0..3 {
        assert_eq!(kind(&give(&mut handler, 2).unwrap_err()), ("open", io::ErrorKind::StorageFull));
        handler.flush().unwrap();
    }
    assert!(!at("log").exists());
    assert!(!at("log.2").exists());
    fs::remove_file(at("filler")).unwrap();
    give(&mut handler, 2).unwrap();
    handler.flush().unwrap();
    assert_eq!(fs::read_to_string(at("log.1")).unwrap(), lines(0..2));
    assert_eq!(fs::read_to_string(at("log")).unwrap(), lines(2..3));
}

/// A small file system, unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(options: &str) -> Option<SmallDisk> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(directory.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(SmallDisk(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn a_full_disk_costs_no_record_and_needs_no_restart() {
    if !is_alone("a_full_disk_costs_no_record_and_needs_no_restart") {
        return;
    }
    let Some(disk) = SmallDisk::mount("size=64k") else {
        eprintln!("skipped: mounting a small disk needs root");
        return;
    };
    let (path, filler) = (disk.0.path().join("log"), disk.0.path().join("filler"));
    let mut handler = open(&path, 20_000, 5);
    fs::write(&filler, vec![0; 32 * 1024]).unwrap();
    let mut next = 0;
    let error = loop {
        match give(&mut handler, next).and_then(|()| handler.flush()) {
            Ok(()) => next += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(kind(&error), ("write", io::ErrorKind::StorageFull));
    handler.flush().unwrap_err();
    fs::remove_file(&filler).unwrap();
    handler.flush().unwrap();
    give(&mut handler, next + 1).unwrap();
    handler.flush().unwrap();

    let text: String = ["log.1", "log"]
        .iter()
        .map(|name| fs::read_to_string(disk.0.path().join(name)).unwrap())
        .collect();
    assert!(text == lines(0..next + 2), "{} bytes", text.len());
}
