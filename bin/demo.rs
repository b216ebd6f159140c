//! `logboom demo`: the scene of Python's logging cookbook, "Logging to a single file from multiple
//! processes": a listener and ten workers that log ten records each.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use logboom::control::StopReport;
use logboom::supervisor::{
    DEFAULT_STOP_TIMEOUT, Notice, Outcome, Reason, Supervisor, WorkerCommand,
};
use logboom::{Certainty, Level, Overflow, QueueDir};

use crate::options::{LogOptions, OutputOptions, complain};
use crate::{exit, supervise};

const WORKERS: usize = 10;
const RECORDS_PER_WORKER: usize = 10;
const MAX_DELAY_MS: u64 = 50;
const LEVELS: [Level; 5] =
    [Level::DEBUG, Level::INFO, Level::WARNING, Level::ERROR, Level::CRITICAL];
const LOGGERS: [&str; 2] = ["a.b.c", "d.e.f"];
const MESSAGES: [&str; 3] = ["Random message #1", "Random message #2", "Random message #3"];

const DIRECTORY: &str = "./logboom-demo";
const FILE_NAME: &str = "mptest.log";
const PATTERN: &str = "%(asctime)s %(processName)-10s %(name)s %(levelname)-8s %(message)s";

/// How long a worker waits for its records to be in the log file.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// Watch ten processes log into one rotated file
#[derive(clap::Args)]
#[command(
    after_help = "Examples:
  logboom demo
  logboom demo --format json --max-bytes 0",
    mut_arg("log", |log| log.help("A new log file [default: ./logboom-demo/mptest.log, made anew]")),
    mut_arg("max_bytes", |size| size.default_value("2000")),
    mut_arg("format", |format| format.default_value(PATTERN)),
    mut_arg("rotate_on_start", |arg| arg.hide(true)),
    mut_arg("rotate_at", |arg| arg.hide(true)),
    mut_arg("backup_names", |arg| arg.hide(true)),
    mut_arg("keep_age", |arg| arg.hide(true)),
    mut_arg("keep_bytes", |arg| arg.hide(true)),
    mut_arg("min_free", |arg| arg.hide(true)),
    mut_arg("at_disk_limit", |arg| arg.hide(true)),
    mut_arg("compress", |arg| arg.hide(true)),
    mut_arg("route", |arg| arg.hide(true)),
    mut_arg("max_open_files", |arg| arg.hide(true)),
    mut_arg("force", |force| force.hide(true))
)]
pub(crate) struct Args {
    #[command(flatten)]
    log: LogOptions,
}

/// A queue directory of our own, removed when the demo ends.
struct PrivateQueue(QueueDir);

impl Drop for PrivateQueue {
    fn drop(&mut self) {
        // The listener has emptied it; one that was killed has not, and then it stays.
        let _in_use = fs::remove_dir(self.0.path());
    }
}

pub(crate) fn run(args: Args, output: &OutputOptions) -> anyhow::Result<ExitCode> {
    let log = new_log(args.log.log.as_deref())?;
    let queue = PrivateQueue(QueueDir::named(&format!("demo-{}", std::process::id()))?);
    let mut listener = supervise::listener(&queue.0, Some(&log), &args.log, None, output)?;
    listener.arg(format!("--supervised={}", DEFAULT_STOP_TIMEOUT.as_secs()));
    let mut supervisor = Supervisor::new(queue.0.clone(), listener, DEFAULT_STOP_TIMEOUT, tell);
    supervise::forward_signals(&supervisor)?;
    let outcome = match supervisor.run(workers()?) {
        Ok(outcome) => outcome,
        Err(error) => return supervise::not_started(error),
    };
    let report = supervisor.stop()?;
    exit::printed(show(&log, &outcome, &report))
        .with_context(|| format!("cannot show {}", log.display()))?;
    Ok(match outcome.exit_code() {
        0 if lost(&report) > 0 => exit::IO.into(),
        code => code.into(),
    })
}

/// What each of the ten processes does.
pub(crate) fn work() -> anyhow::Result<ExitCode> {
    let guard = logboom::builder().overflow(Overflow::Block).pinned_filter("trace").init()?;
    for _ in 0..RECORDS_PER_WORKER {
        thread::sleep(Duration::from_millis(fastrand::u64(..=MAX_DELAY_MS)));
        let level = LEVELS[fastrand::usize(..LEVELS.len())];
        let logger = LOGGERS[fastrand::usize(..LOGGERS.len())];
        let message = MESSAGES[fastrand::usize(..MESSAGES.len())];
        logboom::log(level, logger, format_args!("{message}"));
    }
    if !guard.flush(Certainty::Written, FLUSH_TIMEOUT).is_complete() {
        bail!("the listener did not write all records in time");
    }
    Ok(ExitCode::SUCCESS)
}

fn workers() -> anyhow::Result<Vec<WorkerCommand>> {
    let worker = |number| {
        let mut command = supervise::this_program()?;
        command.arg("demo-worker");
        Ok(WorkerCommand::new(&format!("Process-{number}"), command)?)
    };
    (1..=WORKERS).map(worker).collect()
}

/// Where to log. What an earlier demo left at the default place is removed; a file that was named
/// is not touched.
fn new_log(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    match named {
        Some(path) if path.exists() => {
            bail!("{} is there already: the demo needs a new file", path.display())
        }
        Some(path) => Ok(path.to_owned()),
        None => {
            remove_earlier(Path::new(DIRECTORY))
                .with_context(|| format!("cannot remove an earlier demo from {DIRECTORY}"))?;
            Ok(Path::new(DIRECTORY).join(FILE_NAME))
        }
    }
}

fn remove_earlier(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_of_demo) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a demo makes files of this name: the log and its backups.
fn is_of_demo(name: &str) -> bool {
    let number = |backup: &str| backup.parse().is_ok_and(|n: u32| n > 0 && n.to_string() == backup);
    match name.strip_prefix(FILE_NAME) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(number),
        None => false,
    }
}

fn tell(notice: &Notice) {
    match notice {
        // Where standard output is closed, the demo goes on without.
        Notice::Started { name, .. } => {
            let _closed = writeln!(io::stdout(), "Worker started: {name}");
        }
        trouble => complain(trouble),
    }
}

/// Prints the merged log, oldest file first, where it is, and whether it is whole.
fn show(log: &Path, outcome: &Outcome, report: &StopReport) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let backup = |number: u32| PathBuf::from(format!("{}.{number}", log.display()));
    let backups: Vec<_> = (1..).map(backup).take_while(|path| path.exists()).collect();
    let mut records = 0;
    for path in backups.iter().rev().map(PathBuf::as_path).chain([log]) {
        let text = fs::read(path)?;
        // One line is one record; a listener that was killed has not told what it wrote.
        records += text.iter().filter(|byte| **byte == b'\n').count();
        out.write_all(&text)?;
    }
    writeln!(out, "\nThe log is {} and {} backups beside it.", log.display(), backups.len())?;
    if !matches!(outcome.reason, Reason::AllEnded) {
        complain(outcome);
    }
    let lost = match lost(report) {
        0 => "none missing".to_owned(),
        lost => format!("{lost} missing"),
    };
    writeln!(out, "{records} records from {WORKERS} workers, {lost}")
}

fn lost(report: &StopReport) -> u64 {
    report.missing + report.unconfirmed + report.dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_a_demo_makes_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let kept = ["mptest.log.0", "mptest.log.01", "mptest.log.gz", "mptest.logs", "my.log.1"];
        let removed = ["mptest.log", "mptest.log.1", "mptest.log.12"];
        for name in kept.iter().chain(&removed) {
            fs::write(directory.path().join(name), "").unwrap();
        }
        remove_earlier(directory.path()).unwrap();
        for name in kept {
            fs::remove_file(directory.path().join(name)).unwrap();
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        remove_earlier(&directory.path().join("missing")).unwrap();
    }
}
