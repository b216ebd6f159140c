//! Kill anything, at any instant: no record whose call had returned is lost, none is doubled, no line
//! is torn.
//!
//! `LOGBOOM_STORM_SECONDS` makes it longer than the usual quarter of a minute.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use logboom::{Certainty, Overflow};
use nix::sys::signal::Signal;
use support::{Listener, PATIENCE, Place, Worker, role, say};

const FORM: &[&str] = &[
    "--format",
    "%(processName)s %(message)s",
    "--max-bytes",
    "100kB",
    "--backup-count",
    "1000000",
];

/// Logs numbered records until it is killed or `role[2]` exists; after each call writes into
/// `role[1]` how many have returned.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    let returned = File::options().write(true).create(true).truncate(false).open(&role[1]).unwrap();
    say("started");
    for number in 0_u64.. {
        log::info!("record {number}");
        returned.write_all_at(&(number + 1).to_le_bytes(), 0).unwrap();
        if number % 64 == 0 && fs::exists(&role[2]).unwrap() {
            break;
        }
    }
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
}

/// A sequence of numbers that is the same on every run (Knuth's multiplier, MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

struct Storm {
    place: Place,
    started: usize,
}

impl Storm {
    fn start_worker(&mut self) -> Worker {
        self.started += 1;
        let name = format!("w{}", self.started);
        let returned = self.place.path(&format!("returned-{name}")).display().to_string();
        let end = self.place.path("end").display().to_string();
        let mut worker = self.place.worker(&name, &["storm", &returned, &end]);
        worker.heard();
        worker
    }

    fn listen(&self) -> Listener {
        self.place.listen(FORM)
    }

    /// How many calls of each worker have returned.
    fn returned(&self) -> HashMap<String, u64> {
        let read = |number: usize| {
            let name = format!("w{number}");
            let bytes = fs::read(self.place.path(&format!("returned-{name}"))).unwrap();
            (name, bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)))
        };
        (1..=self.started).map(read).collect()
    }
}

fn kill(process: &mut support::Process) {
    process.signal(Signal::SIGKILL);
    process.wait();
}

#[test]
fn whatever_is_killed_nothing_that_was_logged_is_lost_doubled_or_torn() {
    let seconds = std::env::var("LOGBOOM_STORM_SECONDS").map_or(15, |text| text.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut storm = Storm { place: Place::new(), started: 0 };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut listener = storm.listen();
    let mut workers: Vec<_> = (0..4).map(|_| storm.start_worker()).collect();
    let (mut killed_workers, mut killed_listeners) = (0, 0);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_micros(random.below(60_000)));
        match random.below(8) {
            0..3 => {
                let victim = random.below(4) as usize;
                kill(&mut workers[victim].process);
                workers[victim] = storm.start_worker();
                killed_workers += 1;
            }
            3..7 => {
                kill(&mut listener.process);
                listener = storm.listen();
                killed_listeners += 1;
            }
            _ => {
                kill(&mut listener.process);
                workers.iter_mut().for_each(|worker| kill(&mut worker.process));
                listener = storm.listen();
                workers = (0..4).map(|_| storm.start_worker()).collect();
                killed_workers += 4;
                killed_listeners += 1;
            }
        }
    }
    fs::write(storm.place.path("end"), "").unwrap();
    workers.into_iter().for_each(Worker::finish);
    let report = listener.stop();
    assert_eq!((report.missing, report.dropped, report.left_lanes), (0, 0, 0));

    let mut written: HashMap<String, u64> = HashMap::new();
    for line in storm.place.lines() {
        let words: Vec<_> = line.split(' ').collect();
        assert!(words.len() == 3 && words[1] == "record", "torn, or no record: {line:?}");
        let next = written.entry(words[0].to_owned()).or_default();
        assert_eq!(words[2].parse::<u64>().unwrap(), *next, "{}: lost, doubled or moved", words[0]);
        *next += 1;
    }
    for (worker, returned) in storm.returned() {
        let written = written.get(&worker).copied().unwrap_or(0);
        assert!(
            written >= returned,
            "{worker}: {returned} calls have returned, {written} are written"
        );
        assert!(written <= returned + 1, "{worker}: written before it was logged");
    }
    println!("{killed_workers} workers and {killed_listeners} listeners killed");
    assert!(killed_workers > 10 && killed_listeners > 10, "hardly a storm");
}
