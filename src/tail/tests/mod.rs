//! A reader and a rotating writer in every order.

mod forms;
#[cfg(all(feature = "compression", feature = "listener"))]
mod queries;

use std::fmt::Write;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
#[cfg(feature = "compression")]
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::{Progress, Tail, TailError};
use crate::log_files::rotation::Rotation;

/// Reads until nothing is left; `!` stands for a skip.
fn drain(tail: &mut Tail) -> String {
    let mut out = Vec::new();
    loop {
        match tail.read(&mut out).expect("read") {
            Progress::Advanced => {}
            Progress::Skipped => out.push(b'!'),
            Progress::Idle => return String::from_utf8(out).expect("text"),
        }
    }
}

fn open(log: &Rotation, last_lines: u64) -> Tail {
    Tail::open(log.path(), last_lines).expect("open")
}

#[test]
fn the_last_lines_come_from_backups_too() {
    let mut log = Rotation::new(5);
    for text in ["1\n2\n", "3\n", "", "4\n5\n"] {
        log.append(text);
        log.rotate();
    }
    log.append("6\n7");
    assert_eq!(drain(&mut open(&log, 0)), "");
    assert_eq!(drain(&mut open(&log, 1)), "6\n");
    assert_eq!(drain(&mut open(&log, 4)), "3\n4\n5\n6\n");
    assert_eq!(drain(&mut open(&log, 5)), "2\n3\n4\n5\n6\n");
    assert_eq!(drain(&mut open(&log, u64::MAX)), "1\n2\n3\n4\n5\n6\n");
}

#[test]
fn a_backup_without_its_last_newline_gets_it() {
    let mut log = Rotation::new(5);
    log.append("1\n2");
    log.rotate();
    log.append("3\n");
    assert_eq!(drain(&mut open(&log, 2)), "2\n3\n");
    assert_eq!(drain(&mut open(&log, 9)), "1\n2\n3\n");
}

#[test]
fn a_torn_last_line_is_not_returned() {
    let mut log = Rotation::new(5);
    log.append("1\n");
    log.tear();
    let mut tail = open(&log, 9);
    assert_eq!(drain(&mut tail), "1\n");
    log.append("two\n");
    assert_eq!(drain(&mut tail), "two\n");
}

#[test]
fn several_rotations_between_two_reads_lose_nothing() {
    let mut log = Rotation::new(9);
    let mut tail = open(&log, 0);
    for round in 0..3 {
        let mut written = String::new();
        for line in 0..3 {
            let line = format!("{round} {line}\n");
            log.append(&line);
            log.rotate();
            written.push_str(&line);
        }
        assert_eq!(drain(&mut tail), written);
    }
}

#[test]
fn a_backup_that_is_deleted_while_it_is_read_is_read_to_its_end() {
    let mut log = Rotation::new(1);
    let long = "x".repeat(200_000) + "\n";
    log.append(&long);
    let mut tail = open(&log, 1);
    let mut out = Vec::new();
    while out.is_empty() {
        assert_eq!(tail.read(&mut out).expect("read"), Progress::Advanced);
    }
    for _ in 0..2 {
        log.rotate();
        let _ = tail.read(&mut out).expect("read");
    }
    log.append("next\n");
    let all = String::from_utf8(out).expect("text") + &drain(&mut tail);
    assert!(all == long + "next\n", "{} bytes, end {:?}", all.len(), &all[all.len() - 9..]);
}

#[test]
fn backups_deleted_before_they_were_read_are_reported_in_place() {
    let mut log = Rotation::new(2);
    log.append("1\n");
    let mut tail = open(&log, 9);
    assert_eq!(drain(&mut tail), "1\n");
    for line in ["2\n", "3\n", "4\n", "5\n"] {
        log.append(line);
        log.rotate();
    }
    log.append("6\n");
    assert_eq!(drain(&mut tail), "2\n!4\n5\n6\n");
}

#[test]
fn a_removed_current_file_does_not_bring_older_backups_back() {
    let mut log = Rotation::new(5);
    log.append("1\n");
    log.rotate();
    log.append("2\n");
    let mut tail = open(&log, 1);
    assert_eq!(drain(&mut tail), "2\n");
    fs::remove_file(log.path()).expect("remove");
    assert_eq!(drain(&mut tail), "");
    fs::write(log.path(), "3\n").expect("create");
    assert_eq!(drain(&mut tail), "3\n");
}

#[test]
fn a_log_that_does_not_exist_yet_is_read_from_its_first_line() {
    let mut log = Rotation::new(5);
    fs::remove_file(log.path()).expect("remove");
    assert!(matches!(Tail::open(log.path(), 1), Err(TailError::Missing { .. })));
    let mut tail = Tail::awaiting(log.path());
    assert_eq!(drain(&mut tail), "");
    fs::write(log.path(), "1\n").expect("create");
    log.rotate();
    log.append("2\n");
    assert_eq!(drain(&mut tail), "1\n2\n");
}

#[test]
fn a_directory_in_the_place_of_the_log_is_refused() {
    let log = Rotation::new(5);
    let directory = log.path().parent().expect("a parent");
    assert!(matches!(Tail::open(directory, 1), Err(TailError::NotAFile { .. })));
}

#[test]
fn a_writer_that_rotates_as_fast_as_it_can_is_followed_line_by_line() {
    const ROTATIONS: u32 = 200;
    let mut log = Rotation::new(ROTATIONS);
    let mut tail = open(&log, 0);
    let mut expected = String::new();
    for number in 0..ROTATIONS * 3 {
        writeln!(expected, "line {number}").expect("write to text");
    }
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let (log, done) = (&mut log, &done);
        let lines = expected.split_inclusive('\n');
        scope.spawn(move || {
            for (number, line) in lines.enumerate() {
                log.append(line);
                if number % 3 == 2 {
                    log.rotate();
                }
            }
            done.store(true, Ordering::Release);
        });
        let mut seen = String::new();
        while !done.load(Ordering::Acquire) {
            seen.push_str(&drain(&mut tail));
        }
        seen + &drain(&mut tail)
    });
    assert_eq!(seen, expected);
}

#[derive(Clone, Debug)]
enum Step {
    Append,
    Tear,
    Rotate,
    RenameOnce,
    /// Others compress the backup of this number.
    #[cfg(feature = "compression")]
    Gzip(u32),
    Read,
}

/// Any order of steps that a writer and a reader can take.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Append),
        1 => Just(Step::Tear),
        1 => Just(Step::Rotate),
        5 => Just(Step::RenameOnce),
        4 => Just(Step::Read),
    ];
    prop::collection::vec(step, 1..120)
}

/// Takes the steps; returns the numbers that were written, and those read (`None`: a skip).
fn take(steps: Vec<Step>, backup_count: u32) -> (u32, Vec<Option<u32>>) {
    let mut log = Rotation::new(backup_count);
    let mut tail = open(&log, 0);
    let (mut written, mut read) = (0, String::new());
    #[cfg(feature = "compression")]
    let mut last_write = UNIX_EPOCH + Duration::from_secs(1);
    for step in steps {
        match step {
            Step::Append => {
                log.append(&format!("{written}\n"));
                written += 1;
            }
            Step::Tear => log.tear(),
            Step::Rotate => log.rotate(),
            Step::RenameOnce => log.rotate_one_step(),
            #[cfg(feature = "compression")]
            Step::Gzip(number) => {
                // All within one second.
                last_write += Duration::from_micros(1);
                log.gzip(number, last_write);
            }
            Step::Read => read.push_str(&drain(&mut tail)),
        }
    }
    log.append(&format!("{written}\n"));
    read.push_str(&drain(&mut tail));
    let read = read.replace('!', "!\n");
    (written + 1, read.lines().map(|line| line.parse().ok()).collect())
}

/// The same, and others compress backups amid them.
#[cfg(feature = "compression")]
fn steps_beside_gzip() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Append),
        5 => Just(Step::RenameOnce),
        1 => Just(Step::Rotate),
        3 => (1..6u32).prop_map(Step::Gzip),
        4 => Just(Step::Read),
    ];
    prop::collection::vec(step, 1..120)
}

/// Whether each number that was written is read once and in order, or a skip stands in its place.
fn assert_no_silent_gap((written, read): (u32, Vec<Option<u32>>)) -> Result<(), TestCaseError> {
    let (mut next, mut skipped) = (0, false);
    for line in &read {
        match line {
            Some(number) if *number == next || (skipped && *number > next) => {
                next = number + 1;
                skipped = false;
            }
            Some(_) => prop_assert!(false, "not after {}: {:?}", next, read),
            None => skipped = true,
        }
    }
    prop_assert_eq!(next, written, "{:?}", read);
    Ok(())
}

#[cfg(feature = "compression")]
proptest! {
    #[test]
    fn backups_that_others_compress_are_read_once_and_in_order(steps in steps_beside_gzip()) {
        let (written, read) = take(steps, 1000);
        prop_assert_eq!(read, (0..written).map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn with_too_few_of_them_no_line_is_missing_silently(
        steps in steps_beside_gzip(),
        backup_count in 1..4u32,
    ) {
        assert_no_silent_gap(take(steps, backup_count))?;
    }
}

proptest! {
    #[test]
    fn with_enough_backups_every_line_is_read_once_and_in_order(steps in steps()) {
        let (written, read) = take(steps, 1000);
        prop_assert_eq!(read, (0..written).map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn with_too_few_backups_no_line_is_missing_silently(steps in steps(), backup_count in 1..4u32) {
        assert_no_silent_gap(take(steps, backup_count))?;
    }
}
