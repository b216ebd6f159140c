//! A log that leaves room on its disk, or takes no more than so much: held back, or with its oldest
//! backups deleted; no record is lost that was not deleted with its backup, and no foreign file touched.
#![allow(clippy::unwrap_used)]

mod several;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use logboom::handler::RotatingFileHandler;
use logboom::{Certainty, Overflow};
use nix::sys::statvfs::statvfs;
use support::{PATIENCE, Place, SmallDisk, Worker, hear, role, say, wait_until};

const KIB: u64 = 1024;
const DISK_BYTES: u64 = 1024 * KIB;
/// What has to stay free in these tests.
const FLOOR_BYTES: u64 = 512 * KIB;
const FLOOR: &str = "512KiB";
/// A record is a line of so many bytes.
const LINE_BYTES: u64 = 128;

const FORM: [&str; 2] = ["--format", "%(processName)s %(message)s"];
const FOREIGN: [&str; 3] = ["app.log.old", "app.log.2.gz", "app.log.2026-11-22.txt"];

/// Logs as many records as it hears, and says so when the calls have returned.
#[test]
fn worker_process() {
    if role().is_none() {
        return;
    }
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    let mut number = 0;
    say("ready");
    while let Ok(count) = hear().parse::<u32>() {
        for _ in 0..count {
            log::info!("{number:08} {:116}", "");
            number += 1;
        }
        say("done");
    }
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
}

fn burst(worker: &mut Worker, records: u32) {
    worker.tell(&records.to_string());
    assert_eq!(worker.heard(), "done");
}

fn start_worker(place: &Place) -> Worker {
    let mut worker = place.worker("w", &["log"]);
    assert_eq!(worker.heard(), "ready");
    worker
}

/// Nothing, and it is said, where no file system may be mounted.
fn mount(place: &Place) -> Option<SmallDisk> {
    let disk = SmallDisk::mount(&place.path("disk"), &DISK_BYTES.to_string());
    if disk.is_none() {
        println!("skipped: a tmpfs cannot be mounted here");
    }
    disk
}

fn free_bytes(place: &Place) -> u64 {
    let found = statvfs(&place.path("disk")).unwrap();
    found.blocks_available() * found.fragment_size()
}

/// Takes room until so much is left.
fn leave(place: &Place, left_bytes: u64) -> PathBuf {
    let filler = place.path("disk/filler");
    fs::write(&filler, vec![0; (free_bytes(place) - left_bytes) as usize]).unwrap();
    filler
}

fn wait_for_trouble(place: &Place, what: &str) {
    wait_until(what, || {
        place
            .status()
            .trouble
            .is_some_and(|trouble| trouble.cause.contains(what) && trouble.tries > 2)
    });
}

/// What `tail` reads of the worker's records, and all else that it reads.
fn read(place: &Place, log: &str) -> (Vec<u64>, String) {
    let output = place.run(&["tail", "-n", "all", log]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (own, others): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with("w "));
    let number = |line: &&str| line.split_whitespace().nth(1).unwrap().parse().unwrap();
    (own.iter().map(number).collect(), others.join("\n"))
}

fn put_foreign_files(directory: &Path) {
    FOREIGN.iter().for_each(|name| fs::write(directory.join(name), name).unwrap());
}

fn assert_foreign_files(directory: &Path) {
    for name in FOREIGN {
        assert_eq!(fs::read_to_string(directory.join(name)).unwrap(), name);
    }
}

#[test]
fn where_others_need_the_room_records_are_held_back_until_there_is_some() {
    const RECORDS: u64 = 1000;
    let place = Place::new();
    let Some(_disk) = mount(&place) else { return };
    let args = ["listen", "--log", "disk/app.log", "--max-bytes", "20KiB", "--min-free", FLOOR];
    let listener = place.serve(place.logboom(&[&args[..], &FORM].concat()));
    let mut worker = start_worker(&place);
    let filler = leave(&place, FLOOR_BYTES + 64 * KIB);
    burst(&mut worker, RECORDS as u32);
    wait_for_trouble(&place, "min_free");
    let (written, _) = read(&place, "disk/app.log");
    assert!((100..900).contains(&written.len()), "{written:?}");
    let shown = String::from_utf8(place.run(&["ctl", "status"]).stdout).unwrap();
    assert!(
        shown.contains("app.log: held back, because ") && shown.contains("make room there"),
        "{shown}"
    );
    // The system counts in pages, for each file.
    let free = free_bytes(&place);
    assert!(free + 16 * KIB >= FLOOR_BYTES, "{free}");
    fs::remove_file(filler).unwrap();
    wait_until("the records", || place.status().trouble.is_none());
    worker.tell("end");
    worker.finish();
    assert!(listener.stop().is_complete());
    let (numbers, others) = read(&place, "disk/app.log");
    assert!(numbers.iter().copied().eq(0..RECORDS), "{numbers:?}");
    assert_eq!(others.matches("held back, because").count(), 1, "{others}");
}

#[test]
fn a_stop_while_records_are_held_back_leaves_them_for_a_listener_with_less_to_leave_free() {
    let place = Place::new();
    let listen = |floor| {
        let args = ["--max-bytes", "4kB", "--drain-timeout", "1", "--min-free", floor];
        place.listen(&[&args[..], &FORM].concat())
    };
    let listener = listen("9000000G");
    let mut worker = start_worker(&place);
    burst(&mut worker, 100);
    wait_for_trouble(&place, "min_free");
    // Nobody waits for what cannot come.
    let rotated = place.run(&["ctl", "rotate"]);
    let said = String::from_utf8(rotated.stderr).unwrap();
    assert_eq!(rotated.status.code(), Some(74), "{said}");
    assert!(said.contains("no log file was rotated: ") && said.contains("min_free"), "{said}");
    let report = listener.stop();
    assert_eq!((report.missing, report.left_lanes, report.log_failed), (0, 1, true));
    let listener = listen("1");
    worker.tell("end");
    worker.finish();
    assert!(listener.stop().is_complete());
    assert!(read(&place, "app.log").0.iter().copied().eq(0..100));
}

#[test]
fn for_room_the_oldest_backups_go_and_then_records_are_held_back() {
    for form in [&[][..], &["--backup-names", "unique"], &["--compress", "zstd"]] {
        let place = Place::new();
        let Some(_disk) = mount(&place) else { return };
        put_foreign_files(&place.path("disk"));
        let args = ["listen", "--log", "disk/app.log", "--max-bytes", "20KiB", "--min-free", FLOOR];
        let more = ["--backup-count", "1000", "--at-disk-limit", "delete-oldest"];
        let listener = place.serve(place.logboom(&[&args[..], &more, &FORM, form].concat()));
        let mut worker = start_worker(&place);
        let filler = leave(&place, FLOOR_BYTES + 100 * KIB);
        (0..20).for_each(|_| burst(&mut worker, 200));
        wait_until("the records", || place.status().records >= 4000);
        assert!(place.status().trouble.is_none());
        let (numbers, others) = read(&place, "disk/app.log");
        // Compressed ones may all have had room.
        let is_newest = numbers.iter().copied().eq(numbers[0]..4000);
        assert!(is_newest, "{form:?}: {numbers:?}");
        if form != ["--compress", "zstd"] {
            let kept_bytes = numbers.len() as u64 * LINE_BYTES;
            assert!((60 * KIB..=100 * KIB).contains(&kept_bytes), "{kept_bytes}");
            assert!(
                others.contains("oldest backups of ") && others.contains("min_free"),
                "{others}"
            );
        }
        assert!(free_bytes(&place) + 32 * KIB >= FLOOR_BYTES);
        // All that is free and more is taken by others: the current file stays.
        let second = place.path("disk/second");
        fs::write(&second, vec![0; free_bytes(&place) as usize - 8 * KIB as usize]).unwrap();
        let mut records = 4000;
        wait_until("the trouble", || {
            burst(&mut worker, 1);
            records += 1;
            place.status().trouble.is_some()
        });
        wait_for_trouble(&place, "min_free");
        let (numbers, _) = read(&place, "disk/app.log");
        assert!(numbers.iter().copied().eq(numbers[0]..numbers[0] + numbers.len() as u64));
        assert!(numbers.len() as u64 * LINE_BYTES <= 20 * KIB, "{}", numbers.len());
        for name in [filler, second] {
            fs::remove_file(name).unwrap();
        }
        wait_until("the end of the trouble", || place.status().trouble.is_none());
        worker.tell("end");
        worker.finish();
        assert!(listener.stop().is_complete());
        let (numbers, _) = read(&place, "disk/app.log");
        assert!(numbers.iter().copied().eq(numbers[0]..records), "{form:?}: {numbers:?}");
        assert_foreign_files(&place.path("disk"));
    }
}

#[test]
fn a_log_at_its_size_is_held_back_and_goes_on_with_other_settings() {
    const CAP_BYTES: u64 = 60_000;
    let place = Place::new();
    put_foreign_files(place.directory.path());
    let args = ["--max-bytes", "20kB", "--backup-count", "100", "--keep-bytes", "60kB"];
    let args = [&args[..], &["--drain-timeout", "1"], &FORM].concat();
    let held_back = [&args[..], &["--at-disk-limit", "hold-back"]].concat();
    let listener = place.listen(&held_back);
    let mut worker = start_worker(&place);
    let log_bytes = || {
        let entries = fs::read_dir(place.directory.path()).unwrap().map(|entry| entry.unwrap());
        let own = entries.filter(|entry| {
            let name = entry.file_name().into_string().unwrap();
            name.starts_with("app.log") && !FOREIGN.contains(&&*name)
        });
        own.map(|entry| entry.metadata().unwrap().len()).sum::<u64>()
    };
    burst(&mut worker, 1000);
    wait_for_trouble(&place, "keep_bytes");
    assert!(log_bytes() <= CAP_BYTES, "{}", log_bytes());
    // Room for some.
    let newest = || read(&place, "app.log").0.last().copied();
    let before = newest();
    for (number, oldest) in support::files_of(&place.log()).iter().take(2).enumerate() {
        fs::rename(oldest, place.path(&format!("moved.{number}"))).unwrap();
    }
    wait_until("more records", || newest() > before);
    wait_for_trouble(&place, "keep_bytes");
    assert!(log_bytes() <= CAP_BYTES, "{}", log_bytes());
    assert_eq!(listener.stop().missing, 0);
    let listener = place.listen(&args);
    burst(&mut worker, 100);
    worker.tell("end");
    worker.finish();
    assert!(listener.stop().is_complete());
    assert!(log_bytes() <= CAP_BYTES, "{}", log_bytes());
    let (numbers, _) = read(&place, "app.log");
    assert!(numbers.iter().copied().eq(numbers[0]..1100), "{numbers:?}");
    assert_foreign_files(place.directory.path());
}

#[test]
fn limits_that_do_not_fit_are_refused_before_anything_is_begun() {
    let place = Place::new();
    for (args, said) in [
        (&["--at-disk-limit", "hold-back"][..], "set one of them"),
        (&["--keep-bytes", "1G", "--backup-count", "0"], "has none to delete"),
        (
            &["--min-free", "1G", "--at-disk-limit", "nothing"],
            "[possible values: hold-back, delete-oldest]",
        ),
    ] {
        let output = place.run(&[&["listen", "--log", "app.log"], args].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(said), "{text}");
    }
    assert!(!place.log().exists());
}

/// A reader that has the deleted backups open keeps their space for a while: not all of them go at once.
#[test]
fn backups_whose_space_does_not_get_free_do_not_all_go_at_once() {
    let place = Place::new();
    let Some(_disk) = mount(&place) else { return };
    let log = place.path("disk/app.log");
    let names: Vec<_> =
        (1..=10).map(|number| place.path(&format!("disk/app.log.{number}"))).collect();
    names.iter().for_each(|name| fs::write(name, "x\n".repeat(10 * KIB as usize)).unwrap());
    let open: Vec<_> = names.iter().map(|name| fs::File::open(name).unwrap()).collect();
    leave(&place, FLOOR_BYTES);
    let builder = RotatingFileHandler::builder(&log).backup_count(100).min_free(FLOOR_BYTES);
    let builder = builder.at_disk_limit(logboom::handler::AtDiskLimit::DeleteOldest);
    let formatter = logboom::formatter::PatternFormatter::new("%(message)s").unwrap();
    let mut handler = builder.open(formatter).unwrap();
    let record = logboom::Record::new(0, logboom::Level::INFO, "", "x");
    use logboom::handler::Handler;
    handler.handle(&record).unwrap();
    let deadline = std::time::Instant::now();
    while deadline.elapsed() < std::time::Duration::from_secs(1) {
        handler.flush().unwrap_err();
    }
    let left = names.iter().filter(|name| name.exists()).count();
    assert_eq!(left, names.len() - 1, "the oldest alone");
    drop(open);
    // A process that another test starts has them open too until it is another program.
    wait_until("the room", || handler.flush().is_ok());
}
