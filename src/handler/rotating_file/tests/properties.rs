//! Whatever happens to a log that rotates in every way: each record is there once and in order, limits
//! hold, and files of others stay.

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;

use super::*;
use crate::rotation::Compression;
use crate::tail::{Progress, Tail};

const FOREIGN: [&str; 5] =
    ["log.old", "log.3.gz", "log.2100-01-01.zst", "log.20991231", "log.1.bak"];

const LONGEST_RECORD: u64 = 80;

#[derive(Clone, Debug)]
enum Action {
    Write(usize),
    Step(i64),
    /// Ends with a close or, as a kill between two writes, without; then starts with other settings.
    Restart(bool, Settings),
    Rotate,
    /// Others rename the log.
    Move,
}

#[derive(Clone, Debug)]
struct Settings {
    max_bytes: u64,
    schedule: Option<&'static str>,
    on_start: bool,
    compression: Option<Compression>,
    backup_count: u32,
    keep_bytes: Option<u64>,
}

fn settings(has_limits: bool) -> impl Strategy<Value = Settings> {
    let schedules =
        vec![None, Some("midnight"), Some("hourly"), Some("sun 02:30"), Some("every 2h")];
    let compressions = vec![None, Some(Compression::Gzip), Some(Compression::Zstd)];
    let values = (
        prop::sample::select(vec![60, 150]),
        prop::sample::select(schedules),
        any::<bool>(),
        prop::sample::select(compressions),
        1..5_u32,
        any::<bool>(),
    );
    values.prop_map(move |(max_bytes, schedule, on_start, compression, count, is_small)| Settings {
        max_bytes,
        schedule,
        on_start,
        compression,
        backup_count: if has_limits { count } else { 100_000 },
        keep_bytes: (has_limits && is_small).then_some(2 * max_bytes + 100),
    })
}

fn action(has_limits: bool) -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (1..70_usize).prop_map(Action::Write),
        3 => prop_oneof![0..4000_i64, 0..3 * DAY_S, -4000..0_i64].prop_map(Action::Step),
        1 => (any::<bool>(), settings(has_limits)).prop_map(|(close, new)| Action::Restart(close, new)),
        1 => Just(Action::Rotate),
        1 => Just(Action::Move),
    ]
}

struct Run {
    /// Ends before its directory goes: what it compresses would be left there.
    handler: Option<RotatingFileHandler>,
    place: tempfile::TempDir,
    names: BackupNames,
    zone: &'static str,
    settings: Settings,
    written: usize,
    moved: usize,
}

impl Run {
    fn new(names: BackupNames, zone: &'static str, start_s: i64, settings: Settings) -> Run {
        let place = tempfile::tempdir_in("/dev/shm").unwrap();
        for name in FOREIGN {
            fs::write(place.path().join(name), name).unwrap();
        }
        NOW_S.set(start_s);
        let mut run = Run { handler: None, place, names, zone, settings, written: 0, moved: 0 };
        run.start();
        run
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("log")
    }

    fn start(&mut self) {
        let Settings { max_bytes, schedule, on_start, compression, backup_count, keep_bytes } =
            self.settings;
        let mut builder = RotatingFileHandler::builder(self.path()).max_bytes(max_bytes);
        builder = builder.backup_count(backup_count).backup_names(self.names);
        if let Some(schedule) = schedule {
            builder = builder.rotate_at(schedule.parse().unwrap());
        }
        if let Some(compression) = compression {
            builder = builder.compress(compression);
        }
        if let Some(bytes) = keep_bytes {
            builder = builder.keep_bytes(bytes);
        }
        if on_start {
            builder = builder.rotate_on_start();
        }
        let mut handler = open(builder);
        handler.rotation.set_zone(self.zone);
        self.handler = Some(handler);
    }

    fn act(&mut self, action: Action) {
        let path = self.path();
        let handler = self.handler.as_mut().unwrap();
        match action {
            Action::Write(length) => {
                write(handler, &format!("{} {}", self.written, "x".repeat(length)));
                handler.flush().unwrap();
                self.written += 1;
            }
            Action::Step(seconds) => NOW_S.set(NOW_S.get() + seconds),
            Action::Rotate => drop(handler.rotate().unwrap()),
            Action::Move => {
                let moved = self.place.path().join(format!("moved.{}", self.moved));
                self.moved += usize::from(fs::rename(path, moved).is_ok());
            }
            Action::Restart(is_closed, settings) => {
                let handler = self.handler.take().unwrap();
                if is_closed {
                    handler.close().unwrap();
                } else {
                    drop(handler);
                }
                self.settings = settings;
                self.start();
            }
        }
    }

    /// What `tail` reads, as numbers of records.
    fn read(&self) -> Vec<usize> {
        let mut tail = Tail::open(self.path(), u64::MAX).unwrap();
        let mut lines = Vec::new();
        while tail.read(&mut lines).unwrap() != Progress::Idle {}
        numbers(&String::from_utf8(lines).unwrap())
    }

    fn moved(&self) -> Vec<usize> {
        let text = |number| fs::read_to_string(self.place.path().join(format!("moved.{number}")));
        (0..self.moved).flat_map(|number| numbers(&text(number).unwrap())).collect()
    }

    fn assert_limits(&self) {
        let listed = crate::backups::list(&self.path()).unwrap();
        // What others have made has the names of a numbered and a dated backup.
        let own: BTreeSet<_> = listed
            .iter()
            .map(|backup| backup.name.to_string())
            .filter(|name| !FOREIGN.contains(&&*format!("log.{name}")))
            .map(|name| name.trim_end_matches(".gz").trim_end_matches(".zst").to_owned())
            .collect();
        assert!(own.len() <= self.settings.backup_count as usize, "{own:?} {:?}", self.settings);
        // So short a text takes more when it is compressed, and that is noticed at the next rotation.
        if let (Some(keep_bytes), None) = (self.settings.keep_bytes, self.settings.compression) {
            let size = |path: &Path| fs::metadata(path).unwrap().len();
            let of_backups = listed.iter().map(|found| {
                let path = crate::backups::path_of(&self.path(), &found.name);
                if FOREIGN.contains(&path.file_name().unwrap().to_str().unwrap()) {
                    0
                } else {
                    size(&path)
                }
            });
            let total = of_backups.sum::<u64>() + size(&self.path());
            assert!(total <= keep_bytes + LONGEST_RECORD, "{total} {:?}", self.settings);
        }
    }
}

fn numbers(text: &str) -> Vec<usize> {
    text.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

fn names() -> impl Strategy<Value = BackupNames> {
    prop::sample::select(vec![BackupNames::Number, BackupNames::Date, BackupNames::Unique])
}

fn zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["Europe/Berlin", "America/Havana", "Australia/Lord_Howe"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn each_record_is_there_once_and_in_order(
        names in names(),
        zone in zones(),
        start_s in START_S..START_S + 365 * DAY_S,
        first in settings(false),
        actions in prop::collection::vec(action(false), 1..60),
    ) {
        let mut run = Run::new(names, zone, start_s, first);
        actions.into_iter().for_each(|action| run.act(action));
        // The current file may have been moved at last.
        run.act(Action::Write(1));
        let (read, moved) = (run.read(), run.moved());
        prop_assert!(read.is_sorted(), "{read:?}");
        let mut all = [read, moved].concat();
        all.sort_unstable();
        prop_assert_eq!(all, Vec::from_iter(0..run.written));
        for name in FOREIGN {
            prop_assert_eq!(fs::read_to_string(run.place.path().join(name)).unwrap(), name);
        }
    }

    #[test]
    fn limits_hold_and_what_stays_is_the_newest(
        names in names(),
        zone in zones(),
        start_s in START_S..START_S + 365 * DAY_S,
        first in settings(true),
        actions in prop::collection::vec(action(true), 1..60),
    ) {
        let mut run = Run::new(names, zone, start_s, first);
        for action in actions {
            let is_write = matches!(action, Action::Write(_));
            run.act(action);
            if is_write {
                run.assert_limits();
            }
        }
        run.act(Action::Write(1));
        let (read, moved) = (run.read(), run.moved());
        prop_assert!(read.is_sorted(), "{read:?}");
        // Nothing is missing among what is kept.
        let kept: BTreeSet<_> = read.iter().chain(&moved).copied().collect();
        prop_assert!((read[0]..run.written).all(|number| kept.contains(&number)), "{read:?} {moved:?}");
        for name in FOREIGN {
            prop_assert_eq!(fs::read_to_string(run.place.path().join(name)).unwrap(), name);
        }
    }
}
