//! Workers that log a sequence of numbers, listeners that kill themselves at a named point, and
//! whether every number is in the logs afterwards, once and in order.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use logboom::{Certainty, Overflow};

use super::logs::{Log, ONE_LOG, PATTERN, logger_of};
use super::{PATIENCE, Place, Process, Worker, files_of, lines_of};

/// Some lines make a file, so that the logs of these tests are rotated.
pub const FORM: &[&str] =
    &["--format", PATTERN, "--max-bytes", "4kB", "--backup-count", "1000", "--drain-timeout", "1"];
const RECORDS: u64 = 250;
const WORKERS: usize = 3;
const FOREIGN: [&str; 4] = ["app.log.old", "app.log.1.gz", "app.log.", "another.log"];

/// Logs the sequence and returns when it is written.
pub fn log_sequence() {
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    (0..RECORDS)
        .for_each(|number| log::info!(target: logger_of(number), "record {number} {:60}", ""));
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
}

pub fn start_workers(place: &Place) -> Vec<Worker> {
    (0..WORKERS).map(|number| place.worker(&format!("w{number}"), &["sequence"])).collect()
}

/// Puts files of others beside the log, with names like those of backups.
pub fn put_foreign_files(place: &Place) {
    FOREIGN.iter().for_each(|name| fs::write(place.path(name), *name).unwrap());
}

/// A listener with these arguments kills itself at the point.
pub fn die_at(place: &Place, point: &str, args: &[&str]) {
    let mut command = place.logboom(&["listen"]);
    let mut listener = Process(command.args(args).env("LOGBOOM_FAULT", point).spawn().unwrap());
    assert_eq!(listener.wait(), 128 + 9, "not killed at {point}");
}

/// The arguments of a listener that logs to `log`.
pub fn to<'a>(log: &'a str, form: &[&'a str]) -> Vec<&'a str> {
    [&["--log", log], form].concat()
}

/// A log of which nothing is lost, doubled, torn, out of order, or left behind.
pub fn assert_whole(place: &Place) {
    assert_once_over(&[place.log()]);
    let output = place.run(&["verify", "app.log", "--format", PATTERN]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_contiguous(place, ONE_LOG);
}

/// Logs of which each has its part of the sequences, once and in order, and nothing is left behind.
pub fn assert_each_is_whole(place: &Place, logs: &[Log]) {
    for log in logs {
        let numbers = numbers_in(&[log.path(place)]);
        assert_eq!(numbers.len(), WORKERS, "{}: {numbers:?}", log.name);
        for (worker, numbers) in numbers {
            let is_whole = numbers.iter().copied().eq(log.numbers(RECORDS));
            assert!(is_whole, "{} of {worker}: {numbers:?}", log.name);
        }
    }
    assert_contiguous(place, logs);
}

/// In `directory` is a log of each worker with its sequence, and nothing is left behind but locks of files
/// that nothing was written to after a kill.
pub fn assert_each_worker_has_its_log(place: &Place, directory: &str) {
    let mut expected = Vec::new();
    for number in 0..WORKERS {
        let log = place.path(&format!("{directory}/w{number}.log"));
        let numbers = numbers_in(std::slice::from_ref(&log));
        let whole = HashMap::from([(format!("w{number}"), (0..RECORDS).collect::<Vec<_>>())]);
        assert_eq!(numbers, whole, "{}", log.display());
        let output = place.run(&["verify", &log.display().to_string(), "--format", PATTERN]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        expected.extend(files_of(&log));
    }
    let entries = fs::read_dir(place.path(directory)).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    let is_lock = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(".w") && name.ends_with(".log.lock")
    };
    found.retain(|path| !is_lock(path));
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

/// The same for a log whose backups have any names and forms, as `tail` and `verify` read it.
pub fn assert_whole_as_read(place: &Place) {
    let output = place.run(&["tail", "-n", "all", "app.log"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_sequences(numbers_of(text.lines()));
    let output = place.run(&["verify", "app.log", "--format", PATTERN]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_foreign_files(place);
    assert!(!place.path(".app.log.compressed").exists());
}

/// The sequences of the workers are in these logs, in this order, and nothing is torn.
pub fn assert_once_over(logs: &[PathBuf]) {
    assert_sequences(numbers_in(logs));
}

fn assert_sequences(numbers: HashMap<String, Vec<u64>>) {
    assert_eq!(numbers.len(), WORKERS, "{numbers:?}");
    for (worker, numbers) in numbers {
        assert!(numbers.iter().copied().eq(0..RECORDS), "{worker}: {numbers:?}");
    }
}

/// What is kept by a log with few backups is the end of the sequences.
pub fn assert_end_is_whole(place: &Place) {
    let numbers = numbers_in(&[place.log()]);
    assert!(!numbers.is_empty());
    for (worker, numbers) in numbers {
        assert!(numbers.iter().copied().eq(numbers[0]..RECORDS), "{worker}: {numbers:?}");
    }
    assert_contiguous(place, ONE_LOG);
}

/// Backups have the numbers from 1 on, and nothing else has come or changed.
fn assert_contiguous(place: &Place, logs: &[Log]) {
    let mut expected: Vec<_> = logs.iter().flat_map(|log| files_of(&log.path(place))).collect();
    assert_foreign_files(place);
    expected.extend(FOREIGN.map(|name| place.path(name)));
    expected.sort();
    let entries = fs::read_dir(place.directory.path()).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_file() && path.extension().is_none_or(|end| end != "toml"));
    found.sort();
    assert_eq!(found, expected);
}

fn assert_foreign_files(place: &Place) {
    for name in FOREIGN {
        assert_eq!(fs::read_to_string(place.path(name)).unwrap(), name);
    }
}

fn numbers_in(logs: &[PathBuf]) -> HashMap<String, Vec<u64>> {
    let lines: Vec<_> = logs.iter().flat_map(|log| whole_lines_of(log)).collect();
    numbers_of(lines.iter().map(String::as_str))
}

fn numbers_of<'l>(lines: impl Iterator<Item = &'l str>) -> HashMap<String, Vec<u64>> {
    let mut numbers: HashMap<String, Vec<u64>> = HashMap::new();
    for line in lines {
        let words: Vec<_> = line.split_whitespace().collect();
        assert!(words.len() >= 5, "torn: {line:?}");
        if words[4] == "record" && words[3].starts_with('w') {
            numbers.entry(words[3].to_owned()).or_default().push(words[5].parse().unwrap());
        }
    }
    numbers
}

fn whole_lines_of(log: &Path) -> Vec<String> {
    for file in files_of(log) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{} is torn", file.display());
    }
    lines_of(log)
}
