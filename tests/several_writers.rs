//! Eight processes write one rotated file without a listener, and are killed at random.
//!
//! `LOGBOOM_TEST_LINES=500000` lets each write so many lines; by default 50 000.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use logboom::formatter::Formatter;
use logboom::handler::{Handler, RotatingFileHandler};
use logboom::{Level, Record};

/// Set in a writer: what it is to write.
const WRITER: &str = "LOGBOOM_TEST_WRITER";
const LINES: &str = "LOGBOOM_TEST_LINES";
const WRITERS: usize = 8;

struct Message;

impl Formatter for Message {
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(record.message.as_bytes());
    }
}

/// Line `number` of a writer that was started for the `life`-th time.
fn line(writer: usize, life: usize, number: usize) -> String {
    format!("writer {writer} in life {life} writes line {number}.")
}

/// Where the writers say how many lines are written.
fn open_marks(directory: &Path) -> File {
    let path = directory.join("marks");
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

fn mark(marks: &File, writer: usize) -> usize {
    let mut bytes = [0; 8];
    marks.read_exact_at(&mut bytes, writer as u64 * 8).unwrap();
    u64::from_le_bytes(bytes) as usize
}

fn write(directory: &Path, [writer, life, lines]: [usize; 3]) {
    let marks = open_marks(directory);
    let builder = RotatingFileHandler::builder(directory.join("app.log"));
    let mut handler = builder.max_bytes(1_000_000).backup_count(1000).open_locked(Message).unwrap();
    for number in mark(&marks, writer)..lines {
        let record = Record::new(0, Level::INFO, "", line(writer, life, number));
        handler.handle(&record).unwrap();
        marks.write_all_at(&(number as u64 + 1).to_le_bytes(), writer as u64 * 8).unwrap();
    }
}

/// One life of a writer; killed on drop.
struct Life {
    child: Child,
    life: usize,
    /// Its first line.
    from: usize,
}

impl Life {
    fn begin(directory: &Path, writer: usize, life: usize, from: usize, lines: usize) -> Life {
        let name = "what_eight_writers_wrote_is_there_whatever_is_killed";
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", name])
            .env(WRITER, format!("{}\n{writer} {life} {lines}", directory.display()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Life { child, life, from }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What a life has written for certain, and the line that may be there as well.
struct Written {
    writer: usize,
    life: usize,
    numbers: std::ops::Range<usize>,
}

/// Numbers without an order that anybody would see.
fn next(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize
}

/// Every line of the current file and its backups.
fn read_all(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let is_log =
        |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("app.log");
    let text = |path| fs::read_to_string(path).unwrap();
    let texts: Vec<_> = files.filter(is_log).map(text).collect();
    assert!(texts.iter().all(|text| text.len() < 1_000_000), "a file is too long");
    texts.iter().flat_map(|text| text.lines().map(str::to_owned)).collect()
}

#[test]
fn what_eight_writers_wrote_is_there_whatever_is_killed() {
    if let Ok(orders) = env::var(WRITER) {
        let (directory, numbers) = orders.split_once('\n').unwrap();
        let numbers: Vec<_> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        return write(Path::new(directory), numbers.try_into().unwrap());
    }
    let lines: usize = env::var(LINES).map_or(50_000, |lines| lines.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let marks = open_marks(directory.path());
    marks.set_len(WRITERS as u64 * 8).unwrap();
    let begin = |writer, life, from| Life::begin(directory.path(), writer, life, from, lines);
    let mut running: Vec<_> = (0..WRITERS).map(|writer| begin(writer, 0, 0)).collect();
    let mut written = Vec::new();
    let (mut seed, mut kills) = (20_261_122, 0);
    while (0..WRITERS).any(|writer| mark(&marks, writer) < lines) {
        thread::sleep(Duration::from_millis(next(&mut seed) as u64 % 40));
        let writer = next(&mut seed) % WRITERS;
        let Life { child, life, from } = &mut running[writer];
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(status.code().is_none_or(|code| code == 0), "{status}");
        let done = mark(&marks, writer);
        written.push(Written { writer, life: *life, numbers: *from..done });
        if done < lines {
            kills += 1;
            running[writer] = begin(writer, *life + 1, done);
        } else {
            *from = done;
        }
    }
    for (writer, life) in running.into_iter().enumerate() {
        written.push(Written { writer, life: life.life, numbers: life.from..lines });
    }

    let mut found: HashMap<String, usize> = HashMap::new();
    for line in read_all(directory.path()) {
        *found.entry(line).or_default() += 1;
    }
    for Written { writer, life, numbers } in written {
        for number in numbers.clone() {
            let count = found.remove(&line(writer, life, number));
            assert_eq!(count, Some(1), "{}", line(writer, life, number));
        }
        // Written, but killed before it could say so.
        let last = found.remove(&line(writer, life, numbers.end));
        assert!(last.is_none_or(|count| count == 1));
    }
    // What is left was cut short by a kill.
    let is_torn =
        |line: &String| !line.ends_with('.') && line.starts_with(&"writer "[..line.len().min(7)]);
    assert!(found.len() <= kills && found.keys().all(is_torn), "{found:?}");
    println!("{kills} kills, {} torn lines", found.len());
}
