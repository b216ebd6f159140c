//! Many workers, one file: nothing lost, nothing doubled, nothing torn, while the file rotates.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::fs;

use logboom::Overflow;
use support::{Place, files_of, role};

const PATTERN: &str = "%(processName)s %(message)s";

/// Logs `role[1]` numbered records.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let _guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    for number in 0..role[1].parse::<u32>().unwrap() {
        log::info!("record {number} of this worker, long enough to fill files");
    }
}

fn numbers_by_worker(place: &Place) -> HashMap<String, Vec<u32>> {
    let mut numbers: HashMap<String, Vec<u32>> = HashMap::new();
    for line in place.lines() {
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!(words.len(), 11, "torn: {line:?}");
        numbers.entry(words[0].to_owned()).or_default().push(words[2].parse().unwrap());
    }
    numbers
}

#[test]
fn eight_workers_are_complete_and_in_order_while_the_file_rotates() {
    const RECORDS: u32 = 20_000;
    let place = Place::new();
    let listener =
        place.listen(&["--max-bytes", "100kB", "--backup-count", "1000", "--format", PATTERN]);
    let names: Vec<_> = (1..=8).map(|n| format!("worker-{n}")).collect();
    let workers: Vec<_> =
        names.iter().map(|name| place.worker(name, &["count", &RECORDS.to_string()])).collect();
    workers.into_iter().for_each(|worker| worker.finish());
    let report = listener.stop();

    let numbers = numbers_by_worker(&place);
    assert_eq!(numbers.len(), names.len());
    for name in &names {
        assert!(
            numbers[name].iter().copied().eq(0..RECORDS),
            "{name} is not complete and in order"
        );
    }
    assert_eq!((report.drained, report.dropped, report.missing), (8 * u64::from(RECORDS), 0, 0));
    let files = files_of(&place.log());
    assert!(files.len() > 80, "{} files", files.len());
    for file in files {
        assert!(fs::metadata(&file).unwrap().len() < 100_000, "{} is too large", file.display());
    }
}

#[test]
fn the_backup_count_is_kept() {
    let place = Place::new();
    let listener =
        place.listen(&["--max-bytes", "10kB", "--backup-count", "3", "--format", PATTERN]);
    place.worker("w", &["count", "2000"]).finish();
    listener.stop();

    assert_eq!(files_of(&place.log()).len(), 4);
    let numbers = &numbers_by_worker(&place)["w"];
    assert!(
        numbers.iter().copied().eq(2000 - numbers.len() as u32..2000),
        "not the newest records"
    );
}

#[test]
fn logfmt_is_a_form_of_logs_and_none_to_verify() {
    let place = Place::new();
    let listener = place.listen(&["--format", "logfmt"]);
    place.worker("w 1", &["count", "3"]).finish();
    listener.stop();
    let told = r#" message="record 2 of this worker, long enough to fill files" worker="w 1" "#;
    assert!(place.lines()[2].contains(told), "{:?}", place.lines());
    let verified = place.run(&["verify", "--format", "logfmt", "app.log"]);
    let complaint = String::from_utf8(verified.stderr).unwrap();
    assert_eq!(verified.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("do not tell their lane"), "{complaint}");
}
