//! `logboom ctl start|stop|restart NAME`: workers of a run.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use logboom::QueueDir;
use logboom::supervisor::{self, Action, RunWorker, WorkerState};

use crate::exit;
use crate::options::{complain, plain};

const DETAILS: &str = "\
Workers of `logboom run` are stopped by their stop signals, in the reverse of their order, and
started in it; names and PORT stay. The command returns when no process of stopped workers is left,
and started ones are ready; without readiness, when they are started. Others go on as they are.

A worker that was stopped has not failed. Nothing but `ctl start` or `restart` starts it again, and
`run` waits for that: while a worker is stopped it ends by `ctl stop` without names and by signals
only. One that fails after it was started counts as any: see --on-exit of `run`.

Exit codes: 1 a worker did not come up, 2 there is no such worker, 69 no run, 74 not done in time,
or refused.";

/// What is said below the options of such a command.
pub(crate) fn help(examples: &[&str]) -> String {
    let examples: String = examples.iter().map(|line| format!("  {line}\n")).collect();
    format!("Examples:\n{examples}\n{DETAILS}")
}

/// Starts, stops or restarts workers, and says how they are then.
pub(crate) fn change(
    queue: &QueueDir,
    action: Action,
    names: &[String],
    timeout: Duration,
) -> anyhow::Result<ExitCode> {
    let changed = supervisor::change_workers(queue, action, names, timeout)?;
    for worker in &changed.workers {
        let printed = writeln!(anstream::stdout(), "{}", plain(&told(worker)));
        exit::printed(printed).context("cannot print")?;
    }
    changed.problems.iter().for_each(complain);
    Ok(if changed.problems.is_empty() { ExitCode::SUCCESS } else { exit::FAILURE.into() })
}

/// `web-1 ready, process 4242`
fn told(worker: &RunWorker) -> String {
    let RunWorker { name, state, pid, .. } = worker;
    match pid {
        Some(pid) if *state != WorkerState::Stopping => format!("{name} {state}, process {pid}"),
        _ => format!("{name} {state}"),
    }
}
