//! The same lines through `RotatingFileHandler` here and in Python leave the same files.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use logboom::formatter::Formatter;
use logboom::handler::{Handler, RotatingFileHandler};
use logboom::{Level, Record};
use serde_json::{Value, json};

const CASES: usize = 300;
const SEED: u64 = 20;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rotation_python.py");

struct Message;

impl Formatter for Message {
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(record.message.as_bytes());
    }
}

/// One life of a handler; the next one finds its files.
struct Session {
    max_bytes: u64,
    backup_count: u32,
    lines: Vec<String>,
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

    /// Backups above a lowered count stay in Python and are deleted here, so counts only grow.
    fn sessions(&mut self, long_lines: LongLines) -> Vec<Session> {
        let mut sessions = Vec::new();
        let mut least_count = 0;
        for _ in 0..1 + self.below(3) {
            let session = self.session(long_lines, least_count);
            least_count = session.backup_count;
            sessions.push(session);
        }
        sessions
    }

    fn session(&mut self, long_lines: LongLines, least_count: u32) -> Session {
        let max_bytes = if self.below(10) == 0 { 0 } else { 2 + self.below(200) };
        let length_limit = match long_lines {
            LongLines::Agree if self.below(3) == 0 => 300,
            // A line with its newline stays below the limit.
            _ if max_bytes > 0 => max_bytes - 1,
            _ => 60,
        };
        let count = self.below(40);
        let lines = (0..count).map(|_| self.line(length_limit)).collect();
        let backup_count = least_count + self.below(6 - u64::from(least_count)) as u32;
        Session { max_bytes, backup_count, lines }
    }

    fn line(&mut self, length_limit: u64) -> String {
        let length = self.below(length_limit);
        (0..length).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }
}

/// Whether this Python leaves an empty file alone when a line is too long for any file.
#[derive(Clone, Copy)]
enum LongLines {
    Agree,
    Differ,
}

fn ask_python() -> Option<LongLines> {
    let program = "import sys; print(sys.version_info >= (3, 13))";
    let answer = Command::new("python3").args(["-c", program]).output().ok()?;
    Some(if answer.stdout == b"True\n" { LongLines::Agree } else { LongLines::Differ })
}

fn run_here(path: &Path, sessions: &[Session]) {
    for session in sessions {
        let mut handler = RotatingFileHandler::builder(path)
            .max_bytes(session.max_bytes)
            .backup_count(session.backup_count)
            .open(Message)
            .unwrap();
        for line in &session.lines {
            handler.handle(&Record::new(0, Level::INFO, "test", line)).unwrap();
        }
        handler.close().unwrap();
    }
}

fn describe(path: &Path, sessions: &[Session]) -> Value {
    let sessions: Vec<Value> = sessions
        .iter()
        .map(|session| {
            json!({
                "max_bytes": session.max_bytes,
                "backup_count": session.backup_count,
                "lines": session.lines,
            })
        })
        .collect();
    json!({ "path": path, "sessions": sessions })
}

fn run_in_python(cases: &[Value]) {
    let mut python = Command::new("python3").arg(SCRIPT).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(serde_json::to_string(cases).unwrap().as_bytes()).unwrap();
    drop(stdin);
    assert!(python.wait().unwrap().success());
}

fn files(directory: &Path) -> BTreeMap<String, String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_files_are_those_of_python() {
    let Some(long_lines) = ask_python() else {
        eprintln!("skipped: there is no python3");
        return;
    };
    // In memory, because thousands of renames take seconds on a disk.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let (here, python) = (directory.path().join("here"), directory.path().join("python"));
    let mut random = Random(SEED);
    let mut cases = Vec::new();
    for case in 0..CASES {
        let name = case.to_string();
        let sessions = random.sessions(long_lines);
        run_here(&here.join(&name).join("log"), &sessions);
        fs::create_dir_all(python.join(&name)).unwrap();
        cases.push(describe(&python.join(&name).join("log"), &sessions));
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
