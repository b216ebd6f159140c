//! A log call over the Ring transport calls the system for nothing but the time.

#![allow(clippy::unwrap_used)]

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use logboom::{Level, Overflow, QueueDir, TransportChoice};

/// The queue directory, set in the process that is traced.
const TRACED: &str = "LOGBOOM_TEST_TRACED";

const BEGIN: &str = "/logboom-test-begins";
const END: &str = "/logboom-test-ends";

#[test]
fn scene_log() {
    let Some(queue) = env::var_os(TRACED) else { return };
    let handler = logboom::builder()
        .queue(QueueDir::at(queue).unwrap())
        .transport(TransportChoice::Ring)
        .overflow(Overflow::DropNewest)
        .attach()
        .unwrap();
    let call = |number: u32| handler.log(Level::INFO, "a.b", format_args!("number {number}"));
    call(0);
    // Looked for in the trace: whether the files exist is of no matter.
    let _missing = Path::new(BEGIN).metadata();
    (1..=1000).for_each(call);
    let _missing = Path::new(END).metadata();
    assert_eq!(handler.stats().dropped, 0);
}

#[test]
fn a_log_call_over_the_ring_makes_no_system_call() {
    let place = tempfile::tempdir().unwrap();
    let trace = place.path().join("trace");
    let traced = Command::new("strace")
        .args(["-f", "-o"])
        .arg(&trace)
        .arg(env::current_exe().unwrap())
        .args(["--exact", "scene_log"])
        .env(TRACED, place.path().join("q"))
        .output();
    let Ok(traced) = traced else {
        return eprintln!("skipped: install strace to see the system calls");
    };
    let said = String::from_utf8_lossy(&traced.stderr);
    if said.contains("Operation not permitted") {
        return eprintln!("skipped: strace may not trace here");
    }
    assert!(traced.status.success(), "{said}");
    let trace = fs::read_to_string(&trace).unwrap();
    let thread = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let logging = thread(trace.lines().find(|line| line.contains(BEGIN)).unwrap());
    let calls: Vec<_> = trace
        .lines()
        .skip_while(|line| !line.contains(BEGIN))
        .skip(1)
        .take_while(|line| !line.contains(END))
        // Where the kernel keeps no clock in the process, asking for the time is a call.
        .filter(|line| thread(line) == logging && !line.contains("clock_gettime"))
        .collect();
    assert!(calls.is_empty(), "{calls:#?}");
}
