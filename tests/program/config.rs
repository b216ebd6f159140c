//! Configurations: what is told of them, and what a listener makes of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use logboom::Overflow;
use nix::sys::signal::Signal;
use support::{Place, lines_of, role, wait_until};

const CONFIG: &str = r#"version = 1
[handlers.file]
class = "logging.handlers.RotatingFileHandler"
filename = "configured.log"
maxBytes = 1000000
[root]
level = "DEBUG"
handlers = ["file"]
[queue]
name = "configured"
[listener]
drain_timeout = 7
"#;

#[test]
fn a_configuration_is_checked_before_it_is_used() {
    let place = Place::new();
    fs::write(place.path("good.toml"), CONFIG).unwrap();
    fs::write(place.path("bad.toml"), CONFIG.replace("\"DEBUG\"", "\"LOUD\"")).unwrap();
    let good = place.run(&["config", "check", "good.toml"]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    let bad = place.run(&["config", "check", "bad.toml"]);
    assert_eq!(bad.status.code(), Some(78), "{bad:?}");
    let said = String::from_utf8(bad.stderr).unwrap();
    assert!(
        said.starts_with("logboom: bad.toml:7: root.level: found \"LOUD\", expected "),
        "{said}"
    );
    let missing = place.run(&["config", "check", "missing.toml"]);
    assert_eq!(missing.status.code(), Some(78), "{missing:?}");
    assert!(!place.path("configured.log").exists());
}

#[test]
fn a_file_that_several_processes_write_is_not_for_a_listener() {
    let place = Place::new();
    let handler =
        "[handlers.file]\nclass = 'logboom.LockedRotatingFileHandler'\nfilename = 'app.log'\n";
    let memory = "[handlers.memory]\nclass = 'MemoryHandler'\ncapacity = 9\ntarget = 'file'\n";
    for (attached, more) in [("file", ""), ("memory", memory)] {
        let config = format!("version = 1\n{handler}{more}[root]\nhandlers = ['{attached}']\n");
        fs::write(place.path("logboom.toml"), config).unwrap();
        assert_eq!(place.run(&["config", "check", "logboom.toml"]).status.code(), Some(0));
        let output = place.run(&["listen"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        let place_of_it =
            "logboom: logboom.toml:2: handlers.file.class: a listener has its log alone: ";
        assert!(said.starts_with(place_of_it), "{said}");
        assert!(!place.log().exists());
    }
}

#[test]
fn each_value_is_shown_with_its_source() {
    let place = Place::new();
    fs::write(place.path("logboom.toml"), CONFIG).unwrap();
    let shown = |environment: bool, args: &[&str]| {
        let mut command = place.logboom(&[&["config", "show"], args].concat());
        if !environment {
            command.env_remove("LOGBOOM_QUEUE");
        }
        let shown = command.output().unwrap();
        assert_eq!(shown.status.code(), Some(0), "{shown:?}");
        String::from_utf8(shown.stdout).unwrap()
    };
    let by_file = shown(false, &[]);
    for line in [
        "handlers.file.maxBytes = 1000000  # logboom.toml:5",
        "handlers.file.backupCount = 0  # default",
        "root.level = \"DEBUG\"  # logboom.toml:7",
        "listener.sync = \"none\"  # default",
        "listener.drain_timeout = 7  # logboom.toml:12",
    ] {
        assert!(by_file.lines().any(|shown| shown == line), "{by_file}");
    }
    let queue = |text: &str| text.lines().next().unwrap().to_owned();
    assert!(queue(&by_file).ends_with("/configured\"  # logboom.toml"), "{by_file}");
    assert!(queue(&shown(true, &[])).ends_with("/q\"  # environment"));
    assert!(queue(&shown(true, &["--queue", "flagged"])).ends_with("/flagged\"  # flag"));
}

#[test]
fn the_environment_names_a_configuration_unless_it_is_empty() {
    let place = Place::new();
    fs::write(place.path("logboom.toml"), CONFIG).unwrap();
    fs::write(place.path("other.toml"), CONFIG.replace("DEBUG", "ERROR")).unwrap();
    for (named, expected) in [
        ("other.toml", "root.level = \"ERROR\"  # other.toml:7"),
        ("", "root.level = \"DEBUG\"  # logboom.toml:7"),
    ] {
        let shown = place.logboom(&["config", "show"]).env("LOGBOOM_CONFIG", named).output();
        let text = String::from_utf8(shown.unwrap().stdout).unwrap();
        assert!(text.lines().any(|line| line == expected), "{named:?}: {text}");
    }
}

/// Logs what `role` asks for.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let _guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    match &*role[0] {
        "once" => once(),
        "numbers" => numbers(role[1].parse().unwrap()),
        role => panic!("unknown role {role}"),
    }
}

fn once() {
    log::trace!(target: "web", "too fine");
    log::debug!(target: "web", "fine");
    log::info!(target: "web::access", "served");
    log::error!(target: "web::access::slow", "late");
    log::error!(target: "web", "failed");
    log::debug!(target: "jobs", "hidden by its logger");
    log::warn!(target: "jobs", "secret");
    log::warn!(target: "jobs::nightly", "secret");
}

/// Each logger has its own numbers.
fn numbers(count: u32) {
    for number in 0..count {
        log::info!(target: "a", "{number}");
        log::info!(target: "b", "{number}");
    }
}

const ROUTES: &str = r#"
version = 1
formatters.short.format = "%(name)s %(levelname)s %(message)s%(fields)s"
[filters.marked]
class = "ContextFilter"
fields.marked = true
[filters.discreet]
class = "RegexFilter"
pattern = "secret"
invert = true
[handlers.all]
class = "logging.handlers.RotatingFileHandler"
filename = "all.log"
formatter = "short"
[handlers.errors]
class = "logging.FileHandler"
filename = "errors.log"
formatter = "short"
level = "ERROR"
filters = ["marked"]
[handlers.access]
class = "logging.FileHandler"
filename = "access.log"
formatter = "short"
[handlers.beside]
class = "logging.FileHandler"
filename = "beside.log"
mode = "w"
level = "WARNING"
[loggers."web.access"]
handlers = ["access", "errors"]
propagate = false
[loggers.jobs]
level = "INFO"
handlers = ["beside"]
filters = ["discreet"]
[root]
level = "DEBUG"
handlers = ["all", "errors", "beside"]
"#;

/// The lines but for the first one of a log that does not get every record.
fn lines(place: &Place, name: &str) -> Vec<String> {
    let lines = lines_of(&place.path(name)).into_iter();
    lines.filter(|line| !line.starts_with("logboom INFO filtered: ")).collect()
}

#[test]
fn records_go_where_their_loggers_lead() {
    let place = Place::new();
    fs::write(place.path("logboom.toml"), ROUTES).unwrap();
    fs::write(place.path("beside.log"), "of an earlier time\n").unwrap();
    let listener = place.serve(place.logboom(&["listen"]));
    place.worker("w", &["once"]).finish();
    listener.stop();
    let all = ["web DEBUG fine", "web ERROR failed", "jobs::nightly WARNING secret"];
    assert_eq!(lines(&place, "all.log"), all);
    let errors = ["web::access::slow ERROR late marked=true", "web ERROR failed marked=true"];
    assert_eq!(lines(&place, "errors.log"), errors);
    let access = ["web::access INFO served", "web::access::slow ERROR late"];
    assert_eq!(lines(&place, "access.log"), access);
    // On the way of `jobs::nightly` twice, and it begins anew.
    assert_eq!(lines(&place, "beside.log"), ["failed", "secret"]);
}

#[test]
fn each_log_is_whole_whatever_happens_to_the_listener() {
    const COUNT: u32 = 30_000;
    const KILLS: u32 = 4;
    let place = Place::new();
    let handler = |name| {
        format!(
            "[handlers.{name}]\nclass = 'RotatingFileHandler'\nfilename = '{name}.log'\nmaxBytes = 50000\nbackupCount = 1000\nformatter = 'plain'\n"
        )
    };
    let handlers: String = ["a", "b", "all"].map(handler).concat();
    let config = format!(
        "version = 1\nformatters.plain.format = '%(name)s %(processName)s %(message)s'\n{handlers}
[loggers.a]\nhandlers = ['a']\n[loggers.b]\nhandlers = ['b']\n[root]\nlevel = 'INFO'\nhandlers = ['all']\n"
    );
    fs::write(place.path("logboom.toml"), config).unwrap();
    let listen = || place.serve(place.logboom(&["listen"]));
    let mut listener = listen();
    let names = ["w1", "w2", "w3"];
    let mut workers = names.map(|name| place.worker(name, &["numbers", &COUNT.to_string()]));
    for kill in 1..=KILLS {
        let records = || lines_of(&place.path("all.log")).len();
        wait_until("records", || records() > (kill * 5000) as usize);
        listener.process.signal(Signal::SIGKILL);
        listener.process.wait();
        listener = listen();
    }
    for worker in &mut workers {
        assert_eq!(worker.process.wait(), 0);
    }
    listener.stop();
    for (name, loggers) in [("a", &["a"][..]), ("b", &["b"]), ("all", &["a", "b"])] {
        let lines = lines_of(&place.path(&format!("{name}.log")));
        for logger in loggers {
            for worker in names {
                let prefix = format!("{logger} {worker} ");
                let numbers = lines.iter().filter_map(|line| line.strip_prefix(&prefix));
                assert!(
                    numbers.map(|number| number.parse::<u32>().unwrap()).eq(0..COUNT),
                    "{name}.log does not have all of {prefix}in order"
                );
            }
        }
        let expected = loggers.len() * names.len() * COUNT as usize;
        let records = lines.iter().filter(|line| !line.starts_with("logboom ")).count();
        assert_eq!(records, expected, "{name}.log has records of others");
    }
}

#[test]
fn levels_with_names_of_ones_own_are_set_and_printed() {
    let place = Place::new();
    let config = "version = 1
        levels = { VERBOSE = 15, NOTICE = 25 }
        formatters.plain.format = '%(levelname)s %(message)s'
        handlers.file = { class = 'FileHandler', filename = 'own.log', formatter = 'plain' }
        root = { level = 'NOTICE', handlers = ['file'] }";
    fs::write(place.path("logboom.toml"), config).unwrap();
    let listener = place.serve(place.logboom(&["listen"]));
    for (level, message) in [("15", "low"), ("25", "own"), ("30", "usual")] {
        let sent = place.run(&["log", "-l", level, message]);
        assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    }
    listener.stop();
    let lines = lines(&place, "own.log");
    let lines: Vec<_> = lines.iter().filter(|line| !line.contains("filtered")).collect();
    assert_eq!(lines, ["NOTICE own", "WARNING usual"]);
}

#[test]
fn flags_come_before_the_file() {
    let place = Place::new();
    fs::write(place.path("named.toml"), ROUTES).unwrap();
    let listener = place.listen(&["--config", "named.toml", "--format", "%(message)s"]);
    place.worker("w", &["once"]).finish();
    listener.stop();
    assert_eq!(lines(&place, "access.log").len(), 2);
    // The log that a flag names is attached to the root as well.
    let by_flag: Vec<_> = lines(&place, "app.log").into_iter().skip(1).collect();
    assert_eq!(by_flag, ["fine", "failed", "secret"]);

    let place = Place::new();
    fs::write(place.path("logboom.toml"), ROUTES).unwrap();
    place.listen(&["--no-config"]).stop();
    assert!(place.log().exists() && !place.path("all.log").exists());
}

#[test]
fn a_listener_with_a_broken_configuration_does_not_start() {
    let place = Place::new();
    fs::write(place.path("logboom.toml"), "version = 1\nroot.level = 'LOUD'\n").unwrap();
    let ended = place.run(&["listen"]);
    assert_eq!(ended.status.code(), Some(78), "{ended:?}");
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.starts_with("logboom: logboom.toml:2: root.level: "), "{said}");
}

#[test]
fn what_run_starts_logs_by_the_configuration() {
    let place = Place::new();
    fs::write(place.path("logboom.toml"), ROUTES).unwrap();
    let ran = place.run(&["run", "-q", "-c", "job=echo out; echo err >&2"]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let all = lines(&place, "all.log");
    for line in ["stdout INFO out", "stderr WARNING err"] {
        assert!(all.iter().any(|known| known == line), "{all:?}");
    }
    assert!(!place.path("logs").exists());
}
