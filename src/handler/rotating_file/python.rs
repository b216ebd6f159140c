//! The same lines at the same times through `TimedRotatingFileHandler` of Python leave the same files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::tests::{DAY_S, NOW_S, START_S, open, write};
use super::*;
use crate::rotation::{BackupNames, Schedule};

const CASES: usize = 400;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/timed_rotation_python.py");

/// One life of a handler; the next one finds its files.
struct Session {
    start_s: i64,
    when: &'static str,
    interval: u64,
    at: Option<[u64; 3]>,
    backup_count: u32,
    /// Seconds since the line before, and the line.
    lines: Vec<(i64, String)>,
}

impl Session {
    fn schedule(&self) -> Schedule {
        Schedule::python(self.when, self.interval as u32, self.at(), true).unwrap()
    }

    fn at(&self) -> Option<jiff::civil::Time> {
        self.at.map(|[hour, minute, second]| {
            jiff::civil::time(hour as i8, minute as i8, second as i8, 0)
        })
    }

    fn run(&self, path: &Path) {
        NOW_S.set(self.start_s);
        let builder = RotatingFileHandler::builder(path).rotate_at(self.schedule());
        let builder = builder.backup_names(BackupNames::Date).backup_count(self.backup_count);
        let mut handler = open(builder);
        for (step_s, line) in &self.lines {
            NOW_S.set(NOW_S.get() + step_s);
            write(&mut handler, line);
        }
        handler.close().unwrap();
        let written_at = UNIX_EPOCH + Duration::from_secs(NOW_S.get() as u64);
        File::options().append(true).open(path).unwrap().set_modified(written_at).unwrap();
    }

    fn describe(&self) -> Value {
        json!({
            "start": self.start_s,
            "when": self.when,
            "interval": self.interval,
            "at": self.at,
            "backup_count": self.backup_count,
            "lines": self.lines,
        })
    }
}

/// SplitMix64: the same cases in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// The lives of one log. Intervals count from the last write in Python, and here from the birth of
    /// the file, so a log with an interval has one life.
    fn sessions(&mut self, version: Version) -> Vec<Session> {
        let when = self.one_of(&[
            "S", "m", "H", "D", "midnight", "MIDNIGHT", "W0", "W1", "w2", "W3", "W4", "W5", "W6",
        ]);
        let unit_s = match when {
            "S" => 1,
            "m" => 60,
            "H" => 3600,
            "W0" | "W1" | "w2" | "W3" | "W4" | "W5" | "W6" => 7 * DAY_S as u64,
            _ => DAY_S as u64,
        };
        let is_interval = matches!(when, "S" | "m" | "H" | "D");
        // Before 3.13, other intervals did not count at midnight and on days of the week.
        let counts = is_interval || version == Version::Newest;
        let interval = if counts { 1 + self.below(3) } else { 1 };
        let at = (!is_interval && self.below(2) == 0)
            .then(|| [self.below(24), self.below(60), self.below(60)]);
        let backup_count = self.below(6) as u32;
        let lives = if is_interval { 1 } else { 1 + self.below(3) };
        let mut now_s = START_S + self.below(400 * DAY_S as u64) as i64;
        let mut sessions = Vec::new();
        for life in 0..lives {
            let start_s = now_s;
            // A file is not empty when it rotates.
            let mut lines = vec![(0, format!("{life} first"))];
            for number in 0..self.below(30) {
                let step_s = match self.below(8) {
                    0 => self.below(3 * interval * unit_s) as i64,
                    // The clock is set back. Where a life ends with that, the next one of Python rotates at
                    // the same boundary again, and overwrites the file or, from 3.13 on, gets stuck.
                    1 if lives == 1 => -(self.below(unit_s.min(5000)) as i64),
                    _ => self.below(1 + interval * unit_s / 3) as i64,
                };
                lines.push((step_s, format!("{life} {number}")));
                now_s += step_s;
            }
            now_s = now_s.max(start_s) + self.below(2 * unit_s) as i64;
            sessions.push(Session { start_s, when, interval, at, backup_count, lines });
        }
        sessions
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    /// 3.13 or later.
    Newest,
    Older,
}

fn ask_python() -> Option<Version> {
    let program = "import sys; print(sys.version_info >= (3, 13))";
    let answer = Command::new("python3").args(["-c", program]).output().ok()?;
    Some(if answer.stdout == b"True\n" { Version::Newest } else { Version::Older })
}

fn run_in_python(cases: &[Value]) {
    let mut python = Command::new("python3").arg(SCRIPT).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(serde_json::to_string(cases).unwrap().as_bytes()).unwrap();
    drop(stdin);
    assert!(python.wait().unwrap().success());
}

fn files(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read_to_string(entry.path()).unwrap())
    });
    named.collect()
}

#[test]
fn the_files_of_times_in_utc_are_those_of_python() {
    let Some(version) = ask_python() else {
        eprintln!("skipped: there is no python3");
        return;
    };
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let (here, python) = (directory.path().join("here"), directory.path().join("python"));
    let mut random = Random(20);
    let mut cases = Vec::new();
    for case in 0..CASES {
        let name = case.to_string();
        let sessions = random.sessions(version);
        sessions.iter().for_each(|session| session.run(&here.join(&name).join("log")));
        fs::create_dir_all(python.join(&name)).unwrap();
        let described: Vec<_> = sessions.iter().map(Session::describe).collect();
        cases.push(json!({ "path": python.join(&name).join("log"), "sessions": described }));
    }

    run_in_python(&cases);

    let mut rotated = 0;
    for (case, described) in cases.iter().enumerate() {
        let expected = files(&python.join(case.to_string()));
        assert_eq!(files(&here.join(case.to_string())), expected, "case {case}: {described}");
        rotated += usize::from(expected.len() > 1);
    }
    assert!(rotated > CASES / 2, "only {rotated} cases rotated");
}
