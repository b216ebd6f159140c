//! `logboom stats` on a log whose every record is known.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use support::{Place, Process, open_terminal, wait_until};

/// A line up to its sequence number.
const RECORD: &str = concat!(
    r#"{"time":"2026-11-22T04:00:00Z","level":"INFO","levelno":20,"logger":"web","#,
    r#""message":"up","worker":"api","lane":"000000000000beef","seq":"#
);

/// So much more than was read is written to a log that has to take time.
const AHEAD_BYTES: u64 = 4 << 20;

fn place_with_log() -> Place {
    let place = Place::new();
    let record = |number: u64| {
        let (level, worker) = (["INFO", "WARNING", "ERROR"][number as usize % 3], number % 2);
        format!(
            "2026-11-22 04:{number:02}:00,000 api-{worker}      web {level:8} served {number}\n"
        )
    };
    fs::write(place.path("app.log.1"), (0..20).map(record).collect::<String>()).unwrap();
    fs::write(place.path("app.log"), (20..30).map(record).collect::<String>()).unwrap();
    place
}

#[test]
fn records_are_counted_and_plotted() {
    let place = place_with_log();
    let output = place.logboom(&["stats", "app.log"]).env("TZ", "UTC").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for expected in [
        "records   30\n",
        "time      2026-11-22 04:00:00,000 to 2026-11-22 04:29:00,000\n",
        "levels    10 ERROR, 10 WARNING, 10 INFO\n",
        "        15  50.0 %  api-0\n",
        "        30 100.0 %  web\n",
        "        30 100.0 %  served #\n",
        "records in each 60 s",
        "2026-11-22 04:02:00         1 !!!!!",
        "2026-11-22 04:29:00         1 !!!!!",
    ] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
}

#[test]
fn numbers_are_given_as_json_and_only_of_what_is_asked() {
    let place = place_with_log();
    let args = ["stats", "--json", "-l", "error", "-w", "api-0", "app.log"];
    let output = place.run(&args);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["records"], 5);
    assert_eq!(json["levels"], serde_json::json!([{"name": "ERROR", "count": 5}]));
    assert_eq!(json["workers"][0]["name"], "api-0");
    let missing = place.run(&["stats", "none.log"]);
    assert_eq!(missing.status.code(), Some(74));
}

/// A log that grows faster than it is read.
struct Growing {
    file: File,
    records: u64,
    bytes: u64,
}

impl Growing {
    fn stay_ahead_of(&mut self, reader: &Process) {
        let io = fs::read_to_string(format!("/proc/{}/io", reader.pid())).unwrap();
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
        while self.bytes < read.parse::<u64>().unwrap() + AHEAD_BYTES {
            self.write();
        }
    }

    fn write(&mut self) {
        let text: String =
            (self.records..self.records + 10_000).map(|seq| format!("{RECORD}{seq}}}\n")).collect();
        self.file.write_all(text.as_bytes()).unwrap();
        (self.records, self.bytes) = (self.records + 10_000, self.bytes + text.len() as u64);
    }
}

#[track_caller]
fn check_progress(command: &str) {
    let place = Place::new();
    let file = File::create(place.path("app.log")).unwrap();
    let mut log = Growing { file, records: 0, bytes: 0 };
    log.write();
    let (mut keyboard, terminal) = open_terminal();
    let mut command = place.logboom(&[command, "app.log"]);
    command.env("TERM", "xterm").stdout(Stdio::piped()).stderr(terminal);
    let mut process = Process(command.spawn().unwrap());
    drop(command);
    let shown = Arc::new(Mutex::new(String::new()));
    let reader = thread::spawn({
        let (shown, mut block) = (Arc::clone(&shown), [0; 4096]);
        move || {
            while let Ok(read @ 1..) = keyboard.read(&mut block) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&block[..read]));
            }
        }
    });
    wait_until("a bar", || {
        log.stay_ahead_of(&process);
        shown.lock().unwrap().contains(" MB/s")
    });
    let mut printed = String::new();
    process.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(process.wait(), 0, "{printed}");
    assert!(printed.contains(&format!("records   {}", log.records)), "{printed}");
    reader.join().unwrap();
    let shown = shown.lock().unwrap();
    assert!(shown.starts_with("\r[=") && shown.ends_with("\r\x1b[K"), "{shown:?}");
}

#[test]
fn a_terminal_is_told_how_far_it_came_and_keeps_nothing_of_it() {
    check_progress("stats");
    check_progress("verify");
}
