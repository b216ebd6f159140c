//! Log files that each record chooses: every one of them has all that is its own, and nothing else.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use logboom::{Certainty, Level, Overflow};
use nix::sys::signal::Signal;
use support::{
    Listener, PATIENCE, Place, Worker, hear, lines_of, role, say, wait_until,
    with_hard_descriptor_limit,
};

const RECORDS: u64 = 300;
const VALUES: u64 = 120;
const LEVELS: [Level; 3] = [Level::INFO, Level::WARNING, Level::ERROR];
const LOGGERS: [&str; 2] = ["shop.cart", "shop::access"];
const KINDS: [&str; 2] = ["a/b", ".."];

/// `sequence`: logs records of each level, logger and kind. `values`: logs records of many values of a
/// field. `lines`: logs each line that it is told. `until PATH`: logs numbers until PATH is there, and says how many.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    match &*role[0] {
        "sequence" => (0..RECORDS).for_each(log_numbered),
        "values" => (0..RECORDS).for_each(|number| log::info!(value = number % VALUES; "{number}")),
        "lines" => loop {
            let line = hear();
            if line.is_empty() {
                break;
            }
            log::info!("{line}");
            assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
            say("written");
        },
        _ => {
            for number in 0.. {
                log::info!("{number}");
                if number % 5 == 0 {
                    if fs::exists(&role[1]).unwrap() {
                        say(&(number + 1).to_string());
                        break;
                    }
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
            }
        }
    }
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
}

fn log_numbered(number: u64) {
    let turn = number as usize;
    let (logger, kind) = (LOGGERS[turn % LOGGERS.len()], KINDS[turn % KINDS.len()]);
    match LEVELS[turn % LEVELS.len()] {
        Level::INFO => log::info!(target: logger, kind; "{number}"),
        Level::WARNING => log::warn!(target: logger, kind; "{number}"),
        _ => log::error!(target: logger, kind; "{number}"),
    }
}

/// Small enough for some backups.
const FORM: [&str; 6] = ["--format", "json", "--max-bytes", "20kB", "--backup-count", "1000"];

fn listen(place: &Place, args: &[&str]) -> Listener {
    place.listen(&[&FORM, args].concat())
}

fn run_workers(place: &Place, names: &[&str]) {
    let workers: Vec<_> = names.iter().map(|name| place.worker(name, &["sequence"])).collect();
    workers.into_iter().for_each(Worker::finish);
}

/// The numbers that each worker has logged to this file and its backups, as `logboom tail` reads them.
fn numbers(place: &Place, log: &str) -> BTreeMap<String, Vec<u64>> {
    numbers_in(&place.run(&["tail", "-n", "all", log]))
}

fn numbers_in(tail: &Output) -> BTreeMap<String, Vec<u64>> {
    assert!(tail.status.success(), "{tail:?}");
    let mut numbers: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in str::from_utf8(&tail.stdout).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Ok(number) = line["message"].as_str().unwrap().parse() {
            numbers.entry(line["worker"].as_str().unwrap().to_owned()).or_default().push(number);
        }
    }
    numbers
}

fn all_of(names: &[&str], is_wanted: impl Fn(u64) -> bool) -> BTreeMap<String, Vec<u64>> {
    let wanted: Vec<_> = (0..RECORDS).filter(|number| is_wanted(*number)).collect();
    names.iter().map(|name| ((*name).to_owned(), wanted.clone())).collect()
}

/// The current files in a directory: no lock is left there.
fn logs_in(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let mut logs: Vec<_> =
        names.filter(|name| name.ends_with(".log") || name.starts_with('.')).collect();
    logs.sort();
    logs
}

fn verify(place: &Place, log: &str) -> Option<i32> {
    place.run(&["verify", log]).status.code()
}

#[test]
fn workers_have_files_of_their_own_beside_the_merged_log() {
    const NAMES: [&str; 4] = ["w0", "w1", "w2", "w3"];
    let place = Place::new();
    let listener = listen(&place, &["--route", "by/{worker}.log"]);
    run_workers(&place, &NAMES);
    wait_until("the count", || place.status().routed_files == 4);
    let status = place.status();
    assert_eq!(status.unrouted, 0);
    assert_eq!(status.logs, [place.log().display().to_string()]);
    listener.stop();
    assert_eq!(numbers(&place, "app.log"), all_of(&NAMES, |_| true));
    assert_eq!(verify(&place, "app.log"), Some(0));
    for name in NAMES {
        let log = format!("by/{name}.log");
        assert_eq!(numbers(&place, &log), all_of(&[name], |_| true));
        // All of a worker is in one file.
        assert_eq!(verify(&place, &log), Some(0));
        assert!(place.path(&format!("{log}.1")).exists(), "{log} was not rotated");
    }
    assert_eq!(logs_in(&place.path("by")), NAMES.map(|name| format!("{name}.log")));
}

#[test]
fn each_file_is_whole_where_more_are_written_than_may_be_open() {
    const NAMES: [&str; 6] = ["w0", "w1", "w2", "w3", "w4", "w5"];
    let place = Place::new();
    let args = ["--route", "by/{worker}.log", "--max-open-files", "2", "--sync", "100ms"];
    let listener = listen(&place, &args);
    run_workers(&place, &NAMES);
    wait_until("the count", || place.status().routed_files == 2);
    let flushed = place.run(&["ctl", "flush", "--sync"]);
    assert!(flushed.status.success(), "{flushed:?}");
    listener.stop();
    for name in NAMES {
        assert_eq!(numbers(&place, &format!("by/{name}.log")), all_of(&[name], |_| true));
    }
    assert_eq!(logs_in(&place.path("by")).len(), NAMES.len());
}

#[test]
fn fewer_files_are_open_where_descriptors_are_short() {
    let place = Place::new();
    let mut command = place.logboom(&["listen", "--log", "app.log"]);
    command.args(FORM).args(["--route", "by/{field.value}.log", "--max-open-files", "1000"]);
    let listener = place.serve(with_hard_descriptor_limit(&command, 640));
    place.worker("w", &["values"]).finish();
    // A sixteenth is for them, and each takes two.
    wait_until("the count", || place.status().routed_files == 20);
    listener.stop();
    for value in 0..VALUES {
        let found = numbers(&place, &format!("by/{value}.log"));
        assert_eq!(found, all_of(&["w"], |number| number % VALUES == value));
    }
    assert_eq!(numbers(&place, "app.log"), all_of(&["w"], |_| true));
}

/// More than a batch may be about, all of them open.
#[test]
fn a_batch_ends_before_it_is_about_too_many_files() {
    let names: Vec<_> = (0..20).map(|number| format!("w{number:02}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let place = Place::new();
    let routes = ["--route", "by/{worker}.log", "--route", "level/{level}/{worker}.log"];
    let listener = listen(&place, &routes);
    run_workers(&place, &names);
    wait_until("the count", || place.status().routed_files == 20 + 3 * 20);
    listener.stop();
    for name in names {
        assert_eq!(numbers(&place, &format!("by/{name}.log")), all_of(&[name], |_| true));
        let errors = numbers(&place, &format!("level/ERROR/{name}.log"));
        assert_eq!(errors, all_of(&[name], |number| number % 3 == 2));
    }
}

fn routes_config(templates: &[&str], more: &str) -> String {
    let handlers = templates.iter().enumerate().map(|(number, template)| {
        format!(
            "[handlers.r{number}]\nclass = 'logboom.RoutingFileHandler'\nfilename = '{template}'\n\
             maxBytes = 20000\nbackupCount = 1000\nformatter = 'json'\n{more}"
        )
    });
    let handlers: String = handlers.collect();
    let names: String = (0..templates.len()).map(|number| format!("'r{number}', ")).collect();
    format!(
        "version = 1\n{handlers}[handlers.all]\nclass = 'RotatingFileHandler'\nfilename = 'app.log'\n\
         formatter = 'json'\n[root]\nlevel = 'INFO'\nhandlers = [{names}'all']\n"
    )
}

#[test]
fn records_are_told_apart_by_level_logger_and_field() {
    let place = Place::new();
    let templates = ["l/{level}.log", "g/{logger}.log", "k/{field.kind}.log"];
    fs::write(place.path("logboom.toml"), routes_config(&templates, "")).unwrap();
    let listener = place.serve(place.logboom(&["listen"]));
    run_workers(&place, &["w"]);
    listener.stop();
    for (number, level) in (0..).zip(LEVELS) {
        let log = format!("l/{level}.log");
        assert_eq!(numbers(&place, &log), all_of(&["w"], |other| other % 3 == number), "{log}");
        // It says that it has not all records.
        let output = place.run(&["verify", &log]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(65) && said.contains("this log was filtered"),
            "{said}"
        );
    }
    for (number, log) in [(0, "g/shop.cart.log"), (1, "g/shop.access.log")] {
        assert_eq!(numbers(&place, log), all_of(&["w"], |other| other % 2 == number), "{log}");
    }
    for (number, log) in [(0, "k/a%2Fb.log"), (1, "k/%2E..log")] {
        assert_eq!(numbers(&place, log), all_of(&["w"], |other| other % 2 == number), "{log}");
    }
    assert_eq!(numbers(&place, "app.log"), all_of(&["w"], |_| true));
    assert_eq!(verify(&place, "app.log"), Some(0));
}

#[test]
fn what_rotation_leaves_of_a_log_of_some_records_says_that_they_are_some() {
    let place = Place::new();
    let rotated = "maxBytes = 4000\nbackupCount = 1\n";
    let config = routes_config(&["l/{level}.log"], "")
        .replace("maxBytes = 20000\nbackupCount = 1000\n", rotated)
        .replace("'app.log'\n", &format!("'app.log'\nlevel = 'ERROR'\n{rotated}"));
    fs::write(place.path("logboom.toml"), config).unwrap();
    let listener = place.serve(place.logboom(&["listen"]));
    run_workers(&place, &["w"]);
    listener.stop();
    for log in ["l/INFO.log", "l/WARNING.log", "l/ERROR.log", "app.log"] {
        assert!(numbers(&place, log)["w"][0] > 2, "{log}: its beginning is still there");
        let output = place.run(&["verify", log]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(65) && said.contains("this log was filtered"),
            "{log}: {said}"
        );
        for file in [log.to_owned(), format!("{log}.1")] {
            let text = fs::read_to_string(place.path(&file)).unwrap();
            assert!(text.matches("\"filtered\":true").count() <= 1, "{file}: {text}");
        }
    }
}

#[test]
fn a_route_has_level_filters_and_a_place_among_loggers_as_any_handler() {
    let place = Place::new();
    let config = routes_config(&["l/{worker}.log"], "level = 'ERROR'\n")
        .replace("['r0', 'all']", "['all']")
        + "[loggers.'shop.cart']\nhandlers = ['r0']\n";
    fs::write(place.path("logboom.toml"), config).unwrap();
    let listener = place.serve(place.logboom(&["listen"]));
    run_workers(&place, &["w"]);
    listener.stop();
    let wanted = |number: u64| number % 3 == 2 && number.is_multiple_of(2);
    assert_eq!(numbers(&place, "l/w.log"), all_of(&["w"], wanted));
    assert_eq!(verify(&place, "l/w.log"), Some(65));
}

#[test]
fn names_from_records_cannot_leave_the_directory_or_take_the_files_of_others() {
    let place = Place::new();
    fs::create_dir(place.path("log")).unwrap();
    fs::create_dir(place.path("log/taken.log")).unwrap();
    let listener = place.serve(place.logboom(
        &[&["listen", "--log", "log/app.log", "--route", "log/{worker}.log"], &FORM[..]].concat(),
    ));
    let names = ["../../evil", "..", ".app.log.lock", "app.log.1", "app", "taken", "a b"];
    run_workers(&place, &names);
    wait_until("the refusals", || place.status().unrouted == 2 * RECORDS);
    listener.stop();
    for (name, file) in [
        ("../../evil", "%2E.%2F..%2Fevil"),
        ("..", "%2E."),
        (".app.log.lock", "%2Eapp.log.lock"),
        ("app.log.1", "app.log.1"),
        ("a b", "a%20b"),
    ] {
        assert_eq!(numbers(&place, &format!("log/{file}.log")), all_of(&[name], |_| true));
    }
    assert_eq!(numbers(&place, "log/app.log"), all_of(&names, |_| true));
    let text = lines_of(&place.path("log/app.log")).join("\n");
    let reason = "log/app.log: it is the log file of another handler, or would stand in its way: ";
    let other = "log/taken.log: ";
    assert!(text.contains(reason) || text.contains(other), "nothing was said");
    let beside = fs::read_dir(place.directory.path()).unwrap();
    let beside: Vec<_> = beside.map(|entry| entry.unwrap().file_name()).collect();
    assert!(beside.iter().all(|name| name == "log" || name == "q"), "it was left: {beside:?}");
}

#[test]
fn tail_reads_the_files_of_a_route_together() {
    const NAMES: [&str; 3] = ["w0", "w1", "w2"];
    let place = Place::new();
    let form = ["--format", "json", "--max-bytes", "2kB", "--backup-count", "1000"];
    let routes = ["--route", "by/{worker}.log", "--compress", "zstd"];
    let listener = place.listen(&[&form[..], &routes].concat());
    run_workers(&place, &NAMES);
    listener.stop();
    let all = all_of(&NAMES, |_| true);
    assert_eq!(numbers(&place, "by"), all);
    // As a shell gives them: backups are named, and read with their log all the same.
    let mut command = place.logboom(&["tail", "-n", "all"]);
    let names = fs::read_dir(place.path("by")).unwrap().map(|entry| entry.unwrap().path());
    command.args(names.filter(|path| path.extension().is_some_and(|ending| ending == "log")));
    assert_eq!(numbers_in(&command.output().unwrap()), all);
    let errors = place.run(&["tail", "-n", "all", "-l", "error", "-w", "w1", "by"]);
    assert_eq!(numbers_in(&errors), all_of(&["w1"], |number| number % 3 == 2));
    let merged = place.run(&["tail", "-n", "all", "by", "app.log"]);
    let twice = |numbers: &Vec<u64>| numbers.iter().flat_map(|number| [*number; 2]).collect();
    let twice: BTreeMap<_, _> = all.iter().map(|(name, all)| (name.clone(), twice(all))).collect();
    assert_eq!(numbers_in(&merged), twice);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = Place::new();
    for (args, code, expected) in [
        (&["--route", "by/app.log"][..], 2, "it names one file"),
        (&["--route", "by/{thread}.log"], 2, "there is no {thread}"),
        (&["--route", "{worker}.log", "--max-open-files", "0"], 2, "1..=1024"),
        (&["--max-open-files", "5"], 2, "--route"),
        (
            &["--route", "by/{worker}.log", "--route", "by/{level}.log"],
            78,
            "by/{worker}.log and by/{level}.log may be the same file",
        ),
    ] {
        let output = place.run(&[&["listen"], args].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn routes_that_come_change_and_go_lose_and_double_nothing() {
    let place = Place::new();
    let end = place.path("end").display().to_string();
    let config = |templates: &[&str]| routes_config(templates, "maxOpenFiles = 8\n");
    fs::write(place.path("logboom.toml"), config(&["a/{worker}.log"])).unwrap();
    let listener = place.serve(place.logboom(&["listen"]));
    let mut workers: Vec<_> =
        (0..4).map(|number| place.worker(&format!("w{number}"), &["until", &end])).collect();
    let push = |templates: &[&str]| {
        fs::write(place.path("next.toml"), config(templates)).unwrap();
        let pushed = place.run(&["ctl", "config", "push", "next.toml"]);
        assert_eq!(pushed.status.code(), Some(0), "{pushed:?}");
    };
    for _ in 0..4 {
        // The same files by another route, others, both, none.
        push(&["a/{worker}.log", "b/{worker}.log"]);
        push(&["a/{field.worker}{worker}.log"]);
        push(&["b/{worker}.log"]);
        push(&[]);
        push(&["a/{worker}.log"]);
    }
    fs::write(&end, "").unwrap();
    let counts: Vec<u64> =
        workers.iter_mut().map(|worker| worker.heard().parse().unwrap()).collect();
    workers.into_iter().for_each(Worker::finish);
    assert_eq!(place.status().unrouted, 0);
    listener.stop();
    for (number, count) in counts.into_iter().enumerate() {
        let name = format!("w{number}");
        let all = |log: &str| numbers(&place, log).remove(&name).unwrap();
        assert!(all("app.log").into_iter().eq(0..count));
        // What was logged without a route is in the merged log alone.
        for log in [format!("a/{name}.log"), format!("b/{name}.log")] {
            let found = all(&log);
            assert!(!found.is_empty() && found.is_sorted_by(|one, other| one < other), "{found:?}");
        }
        assert!(all(&format!("a/{name}.log")).contains(&(count - 1)));
    }
}

#[test]
fn routed_files_are_rotated_when_asked_and_follow_what_others_do() {
    let place = Place::new();
    let listener = place.listen(&["--format", "%(message)s", "--route", "by/{worker}.log"]);
    let mut worker = place.worker("w", &["lines"]);
    let mut log = |line: &str| {
        worker.tell(line);
        assert_eq!(worker.heard(), "written");
    };
    log("a");
    let rotated = place.run(&["ctl", "rotate"]);
    assert!(rotated.status.success(), "{rotated:?}");
    log("b");
    let routed = place.path("by/w.log");
    assert_eq!(lines_of(&routed), ["a", "b"]);
    fs::rename(&routed, place.path("by/moved")).unwrap();
    // It is not made again before it is needed.
    listener.process.signal(Signal::SIGHUP);
    wait_until("its end", || place.status().routed_files == 0);
    assert!(!routed.exists());
    log("c");
    assert_eq!(fs::read_to_string(&routed).unwrap(), "c\n");
    fs::remove_file(&routed).unwrap();
    wait_until("its end", || place.status().routed_files == 0);
    log("d");
    assert_eq!(fs::read_to_string(&routed).unwrap(), "d\n");
    fs::write(&routed, "").unwrap();
    log("e");
    wait_until("the count", || place.status().truncations == 1);
    worker.finish();
    listener.stop();
    assert_eq!(fs::read_to_string(place.path("by/moved")).unwrap(), "b\n");
    assert_eq!(fs::read_to_string(&routed).unwrap(), "e\n");
}
