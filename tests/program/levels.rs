//! `ctl level`: what it does to the workers, to the listener, and when.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashSet;
use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use logboom::control;
use logboom::{Certainty, Level, Overflow};
use nix::sys::signal::Signal;
use support::{PATIENCE, Place, Worker, by_channel, hear, role, say, wait_until};

const PATTERN: &str = "%(processName)s %(lane)s %(seq)s %(name)s %(levelname)s %(message)s";
const FORM: [&str; 2] = ["--format", PATTERN];

/// Each line that it hears is a round: it logs a record of each of some loggers and levels, from two
/// threads that were there before, and says how many calls were encoded when all of them are written.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let builder = logboom::builder().overflow(Overflow::Block);
    let (layer, guard) = match &*role[0] {
        "tracing" => builder.layer().map(|(layer, guard)| (Some(layer), guard)).unwrap(),
        _ => (None, builder.init().unwrap()),
    };
    if let Some(layer) = layer {
        use tracing_subscriber::layer::SubscriberExt;
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    }
    let log: fn(&str) = if role[0] == "tracing" { trace_round } else { log_round };
    let (ask, asked) = std::sync::mpsc::channel::<String>();
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for round in asked {
            log(&round);
            done.send(()).unwrap();
        }
    });
    say("up");
    loop {
        let round = hear();
        if round.is_empty() {
            return;
        }
        log(&round);
        ask.send(round).unwrap();
        is_done.recv().unwrap();
        assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
        say(&guard.handler().stats().records.to_string());
    }
}

fn log_round(round: &str) {
    log::debug!(target: "a::b", "{round}");
    log::debug!(target: "a", "{round}");
    log::info!(target: "a", "{round}");
    logboom::logger("a.b.c").trace(format_args!("{round}"));
    logboom::logger("a.b.c").log(Level::new(15), format_args!("{round}"));
}

fn trace_round(round: &str) {
    tracing::debug!(target: "a::b", "{round}");
    tracing::debug!(target: "a", "{round}");
    tracing::info!(target: "a", "{round}");
}

/// Lets a worker log one round; the `logger LEVEL` of each record of it, sorted. Both threads have
/// logged the same.
fn round(place: &Place, worker: &mut Worker, name: &str, round: &str) -> Vec<String> {
    worker.tell(round);
    worker.heard();
    let lines = place.messages_of(name).into_iter();
    let end = format!(" {round}");
    let mut kept: Vec<_> = lines.filter_map(|line| record_of(line.strip_suffix(&end)?)).collect();
    kept.sort();
    assert!(kept.chunks(2).all(|pair| pair.len() == 2 && pair[0] == pair[1]), "{kept:?}");
    kept.dedup();
    kept
}

/// Logger and level behind lane and sequence number, which `logboom verify` needs.
fn record_of(line: &str) -> Option<String> {
    line.splitn(3, ' ').nth(2).map(str::to_owned)
}

fn started(place: &Place, name: &str, role: &str, change: impl FnOnce(&mut Command)) -> Worker {
    let mut worker = place.start_worker(name, &[role], change);
    assert_eq!(worker.heard(), "up");
    worker
}

fn level(place: &Place, args: &[&str]) -> Output {
    place.run(&[&["ctl", "level"], args].concat())
}

/// What `ctl level` prints when all obey.
fn set(place: &Place, args: &[&str]) -> String {
    let output = level(place, args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

const FINE: [&str; 3] = ["a INFO", "a.b.c Level 15", "a::b DEBUG"];

#[test]
fn a_level_counts_at_once_for_log_tracing_loggers_and_all_threads() {
    let place = Place::new();
    let listener = place.listen(&FORM);
    let mut workers = [
        ("ring", started(&place, "ring", "log", |_| {})),
        ("channel", started(&place, "channel", "log", by_channel)),
        ("tracing", started(&place, "tracing", "tracing", |_| {})),
    ];
    wait_until("all workers", || place.status().workers.len() == workers.len());
    let mut rounds = |number: u32, expected: &[&str]| {
        for (name, worker) in &mut workers {
            let kept = round(&place, worker, name, &format!("round {number}"));
            let by_macro = |line: &&&str| *name != "tracing" || !line.starts_with("a.b.c");
            assert_eq!(
                kept,
                expected.iter().filter(by_macro).copied().collect::<Vec<_>>(),
                "{name}"
            );
        }
    };
    rounds(0, &["a INFO"]);
    assert_eq!(set(&place, &["a.b", "debug"]), "level of a.b is DEBUG; 3 of 3 workers obey\n");
    rounds(1, &FINE);
    assert_eq!(set(&place, &["a", "ERROR"]), "level of a is ERROR; 3 of 3 workers obey\n");
    rounds(2, &FINE[1..]);
    set(&place, &["a::b", "15"]);
    rounds(3, &FINE[1..2]);
    set(&place, &["a.b", "NOTSET"]);
    rounds(4, &[]);
    set(&place, &["a", "NOTSET"]);
    rounds(5, &["a INFO"]);
    set(&place, &["root", "NOTSET"]);
    rounds(6, &["a DEBUG", "a INFO", "a.b.c Level 15", "a.b.c TRACE", "a::b DEBUG"]);
    set(&place, &["", "CRITICAL"]);
    rounds(7, &[]);
    let status = String::from_utf8(place.run(&["ctl", "status"]).stdout).unwrap();
    for line in ["level     root CRITICAL\n", "level     a NOTSET\n", "level     a.b NOTSET\n"] {
        assert!(status.contains(line), "{status}");
    }
    workers.into_iter().for_each(|(_, worker)| worker.finish());
    listener.stop();
}

#[test]
fn the_listener_keeps_to_a_level_whatever_workers_send() {
    let place = Place::new();
    let listener = place.listen(&FORM);
    let pinned = |command: &mut Command| {
        command.env("LOGBOOM_FILTER", "trace");
    };
    let mut worker = started(&place, "w", "log", pinned);
    wait_until("the worker", || place.status().workers.len() == 1);
    assert_eq!(round(&place, &mut worker, "w", "one").len(), 5);
    let verify = || place.run(&["verify", "--format", PATTERN, "app.log"]).status.code();
    assert_eq!(verify(), Some(0));
    let pid = worker.process.pid();
    let told = set(&place, &["a.b", "DEBUG"]);
    assert_eq!(told, format!("level of a.b is DEBUG; 0 of 0 workers obey; pinned: w ({pid})\n"));
    let kept = round(&place, &mut worker, "w", "two");
    assert_eq!(kept, ["a DEBUG", "a INFO", "a.b.c Level 15", "a::b DEBUG"]);
    // The gaps in what a worker has sent prove nothing then.
    wait_until("the log to say so", || verify() == Some(65));
    worker.finish();
    listener.stop();
}

#[test]
fn a_level_for_some_time_is_set_back_to_what_was_before() {
    let place = Place::new();
    let listener = place.listen(&FORM);
    let mut worker = started(&place, "w", "log", |_| {});
    wait_until("the worker", || place.status().workers.len() == 1);
    set(&place, &["a", "WARNING"]);
    set(&place, &["a", "CRITICAL", "--for", "1h"]);
    let begun = Instant::now();
    set(&place, &["a", "DEBUG", "--for", "4s"]);
    assert_eq!(round(&place, &mut worker, "w", "during"), ["a DEBUG", "a INFO", FINE[1], FINE[2]]);
    assert!(begun.elapsed() < Duration::from_secs(4), "too slow to see anything");
    let levels = place.status().levels;
    assert_eq!((levels.len(), &*levels[0].logger, levels[0].level), (1, "a", Level::DEBUG));
    assert!(levels[0].until_ns.is_some());
    wait_until("the end of the time", || place.status().levels[0].level == Level::WARNING);
    assert!(begun.elapsed() >= Duration::from_secs(4));
    assert_eq!(place.status().levels[0].until_ns, None);
    // Who obeys a later level obeys this one.
    set(&place, &["other", "DEBUG"]);
    assert!(round(&place, &mut worker, "w", "after").is_empty());
    worker.finish();
    listener.stop();
}

#[test]
fn a_listener_that_is_started_again_forgets_and_its_workers_do() {
    let place = Place::new();
    let mut first = place.listen(&FORM);
    let mut worker = started(&place, "w", "log", |_| {});
    wait_until("the worker", || place.status().workers.len() == 1);
    set(&place, &["root", "ERROR"]);
    assert!(round(&place, &mut worker, "w", "one").is_empty());
    first.process.signal(Signal::SIGKILL);
    first.process.wait();
    let next = place.listen(&FORM);
    wait_until("the worker", || place.status().workers.len() == 1);
    assert!(place.status().levels.is_empty());
    // The welcome is acknowledged before this is.
    set(&place, &["other", "ERROR"]);
    assert_eq!(round(&place, &mut worker, "w", "two"), ["a INFO"]);
    worker.finish();
    next.stop();
}

#[test]
fn where_too_many_loggers_have_levels_workers_send_what_any_of_them_wants() {
    let place = Place::new();
    let listener = place.listen(&FORM);
    let queue = place.queue();
    let set =
        |name: &str| control::set_level(&queue, name, Level::ERROR, Some(PATIENCE * 60), PATIENCE);
    let long = "x".repeat(1000);
    for number in 0..140 {
        set(&format!("{number}.{long}")).unwrap();
    }
    assert!(set(&"x".repeat(1025)).unwrap_err().to_string().contains("1024 bytes"));
    let status = place.status();
    assert_eq!(status.levels.len() as u64 + status.more_levels, 140);
    assert!(status.has_coarse_levels && status.more_levels > 0);
    let mut worker = started(&place, "w", "log", |_| {});
    wait_until("the worker", || place.status().workers.len() == 1);
    set("a.b").unwrap();
    worker.tell("coarse");
    assert_eq!(worker.heard(), "10");
    assert_eq!(round(&place, &mut worker, "w", "two"), ["a DEBUG", "a INFO"]);
    worker.finish();
    listener.stop();
}

#[test]
fn a_configuration_and_a_flag_are_what_workers_begin_with() {
    const CONFIG: &str = r#"
version = 1
formatters.short.format = "%(processName)s %(lane)s %(seq)s %(name)s %(levelname)s %(message)s"
[handlers.file]
class = "logging.FileHandler"
filename = "app.log"
formatter = "short"
level = "DEBUG"
[loggers.a]
level = "WARNING"
[loggers."a.b"]
level = "TRACE"
handlers = ["file"]
propagate = false
[root]
level = "ERROR"
"#;
    let place = Place::new();
    fs::write(place.path("logboom.toml"), CONFIG).unwrap();
    let listener = place.serve(place.logboom(&["listen", "--level", "INFO"]));
    let mut worker = started(&place, "w", "log", |_| {});
    wait_until("the worker", || place.status().workers.len() == 1);
    // There is no handler at the root: only below `a.b` somebody wants something.
    set(&place, &["other", "DEBUG"]);
    worker.tell("one");
    assert_eq!(worker.heard(), "4");
    assert_eq!(round(&place, &mut worker, "w", "two"), [FINE[1], FINE[2]]);
    worker.finish();
    listener.stop();
}

/// Of a hundred workers some stand still, some are pinned, and others begin meanwhile.
#[test]
fn a_hundred_workers_obey_or_are_named() {
    const WORKERS: usize = 100;
    const LATE: usize = 20;
    let place = Place::in_shared_memory();
    let listener = place.listen(&FORM);
    let start = |number: usize| {
        let name = format!("w{number}");
        let worker = place.start_worker(&name, &["log"], |command| {
            match number % 10 {
                3 => by_channel(command),
                7 => drop(command.env("LOGBOOM_FILTER", "warn")),
                _ => {}
            };
        });
        (name, worker)
    };
    let mut workers: Vec<_> = (0..WORKERS).map(start).collect();
    workers.iter_mut().for_each(|(_, worker)| assert_eq!(worker.heard(), "up"));
    wait_until("all workers", || place.status().workers.len() == WORKERS);
    let is_stopped = |number: usize| number % 10 == 5 || number == 13;
    let is_pinned = |number: usize| number % 10 == 7;
    for number in (0..WORKERS).filter(|number| is_stopped(*number)) {
        let process = &workers[number].1.process;
        process.signal(Signal::SIGSTOP);
        let stat = format!("/proc/{}/stat", process.pid());
        wait_until("the stop", || fs::read_to_string(&stat).unwrap().contains(") T "));
    }
    let mut command = place.logboom(&["ctl", "level", "a.b", "DEBUG", "--timeout", "3"]);
    let ctl = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut late: Vec<_> = (WORKERS..WORKERS + LATE).map(start).collect();
    late.iter_mut().for_each(|(_, worker)| assert_eq!(worker.heard(), "up"));

    wait_until("all others", || place.status().workers.len() == WORKERS + LATE);

    let output = ctl.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(74), "{said}");
    let mut parts = said.trim_end().split("; ");
    assert_eq!(parts.next(), Some("level of a.b is DEBUG"));
    let (obeying, rest) = parts.next().unwrap().split_once(' ').unwrap();
    assert!(rest.starts_with("of ") && rest.ends_with(" workers obey"), "{said}");
    // Some of those that begin meanwhile may be among them.
    assert!((79..79 + LATE).contains(&obeying.parse().unwrap()), "{said}");
    let mut named = |what: &str, end: &str| -> HashSet<String> {
        let names = parts.next().unwrap().strip_prefix(what).unwrap().split(", w");
        let name = |text: &str| {
            assert!(text.ends_with(end), "{said}");
            format!("w{}", text.trim_start_matches('w').split(' ').next().unwrap())
        };
        names.map(name).collect()
    };
    let of = |is: &dyn Fn(usize) -> bool| -> HashSet<String> {
        (0..WORKERS).filter(|number| is(*number)).map(|number| format!("w{number}")).collect()
    };
    assert_eq!(named("not yet: ", ", stopped)"), of(&is_stopped));
    assert!(named("pinned: ", ")").is_superset(&of(&is_pinned)));

    let check = |number: usize, name: &str, worker: &mut Worker| {
        let kept = round(&place, worker, name, "now");
        let expected: &[&str] = if is_pinned(number) { &[] } else { &FINE };
        assert_eq!(kept, expected, "{name}");
    };
    for (number, (name, worker)) in workers.iter_mut().enumerate() {
        if !is_stopped(number) {
            check(number, name, worker);
        }
    }
    for (_, worker) in workers.iter().enumerate().filter(|(number, _)| is_stopped(*number)) {
        worker.1.process.signal(Signal::SIGCONT);
    }
    // Said again, it waits for those that were told and had not acknowledged.
    let said = set(&place, &["a::b", "10", "--timeout", "60"]);
    assert!(said.contains("; 108 of 108 workers obey; pinned: "), "{said}");
    for (number, (name, worker)) in workers.iter_mut().enumerate() {
        if is_stopped(number) {
            check(number, name, worker);
        }
    }
    for (number, (name, mut worker)) in late.into_iter().enumerate() {
        check(WORKERS + number, &name, &mut worker);
        worker.finish();
    }
    workers.into_iter().for_each(|(_, worker)| worker.finish());
    let report = listener.stop();
    assert_eq!((report.missing, report.dropped), (0, 0));
}

#[test]
fn a_name_cannot_forge_a_line_or_drive_a_terminal() {
    let place = Place::new();
    let listener = place.listen(&FORM);
    let said = set(&place, &["a\nlevel     b\x1b[2J", "DEBUG"]);
    assert_eq!(said, "level of a\\nlevel     b\\u{1b}[2J is DEBUG; 0 of 0 workers obey\n");
    let status = String::from_utf8(place.run(&["ctl", "status"]).stdout).unwrap();
    assert!(status.contains("\nlevel     a\\nlevel     b\\u{1b}[2J DEBUG\n"), "{status}");
    listener.stop();
}
