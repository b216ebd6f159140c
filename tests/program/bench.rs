//! `logboom bench` measures what it says, proves its log whole, and leaves nothing behind.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Place, Process, files_of, lines_of, wait_for, wait_until};

/// Runs `bench ARGS --json` into the log of a place to its good end; its last line.
fn bench(place: &Place, args: &[&str]) -> Value {
    let mut command = place.logboom(&["bench", "--json", "--out"]);
    command.arg(place.log()).args(args);
    let output = command.env("RUST_LOG", "off").env("LOGBOOM_FILTER", "off").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.is_empty(), "{args:?}: {text}{errors}");
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// Checks the figures that every run has; how many records it logged.
fn check_figures(figures: &Value, log: &Path) -> u64 {
    let figure = |key| figures[key].as_u64().unwrap_or_else(|| panic!("{key} in {figures}"));
    assert!(figure("t_first_ns") <= figure("t_calls_done_ns"), "{figures}");
    assert!(figure("t_calls_done_ns") <= figure("t_written_ns"), "{figures}");
    assert!(figure("collector_rss_kb") > 0 && figure("producers_cpu_us") > 0, "{figures}");
    assert!(figure("listener_cpu_us") > 0, "{figures}");
    let files = files_of(log);
    let bytes: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert_eq!((figure("files"), figure("bytes")), (files.len() as u64, bytes));
    assert_eq!(figure("written"), figure("sent"));
    figure("sent")
}

/// The line of a record behind its time.
fn line(worker: u64, index: u64) -> String {
    let (item, bytes) = (index * 7919 % 1_000_003, 1000 + index * 31 % 90_000);
    format!(
        "worker-{worker} bench.worker INFO worker {worker} handled request {index} for \
         /api/v1/items/{item} status=200 bytes={bytes} in 1.234ms"
    )
}

#[test]
fn each_record_of_each_thread_is_in_the_log_once_however_it_travels() {
    for (transport, api) in [("ring", "log"), ("channel", "tracing")] {
        let place = Place::new();
        let flags = ["--producers=3", "--threads=2", "--records=1001", "--transport", transport];
        let figures = bench(&place, &[&flags[..], &["--api", api]].concat());
        assert_eq!(check_figures(&figures, &place.log()), 3003);
        let lines = lines_of(&place.log());
        let found: HashSet<_> = lines.iter().map(|line| line[24..].to_owned()).collect();
        let logged: HashSet<_> = (0..3).flat_map(|w| (0..1001).map(move |i| line(w, i))).collect();
        assert!(lines.len() == 3003 && found == logged, "{transport}");
    }
}

#[test]
fn messages_of_other_forms_are_all_there() {
    for (flag, value) in [("--args", "0"), ("--message-bytes", "10"), ("--message-bytes", "65536")]
    {
        for api in ["log", "tracing"] {
            let place = Place::new();
            let flags = ["--producers=2", "--records=100", "--api", api, flag, value];
            assert_eq!(check_figures(&bench(&place, &flags), &place.log()), 200);
            let lines = lines_of(&place.log());
            let (prefix, message) = lines[0].split_once(" INFO ").unwrap();
            assert!(prefix.ends_with(" bench.worker"), "{prefix}");
            assert!(lines.len() == 200 && lines.iter().all(|line| line.ends_with(message)));
            assert!(value == "0" || message.len().to_string() == value, "{value}");
        }
    }
}

#[test]
fn all_backups_of_a_rotated_log_stay() {
    let place = Place::new();
    let flags = ["--producers=2", "--records=2000", "--rotate-bytes=20kB"];
    assert_eq!(check_figures(&bench(&place, &flags), &place.log()), 4000);
    let files = files_of(&place.log());
    assert!(files.len() > 10, "{files:?}");
    assert!(files.iter().all(|file| fs::metadata(file).unwrap().len() <= 20_000));
    let lines: HashSet<_> = lines_of(&place.log()).into_iter().collect();
    assert_eq!(lines.len(), 4000);
}

#[test]
fn each_call_of_a_burst_is_timed() {
    let place = Place::new();
    let times = place.path("times");
    let flags = ["--mode=latency", "--producers=2", "--threads=3", "--seconds=1", "--burst=7"];
    let directory = ["--interval-us=10000", "--lat-dir", times.to_str().unwrap()];
    let figures = bench(&place, &[&flags[..], &directory].concat());
    let calls = 3 * 7 * 100;
    assert_eq!(check_figures(&figures, &place.log()), 2 * calls);
    let mut all = Vec::new();
    for worker in 0..2 {
        let bytes = fs::read(times.join(format!("lat.{worker}"))).unwrap();
        assert_eq!(bytes.len() as u64, 8 * calls);
        all.extend(bytes.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())));
    }
    assert_eq!(fs::read_dir(&times).unwrap().count(), 2);
    all.sort_unstable();
    assert!(all[0] > 0 && all[0] < 1_000_000_000, "no nanoseconds: {}", all[0]);
    let latency = &figures["latency"];
    let clock_ns = latency["clock_ns"].as_u64().unwrap();
    assert_eq!(latency["calls_ns"]["max"].as_u64().unwrap(), all[all.len() - 1] - clock_ns);
    assert_eq!(latency["idle_ns"]["p50"], 0, "the clock's own cost is not subtracted");
}

#[test]
fn a_producer_that_fails_says_why() {
    let place = Place::new();
    fs::create_dir_all(place.path("times/lat.1")).unwrap();
    let flags = ["--mode=latency", "--producers=2", "--seconds=1", "--lat-dir=times"];
    let output = place.run(&[&["bench", "--out=app.log"], &flags[..]].concat());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(74), "{errors}");
    assert!(errors.contains("a producer failed: cannot write times/lat.1"), "{errors}");
}

#[test]
fn without_a_file_the_log_is_a_temporary_one() {
    let place = Place::new();
    let mut command = place.logboom(&["bench", "--records=10"]);
    let output = command.env("TMPDIR", place.directory.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("each is in the log exactly once"), "{text}");
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 0);
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let place = Place::new();
    let cases: [(&[&str], &str); 7] = [
        (&["--producers=0"], "0 is not in 1..=256"),
        (&["--records=0"], "0 is not in 1..=1000000000"),
        (&["--transport=pipe"], "possible values: ring, channel"),
        (&["--args=3"], "possible values: 0, 5"),
        (&["--records=900000000"], "3600000000 records are more than 1000000000: take fewer"),
        (&["--mode=latency", "--burst=4000000000", "--interval-us=1"], "are more than 20000000"),
        (&["--rotate-bytes=100"], "the log would have more than 10000 files"),
    ];
    for (args, complaint) in cases {
        let output = place.run(&[&["bench"], args].concat());
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && errors.contains(complaint),
            "{args:?}: {errors}"
        );
    }
}

#[test]
fn a_log_that_is_there_already_is_not_touched() {
    let place = Place::new();
    for name in ["app.log", "app.log.1"] {
        fs::write(place.path(name), "mine\n").unwrap();
        let output = place.run(&["bench", "--out=app.log"]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(74) && errors.contains("needs a new file"),
            "{errors}"
        );
        assert_eq!(fs::read_to_string(place.path(name)).unwrap(), "mine\n");
        fs::remove_file(place.path(name)).unwrap();
    }
}

/// A bench that logs until it is disturbed.
struct Endless {
    place: Place,
    process: Process,
    /// Of the listener and of the two producers.
    pids: Vec<i32>,
    /// The directory of its queue and all else.
    directory: PathBuf,
}

impl Endless {
    fn start() -> Endless {
        let place = Place::new();
        let mut command = place.logboom(&["bench", "--producers=2", "--records=400000000"]);
        // So large a log is not written before it is disturbed.
        command.args(["--out"]).arg(place.log()).stdout(Stdio::null()).stderr(Stdio::piped());
        let process = Process(command.spawn().unwrap());
        wait_until("a record", || fs::metadata(place.log()).is_ok_and(|file| file.len() > 0));
        let children = || children_of(process.pid());
        let commands = wait_for("all processes", || Some(children()).filter(|all| all.len() == 3));
        let queue = commands.iter().find_map(|(_, command)| {
            command.split('\0').find_map(|flag| flag.strip_prefix("--queue-dir="))
        });
        let directory = Path::new(queue.unwrap()).parent().unwrap().to_owned();
        let pids = commands.iter().map(|(pid, _)| *pid).collect();
        Endless { place, process, pids, directory }
    }

    /// Waits for its end, which leaves nothing behind; its exit code and what it said.
    fn end(mut self) -> (i32, String) {
        let code = self.process.wait();
        assert!(!self.directory.exists(), "{} is left", self.directory.display());
        for pid in self.pids {
            assert!(kill(Pid::from_raw(pid), None).is_err(), "process {pid} is left");
        }
        let mut said = String::new();
        let mut stderr = self.process.0.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
        drop(self.place);
        (code, said)
    }
}

/// Pids and command lines of the children of a process.
fn children_of(parent: u32) -> Vec<(i32, String)> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let pids = fs::read_to_string(path).unwrap_or_default();
    let pids = pids.split_whitespace().map(|pid| pid.parse::<i32>().unwrap());
    let command = |pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    pids.map(|pid| (pid, command(pid))).collect()
}

#[test]
fn an_interrupt_ends_everything() {
    let endless = Endless::start();
    endless.process.signal(Signal::SIGINT);
    let (code, said) = endless.end();
    assert_eq!(code, 74);
    assert!(said.contains("interrupted by SIGINT: nothing was measured"), "{said}");
}

#[test]
fn a_producer_that_is_killed_ends_everything() {
    let endless = Endless::start();
    let producer = children_of(endless.process.pid())
        .into_iter()
        .find_map(|(pid, command)| command.contains("bench-producer").then_some(pid));
    kill(Pid::from_raw(producer.unwrap()), Signal::SIGKILL).unwrap();
    let (code, said) = endless.end();
    assert_eq!(code, 74, "{said}");
    assert!(said.contains("logboom: worker-"), "{said}");
}
