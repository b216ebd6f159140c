//! Kill anything, at any instant: no record whose call had returned is lost, none is doubled, no line
//! is torn.
//!
//! Each test has a number of kills that it has to reach; `LOGBOOM_STORM_SECONDS` lets both go on for at
//! least so long, best with `cargo test --release`: proving the log of many seconds takes its time.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use logboom::{Certainty, Overflow, TransportChoice};
use nix::sys::signal::Signal;
use support::logs::{Log, ONE_LOG, THREE_LOGS, configure_three_logs, logger_of};
use support::{
    PATIENCE, Place, Process, Worker, is_alive, processes_with, role, signal, wait_for, wait_until,
    worker_script,
};

const WORKERS: usize = 6;

/// JSON has lane and sequence number, which `logboom verify` needs.
const FORM: [&str; 8] =
    ["--log", "app.log", "--format", "json", "--max-bytes", "500kB", "--backup-count", "1000000"];

/// The same with backups that are dated, made each second too, and compressed.
const COMPRESSED_FORM: [&str; 14] = [
    "--log",
    "app.log",
    "--format",
    "json",
    "--max-bytes",
    "500kB",
    "--backup-count",
    "0",
    "--backup-names",
    "date",
    "--rotate-at",
    "every 1s",
    "--compress",
    "zstd",
];

/// Beside that a log for each worker, fewer open than there are.
const ROUTED: [&str; 4] = ["--route", "by/{worker}.log", "--max-open-files", "4"];

/// Logs numbered records until it is killed or `role[2]` exists; after each call writes into
/// `role[1]`, behind its process number, how many have returned. Pauses after every `role[3]` records,
/// so that the log can be read in the time of a test.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let returned = File::options().write(true).create_new(true).open(&role[1]).unwrap();
    let tell = |place: u64, number: u64| {
        returned.write_all_at(&number.to_le_bytes(), 8 * place).unwrap();
    };
    tell(0, std::process::id().into());
    // By no other transport, should there be no room for a lane.
    let builder = logboom::builder().overflow(Overflow::Block).transport(TransportChoice::Ring);
    let guard = builder.init().unwrap();
    let burst: u64 = role[3].parse().unwrap();
    for number in 1_u64.. {
        log::info!(target: logger_of(number - 1), "record {}", number - 1);
        tell(1, number);
        if number.is_multiple_of(burst) {
            if fs::exists(&role[2]).unwrap() {
                break;
            }
            std::thread::sleep(Duration::from_micros(400 * burst));
        }
    }
    // Whoever started it waits no longer than the listener gets on.
    assert!(guard.flush(Certainty::Written, 20 * PATIENCE).is_complete());
}

/// A sequence of numbers that is the same on every run (Knuth's multiplier, MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }

    /// An instant within the next `bound_us` microseconds.
    fn wait(&mut self, bound_us: u64) {
        std::thread::sleep(Duration::from_micros(self.below(bound_us)));
    }
}

/// The processes of a `logboom run`.
struct Tree {
    supervisor: Process,
    listener: i32,
    workers: Vec<i32>,
}

/// A place where the weather is bad, and the names of all workers that ever ran there.
struct Storm {
    place: Place,
    random: Random,
    end: Instant,
    names: Vec<String>,
    logs: &'static [Log],
    /// The directory in which each worker has a log of its own.
    routes: Option<&'static str>,
    /// Of the listener.
    args: Vec<&'static str>,
}

impl Storm {
    fn on_one_log() -> Storm {
        Storm::on(ONE_LOG, |_| FORM.to_vec())
    }

    fn on_a_compressed_log() -> Storm {
        Storm::on(ONE_LOG, |_| COMPRESSED_FORM.to_vec())
    }

    fn on_compressed_routes() -> Storm {
        Storm {
            routes: Some("by"),
            ..Storm::on(ONE_LOG, |_| [&COMPRESSED_FORM[..], &ROUTED].concat())
        }
    }

    /// On different loggers.
    fn on_three_logs() -> Storm {
        Storm::on(THREE_LOGS, |place| {
            vec!["--config", configure_three_logs(place, "json", 500_000)]
        })
    }

    fn on(logs: &'static [Log], args: impl Fn(&Place) -> Vec<&'static str>) -> Storm {
        let seconds =
            std::env::var("LOGBOOM_STORM_SECONDS").map_or(0, |text| text.parse().unwrap());
        let place = Place::new();
        Storm {
            logs,
            routes: None,
            args: args(&place),
            place,
            random: Random(0x9e37_79b9_7f4a_7c15),
            end: Instant::now() + Duration::from_secs(seconds),
            names: Vec::new(),
        }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// A name for one more worker, and its role: some log more at once than their lane holds.
    fn next_worker(&mut self) -> (String, [String; 4]) {
        let number = self.names.len();
        let (name, burst) =
            (format!("w{number}"), if number.is_multiple_of(4) { "4096" } else { "8" });
        let paths = [self.told_by(&name), self.place.path("end")];
        let [told, end] = paths.map(|path| path.display().to_string());
        self.names.push(name.clone());
        (name, ["storm".to_owned(), told, end, burst.to_owned()])
    }

    fn start_worker(&mut self) -> Worker {
        let (name, role) = self.next_worker();
        self.place.worker(&name, &role.each_ref().map(String::as_str))
    }

    /// A listener that may not serve yet.
    fn start_listener(&self) -> Process {
        let mut command = self.place.logboom(&["listen"]);
        command.args(&self.args).stdin(Stdio::null()).stderr(Stdio::null());
        Process(command.spawn().unwrap())
    }

    /// `logboom run` with a listener and all its workers at work.
    fn start_tree(&mut self) -> Tree {
        let mut command = self.place.logboom(&["run", "-q"]);
        let said = self.place.path("said-by-run");
        command.args(&self.args).stdin(Stdio::null()).stderr(File::create(&said).unwrap());
        let workers: Vec<_> = (0..WORKERS).map(|_| self.next_worker()).collect();
        for (name, role) in &workers {
            let script = worker_script(&role.each_ref().map(String::as_str));
            command.arg("-c").arg(format!("{name}=exec {script} >/dev/null 2>&1"));
        }
        let mut supervisor = Process(command.spawn().unwrap());
        let mut pid = |name: &str| {
            wait_for("a worker", || {
                let ended = supervisor.0.try_wait().unwrap();
                assert!(ended.is_none(), "{ended:?}: {}", fs::read_to_string(&said).unwrap());
                Some(self.told(name)[0]).filter(|pid| *pid > 0)
            }) as i32
        };
        let workers = workers.iter().map(|(name, _)| pid(name)).collect();
        let listener = logboom::control::status(&self.place.queue()).unwrap().pid as i32;
        Tree { supervisor, listener, workers }
    }

    /// Where a worker tells what it has done.
    fn told_by(&self, name: &str) -> PathBuf {
        self.place.path(&format!("told-{name}"))
    }

    /// What a worker has told: its process number; how many of its calls have returned.
    fn told(&self, name: &str) -> [u64; 2] {
        // Killed early, it has told nothing.
        let bytes = fs::read(self.told_by(name)).unwrap_or_default();
        let number = |place: usize| {
            bytes
                .get(8 * place..)
                .and_then(|rest| rest.first_chunk().copied())
                .map(u64::from_le_bytes)
        };
        [0, 1].map(|place| number(place).unwrap_or(0))
    }

    /// Lets the workers come to an end, and waits for that of `processes` as long as something is written: what
    /// was left by all those who were killed takes a busy machine its time.
    fn calm<'p>(&self, processes: impl Iterator<Item = &'p Process>) {
        fs::write(self.place.path("end"), "").unwrap();
        for process in processes {
            let pid = process.0.id() as i32;
            let mut files = self.files();
            while is_alive(pid) {
                wait_until("the end of a process, or more in the logs", || {
                    !is_alive(pid) || self.files() != files
                });
                files = self.files();
            }
        }
    }

    /// All files of the logs, and how large they are.
    fn files(&self) -> Vec<(PathBuf, u64)> {
        let root = self.place.directory.path();
        let directories = [Some(root.to_owned()), self.routes.map(|routes| root.join(routes))];
        let entries = directories.into_iter().flatten().flat_map(fs::read_dir).flatten();
        // One may be renamed meanwhile.
        let file = |entry: fs::DirEntry| Some((entry.path(), entry.metadata().ok()?.len()));
        let mut files: Vec<_> = entries.filter_map(|entry| file(entry.unwrap())).collect();
        files.sort();
        files
    }

    /// Nothing is there any more but the logs, and they have all that was logged; how many lines.
    fn prove(&self) -> usize {
        let prefix = self.place.directory.path().to_str().unwrap();
        assert_eq!(processes_with(prefix), Vec::<String>::new(), "left behind");
        assert_eq!(left_in_queue(&self.place), Vec::<PathBuf>::new(), "left behind");
        if self.logs.len() == 1 {
            self.verify();
        }
        self.routes.iter().for_each(|directory| self.prove_routed(directory));
        self.logs.iter().map(|log| self.prove_log(log)).sum()
    }

    /// Each worker's own log has all of its records, and no others.
    fn prove_routed(&self, directory: &str) {
        let names = fs::read_dir(self.place.path(directory)).unwrap();
        let names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(names.iter().any(|name| name.ends_with(".zst")), "nothing was compressed");
        for name in &self.names {
            let [_, returned] = self.told(name);
            let log = format!("{directory}/{name}.log");
            if returned == 0 && !self.place.path(&log).exists() {
                continue;
            }
            let mut written = self.written_in(&log);
            let numbers = written.remove(name).unwrap_or_default();
            assert!(written.is_empty(), "{log}: of others: {written:?}");
            let is_whole = |count| (0..count).eq(numbers.iter().copied());
            assert!(
                is_whole(returned) || is_whole(returned + 1),
                "{log}: {returned} calls have returned; lost, doubled or moved: {numbers:?}"
            );
        }
    }

    /// The numbers of each worker in a log.
    fn written_in(&self, log: &str) -> HashMap<String, Vec<u64>> {
        let mut written: HashMap<String, Vec<u64>> = HashMap::new();
        let read = self.place.run(&["tail", "-n", "all", log]);
        for line in String::from_utf8(read.stdout).unwrap().lines() {
            assert!(line.starts_with('{') && line.ends_with('}'), "torn: {line}");
            let Some(number) = after(line, "\"message\":\"record ") else { continue };
            let worker = after(line, "\"worker\":\"").unwrap();
            written.entry(worker.to_owned()).or_default().push(number.parse().unwrap());
        }
        written
    }

    /// The gaps of a log that has all prove something.
    fn verify(&self) {
        let verified = self.place.run(&["verify", "--json", "app.log"]);
        let text = String::from_utf8(verified.stdout).unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(verified.status.success() && report["dropped"] == 0, "{text}");
    }

    fn prove_log(&self, log: &Log) -> usize {
        let Log { name: log_name, .. } = log;
        assert!(!self.place.path(&format!(".{log_name}.lock")).exists());
        let mut written = self.written_in(log_name);
        let lines = written.values().map(Vec::len).sum();
        for name in &self.names {
            let (written, [_, returned]) =
                (written.remove(name).unwrap_or_default(), self.told(name));
            let is_whole = |count| log.numbers(count).eq(written.iter().copied());
            assert!(
                is_whole(returned) || is_whole(returned + 1),
                "{log_name}: {returned} calls of {name} have returned; lost, doubled or moved: {written:?}"
            );
        }
        assert!(written.is_empty(), "from nobody: {written:?}");
        lines
    }
}

/// What stands between `start` and the next quotation mark.
fn after<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.split_once(start)?.1.split('"').next()
}

/// What is in the queue directory. Workers that were killed while they made a lane leave it
/// under its temporary name.
fn left_in_queue(place: &Place) -> Vec<PathBuf> {
    let entries =
        |path: PathBuf| fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
    let lanes = place.lanes();
    let unfinished = |path: &PathBuf| path.extension().is_some_and(|end| end == "new");
    let mut left: Vec<_> = entries(lanes.clone()).filter(|path| !unfinished(path)).collect();
    let beside_lanes = entries(place.queue().path().to_owned());
    if entries(lanes.clone()).count() == 0 {
        left.extend(beside_lanes.filter(|path| !unfinished(path)));
    }
    left
}

/// Kills those who have outlived their tree, unless its listener has asked them to end in time.
fn end_orphans(orphans: &mut Vec<i32>) {
    orphans.iter().filter(|pid| is_alive(**pid)).for_each(|pid| signal(*pid, Signal::SIGKILL));
    wait_until("the end of the orphans", || !orphans.iter().any(|pid| is_alive(*pid)));
    orphans.clear();
}

fn kill(process: &mut Process) {
    process.signal(Signal::SIGKILL);
    process.wait();
}

#[test]
fn whatever_is_killed_nothing_that_was_logged_is_lost_doubled_or_torn() {
    blow(Storm::on_one_log(), [100, 100, 20]);
}

#[test]
fn whatever_is_killed_of_a_log_that_is_compressed_nothing_is_lost_doubled_or_torn() {
    blow(Storm::on_a_compressed_log(), [50, 50, 10]);
}

#[test]
fn whatever_is_killed_each_worker_has_all_in_the_merged_log_and_in_its_own() {
    blow(Storm::on_compressed_routes(), [50, 50, 10]);
}

#[test]
fn whatever_is_killed_three_logs_on_different_loggers_have_what_is_theirs() {
    blow(Storm::on_three_logs(), [50, 50, 10]);
}

/// Kills at least so many times a worker, a listener, and all at once.
fn blow(mut storm: Storm, kills: [usize; 3]) {
    let mut listener = storm.start_listener();
    let mut workers: Vec<_> = (0..WORKERS).map(|_| storm.start_worker()).collect();
    let mut killed = [0; 3];
    while !storm.is_over() || (0..3).any(|kind| killed[kind] < kills[kind]) {
        storm.random.wait(60_000);
        let kind = [0, 0, 0, 1, 1, 1, 2][storm.random.below(7) as usize];
        killed[kind] += 1;
        if kind == 0 {
            let victim = storm.random.below(WORKERS as u64) as usize;
            kill(&mut workers[victim].process);
            workers[victim] = storm.start_worker();
            continue;
        }
        kill(&mut listener);
        if kind == 2 {
            workers.iter_mut().for_each(|worker| kill(&mut worker.process));
            workers = (0..WORKERS).map(|_| storm.start_worker()).collect();
        }
        listener = storm.start_listener();
    }
    kill(&mut listener);
    let place = &storm.place;
    let listener = place.serve(place.logboom(&[&["listen"], &*storm.args].concat()));
    storm.calm(workers.iter().map(|worker| &worker.process));
    workers.into_iter().for_each(Worker::finish);
    let report = listener.stop();
    assert_eq!((report.missing, report.dropped, report.left_lanes), (0, 0, 0));
    let [of_workers, of_listeners, of_all] = killed;
    println!(
        "{of_workers} kills of a worker, {of_listeners} of the listener, {of_all} of all; {} lines",
        storm.prove()
    );
}

#[test]
fn whatever_is_killed_of_a_supervised_tree_the_next_start_finds_all() {
    const KILLS: usize = 21;
    let (mut storm, mut kills) = (Storm::on_one_log(), 0);
    // Workers that have outlived their supervisor and their listener.
    let mut orphans: Vec<i32> = Vec::new();
    while !storm.is_over() || kills < KILLS {
        let mut tree = storm.start_tree();
        storm.random.wait(60_000);
        end_orphans(&mut orphans);
        kill(&mut tree.supervisor);
        match kills % 3 {
            0 => {
                // The listener ends the workers, drains, and ends.
                let all = || tree.workers.iter().chain([&tree.listener]);
                wait_until("the end of the tree", || !all().any(|pid| is_alive(*pid)));
            }
            1 => {
                signal(tree.listener, Signal::SIGKILL);
                orphans = tree.workers;
            }
            _ => {
                signal(tree.listener, Signal::SIGKILL);
                tree.workers.iter().for_each(|pid| signal(*pid, Signal::SIGKILL));
            }
        }
        wait_until("the end of the listener", || !is_alive(tree.listener));
        kills += 1;
    }
    let mut last = storm.start_tree();
    end_orphans(&mut orphans);
    storm.calm([&last.supervisor].into_iter());
    assert_eq!(last.supervisor.wait(), 0);
    println!("{kills} kills of a supervisor and more; {} lines", storm.prove());
}
