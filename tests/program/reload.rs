//! A configuration that changes while the listener runs: what it changes, what refuses it, and that
//! no record is lost or doubled by it.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Output;
use std::sync::mpsc;
use std::time::Duration;

use logboom::{Certainty, Overflow, QueueDir, control};
use nix::sys::signal::Signal;
use support::strace::Tracer;
use support::{
    Listener, PATIENCE, Place, SmallDisk, Worker, files_of, hear, lines_of, role, say, wait_until,
};

/// `numbers PATH`: logs numbers until PATH exists, and says how many. `lines`: logs each line that it is
/// told.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let builder = logboom::builder().overflow(Overflow::Block).pinned_filter("trace");
    let guard = builder.init().unwrap();
    if role[0] == "numbers" {
        for number in 0_u64.. {
            log::info!("{number}");
            if number.is_multiple_of(50) {
                if fs::exists(&role[1]).unwrap() {
                    say(&(number + 1).to_string());
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    } else {
        loop {
            let line = hear();
            if line.is_empty() {
                break;
            }
            log::info!("{line}");
            assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
            say("written");
        }
    }
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
}

/// All records to this log.
fn to_log(name: &str) -> String {
    format!(
        "version = 1\nformatters.plain.format = '%(processName)s %(message)s'\n\
         [handlers.log]\nclass = 'RotatingFileHandler'\nfilename = '{name}'\nmaxBytes = 20000\n\
         backupCount = 100000\nformatter = 'plain'\n[root]\nlevel = 'INFO'\nhandlers = ['log']\n"
    )
}

fn push(place: &Place, name: &str, text: &str) -> Output {
    fs::write(place.path(name), text).unwrap();
    place.run(&["ctl", "config", "push", name])
}

fn accepted(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// What was said of it, without the name of the program.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    said.trim_end().strip_prefix("logboom: ").unwrap().to_owned()
}

fn log(worker: &mut Worker, line: &str) {
    worker.tell(line);
    assert_eq!(worker.heard(), "written");
}

fn listen(place: &Place, config: &str) -> Listener {
    fs::write(place.path("logboom.toml"), config).unwrap();
    place.serve(place.logboom(&["listen"]))
}

/// The lines of workers; the listener has its own. A log that was left amid a rotation has no current
/// file.
fn lines(place: &Place, name: &str) -> Vec<String> {
    let files = files_of(&place.path(name)).into_iter().filter(|file| file.exists());
    let text: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    text.lines().filter(|line| line.starts_with('w')).map(str::to_owned).collect()
}

#[test]
fn records_go_where_the_last_configuration_says() {
    let place = Place::new();
    let listener = listen(&place, &to_log("one.log"));
    let mut worker = place.worker("w", &["lines"]);
    log(&mut worker, "a");
    accepted(&push(&place, "two.toml", &to_log("two.log")));
    log(&mut worker, "b");
    assert!(!place.path(".one.log.lock").exists(), "the lock of a log that is gone");
    let status = place.status();
    assert_eq!(status.logs, [place.path("two.log").display().to_string()]);
    assert_eq!(status.config.source.as_deref(), Some("two.toml, pushed"));
    assert_eq!(status.config.refusal, None);
    // A hang-up goes back to the file of the start.
    listener.process.signal(Signal::SIGHUP);
    let one = place.path("one.log").display().to_string();
    wait_until("the reload", || place.status().logs == [one.clone()]);
    log(&mut worker, "c");
    worker.finish();
    listener.stop();
    assert_eq!(lines(&place, "one.log"), ["w a", "w c"]);
    assert_eq!(lines(&place, "two.log"), ["w b"]);
}

#[test]
fn what_cannot_be_used_changes_nothing_and_says_why() {
    let place = Place::new();
    let listener = listen(&place, &to_log("one.log"));
    let mut worker = place.worker("w", &["lines"]);
    let loud = to_log("two.log").replace("'INFO'", "'LOUD'");
    let said = refused(&push(&place, "bad.toml", &loud));
    assert!(said.starts_with("bad.toml:10: root.level: found \"LOUD\", expected "), "{said}");
    assert_eq!(refused(&place.run(&["config", "check", "bad.toml"])), said);
    let refusal = place.status().config.refusal.unwrap();
    assert_eq!((&*refusal.source, &*refusal.reason), ("bad.toml", &*said));
    let queue = to_log("two.log") + "[queue]\nname = 'another'\n";
    let said = refused(&push(&place, "bad.toml", &queue));
    assert!(said.starts_with("bad.toml:13: queue.name: a running listener keeps"), "{said}");
    // The first file could be opened.
    let second = "[handlers.second]\nclass = 'FileHandler'\nfilename = 'q'\n";
    let directory = to_log("two.log").replace("['log']", "['log', 'second']") + second;
    let said = refused(&push(&place, "bad.toml", &directory));
    assert!(said.contains("/q: it is a directory"), "{said}");
    let held = to_log("two.log").replace("['log']", "['log', 'second']")
        + "[handlers.second]\nclass = 'FileHandler'\nfilename = 'held.log'\n";
    let other =
        place.logboom(&["listen", "--no-config", "--queue-dir", "other", "--log", "held.log"]);
    let mut other = support::Process({ other }.spawn().unwrap());
    let queue = QueueDir::at(place.path("other")).unwrap();
    wait_until("the other listener", || control::status(&queue).is_ok());
    let said = refused(&push(&place, "bad.toml", &held));
    assert!(said.contains(&format!("locked by process {}", other.pid())), "{said}");
    other.signal(Signal::SIGTERM);
    assert_eq!(other.wait(), 0);
    let large = format!("{}{}", to_log("two.log"), "#".repeat(1 << 20));
    assert!(refused(&push(&place, "bad.toml", &large)).contains("has to be smaller"));
    assert!(refused(&push(&place, "bad.ini", &to_log("two.log"))).starts_with("bad.ini:1: "));
    assert!(refused(&place.run(&["ctl", "config", "push", "no.toml"])).contains("no.toml"));
    log(&mut worker, "a");
    worker.finish();
    listener.stop();
    assert_eq!(lines(&place, "one.log"), ["w a"]);
    assert!(!place.path("two.log").exists() && !place.path(".two.log.lock").exists());
    let nobody = push(&place, "two.toml", &to_log("two.log"));
    assert_eq!(nobody.status.code(), Some(69), "{nobody:?}");
}

#[test]
fn a_large_configuration_is_pushed_whole() {
    let place = Place::new();
    let listener = listen(&place, &to_log("one.log"));
    let text = to_log("two.log");
    let large = format!("{text}{}", "#".repeat((1 << 20) - text.len()));
    accepted(&push(&place, "large.toml", &large));
    listener.stop();
    assert!(place.path("two.log").exists());
}

#[test]
fn a_hang_up_reopens_the_files_even_if_the_configuration_is_broken() {
    let place = Place::new();
    let listener = listen(&place, &to_log("one.log"));
    let mut worker = place.worker("w", &["lines"]);
    log(&mut worker, "a");
    fs::rename(place.path("one.log"), place.path("moved.log")).unwrap();
    fs::write(place.path("logboom.toml"), "version = 2\n").unwrap();
    listener.process.signal(Signal::SIGHUP);
    // Without a record, and then with the notice.
    wait_until("the new file", || place.path("one.log").exists());
    let notice = "logboom logboom.toml was not loaded, the configuration before it stays: \
                  logboom.toml:1: version: found 2, expected 1";
    wait_until("the notice", || lines_of(&place.path("one.log")).iter().any(|line| line == notice));
    let refusal = place.status().config.refusal.unwrap();
    assert_eq!(refusal.source, "logboom.toml");
    log(&mut worker, "b");
    worker.finish();
    listener.stop();
    assert_eq!(lines(&place, "moved.log"), ["w a"]);
    assert_eq!(lines(&place, "one.log"), ["w b"]);
}

/// Started without a configuration, it goes back to its own log with one that has no handlers.
#[test]
fn a_configuration_that_has_become_a_fifo_holds_no_reload_up() {
    let place = Place::new();
    let listener = listen(&place, &to_log("one.log"));
    let config = place.path("logboom.toml");
    fs::remove_file(&config).unwrap();
    nix::unistd::mkfifo(&config, nix::sys::stat::Mode::S_IRWXU).unwrap();
    listener.process.signal(Signal::SIGHUP);
    let is_fifo = |reason: String| reason.contains("it is a FIFO");
    wait_until("the refusal", || {
        place.status().config.refusal.is_some_and(|refusal| is_fifo(refusal.reason))
    });
    fs::remove_file(&config).unwrap();
    // The path of a configuration may be a link, as those of Kubernetes are.
    fs::write(place.path("two.toml"), to_log("two.log")).unwrap();
    std::os::unix::fs::symlink("two.toml", &config).unwrap();
    listener.process.signal(Signal::SIGHUP);
    let two = place.path("two.log").display().to_string();
    wait_until("the reload", || place.status().logs == [two.clone()]);
    assert!(listener.stop().is_complete());
}

#[test]
fn a_listener_without_a_configuration_takes_one_and_a_hang_up_only_reopens() {
    let place = Place::new();
    let listener =
        place.serve(place.logboom(&["listen", "--format", "%(processName)s %(message)s"]));
    let mut worker = place.worker("w", &["lines"]);
    log(&mut worker, "a");
    accepted(&push(&place, "two.toml", &to_log("two.log")));
    log(&mut worker, "b");
    fs::rename(place.path("two.log"), place.path("moved.log")).unwrap();
    listener.process.signal(Signal::SIGHUP);
    wait_until("the new file", || place.path("two.log").exists());
    log(&mut worker, "c");
    accepted(&push(&place, "none.json", r#"{"version": 1}"#));
    log(&mut worker, "d");
    worker.finish();
    listener.stop();
    assert_eq!(lines(&place, "logs/q.log"), ["w a", "w d"]);
    assert_eq!(lines(&place, "moved.log"), ["w b"]);
    assert_eq!(lines(&place, "two.log"), ["w c"]);
}

/// No sync reaches it later, and what is said to be on the disk includes it.
#[test]
fn a_log_that_goes_is_synced() {
    let place = Place::new();
    let listener = listen(&place, &to_log("one.log"));
    let mut worker = place.worker("w", &["lines"]);
    log(&mut worker, "a");
    let (pid, path) = (listener.process.pid(), place.path("one.log"));
    let syncs = ["trace=fsync,fdatasync,syncfs"];
    let Some(tracer) = Tracer::attach(&place, pid, &path, &syncs) else { return };
    accepted(&push(&place, "two.toml", &to_log("two.log")));
    assert_eq!(tracer.end().len(), 1);
    worker.finish();
    listener.stop();
}

const BESIDE: &str = "
[formatters.own]
format = '%(processName)s %(message)s'
[handlers.kept]
class = 'FileHandler'
filename = 'kept.log'
mode = 'w'
formatter = 'own'
[handlers.gone]
class = 'MemoryHandler'
capacity = 1000
target = 'target'
[handlers.target]
class = 'FileHandler'
filename = 'target.log'
mode = 'w'
formatter = 'own'
";

#[test]
fn what_stays_keeps_what_it_has_and_what_goes_writes_it() {
    let place = Place::new();
    let with = |handlers: &str| {
        to_log("one.log").replace("['log']", &format!("['log', {handlers}]")) + BESIDE
    };
    let listener = listen(&place, &with("'kept', 'gone'"));
    let mut worker = place.worker("w", &["lines"]);
    log(&mut worker, "a");
    let inode = || fs::metadata(place.path("one.log")).unwrap().ino();
    let (before, pid) = (inode(), fs::read_to_string(place.path(".one.log.lock")).unwrap());
    assert!(lines(&place, "target.log").is_empty());
    let other_form = with("'kept'").replace("plain.format = '", "plain.format = 'w: ");
    accepted(&push(&place, "two.toml", &other_form));
    assert_eq!(lines(&place, "target.log"), ["w a"]);
    log(&mut worker, "b");
    worker.finish();
    let status = place.status();
    let names: Vec<_> = status.handlers.iter().map(|handler| &*handler.name).collect();
    assert_eq!(names, ["kept"]);
    assert_eq!(fs::read_to_string(place.path(".one.log.lock")).unwrap(), pid);
    listener.stop();
    assert_eq!((inode(), lines(&place, "one.log")), (before, vec!["w a".into(), "w: w b".into()]));
    // It did not begin anew.
    assert_eq!(lines(&place, "kept.log"), ["w a", "w b"]);
}

#[test]
fn settings_of_the_listener_are_taken_over_unless_flags_come_first() {
    let place = Place::new();
    let config = to_log("one.log");
    let policy = || place.status().sync.policy;
    let listener = listen(&place, &config);
    assert_eq!(policy(), "none");
    let synced = format!("{config}[listener]\nsync = 'every-batch'\n");
    accepted(&push(&place, "two.toml", &synced));
    assert_eq!(policy(), "every-batch");
    place.worker("w", &["lines"]).finish();
    accepted(&push(&place, "two.toml", &config));
    assert_eq!(policy(), "none");
    listener.stop();
    let listener = place.serve(place.logboom(&["listen", "--sync", "ERROR"]));
    accepted(&push(&place, "two.toml", &synced));
    assert_eq!(policy(), "ERROR");
    listener.stop();
}

/// The numbers of each worker, of which it has logged so many, are in these logs, once.
fn assert_once(place: &Place, logs: &[&str], logged: &[u64]) {
    let lines: Vec<_> = logs.iter().flat_map(|log| lines(place, log)).collect();
    for (worker, logged) in NAMES.iter().zip(logged) {
        let prefix = format!("{worker} ");
        let numbers = lines.iter().filter_map(|line| line.strip_prefix(&prefix));
        let mut numbers: Vec<u64> = numbers.map(|number| number.parse().unwrap()).collect();
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..*logged), "lost or doubled of {worker}'s {logged}");
    }
}

const NAMES: [&str; 4] = ["w1", "w2", "w3", "w4"];
const LOGS: [&str; 3] = ["one.log", "two.log", "three.log"];

fn start_workers(place: &Place) -> Vec<Worker> {
    let end = place.path("end").display().to_string();
    NAMES.iter().map(|name| place.worker(name, &["numbers", &end])).collect()
}

/// Lets the workers end; how many records each has logged.
fn end(place: &Place, workers: Vec<Worker>) -> Vec<u64> {
    fs::write(place.path("end"), "").unwrap();
    let finish = |mut worker: Worker| {
        let logged = worker.heard().parse().unwrap();
        worker.finish();
        logged
    };
    workers.into_iter().map(finish).collect()
}

#[test]
fn a_hundred_reloads_under_load_lose_and_double_nothing() {
    let place = Place::new();
    let listener = listen(&place, &to_log(LOGS[0]));
    let workers = start_workers(&place);
    let mut records = 0;
    for reload in 0..100 {
        // Each meets new records.
        wait_until("records", || place.status().records > records + 50);
        records = place.status().records;
        let text = match reload % 4 {
            0 => to_log(LOGS[reload % 3]),
            1 => to_log(LOGS[0]).replace("'INFO'", "'LOUD'"),
            // The same log by another rule.
            2 => to_log(LOGS[(reload - 2) % 3]).replace("20000", "5000"),
            _ => to_log(LOGS[1]).replace("two.log", "q"),
        };
        if reload % 10 == 9 {
            fs::write(place.path("logboom.toml"), &text).unwrap();
            listener.process.signal(Signal::SIGHUP);
            continue;
        }
        let pushed = control::push_config(&place.queue(), "pushed.toml", text.as_bytes(), PATIENCE);
        assert_eq!(pushed.is_ok(), reload % 2 == 0, "{reload}: {pushed:?}");
    }
    let logged = end(&place, workers);
    let report = listener.stop();
    assert_eq!((report.missing, report.dropped), (0, 0));
    assert_once(&place, &LOGS, &logged);
}

#[test]
fn a_listener_killed_amid_reloads_loses_and_doubles_nothing() {
    const KILLS: u64 = 12;
    let place = Place::new();
    let workers = start_workers(&place);
    for kill in 0..KILLS {
        let mut listener = listen(&place, &to_log(LOGS[kill as usize % 3]));
        let queue = place.queue();
        let (reload, reloads) = mpsc::channel();
        let pusher = std::thread::spawn(move || {
            // Until the listener is killed.
            for log in LOGS.iter().cycle() {
                let text = to_log(log);
                let pushed = control::push_config(&queue, "pushed.toml", text.as_bytes(), PATIENCE);
                let is_over = pushed.is_err();
                // The test has seen enough.
                let _gone = reload.send(pushed);
                if is_over {
                    break;
                }
            }
        });
        reloads.recv_timeout(PATIENCE).unwrap().unwrap();
        // Not always at the same step.
        std::thread::sleep(Duration::from_micros(kill * 1919));
        listener.process.signal(Signal::SIGKILL);
        listener.process.wait();
        pusher.join().unwrap();
    }
    let listener = listen(&place, &to_log(LOGS[0]));
    let logged = end(&place, workers);
    assert_eq!(listener.stop().missing, 0);
    assert_once(&place, &LOGS, &logged);
}

/// The records that the drain holds are for the old log: it cannot be left before they are there.
#[test]
fn while_a_log_cannot_be_written_a_reload_is_refused_and_nothing_is_lost() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.path("disk"), "256k") else {
        println!("skipped: a tmpfs cannot be mounted here");
        return;
    };
    let listener = listen(&place, &to_log("disk/one.log"));
    let filler = disk.fill(1 << 20);
    let workers = start_workers(&place);
    wait_until("the trouble", || place.status().trouble.is_some());
    let said = refused(&push(&place, "two.toml", &to_log("two.log")));
    assert!(said.contains("perhaps a log file cannot be written"), "{said}");
    assert!(!place.path("two.log").exists());
    fs::remove_file(filler).unwrap();
    accepted(&push(&place, "two.toml", &to_log("two.log")));
    let logged = end(&place, workers);
    listener.stop();
    assert_once(&place, &["disk/one.log", "two.log"], &logged);
}
