//! One life of a log, and the listeners that come and go in it.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use logboom::control;
use logboom::{Certainty, Level, Overflow, QueueHandler, TransportChoice};

use crate::case::{Action, COMPRESSION_POINTS, Case, End, Fault, MAX_FILE_BYTES, Room, Settings};
use crate::disk::Disk;
use crate::happened;
use crate::support::{PATIENCE, Place, Process};

/// Files of others, some under names of compressed backups.
const FOREIGN: [&str; 5] =
    ["app.log.old", "app.log.3.gz", "app.log.2100-03-28.zst", "app.log.20991231", "app.log.1.bak"];

/// Longest line: one of the listener about itself.
const LONGEST_LINE: u64 = 2000;

/// What may wait in a lane before a call would.
const MAX_WAITING_BYTES: usize = 100_000;

/// More than there is, and what `--min-free` is told.
const NOWHERE_FREE: &str = "9000000G";

pub(crate) struct Life {
    // Unmounted before its directory goes.
    disk: Disk,
    place: Place,
    worker: QueueHandler,
    zone: &'static str,
    now_s: i64,
    settings: Settings,
    listener: Option<Listener>,
    /// What is to happen to the next listeners.
    faults: VecDeque<Fault>,
    pub(crate) written: usize,
    waiting_bytes: usize,
    moved: usize,
}

/// One that may end at any time.
struct Listener {
    process: Process,
    /// At which it kills itself.
    point: Option<&'static str>,
    is_full: bool,
}

impl Life {
    pub(crate) fn begin(case: &Case) -> Life {
        let place = Place::in_shared_memory();
        let disk = Disk::of(&place);
        for name in FOREIGN {
            fs::write(place.path("disk").join(name), name).unwrap();
        }
        let worker = logboom::builder().queue(place.queue()).name("w").overflow(Overflow::Block);
        let worker =
            worker.transport(TransportChoice::Ring).pinned_filter("trace").attach().unwrap();
        let mut life = Life {
            disk,
            place,
            worker,
            zone: case.zone,
            now_s: case.start_s,
            settings: case.first.clone(),
            listener: None,
            faults: VecDeque::new(),
            written: 0,
            waiting_bytes: 0,
            moved: 0,
        };
        life.set_clock();
        life.start();
        life
    }

    fn log(&self) -> PathBuf {
        self.place.path("disk/app.log")
    }

    fn set_clock(&self) {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let ahead_s = self.now_s - real.as_secs() as i64;
        // In one step: the listener looks at any time.
        fs::write(self.place.path("clock.new"), ahead_s.to_string()).unwrap();
        fs::rename(self.place.path("clock.new"), self.place.path("clock")).unwrap();
    }

    fn command(&self, fault: Option<Fault>) -> Command {
        let settings = &self.settings;
        let mut command =
            self.place.logboom(&["listen", "--log", "disk/app.log", "--drain-timeout", "1"]);
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
        match settings.room {
            Room::Ample => {}
            Room::OldestGoBeyond(bytes) => flag("keep-bytes", bytes.to_string()),
            Room::HeldBackBeyond(bytes) => {
                flag("keep-bytes", bytes.to_string());
                flag("at-disk-limit", "hold-back".to_owned());
            }
            Room::NoneToTake => flag("min-free", NOWHERE_FREE.to_owned()),
            Room::NoneToLeave => {
                flag("min-free", NOWHERE_FREE.to_owned());
                flag("at-disk-limit", "delete-oldest".to_owned());
            }
        }
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
    pub(crate) fn start(&mut self) {
        self.disk.empty();
        let fault = self.faults.pop_front();
        let mut process = Process(self.command(fault).spawn().unwrap());
        let point = fault.map(|(point, _)| point);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if control::status(&self.place.queue()).is_ok_and(|found| found.pid == process.pid()) {
                self.listener = Some(Listener { process, point, is_full: false });
                return;
            }
            if let Some(status) = process.0.try_wait().unwrap() {
                assert!(fault.is_some() && status.signal() == Some(9), "{}", said(process));
                happened(|all| *all.kills.entry(point.unwrap()).or_default() += 1);
                return self.start();
            }
            assert!(Instant::now() < deadline, "waited for a listener");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn listener(&mut self) -> &mut Listener {
        self.listener.as_mut().unwrap()
    }

    /// Where the listener has killed itself, another takes its place; whether it has.
    fn follow(&mut self) -> bool {
        let status = self.listener().process.0.try_wait().unwrap();
        let Some(status) = status else { return false };
        let Listener { process, point, .. } = self.listener.take().unwrap();
        assert_eq!(status.signal(), Some(9), "{}", said(process));
        happened(|all| *all.kills.entry(point.unwrap()).or_default() += 1);
        self.start();
        true
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.follow();
        match action {
            Action::Write(count, length) => self.write(count, length),
            Action::Step(seconds) => {
                self.now_s += seconds;
                self.set_clock();
            }
            Action::Rotate => {
                // The listener may kill itself at that.
                let rotated = control::rotate(&self.place.queue(), PATIENCE);
                happened(|all| all.rotations += u32::from(rotated.is_ok_and(|all| all.files > 0)));
            }
            Action::Move => {
                let moved = self.place.path(&format!("disk/moved.{}", self.moved));
                let is_moved = fs::rename(self.log(), moved).is_ok();
                self.moved += usize::from(is_moved);
                happened(|all| all.moves += u32::from(is_moved));
            }
            Action::Full(bytes) => {
                let (log, pid) = (self.log(), self.listener().process.pid());
                self.listener().is_full = self.disk.fill(bytes, &log, pid);
            }
            Action::Free => {
                let pid = self.listener().process.pid();
                self.disk.free(pid);
                self.listener().is_full = false;
            }
            Action::Restart(end, settings, faults) => {
                self.end(end);
                (self.settings, self.faults) = (settings, faults.into());
                self.start();
            }
        }
    }

    fn write(&mut self, count: u32, length: usize) {
        for _ in 0..count {
            if self.waiting_bytes > MAX_WAITING_BYTES {
                break;
            }
            let text = format!("{} {}", self.written, "x".repeat(length));
            self.worker.log(Level::INFO, "test", format_args!("{text}"));
            self.written += 1;
            self.waiting_bytes += text.len();
        }
        if self.settle() {
            self.waiting_bytes = 0;
            self.assert_limits();
            self.rest();
        }
    }

    /// Waits until all is written, or the listener says that it cannot; whether it is.
    fn settle(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.worker.flush(Certainty::Written, Duration::from_millis(20)).is_complete() {
                return true;
            }
            let status = control::status(&self.place.queue());
            let trouble = status.as_ref().ok().and_then(|status| status.trouble.as_ref());
            let is_held_back = trouble.is_some_and(|trouble| trouble.cause.contains("held back"));
            if is_held_back && self.settings.room.holds_back() {
                happened(|all| all.held_back += 1);
                return false;
            }
            if trouble.is_some() && !is_held_back && self.listener().is_full {
                happened(|all| all.full_disks += 1);
                return false;
            }
            assert!(Instant::now() < deadline, "waited for the records: {status:?}");
            self.follow();
        }
    }

    /// Where the listener is to kill itself in a compression, waits until it has, or each backup is
    /// compressed that can be.
    fn rest(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let point = self.listener().point;
        if !point.is_some_and(|point| COMPRESSION_POINTS.contains(&point)) {
            return;
        }
        while self.has_plain_backups() {
            // There may be no room for both forms.
            if self.listener().is_full || self.settings.room.holds_back() || self.follow() {
                return;
            }
            assert!(Instant::now() < deadline, "not compressed: {:?}", self.backups());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether there is a backup of which no compressed form, not even of others, is there.
    fn has_plain_backups(&self) -> bool {
        self.backups().iter().any(|(name, _)| {
            stem(name) == name
                && ["gz", "zst"]
                    .iter()
                    .all(|ending| !self.place.path(&format!("disk/{name}.{ending}")).exists())
        })
    }

    /// With room, by a listener that nothing happens to.
    pub(crate) fn come_to_an_end(&mut self) {
        self.end(End::Kill);
        self.settings.room = Room::Ample;
        self.faults.clear();
        self.start();
        self.write(1, 20);
        self.end(End::Stop);
    }

    fn end(&mut self, end: End) {
        let mut listener = self.listener.take().unwrap();
        match end {
            End::Kill => listener.process.0.kill().unwrap(),
            End::Stop => drop(control::stop(&self.place.queue(), PATIENCE)),
        }
        listener.process.wait();
    }

    /// The numbers of the records that `tail` reads.
    pub(crate) fn read(&self) -> Vec<usize> {
        let output = self.place.run(&["tail", "-n", "all", "disk/app.log"]);
        assert!(output.status.success(), "{output:?}");
        numbers(&String::from_utf8(output.stdout).unwrap())
    }

    /// Those in the files that others have made of the log.
    pub(crate) fn moved(&self) -> Vec<Vec<usize>> {
        let text =
            |number| fs::read_to_string(self.place.path(&format!("disk/moved.{number}"))).unwrap();
        (0..self.moved).map(|number| numbers(&text(number))).collect()
    }

    /// The backups of the log, by name and size.
    fn backups(&self) -> Vec<(String, u64)> {
        let entries = fs::read_dir(self.place.path("disk")).unwrap();
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
        let Settings { backup_count, room, max_bytes, compression, .. } = self.settings;
        let backups = self.backups();
        let stems: BTreeSet<_> = backups.iter().map(|(name, _)| stem(name)).collect();
        assert!(stems.len() <= backup_count as usize, "{stems:?}");
        let log_bytes = fs::metadata(self.log()).map_or(0, |found| found.len());
        for bytes in backups.iter().map(|(_, bytes)| *bytes).chain([log_bytes]) {
            assert!(bytes < MAX_FILE_BYTES + LONGEST_LINE, "{backups:?} {log_bytes}");
        }
        let total_bytes = log_bytes + backups.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let limit_bytes = match room {
            // A batch that was begun under other settings stays whole. What a compression has brought
            // counts from the next rotation on.
            Room::OldestGoBeyond(bytes) if compression.is_none() => {
                bytes + MAX_FILE_BYTES - max_bytes
            }
            Room::HeldBackBeyond(bytes) if compression.is_none() => bytes,
            _ => return,
        };
        assert!(
            total_bytes <= limit_bytes + LONGEST_LINE,
            "{limit_bytes}: {backups:?} {log_bytes}"
        );
    }

    /// Foreign files are as they were, and locks and unfinished files have gone.
    pub(crate) fn assert_nothing_else_is_left(&self) {
        for name in FOREIGN {
            assert_eq!(fs::read_to_string(self.place.path("disk").join(name)).unwrap(), name);
        }
        for left in [".app.log.lock", ".app.log.compressed"] {
            assert!(!self.place.path("disk").join(left).exists(), "{left} is left");
        }
    }
}

/// The name of a backup without that of its compressed form.
fn stem(name: &str) -> &str {
    name.trim_end_matches(".gz").trim_end_matches(".zst")
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
