//! A disk that refuses for a while, at every step of writing a log: the listener lives, says so, and
//! goes on by itself; every record is in the log exactly once.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use logboom::formatter::JsonFormatter;
use logboom::handler::RotatingFileHandler;
use logboom::{Certainty, Overflow, QueueListener};
use support::strace::Tracer;
use support::{
    Listener, PATIENCE, Place, Worker, files_of, hear, lines_of, role, say, wait_for, wait_until,
};

const BURST: u64 = 50;

/// Logs a burst for each line it hears, and flushes where that says so; or listens with two log files.
#[test]
fn worker_process() {
    match role() {
        None => {}
        Some(role) if role[0] == "listen" => listen_to_two(&role[1], &role[2]),
        Some(_) => log_bursts(),
    }
}

fn log_bursts() {
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    let mut number = 0_u64;
    say("ready");
    loop {
        let what = hear();
        if what.is_empty() {
            return;
        }
        for _ in 0..BURST {
            log::info!(number; "a record");
            number += 1;
        }
        if what == "flush" {
            assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
        }
        say("done");
    }
}

fn listen_to_two(first: &str, second: &str) {
    let open = |path| RotatingFileHandler::builder(path).open(JsonFormatter::new()).unwrap();
    let queue = logboom::QueueDir::from_env().unwrap().unwrap();
    let builder = QueueListener::builder(queue).file(open(first)).file(open(second));
    let listener = builder.bind().unwrap().spawn().unwrap();
    say("ready");
    hear();
    let report = listener.stop().unwrap();
    assert_eq!(report.missing, 0);
}

fn burst(worker: &mut Worker, what: &str) {
    worker.tell(what);
    assert_eq!(worker.heard(), "done");
}

/// Checks that the log has each of `count` records once, in order, and is whole.
fn check(place: &Place, log: &Path, count: u64) -> Vec<String> {
    let lines = lines_of(log);
    let number =
        |line: &String| line.split_once("\"number\":")?.1.split(&[',', '}']).next()?.parse().ok();
    let numbers: Vec<u64> = lines.iter().filter_map(number).collect();
    assert!(numbers.iter().copied().eq(0..count), "not all records once and in order: {numbers:?}");
    let output = place.run(&["verify", log.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    lines
}

fn listen(place: &Place, args: &[&str]) -> Listener {
    place.listen(&[&["--format", "json", "--backup-count", "1000"], args].concat())
}

/// A step that fails for a while: which calls, with which error, at which file, and how it is told.
struct Outage {
    calls: &'static str,
    error: &'static str,
    file: &'static str,
    operation: &'static str,
    cause: &'static str,
}

fn survive(outage: &Outage) {
    let Outage { calls, error, file, operation, cause } = outage;
    let place = Place::new();
    let listener = listen(&place, &["--max-bytes", "4000"]);
    let mut worker = place.worker("w", &["log"]);
    worker.heard();
    burst(&mut worker, "flush");
    let expressions = [&*format!("trace={calls}"), &format!("inject={calls}:error={error}")];
    let pid = listener.process.pid();
    let Some(tracer) = Tracer::attach(&place, pid, &place.path(file), &expressions) else { return };
    burst(&mut worker, "go");
    let trouble = wait_for("some tries", || place.status().trouble.filter(|t| t.tries > 3));
    assert_eq!(
        (&*trouble.operation, &*trouble.path),
        (*operation, place.path(file).to_str().unwrap())
    );
    assert!(trouble.cause.contains(cause), "{trouble}");
    let shown = String::from_utf8(place.run(&["ctl", "status"]).stdout).unwrap();
    assert!(shown.contains(&format!("trouble   cannot {operation} ")), "{shown}");
    assert_eq!(place.status().trouble.unwrap().since_ns, trouble.since_ns);
    let flush = place.run(&["ctl", "flush", "--timeout", "1"]);
    let said = String::from_utf8(flush.stderr).unwrap();
    assert!(flush.status.code() == Some(74) && said.contains("could be written"), "{said}");
    assert!(tracer.end().len() as u64 >= trouble.tries);
    burst(&mut worker, "flush");
    wait_until("the end of the trouble", || place.status().trouble.is_none());
    worker.finish();
    assert_eq!(place.status().pid, pid);
    assert_eq!(listener.stop().missing, 0);
    let lines = check(&place, &place.log(), 3 * BURST);
    let told = lines.iter().filter(|line| line.contains(&format!("cannot {operation} ")));
    assert_eq!(told.count(), 1, "{operation} {error}");
    assert!(files_of(&place.log()).len() > 3);
}

#[test]
fn writes_that_fail_are_made_again() {
    for (error, cause) in [
        ("EIO", "Input/output error"),
        ("ENOSPC", "No space left on device"),
        ("EDQUOT", "Disk quota exceeded"),
        ("EROFS", "Read-only file system"),
    ] {
        survive(&Outage { calls: "write", error, file: "app.log", operation: "write", cause });
    }
}

#[test]
fn notes_in_the_journal_that_fail_are_made_again() {
    let cause = "No space left on device";
    survive(&Outage {
        calls: "pwrite64",
        error: "ENOSPC",
        file: "q/journal",
        operation: "write",
        cause,
    });
}

#[test]
fn renames_that_fail_are_made_again() {
    for (error, cause) in [("EIO", "Input/output error"), ("EROFS", "Read-only file system")] {
        survive(&Outage { calls: "rename", error, file: "app.log", operation: "rename", cause });
    }
}

#[test]
fn openings_that_fail_are_made_again() {
    for (error, cause) in [("EIO", "Input/output error"), ("EMFILE", "Too many open files")] {
        survive(&Outage { calls: "openat", error, file: "app.log", operation: "open", cause });
    }
}

#[test]
fn an_interrupted_write_is_no_trouble() {
    let place = Place::new();
    let listener = listen(&place, &[]);
    let mut worker = place.worker("w", &["log"]);
    worker.heard();
    let calls = ["trace=write", "inject=write:error=EINTR:when=1+2"];
    let pid = listener.process.pid();
    let Some(tracer) = Tracer::attach(&place, pid, &place.log(), &calls) else { return };
    (0..5).for_each(|_| burst(&mut worker, "flush"));
    assert!(place.status().trouble.is_none());
    assert!(tracer.end().iter().filter(|call| call.contains("EINTR")).count() >= 5);
    worker.finish();
    assert_eq!(listener.stop().missing, 0);
    assert_eq!(check(&place, &place.log(), 5 * BURST).len() as u64, 5 * BURST);
}

/// `ulimit` cuts the write short, in the middle of a line, and refuses all later ones.
#[test]
fn a_write_cut_short_goes_on_where_it_stopped() {
    let place = Place::new();
    let mut command = Command::new("sh");
    let program = place.logboom(&["listen", "--format", "json", "--log", "app.log"]);
    command.args(["-c", "ulimit -Sf 256 && exec \"$@\"", "sh"]).arg(program.get_program());
    command.args(program.get_args()).current_dir(place.directory.path());
    command.env("LOGBOOM_QUEUE", place.queue().path());
    let listener = place.serve(command);
    let mut worker = place.worker("w", &["log"]);
    worker.heard();
    let mut bursts = 0;
    wait_until("the limit", || {
        burst(&mut worker, "go");
        bursts += 1;
        place.status().trouble.is_some()
    });
    let trouble = wait_for("some tries", || place.status().trouble.filter(|t| t.tries > 3));
    assert!(trouble.cause.contains("File too large"), "{trouble}");
    let limit = fs::metadata(place.log()).unwrap().len();
    assert!([256 * 512, 256 * 1024].contains(&limit), "{limit}");
    let pid = listener.process.pid().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
    assert!(lifted.unwrap().success());
    burst(&mut worker, "flush");
    worker.finish();
    assert_eq!(listener.stop().missing, 0);
    check(&place, &place.log(), (bursts + 1) * BURST);
}

#[test]
fn a_directory_that_was_removed_is_made_again() {
    let place = Place::new();
    let mut command = place.logboom(&["listen", "--log", "logs/app.log", "--format", "json"]);
    command.args(["--max-bytes", "4000", "--backup-count", "1000"]);
    let listener = place.serve(command);
    let mut worker = place.worker("w", &["log"]);
    worker.heard();
    burst(&mut worker, "flush");
    let (logs, moved) = (place.path("logs"), place.path("moved"));
    fs::rename(&logs, &moved).unwrap();
    burst(&mut worker, "flush");
    assert!(logs.join("app.log").exists());
    fs::remove_dir_all(&logs).unwrap();
    burst(&mut worker, "flush");

    // Where it cannot be made, because something else is there, records wait.
    fs::rename(&logs, place.path("moved again")).unwrap();
    fs::write(&logs, "in the way").unwrap();
    burst(&mut worker, "go");
    let trouble = wait_for("some tries", || place.status().trouble.filter(|t| t.tries > 3));
    assert!(trouble.path.starts_with(logs.to_str().unwrap()), "{trouble}");
    fs::remove_file(&logs).unwrap();
    burst(&mut worker, "flush");
    worker.finish();
    assert_eq!(listener.stop().missing, 0);
    check(&place, &moved.join("app.log"), BURST);
    let rest = [place.path("moved again/app.log"), logs.join("app.log")];
    let lines: Vec<_> = rest.iter().flat_map(|log| lines_of(log)).collect();
    let records = lines.iter().filter(|line| line.contains("a record")).count() as u64;
    assert_eq!(records, 3 * BURST, "burst 2 went with the directory");
}

#[test]
fn when_one_of_two_logs_fails_the_other_gets_nothing_twice() {
    let place = Place::new();
    let logs = [place.log(), place.path("second.log")];
    let names = logs.each_ref().map(|log| log.to_str().unwrap());
    let mut listener = place.worker("listener", &["listen", names[0], names[1]]);
    listener.heard();
    let mut worker = place.worker("w", &["log"]);
    worker.heard();
    burst(&mut worker, "flush");
    let calls = ["trace=write", "inject=write:error=EIO"];
    let pid = listener.process.pid();
    let Some(tracer) = Tracer::attach(&place, pid, &logs[1], &calls) else { return };
    burst(&mut worker, "go");
    let trouble = wait_for("some tries", || place.status().trouble.filter(|t| t.tries > 3));
    assert_eq!(trouble.path, names[1]);
    // The first has its part of the batch already.
    wait_until("the first log", || lines_of(&logs[0]).len() as u64 > BURST);
    assert_eq!(lines_of(&logs[1]).len() as u64, BURST);
    tracer.end();
    burst(&mut worker, "flush");
    worker.finish();
    listener.tell("stop");
    listener.finish();
    for log in &logs {
        check(&place, log, 3 * BURST);
    }
}
