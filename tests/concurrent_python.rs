//! A configuration for Python's package `concurrent-log-handler` is read by it and here, and leaves backups of
//! the same names.
//!
//! The two cannot write one file together: each has locks of its own.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use logboom::config::Config;
use serde_json::{Value, json};

/// Set in a program that logs here: how many backups it is to make, and how many milliseconds lie between
/// two lines.
const ORDERS: &str = "LOGBOOM_TEST_ORDERS";

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/concurrent_python.py");

/// Bytes of a line: the message of five digits, the level, and the newline.
const LINE_BYTES: u64 = 11;

/// The Python with the package: that of `scripts/test`, or the one that is there.
fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let candidates = [target.join("python/bin/python3"), "python3".into()];
    candidates.into_iter().find(|python| {
        let mut command = Command::new(python);
        let command = command.args(["-c", "import concurrent_log_handler"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

/// Does as the script does.
fn log_here(orders: &str) {
    let (backups, pause_ms) = orders.split_once(' ').unwrap();
    let pause = Duration::from_millis(pause_ms.parse().unwrap());
    let config = Config::read(Path::new("logging.json")).unwrap();
    let guard = logboom::builder().config(&config).unwrap().init().unwrap();
    let mut number = 0;
    while files(Path::new(".")).len() <= backups.parse().unwrap() {
        log::info!(target: "shop", "{number:05}");
        number += 1;
        thread::sleep(pause);
    }
    drop(guard);
    fs::write("count", number.to_string()).unwrap();
}

/// What is in the log and in its backups, by name. Locks have names that begin with a dot.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let of_log = named.filter(|(name, _)| name.starts_with("app.log"));
    of_log.map(|(name, path)| (name, fs::read_to_string(path).unwrap_or_default())).collect()
}

/// Lets `command` log in a directory of its own; its files, and how many lines it has logged.
fn run(mut command: Command, config: &Value) -> (BTreeMap<String, String>, usize) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("logging.json"), config.to_string()).unwrap();
    let begin = Instant::now();
    let output = command.current_dir(directory.path()).output().unwrap();
    assert!(output.status.success(), "after {:?}: {output:?}", begin.elapsed());
    let told = fs::read_to_string(directory.path().join("count"));
    let count = told.unwrap_or_else(|_| String::from_utf8(output.stdout).unwrap());
    (files(directory.path()), count.trim().parse().unwrap())
}

fn run_both(
    python: &Path,
    handler: &Value,
    backups: usize,
    pause_ms: u64,
) -> [(BTreeMap<String, String>, usize); 2] {
    let config = json!({
        "version": 1,
        "formatters": { "short": { "format": "%(levelname)s %(message)s" } },
        "handlers": { "file": handler },
        "root": { "level": "INFO", "handlers": ["file"] },
    });
    let mut here = Command::new(env::current_exe().unwrap());
    here.args(["--exact", "backups_have_the_names_of_concurrent_log_handler"]);
    here.env(ORDERS, format!("{backups} {pause_ms}"));
    let mut there = Command::new(python);
    there.arg(SCRIPT).args(["logging.json", &backups.to_string()]);
    there.arg((pause_ms as f64 / 1000.0).to_string());
    let config = &config;
    thread::scope(|scope| {
        let there = scope.spawn(move || run(there, config));
        [run(here, config), there.join().unwrap()]
    })
}

/// How many lines each backup has, by name, where all lines but those of deleted backups are there.
fn lines(files: &BTreeMap<String, String>, count: usize) -> BTreeMap<&str, usize> {
    let mut numbers: Vec<usize> = Vec::new();
    for text in files.values() {
        assert!(text.is_empty() || text.ends_with('\n'), "{files:?}");
        let of_line = |line: &str| line.strip_prefix("INFO ").unwrap().parse().unwrap();
        numbers.extend(text.lines().map(of_line).collect::<Vec<usize>>());
    }
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(numbers[0]..count), "{count}: {files:?}");
    let backups = files.iter().filter(|(name, _)| *name != "app.log");
    backups.map(|(name, text)| (&**name, text.lines().count())).collect()
}

#[test]
fn backups_have_the_names_of_concurrent_log_handler() {
    if let Ok(orders) = env::var(ORDERS) {
        return log_here(&orders);
    }
    let Some(python) = python() else {
        eprintln!("skipped: there is no python3 with concurrent-log-handler");
        return;
    };
    by_size(&python);
    by_time(&python);
}

fn by_size(python: &Path) {
    let handler = json!({
        "class": "concurrent_log_handler.ConcurrentRotatingFileHandler",
        "formatter": "short", "filename": "app.log", "mode": "a", "encoding": "utf-8",
        "maxBytes": 10 * LINE_BYTES, "backupCount": 5, "use_gzip": false,
    });
    let [(here, count_here), (there, count_there)] = run_both(python, &handler, 5, 0);
    let [here, there] = [lines(&here, count_here), lines(&there, count_there)];
    // The package does not count the line that is to come, so its files reach the size.
    let all = |lines| (1..=5).map(move |number| (format!("app.log.{number}"), lines));
    let found = |files: BTreeMap<&str, usize>| {
        files.into_iter().map(|(name, lines)| (name.to_owned(), lines)).collect::<Vec<_>>()
    };
    assert_eq!(found(here), all(9).collect::<Vec<_>>());
    assert_eq!(found(there), all(10).collect::<Vec<_>>());
}

fn by_time(python: &Path) {
    let handler = json!({
        "class": "concurrent_log_handler.ConcurrentTimedRotatingFileHandler",
        "formatter": "short", "filename": "app.log", "when": "S", "interval": 1, "utc": true,
        "backupCount": 5,
    });
    let both = run_both(python, &handler, 2, 50);
    for (files, count) in &both {
        for name in lines(files, *count).into_keys() {
            let form = "app.log.dddd-dd-dd_dd-dd-dd";
            let digits = |sign: char| if sign.is_ascii_digit() { 'd' } else { sign };
            assert_eq!(name.chars().map(digits).collect::<String>(), form, "{both:?}");
        }
    }
}
