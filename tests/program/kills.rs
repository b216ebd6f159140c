//! Workers that are killed at any instant harm nobody else.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::time::Duration;

use logboom::{Certainty, Overflow};
use nix::sys::signal::Signal;
use support::{PATIENCE, Place, role, say};

const PATTERN: &str = "%(processName)s %(message)s";

/// `count N`: logs so many records. `ever`: logs until it is killed.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    match role[0].as_str() {
        "count" => {
            (0..role[1].parse::<u32>().unwrap()).for_each(|number| log::info!("record {number}"))
        }
        _ => {
            log::info!("record 0");
            assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
            say("started");
            for number in 1_u64.. {
                log::info!("record {number}");
            }
        }
    }
}

#[test]
fn two_hundred_killed_workers_leave_the_listener_and_the_others_complete() {
    const KILLS: usize = 200;
    const RECORDS: u32 = 50_000;
    let place = Place::new();
    let listener =
        place.listen(&["--max-bytes", "1MB", "--backup-count", "100000", "--format", PATTERN]);
    let steady =
        ["steady-1", "steady-2"].map(|name| place.worker(name, &["count", &RECORDS.to_string()]));
    let mut random = 0x9e37_79b9_u64;
    for kill in 0..KILLS {
        let mut victim = place.worker(&format!("victim-{kill}"), &["ever"]);
        victim.heard();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_micros((random >> 33) % 5000));
        victim.process.signal(Signal::SIGKILL);
        assert_eq!(victim.process.wait(), 128 + 9);
    }
    steady.into_iter().for_each(|worker| worker.finish());
    let report = listener.stop();

    let mut numbers: HashMap<String, Vec<u64>> = HashMap::new();
    for line in place.lines() {
        let words: Vec<_> = line.split(' ').collect();
        assert!(words.len() == 3 && words[1] == "record", "torn: {line:?}");
        numbers.entry(words[0].to_owned()).or_default().push(words[2].parse().unwrap());
    }
    for (worker, numbers) in &numbers {
        let expected =
            if worker.starts_with("steady") { u64::from(RECORDS) } else { numbers.len() as u64 };
        assert!(numbers.iter().copied().eq(0..expected), "{worker} is not complete and in order");
    }
    assert_eq!((report.missing, report.left_lanes), (0, 0));
    assert_eq!(numbers.len(), KILLS + 2, "a record was lost that a flush had confirmed");
}
