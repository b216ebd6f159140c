//! Programs that log alone, by a configuration.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use logboom::config::{Config, Form};
use logboom::{Certainty, Level, QueueHandler};

/// The configuration with DIR for a directory.
fn start(directory: &Path, text: &str) -> QueueHandler {
    let text = text.replace("DIR", directory.to_str().unwrap());
    let config = Config::parse(&text, Form::Toml, "test.toml").unwrap();
    let builder = logboom::builder().config(&config).unwrap().name("alone");
    builder.pinned_filter("trace").attach().unwrap()
}

fn lines(directory: &Path, name: &str) -> Vec<String> {
    let text = fs::read_to_string(directory.join(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

const ROUTES: &str = r#"
version = 1
formatters.short.format = "%(processName)s %(name)s %(levelname)s %(message)s%(fields)s"
[filters.marked]
class = "ContextFilter"
fields.marked = true
[handlers.all]
class = "FileHandler"
filename = "DIR/all.log"
formatter = "short"
[handlers.errors]
class = "FileHandler"
filename = "DIR/errors.log"
formatter = "short"
level = "ERROR"
filters = ["marked"]
[loggers.quiet]
level = "ERROR"
[loggers.apart]
propagate = false
handlers = ["errors"]
[root]
level = "DEBUG"
handlers = ["all", "errors"]
"#;

#[test]
fn records_are_in_the_files_when_the_call_returns() {
    let directory = tempfile::tempdir().unwrap();
    let logger = start(directory.path(), ROUTES);
    let all = || lines(directory.path(), "all.log");
    logger.log(Level::TRACE, "a", format_args!("too fine"));
    logger.log(Level::DEBUG, "a", format_args!("one"));
    assert_eq!(all(), ["alone a DEBUG one"]);
    logger.log(Level::WARNING, "quiet::part", format_args!("hidden"));
    logger.log(Level::ERROR, "quiet::part", format_args!("two"));
    logger.log(Level::ERROR, "apart", format_args!("three"));
    assert_eq!(all(), ["alone a DEBUG one", "alone quiet::part ERROR two"]);
    let errors = ["alone quiet::part ERROR two marked=true", "alone apart ERROR three marked=true"];
    assert_eq!(lines(directory.path(), "errors.log"), errors);
    assert!(logger.flush(Certainty::Written, Duration::ZERO).is_complete());
    assert_eq!((logger.stats().records, logger.stats().dropped), (5, 0));
}

#[test]
fn a_handler_that_fails_is_told_once_and_harms_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let text = "version = 1\n[handlers.all]\nclass = 'FileHandler'\nfilename = 'DIR/all.log'\n\
        [handlers.nobody]\nclass = 'SysLogHandler'\naddress = 'DIR/nobody'\n\
        [root]\nlevel = 'INFO'\nhandlers = ['nobody', 'all']\n";
    let logger = start(directory.path(), text);
    for number in 0..3 {
        logger.log(Level::INFO, "a", format_args!("{number}"));
    }
    let lines = lines(directory.path(), "all.log");
    let (told, records): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| line.starts_with("handler nobody failed: cannot "));
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(records, ["0", "1", "2"]);
    assert_eq!(logger.stats().dropped, 3);
}

#[test]
fn what_is_kept_back_is_written_when_the_program_ends() {
    let directory = tempfile::tempdir().unwrap();
    let text = "version = 1\n[handlers.target]\nclass = 'FileHandler'\nfilename = 'DIR/late.log'\n\
        [handlers.memory]\nclass = 'MemoryHandler'\ncapacity = 10\ntarget = 'target'\n\
        [root]\nlevel = 'INFO'\nhandlers = ['memory']\n";
    let logger = start(directory.path(), text);
    logger.log(Level::INFO, "a", format_args!("kept"));
    assert_eq!(lines(directory.path(), "late.log"), [""; 0]);
    drop(logger);
    assert_eq!(lines(directory.path(), "late.log"), ["kept"]);
    let lock = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(lock, 1, "the lock of the log is left");
}

#[test]
fn several_programs_write_one_rotated_file_by_a_configuration_of_python() {
    let directory = tempfile::tempdir().unwrap();
    let text = "version = 1\nformatters.p.format = '%(message)s'\n[handlers.all]\n\
        class = 'concurrent_log_handler.ConcurrentRotatingFileHandler'\nfilename = 'DIR/all.log'\n\
        maxBytes = 20\nbackupCount = 5\nuse_gzip = false\nformatter = 'p'\n[root]\nlevel = 'INFO'\nhandlers = ['all']\n";
    let programs = [start(directory.path(), text), start(directory.path(), text)];
    for number in 0..6 {
        programs[number % 2].log(Level::INFO, "a", format_args!("line {number}"));
    }
    assert_eq!(lines(directory.path(), "all.log.2"), ["line 0", "line 1"]);
    assert_eq!(lines(directory.path(), "all.log.1"), ["line 2", "line 3"]);
    assert_eq!(lines(directory.path(), "all.log"), ["line 4", "line 5"]);
    assert!(programs.iter().all(|program| program.stats().dropped == 0));
}

#[test]
fn threads_tear_no_line() {
    const RECORDS: usize = 2000;
    let directory = tempfile::tempdir().unwrap();
    let text = "version = 1\nformatters.p.format = '%(threadName)s %(message)s'\n[handlers.all]\nclass = 'RotatingFileHandler'\n\
        filename = 'DIR/all.log'\nformatter = 'p'\n[root]\nlevel = 'INFO'\nhandlers = ['all']\n";
    let logger = start(directory.path(), text);
    std::thread::scope(|scope| {
        for name in ["t1", "t2", "t3", "t4"] {
            let logger = &logger;
            let count = move || {
                (0..RECORDS).for_each(|n| logger.log(Level::INFO, "a", format_args!("{n}")));
            };
            std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, count).unwrap();
        }
    });
    let lines = lines(directory.path(), "all.log");
    assert_eq!(lines.len(), 4 * RECORDS);
    for name in ["t1", "t2", "t3", "t4"] {
        let prefix = format!("{name} ");
        let numbers = lines.iter().filter_map(|line| line.strip_prefix(&prefix));
        assert!(numbers.map(|number| number.parse::<usize>().unwrap()).eq(0..RECORDS));
    }
}
