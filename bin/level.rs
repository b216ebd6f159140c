//! `logboom ctl level`: the level of a logger, in a running listener and its workers.

use std::fs;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use logboom::control::{self, LevelReport, WorkerName};
use logboom::{Level, QueueDir};

use crate::exit;
use crate::options::{parse_duration, plain};

pub(crate) const DETAILS: &str = "\
Examples:
  logboom ctl level web.access DEBUG --for 10m
  logboom ctl level root WARNING

As with Python's setLevel, the level is that of all loggers below that have none of their own, and the
listener keeps nothing below it. Workers do not even encode what no handler wants. Prints how many
obey, and which do not: those that are pinned by LOGBOOM_FILTER or their program, and those that did
not acknowledge in time, because they are stopped for instance; these obey as soon as they go on, and
the exit code is 74. Workers that start later obey from their beginning.

A listener that is started again knows nothing of it. `logboom ctl status` shows what is set.";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of the logger; `root` is the root
    name: String,
    /// Its level, by name or number; NOTSET leaves it to the loggers above
    level: Level,
    /// Set it back after this time, such as 90s, 10m, 2h
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Wait so many seconds for the workers
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u32,
}

pub(crate) fn run(queue: &QueueDir, args: Args) -> anyhow::Result<ExitCode> {
    let Args { name, level, duration, timeout } = args;
    let timeout = Duration::from_secs(timeout.into());
    let report = control::set_level(queue, &name, level, duration, timeout)?;
    let line = plain(&told(&report));
    exit::printed(writeln!(anstream::stdout(), "{line}")).context("cannot print")?;
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { exit::IO.into() })
}

fn told(report: &LevelReport) -> String {
    let LevelReport { logger, level, obeying, pending, more_pending, pinned, more_pinned, .. } =
        report;
    let workers = obeying + pending.len() as u64 + more_pending;
    let mut line = format!("level of {logger} is {level}; {obeying} of {workers} workers obey");
    for (what, names, more) in [("not yet", pending, more_pending), ("pinned", pinned, more_pinned)]
    {
        if names.is_empty() {
            continue;
        }
        let names: Vec<_> = names.iter().map(named).collect();
        line += &format!("; {what}: {}", names.join(", "));
        if *more > 0 {
            line += &format!(" and {more} more");
        }
    }
    line
}

fn named(worker: &WorkerName) -> String {
    let WorkerName { name, pid, .. } = worker;
    if is_stopped(*pid) { format!("{name} ({pid}, stopped)") } else { format!("{name} ({pid})") }
}

/// Whether the process stands still, by a signal or a debugger; see proc_pid_stat(5).
fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with(['T', 't']))
}
