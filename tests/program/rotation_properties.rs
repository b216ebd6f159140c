//! Random lives of a log: writes, clocks that step and change, listeners that are stopped, killed, or kill
//! themselves at named points, and start again with other settings, others that rename the log, disks
//! that are full. Every record whose call has returned is there once and in order, limits hold, and no
//! foreign file is touched.
//!
//! The disk is full by the limit of the size of files (`RLIMIT_FSIZE`): writes come short and then fail,
//! without any privilege. The clock is that by which logs rotate.
//!
//! `LOGBOOM_TEST_CASES=1000` tries so many lives, `LOGBOOM_TEST_SEED=7` others than usual.
#![allow(clippy::unwrap_used)]

mod support;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use logboom::control;
use logboom::{Certainty, Level, Overflow, QueueHandler, TransportChoice};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use support::{PATIENCE, Place, Process};

const CASES: u32 = 40;
const SEED: u64 = 20;

/// Files of others, some under names of compressed backups.
const FOREIGN: [&str; 5] =
    ["app.log.old", "app.log.3.gz", "app.log.2100-03-28.zst", "app.log.20991231", "app.log.1.bak"];

/// Zones with a change of their clocks in the year 2100: later than all files of the test are born.
const CHANGES: [(&str, i64); 6] = [
    ("Europe/Berlin", 4_109_878_800),
    ("Europe/Berlin", 4_128_627_600),
    ("America/Havana", 4_108_683_600),
    ("America/Havana", 4_129_246_800),
    ("Australia/Lord_Howe", 4_110_447_600),
    ("Australia/Lord_Howe", 4_126_174_200),
];

const DAY_S: i64 = 86_400;

/// At which a listener kills itself.
const POINTS: [&str; 24] = [
    "after-claim",
    "after-names",
    "after-cut",
    "before-note",
    "after-note",
    "amid-announce",
    "after-announce",
    "before-write",
    "after-short-write",
    "after-write",
    "before-head",
    "after-heads",
    "after-done",
    "before-rename-1",
    "after-rename-1",
    "before-rename-2",
    "after-rename-2",
    "before-open",
    "after-open",
    "before-delete",
    "after-delete",
    "amid-compression",
    "after-compressed",
    "after-plain",
];

/// Longest line: one of the listener about itself.
const LONGEST_LINE: u64 = 2000;

const MAX_FILE_BYTES: u64 = 9000;

#[derive(Clone, Debug)]
enum Action {
    /// So many records of this length.
    Write(u32, usize),
    /// The clock goes forward or back.
    Step(i64),
    Rotate,
    /// Others rename the log.
    Move,
    /// Files may grow by so much more than the log has now.
    Full(u64),
    Restart(End, Settings, Option<(&'static str, u32)>),
}

#[derive(Clone, Copy, Debug)]
enum End {
    Stop,
    Kill,
}

#[derive(Clone, Debug)]
struct Settings {
    max_bytes: u64,
    names: &'static str,
    schedule: Option<&'static str>,
    rotates_on_start: bool,
    compression: Option<&'static str>,
    backup_count: u32,
    keep_age: Option<&'static str>,
    keep_bytes: Option<u64>,
}

#[derive(Clone, Debug)]
struct Case {
    zone: &'static str,
    start_s: i64,
    /// Whether backups are deleted.
    has_limits: bool,
    first: Settings,
    actions: Vec<Action>,
}

fn settings(has_limits: bool) -> impl Strategy<Value = Settings> {
    let schedules =
        vec![None, Some("midnight"), Some("hourly"), Some("sun 02:30"), Some("every 2h")];
    let values = (
        prop::sample::select(vec![3000, MAX_FILE_BYTES]),
        prop::sample::select(vec!["number", "date", "unique"]),
        prop::sample::select(schedules),
        any::<bool>(),
        prop::sample::select(vec![None, Some("gzip"), Some("zstd")]),
        1..5_u32,
        prop::sample::select(vec![None, None, Some("3h")]),
        any::<bool>(),
    );
    values.prop_map(
        move |(
            max_bytes,
            names,
            schedule,
            rotates_on_start,
            compression,
            count,
            keep_age,
            is_small,
        )| {
            Settings {
                max_bytes,
                names,
                schedule,
                rotates_on_start,
                compression,
                backup_count: if has_limits { count } else { 100_000 },
                keep_age: keep_age.filter(|_| has_limits),
                keep_bytes: (has_limits && is_small).then_some(2 * max_bytes + 1000),
            }
        },
    )
}

fn action(has_limits: bool) -> impl Strategy<Value = Action> {
    let end = prop_oneof![Just(End::Stop), Just(End::Kill)];
    let fault = prop::option::weighted(0.7, (prop::sample::select(POINTS.to_vec()), 1..5_u32));
    prop_oneof![
        10 => (1..6_u32, 20..1500_usize).prop_map(|(count, length)| Action::Write(count, length)),
        3 => prop_oneof![0..4000_i64, 0..2 * DAY_S, -4000..0_i64].prop_map(Action::Step),
        1 => Just(Action::Rotate),
        1 => Just(Action::Move),
        1 => (1..3000_u64).prop_map(Action::Full),
        3 => (end, settings(has_limits), fault)
            .prop_map(|(end, settings, fault)| Action::Restart(end, settings, fault)),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let change = prop::sample::select(CHANGES.to_vec());
    let of_case = |has_limits| {
        (settings(has_limits), prop::collection::vec(action(has_limits), 1..40))
            .prop_map(move |(first, actions)| (has_limits, first, actions))
    };
    (change, -DAY_S..DAY_S, any::<bool>().prop_flat_map(of_case)).prop_map(
        |((zone, change_s), before_s, (has_limits, first, actions))| Case {
            zone,
            start_s: change_s + before_s,
            has_limits,
            first,
            actions,
        },
    )
}

/// What has happened in all cases: a test of things that do not happen shows nothing.
#[derive(Debug, Default)]
struct Happened {
    /// Points at which a listener has killed itself, and how often.
    kills: BTreeMap<&'static str, u32>,
    /// How often records could not be written.
    full_disks: u32,
    rotations: u32,
}

thread_local! {
    static HAPPENED: RefCell<Happened> = RefCell::default();
}

fn happened(note: impl FnOnce(&mut Happened)) {
    HAPPENED.with(|happened| note(&mut happened.borrow_mut()));
}

/// A listener that may end at any time.
struct Life {
    process: Process,
    /// At which it kills itself.
    point: Option<&'static str>,
    is_full: bool,
}

struct Run {
    place: Place,
    worker: QueueHandler,
    zone: &'static str,
    now_s: i64,
    settings: Settings,
    life: Option<Life>,
    written: usize,
    moved: usize,
}

impl Run {
    fn new(case: &Case) -> Run {
        let place = Place::in_shared_memory();
        for name in FOREIGN {
            fs::write(place.path(name), name).unwrap();
        }
        let worker = logboom::builder().queue(place.queue()).name("w").overflow(Overflow::Block);
        let worker =
            worker.transport(TransportChoice::Ring).pinned_filter("trace").attach().unwrap();
        let mut run = Run {
            place,
            worker,
            zone: case.zone,
            now_s: case.start_s,
            settings: case.first.clone(),
            life: None,
            written: 0,
            moved: 0,
        };
        run.set_clock();
        run.start(None);
        run
    }

    fn set_clock(&self) {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let ahead_s = self.now_s - real.as_secs() as i64;
        // In one step: the listener looks at any time.
        fs::write(self.place.path("clock.new"), ahead_s.to_string()).unwrap();
        fs::rename(self.place.path("clock.new"), self.place.path("clock")).unwrap();
    }

    fn command(&self, fault: Option<(&str, u32)>) -> Command {
        let settings = &self.settings;
        let mut command =
            self.place.logboom(&["listen", "--log", "app.log", "--drain-timeout", "1"]);
        command.args(["--format", "%(processName)s %(message)s"]);
        let mut flag = |name: &str, value: String| {
            command.arg(format!("--{name}={value}"));
        };
        flag("max-bytes", settings.max_bytes.to_string());
        flag("backup-count", settings.backup_count.to_string());
        flag("backup-names", settings.names.to_owned());
        settings.schedule.into_iter().for_each(|schedule| flag("rotate-at", schedule.to_owned()));
        settings.compression.into_iter().for_each(|form| flag("compress", form.to_owned()));
        settings.keep_age.into_iter().for_each(|age| flag("keep-age", age.to_owned()));
        settings.keep_bytes.into_iter().for_each(|bytes| flag("keep-bytes", bytes.to_string()));
        if settings.rotates_on_start {
            command.arg("--rotate-on-start");
        }
        command.env("TZ", self.zone).env("LOGBOOM_CLOCK", self.place.path("clock"));
        if let Some((point, times)) = fault {
            command.env("LOGBOOM_FAULT", format!("{point}:{times}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Starts a listener and waits until it serves. One that has killed itself before is followed by
    /// another.
    fn start(&mut self, fault: Option<(&'static str, u32)>) {
        let mut process = Process(self.command(fault).spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if control::status(&self.place.queue()).is_ok_and(|found| found.pid == process.pid()) {
                let point = fault.map(|(point, _)| point);
                self.life = Some(Life { process, point, is_full: false });
                return;
            }
            if let Some(status) = process.0.try_wait().unwrap() {
                assert!(fault.is_some() && status.signal() == Some(9), "{}", said(process));
                happened(|all| {
                    *all.kills.entry(fault.map_or("", |(point, _)| point)).or_default() += 1
                });
                return self.start(None);
            }
            assert!(Instant::now() < deadline, "waited for a listener");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether the listener lives; where it has killed itself, another takes its place.
    fn follow(&mut self) {
        let life = self.life.as_mut().unwrap();
        if let Some(status) = life.process.0.try_wait().unwrap() {
            let Life { process, point, .. } = self.life.take().unwrap();
            assert_eq!(status.signal(), Some(9), "{}", said(process));
            happened(|all| *all.kills.entry(point.unwrap()).or_default() += 1);
            self.start(None);
        }
    }

    fn act(&mut self, action: Action) {
        self.follow();
        match action {
            Action::Write(count, length) => {
                for _ in 0..count {
                    let text = format!("{} {}", self.written, "x".repeat(length));
                    self.worker.log(Level::INFO, "test", format_args!("{text}"));
                    self.written += 1;
                }
                if self.settle() {
                    self.assert_limits();
                }
            }
            Action::Step(seconds) => {
                self.now_s += seconds;
                self.set_clock();
            }
            Action::Rotate => {
                if !self.life.as_ref().unwrap().is_full {
                    // The listener may kill itself at that.
                    let outcome = control::rotate(&self.place.queue(), PATIENCE);
                    happened(|all| all.rotations += u32::from(outcome.is_ok()));
                }
            }
            Action::Move => {
                let moved = self.place.path(&format!("moved.{}", self.moved));
                self.moved += usize::from(fs::rename(self.place.log(), moved).is_ok());
            }
            Action::Full(bytes) => {
                let size_bytes = fs::metadata(self.place.log()).map_or(0, |found| found.len());
                self.limit_files(&(size_bytes + bytes).to_string());
            }
            Action::Restart(end, settings, fault) => {
                self.end(end);
                self.settings = settings;
                self.start(fault);
            }
        }
    }

    fn limit_files(&mut self, bytes: &str) {
        let life = self.life.as_mut().unwrap();
        let pid = life.process.pid().to_string();
        let limit =
            Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).output();
        // It may have killed itself.
        life.is_full = limit.unwrap().status.success();
    }

    /// Waits until all is written, or the listener says that it cannot; whether it is.
    fn settle(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.worker.flush(Certainty::Written, Duration::from_millis(20)).is_complete() {
                return true;
            }
            let status = control::status(&self.place.queue());
            let is_in_trouble = status.as_ref().is_ok_and(|status| status.trouble.is_some());
            if is_in_trouble && self.life.as_ref().unwrap().is_full {
                happened(|all| all.full_disks += 1);
                return false;
            }
            assert!(Instant::now() < deadline, "waited for the records: {status:?}");
            self.follow();
        }
    }

    fn end(&mut self, end: End) {
        let mut life = self.life.take().unwrap();
        match end {
            End::Kill => life.process.0.kill().unwrap(),
            End::Stop => drop(control::stop(&self.place.queue(), PATIENCE)),
        }
        life.process.wait();
    }

    /// The numbers of the records that `tail` reads.
    fn read(&self) -> Vec<usize> {
        let output = self.place.run(&["tail", "-n", "all", "app.log"]);
        assert!(output.status.success(), "{output:?}");
        numbers(&String::from_utf8(output.stdout).unwrap())
    }

    fn moved(&self) -> Vec<Vec<usize>> {
        let text =
            |number| fs::read_to_string(self.place.path(&format!("moved.{number}"))).unwrap();
        (0..self.moved).map(|number| numbers(&text(number))).collect()
    }

    /// The backups of the log, by name and size.
    fn backups(&self) -> Vec<(String, u64)> {
        let entries = fs::read_dir(self.place.directory.path()).unwrap();
        let files = entries.filter_map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            // One that is compressed meanwhile goes.
            Some((name, entry.metadata().ok()?.len()))
        });
        let own =
            files.filter(|(name, _)| name.starts_with("app.log.") && !FOREIGN.contains(&&**name));
        own.collect()
    }

    fn assert_limits(&self) {
        let Settings { backup_count, keep_bytes, max_bytes, compression, .. } = self.settings;
        let backups = self.backups();
        let plain = |name: &str| name.trim_end_matches(".gz").trim_end_matches(".zst").to_owned();
        let stems: BTreeSet<_> = backups.iter().map(|(name, _)| plain(name)).collect();
        assert!(stems.len() <= backup_count as usize, "{stems:?}");
        let log_bytes = fs::metadata(self.place.log()).map_or(0, |found| found.len());
        for bytes in backups.iter().map(|(_, bytes)| *bytes).chain([log_bytes]) {
            assert!(bytes < MAX_FILE_BYTES + LONGEST_LINE, "{backups:?} {log_bytes}");
        }
        // What a compression has brought counts from the next rotation on. A batch that was begun under
        // other settings stays whole.
        if let (Some(keep_bytes), None) = (keep_bytes, compression) {
            let total_bytes = log_bytes + backups.iter().map(|(_, bytes)| bytes).sum::<u64>();
            let begun_bytes = MAX_FILE_BYTES - max_bytes;
            assert!(
                total_bytes <= keep_bytes + LONGEST_LINE + begun_bytes,
                "{backups:?} {log_bytes}"
            );
        }
    }
}

fn said(process: Process) -> String {
    let mut process = process;
    let mut said = String::new();
    std::io::Read::read_to_string(&mut process.0.stderr.take().unwrap(), &mut said).unwrap();
    said
}

/// Of records; the listener's own lines are left out.
fn numbers(text: &str) -> Vec<usize> {
    assert!(text.is_empty() || text.ends_with('\n'), "torn: {text:?}");
    let own = text.lines().filter_map(|line| line.strip_prefix("w "));
    own.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

fn live(case: Case) {
    let mut run = Run::new(&case);
    case.actions.into_iter().for_each(|action| run.act(action));
    // With a disk that has room, by a listener that nothing happens to.
    run.end(End::Kill);
    run.start(None);
    run.act(Action::Write(1, 20));
    run.end(End::Stop);
    let (read, moved) = (run.read(), run.moved());
    assert!(
        read.is_sorted() && moved.iter().all(|numbers| numbers.is_sorted()),
        "{read:?} {moved:?}"
    );
    let mut all = [&read[..], &moved.concat()].concat();
    all.sort_unstable();
    let first = if case.has_limits { read[0] } else { 0 };
    all.retain(|number| *number >= first);
    assert!(all.iter().copied().eq(first..run.written), "not each once: {read:?} {moved:?}");
    for name in FOREIGN {
        assert_eq!(fs::read_to_string(run.place.path(name)).unwrap(), name);
    }
    for left in [".app.log.lock", ".app.log.compressed"] {
        assert!(!run.place.path(left).exists(), "{left} is left");
    }
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[test]
fn whatever_happens_to_a_log_each_record_is_there_once_and_limits_hold() {
    let cases = number("LOGBOOM_TEST_CASES").map_or(CASES, |cases| cases as u32);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number("LOGBOOM_TEST_SEED").unwrap_or(SEED).to_le_bytes());
    let config =
        Config { cases, failure_persistence: None, max_shrink_time: 120_000, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let outcome = TestRunner::new_with_rng(config, rng).run(&case(), |case| {
        live(case);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let happened = HAPPENED.take();
    println!("{happened:?}");
    let kills = happened.kills.values().sum::<u32>();
    assert!(kills >= cases / 2 && happened.full_disks >= cases / 4, "{happened:?}");
}
