//! What a flush with `Certainty::Synced` confirms is on the disk.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::process::{Command, Stdio};

use logboom::Certainty;
use nix::sys::signal::Signal;
use support::{PATIENCE, Place, Process, by_channel, hear, role, say, signal, wait_for};

/// Logs a record, brings it to the disk, tells so, and waits.
#[test]
fn worker_process() {
    if role().is_some() {
        let guard = logboom::init().unwrap();
        log::info!("precious");
        assert!(guard.flush(Certainty::Synced, PATIENCE).is_complete());
        say("synced");
        hear();
    }
}

/// `logboom listen` under strace, which has written each call into `trace` before it lets the
/// listener go on; `None` where that is not possible.
fn traced(place: &Place) -> Option<Command> {
    let probe = Command::new("strace").args(["-o", "/dev/null", "true"]).output().ok()?;
    if !probe.status.success() {
        return None;
    }
    let listen = place.logboom(&["listen", "--format", "%(processName)s %(message)s", "--log"]);
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=write,pwrite64,fdatasync,fsync,syncfs", "-o"]);
    command.arg(place.path("trace")).arg(listen.get_program()).args(listen.get_args());
    command.arg(place.log()).current_dir(place.directory.path());
    for (name, value) in listen.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(command)
}

#[test]
fn a_flush_to_the_disk_returns_behind_the_fsync_of_its_records() {
    for by_ring in [true, false] {
        let place = Place::new();
        let Some(mut command) = traced(&place) else {
            return eprintln!("skipped: strace is not installed, or may not trace here");
        };
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let mut strace = Process(command.spawn().unwrap());
        let listener = wait_for("the listener", || logboom::control::status(&place.queue()).ok());
        let mut worker = match by_ring {
            true => place.worker("w", &["log"]),
            false => place.start_worker("w", &["log"], by_channel),
        };
        assert_eq!(worker.heard(), "synced");
        let trace = fs::read_to_string(place.path("trace")).unwrap();
        worker.finish();
        signal(listener.pid as i32, Signal::SIGTERM);
        assert_eq!(strace.wait(), 0);

        let log = format!("<{}>", place.log().display());
        let is_write = |line: &&str| line.contains(&log) && line.contains("w precious");
        let calls: Vec<_> = trace.lines().skip_while(|line| !is_write(line)).collect();
        assert!(!calls.is_empty(), "not written: {trace}");
        let calls_of_disk = ["fdatasync(", "fsync(", "syncfs("];
        let is_sync = |line: &str| {
            line.contains(&log) && calls_of_disk.iter().any(|call| line.contains(call))
        };
        let begun = calls.iter().position(|line| is_sync(line));
        let begun = begun.unwrap_or_else(|| panic!("not synced: {trace}"));
        // In two lines where another thread's call comes in between.
        let thread = calls[begun].split(' ').next().unwrap();
        let mut of_thread = calls[begun..].iter().filter(|line| line.starts_with(thread));
        let end = of_thread.find(|line| !line.ends_with("<unfinished ...>"));
        assert!(end.is_some_and(|line| line.ends_with(" = 0")), "not synced: {trace}");
    }
}
