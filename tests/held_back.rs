//! Logs that may take no more of the disk: what is written, what is deleted, and what a call says.

#![allow(clippy::unwrap_used)]

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use logboom::formatter::PatternFormatter;
use logboom::handler::{
    AtDiskLimit, Handler, HandlerError, RotatingFileBuilder, RotatingFileHandler,
};
use logboom::{Level, Record};
use tempfile::TempDir;

/// More than any file system has.
const TOO_MUCH: u64 = u64::MAX / 2;

/// A directory with a log.
struct Logs(TempDir);

impl Logs {
    fn new() -> Logs {
        Logs(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A log whose files have less than 10 bytes.
    fn builder(&self) -> RotatingFileBuilder {
        RotatingFileHandler::builder(self.at("log")).max_bytes(10).backup_count(100)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }

    fn bytes(&self) -> u64 {
        self.names().iter().map(|name| fs::metadata(self.at(name)).unwrap().len()).sum()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }
}

fn message() -> PatternFormatter {
    PatternFormatter::new("%(message)s").unwrap()
}

fn open(builder: RotatingFileBuilder) -> RotatingFileHandler {
    builder.open(message()).unwrap()
}

fn log(handler: &mut impl Handler, text: &str) -> Result<(), HandlerError> {
    handler.handle(&Record::new(0, Level::INFO, "", text))?;
    handler.flush()
}

/// Why it is held back.
fn held_back(logged: Result<(), HandlerError>) -> String {
    let error = logged.unwrap_err();
    assert!(error.to_string().starts_with("cannot write "), "{error}");
    error.source().unwrap().to_string()
}

#[test]
fn a_log_that_is_held_back_at_its_size_goes_on_when_backups_are_gone() {
    let logs = Logs::new();
    let builder = || logs.builder().keep_bytes(30).at_disk_limit(AtDiskLimit::HoldBack);
    let mut handler = open(builder());
    for text in ["one", "two", "three", "four", "five"] {
        log(&mut handler, text).unwrap();
    }
    assert_eq!(logs.names(), ["log", "log.1", "log.2", "log.3"]);
    assert_eq!(logs.bytes(), 24);
    let said = held_back(log(&mut handler, "sixth 8"));
    let expected = "held back, because with 8 bytes more the log would take 32, more than keep_bytes, 30: move \
                    backups away, or raise keep_bytes";
    assert_eq!(said, expected);
    held_back(handler.flush());
    // What is not written yet is let go with the handler.
    drop(handler);
    let mut handler = open(builder());
    held_back(log(&mut handler, "sixth 8"));
    fs::remove_file(logs.at("log.4")).unwrap();
    handler.flush().unwrap();
    log(&mut handler, "7").unwrap();
    let names = ["log.4", "log.3", "log.2", "log.1", "log"];
    let text: String = names[1..].iter().map(|name| logs.text(name)).collect();
    assert_eq!(text, "four\nfive\nsixth 8\n7\n");
    assert!(logs.bytes() <= 30);
}

#[test]
fn a_log_without_backups_is_held_back_at_its_size_and_takes_a_longer_record_when_it_is_empty() {
    let logs = Logs::new();
    let builder = RotatingFileHandler::builder(logs.at("log")).keep_bytes(10);
    let mut handler = open(builder.clone().at_disk_limit(AtDiskLimit::HoldBack));
    log(&mut handler, "longer than ten").unwrap();
    held_back(log(&mut handler, "x"));
    fs::write(logs.at("log"), "").unwrap();
    handler.flush().unwrap();
    assert_eq!(logs.text("log"), "x\n");
    drop(handler);
    // Nothing could be deleted at that size.
    for wrong in
        [builder.clone(), builder.clone().max_bytes(5), builder.max_bytes(5).backup_count(0)]
    {
        assert!(wrong.open(message()).is_err());
    }
}

#[test]
fn a_setting_without_a_limit_is_refused() {
    let logs = Logs::new();
    let refused = logs.builder().at_disk_limit(AtDiskLimit::DeleteOldest).open(message());
    let said = refused.err().unwrap().source().unwrap().to_string();
    assert!(said.contains("set one of them"), "{said}");
}

#[test]
fn where_too_little_is_free_a_record_is_held_back_and_nothing_is_deleted() {
    let logs = Logs::new();
    let mut handler = open(logs.builder());
    for text in ["one", "two", "three", "four"] {
        log(&mut handler, text).unwrap();
    }
    drop(handler);
    let names = logs.names();
    let mut handler = open(logs.builder().max_bytes(100).min_free(TOO_MUCH));
    let said = held_back(log(&mut handler, "five"));
    assert!(said.starts_with("held back, because 5 bytes would leave "), "{said}");
    assert!(said.ends_with("make room there, or lower min_free"), "{said}");
    assert_eq!(logs.names(), names);
    drop(handler);
    let mut handler = open(logs.builder().min_free(1));
    log(&mut handler, "five").unwrap();
}

#[test]
fn where_too_little_is_free_own_backups_go_and_no_other_file() {
    let logs = Logs::new();
    let foreign = ["log.old", "log.2.gz", "log.2026-11-22.txt", "other"];
    foreign.iter().for_each(|name| fs::write(logs.at(name), name).unwrap());
    let mut handler = open(logs.builder());
    for text in ["one", "two", "three", "four", "five"] {
        log(&mut handler, text).unwrap();
    }
    drop(handler);
    let settings = logs.builder().min_free(TOO_MUCH).at_disk_limit(AtDiskLimit::DeleteOldest);
    let mut handler = open(settings);
    held_back(log(&mut handler, "x"));
    let mut left = vec!["log"];
    left.extend(foreign);
    left.sort_unstable();
    assert_eq!(logs.names(), left);
    assert!(foreign.iter().all(|name| logs.text(name) == *name));
    assert_eq!(logs.text("log"), "five\n");
}

#[test]
fn those_who_write_in_turns_are_told_by_an_error() {
    let logs = Logs::new();
    let open = |builder: RotatingFileBuilder| builder.open_locked(message()).unwrap();
    let full = logs.builder().keep_bytes(20).at_disk_limit(AtDiskLimit::HoldBack);
    let mut handlers = [open(full.clone()), open(full)];
    let mut written = 0;
    while log(&mut handlers[written % 2], "line").is_ok() {
        written += 1;
    }
    assert_eq!((written, logs.bytes()), (4, 20));
    // Of a rotation and a removal by the other one both know.
    for handler in &mut handlers {
        assert!(held_back(log(handler, "line")).contains("keep_bytes"));
    }
    fs::remove_file(logs.at("log.2")).unwrap();
    log(&mut handlers[1], "line").unwrap();
    drop(handlers);
    let settings = logs.builder().min_free(TOO_MUCH).at_disk_limit(AtDiskLimit::DeleteOldest);
    let mut handler = open(settings);
    assert!(held_back(log(&mut handler, "line")).contains("min_free"));
    assert_eq!(logs.names(), ["log"]);
}
