//! `logboom bench`: measure logboom on this machine, with real processes and a real log.

mod args;
mod check;
mod load;
mod place;
mod producer;
mod record;
mod report;
mod start_line;

use std::fs;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use logboom::control;
use logboom::supervisor::Reason;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use signal_hook::consts::{SIGINT, SIGTERM};

pub(crate) use self::args::Args;
use self::check::{check, files_of};
use self::place::Place;
pub(crate) use self::producer::{Args as ProducerArgs, work};
use self::report::Run;
use crate::options::OutputOptions;
use crate::{exit, supervise};

/// How long after the end of its workers a referee may take.
const REFEREE_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn run(args: Args, output: &OutputOptions) -> anyhow::Result<ExitCode> {
    let load = args.load()?;
    let place = Place::new(&args)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let mut supervisor = place.supervisor(&args, output)?;
    supervise::forward_signals(&supervisor)?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let finished = place.referee(args.producers, load.clone())?;
    let outcome = match supervisor.run(place.producers(args.producers)?) {
        Ok(outcome) => outcome,
        Err(error) => return supervise::not_started(error),
    };
    let listener_rss_kb = control::status(&place.queue).ok().and_then(|it| peak_rss_kb(it.pid));
    let report = supervisor.stop()?;
    if let Reason::Interrupted { .. } = outcome.reason {
        bail!("{outcome}: nothing was measured");
    }
    let times = match finished.recv_timeout(REFEREE_TIMEOUT) {
        Ok(times) => times.with_context(|| outcome.to_string())?,
        Err(_) => bail!("{outcome}: not all producers came to the start line"),
    };
    if report.missing + report.dropped > 0 {
        bail!("records are missing: {}", supervise::totals(&report));
    }
    let go_on = || match interrupted.load(Ordering::Relaxed) {
        true => bail!("interrupted while the log was checked"),
        false => Ok(()),
    };
    let files = files_of(&place.log);
    let found = check(&files, args.producers, load.records(), load.expected(), go_on)?;
    let run = Run {
        latency: place.latency(&load, args.producers)?,
        producers: args.producers,
        load,
        times,
        cpu_us: children_cpu_us()?,
        listener_rss_kb,
        found,
    };
    print(&run, args.json).context("cannot print the result")?;
    Ok(ExitCode::SUCCESS)
}

fn print(run: &Run, json: bool) -> std::io::Result<()> {
    let mut text = run.to_string();
    if json {
        text += &format!("\n{}\n", run.json());
    }
    exit::printed(anstream::stdout().write_all(text.as_bytes()))
}

/// The largest resident set a process has had.
fn peak_rss_kb(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok()
}

/// CPU time of all processes that were started and have ended.
fn children_cpu_us() -> anyhow::Result<u64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot read the CPU time")?;
    let us = (usage.user_time() + usage.system_time()).num_microseconds();
    Ok(u64::try_from(us).unwrap_or_default())
}
