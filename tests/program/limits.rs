//! Many workers at once, and many one after the other.
//!
//! `LOGBOOM_CHURN_WORKERS` sets how many come and go; usually a thousand.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use logboom::{AttachError, TransportChoice};
use nix::sys::signal::{Signal, raise};
use support::{
    Listener, Place, Worker, by_channel, role, wait_until, with_descriptor_limit,
    with_hard_descriptor_limit,
};

const PATTERN: &str = "%(processName)s %(message)s";

/// Records that each worker of the churn logs, unless it does not live so long.
const RECORDS: usize = 3;

/// `idle`: logs one record when its standard input ends. `brief`: logs three and returns, or leaves
/// after two as it is told. `refused`: attaches by Channel where there is no room.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    match role[0].as_str() {
        "idle" => {
            let _guard = logboom::init().unwrap();
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            log::info!("here");
        }
        "refused" => {
            let builder = logboom::builder().transport(TransportChoice::Channel);
            let error = builder.attach().err().unwrap();
            assert!(matches!(error, AttachError::Refused { .. }), "{error:?}");
            assert!(error.to_string().contains("limit of descriptors"), "{error}");
        }
        _ => {
            let _guard = logboom::init().unwrap();
            (0..RECORDS - 1).for_each(|number| log::info!("record {number}"));
            match role[1].as_str() {
                "killed" => raise(Signal::SIGKILL).unwrap(),
                "exit" => std::process::exit(0),
                _ => log::info!("record {}", RECORDS - 1),
            }
        }
    }
}

/// Workers that wait for the end of one standard input.
struct Crowd {
    workers: Vec<Worker>,
    gate: std::io::PipeWriter,
}

impl Crowd {
    fn start(place: &Place, count: usize) -> Crowd {
        let (input, gate) = std::io::pipe().unwrap();
        let start = |number| {
            place.start_worker(&format!("w{number}"), &["idle"], |command| {
                command.stdin(input.try_clone().unwrap()).stdout(Stdio::null());
            })
        };
        Crowd { workers: (0..count).map(start).collect(), gate }
    }

    /// Lets all of them log their record, and waits for their good end.
    fn finish(self) {
        drop(self.gate);
        self.workers.into_iter().for_each(Worker::finish);
    }
}

fn lines_of_all(place: &Place) -> usize {
    let mut lines = place.lines();
    lines.sort();
    lines.dedup();
    lines.iter().filter(|line| line.ends_with(" here")).count()
}

#[test]
fn a_thousand_workers_are_attached_under_a_soft_limit_of_1024_descriptors() {
    const WORKERS: usize = 1000;
    let place = Place::in_shared_memory();
    let mut command = place.logboom(&["listen", "--format", PATTERN, "--log"]);
    command.arg(place.log());
    let listener = place.serve(with_descriptor_limit(&command, 1024));
    let crowd = Crowd::start(&place, WORKERS);
    wait_until("all workers", || place.status().workers.len() == WORKERS);
    assert_eq!(lanes(&place), WORKERS);
    crowd.finish();
    let report = listener.stop();
    assert_eq!((report.drained, report.missing, report.left_lanes), (WORKERS as u64, 0, 0));
    assert_eq!(lines_of_all(&place), WORKERS);
}

#[test]
fn workers_beyond_the_hard_limit_are_refused_by_name_and_go_on_through_shared_memory() {
    const WORKERS: usize = 120;
    // Three quarters of the descriptors, two each.
    const ATTACHED: usize = 96;
    let place = Place::in_shared_memory();
    let mut command = place.logboom(&["listen", "--format", PATTERN, "--log"]);
    command.arg(place.log());
    let listener = place.serve(with_hard_descriptor_limit(&command, 256));
    let crowd = Crowd::start(&place, WORKERS);
    wait_until("all lanes", || lanes(&place) == WORKERS);
    wait_until("as many workers as there is room for", || place.status().workers.len() == ATTACHED);
    place.worker("late", &["refused"]).finish();
    let refused = place.status().refused;
    assert!(refused.iter().any(|(why, _)| why.contains("limit of descriptors")), "{refused:?}");
    crowd.finish();
    wait_until("all lanes to end", || lanes(&place) == 0);
    let report = listener.stop();
    assert_eq!((report.drained, report.missing), (WORKERS as u64, 0));
    assert_eq!(lines_of_all(&place), WORKERS);
}

fn lanes(place: &Place) -> usize {
    fs::read_dir(place.lanes()).map_or(0, Iterator::count)
}

/// What a listener holds of the system.
struct Holdings {
    descriptors: usize,
    threads: usize,
    files: usize,
}

impl Holdings {
    /// Whether nothing has come to what there was `before`; that may have had a thread that was
    /// just ending.
    fn are_within(&self, before: &Holdings) -> bool {
        self.descriptors <= before.descriptors
            && self.threads <= before.threads
            && self.files <= before.files
    }
}

fn holdings(place: &Place, listener: &Listener) -> Holdings {
    let process = format!("/proc/{}", listener.process.pid());
    let count = |folder: &str| fs::read_dir(folder).unwrap().count();
    Holdings {
        descriptors: count(&format!("{process}/fd")),
        threads: count(&format!("{process}/task")),
        files: count(&place.queue().path().display().to_string()) + lanes(place),
    }
}

/// Memory of the listener's own, without lanes.
fn private_kib(listener: &Listener) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", listener.process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

/// How a worker of the churn ends, and by which exit code it is known.
const ENDS: [(&str, i32); 5] =
    [("return", 0), ("killed", 128 + 9), ("return", 0), ("exit", 0), ("return by channel", 0)];

/// Runs the workers of these numbers, 16 at a time, to their ends.
fn churn(place: &Place, numbers: std::ops::Range<usize>) {
    let mut running: Vec<(Worker, i32)> = Vec::new();
    let end = |(mut worker, code): (Worker, i32)| assert_eq!(worker.process.wait(), code);
    for number in numbers {
        let (way, code) = ENDS[number % ENDS.len()];
        let worker = place.start_worker(&format!("w{number}"), &["brief", way], |command| {
            command.stdin(Stdio::null()).stdout(Stdio::null());
            if way.ends_with("channel") {
                by_channel(command);
            }
        });
        running.push((worker, code));
        if running.len() == 16 {
            end(running.remove(0));
        }
    }
    running.into_iter().for_each(end);
}

#[test]
fn workers_that_come_and_go_leave_nothing_but_their_records() {
    let workers = std::env::var("LOGBOOM_CHURN_WORKERS").map_or(1000, |text| text.parse().unwrap());
    let place = Place::in_shared_memory();
    let listener = place.listen(&["--format", PATTERN]);
    let settled = |place: &Place| {
        wait_until("all to be gone", || place.status().workers.is_empty() && lanes(place) == 0);
    };
    // The first ones bring what stays: the folder of lanes, the bell, buffers.
    churn(&place, 0..100);
    settled(&place);
    let (before, kib_before) = (holdings(&place, &listener), private_kib(&listener));
    churn(&place, 100..workers);
    settled(&place);
    wait_until("the holdings of before", || holdings(&place, &listener).are_within(&before));
    let kib = private_kib(&listener);
    assert!(kib < kib_before + 2048, "{kib_before} KiB have become {kib} KiB");

    let report = listener.stop();
    let mut next: HashMap<String, usize> = HashMap::new();
    for line in place.lines() {
        let words: Vec<_> = line.split(' ').collect();
        assert!(words.len() == 3 && words[1] == "record", "{line:?}");
        let next = next.entry(words[0].to_owned()).or_default();
        assert_eq!(words[2].parse::<usize>().unwrap(), *next, "{}", words[0]);
        *next += 1;
    }
    for number in 0..workers {
        let is_cut = matches!(ENDS[number % ENDS.len()].0, "killed" | "exit");
        let expected = if is_cut { RECORDS - 1 } else { RECORDS };
        assert_eq!(next[&format!("w{number}")], expected, "w{number}");
    }
    assert_eq!((report.missing, report.left_lanes), (0, 0));
}

#[test]
fn a_worker_that_may_make_no_large_file_takes_the_channel() {
    let place = Place::new();
    let listener = place.listen(&[]);
    let mut log = Command::new("prlimit");
    log.args(["--fsize=100000", env!("CARGO_BIN_EXE_logboom"), "log", "under a limit"]);
    log.env("LOGBOOM_QUEUE", place.queue().path()).env_remove("LOGBOOM_TRANSPORT");
    assert!(log.status().unwrap().success());
    listener.stop();
    assert!(place.lines().iter().any(|line| line.contains("under a limit")), "{:?}", place.lines());
}
