//! What `run` and `demo` share: a supervisor whose listener is this same program.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use logboom::QueueDir;
use logboom::control::StopReport;
use logboom::supervisor::{Exit, Notice, SuperviseError, Supervisor};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use crate::aside::Voice;
use crate::options::{LogOptions, OutputOptions, complain};
use crate::signals;

/// The command of a supervised listener on `queue` that logs to `path`, or to where `config` says.
pub(crate) fn listener(
    queue: &QueueDir,
    path: Option<&Path>,
    log: &LogOptions,
    config: Option<&Path>,
    output: &OutputOptions,
) -> anyhow::Result<Command> {
    let mut queue_flag = OsString::from("--queue-dir=");
    queue_flag.push(queue.path());
    let mut command = this_program()?;
    command.arg("listen").arg(queue_flag).args(log.flags(path));
    command.arg(config.map_or_else(|| "--no-config".into(), config_flag));
    command.arg(output.color_flag());
    Ok(command)
}

fn config_flag(path: &Path) -> OsString {
    let mut flag = OsString::from("--config=");
    flag.push(path);
    flag
}

/// A command that starts this program again.
pub(crate) fn this_program() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::current_exe().context("cannot find the program itself")?))
}

/// Least and most descriptors that a worker takes in its supervisor: what it prints, its place in the
/// queue, and whoever looks whether it is ready.
const DESCRIPTORS_PER_WORKER: (u64, u64) = (9, 10);

/// All that the supervisor itself takes, and those that ask it.
const OTHER_DESCRIPTORS: u64 = 128;

/// Lets this process have as many descriptors as so many workers need. They inherit that, so it is not
/// raised further: there are programs that close all descriptors that they might have.
pub(crate) fn make_room(workers: usize) -> anyhow::Result<()> {
    let (least, most) = DESCRIPTORS_PER_WORKER;
    let (least, most) = (workers as u64 * least, OTHER_DESCRIPTORS + workers as u64 * most);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if least > hard {
        bail!(
            "{workers} workers take {least} descriptors, of {hard} that a process may have: start \
             fewer, or raise the limit (ulimit -n)"
        );
    }
    let wanted = most.min(hard);
    if wanted > soft {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).context("cannot open more files")?;
    }
    Ok(())
}

/// Passes the signals that ask for an end, or for a rotation.
pub(crate) fn forward_signals(supervisor: &Supervisor) -> anyhow::Result<()> {
    let to = supervisor.interrupter();
    // With a handler, SIGCHLD is not ignored any more, should our parent have wanted that.
    let mut wanted = vec![SIGCHLD, SIGINT, SIGTERM, SIGUSR1];
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let watched = signals::watch(&wanted, move |signal| match signal {
        SIGCHLD => {}
        SIGUSR1 => to.rotate(),
        signal => to.interrupt(signal),
    });
    watched.context("cannot watch signals")
}

/// Whether this program was started with the signal ignored, as `nohup` does.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or(0) >> (signal - 1) & 1 == 1
}

/// Prints what went wrong; a start is no news.
pub(crate) fn tell(notice: &Notice) {
    if !matches!(notice, Notice::Started { .. }) {
        complain(notice);
    }
}

/// The same, without waiting for a terminal that stands still.
pub(crate) fn told_by(voice: Voice) -> impl FnMut(&Notice) {
    move |notice| {
        if !matches!(notice, Notice::Started { .. }) {
            voice.say(notice);
        }
    }
}

/// What the program ends with when the listener did not start: its own code where it has said why.
pub(crate) fn not_started(error: SuperviseError) -> anyhow::Result<ExitCode> {
    match error {
        SuperviseError::ListenerDied { exit: exit @ Exit::Code(_) } => Ok(exit.shell_code().into()),
        error => Err(error.into()),
    }
}

/// The totals of a listener that has stopped, for people.
pub(crate) fn totals(report: &StopReport) -> String {
    let StopReport { drained, dropped, missing, unconfirmed, left_lanes, .. } = report;
    let unconfirmed = match unconfirmed {
        0 => String::new(),
        records => format!(", unconfirmed {records}"),
    };
    let left = match left_lanes {
        0 => String::new(),
        lanes => format!(", left {lanes} lanes"),
    };
    format!("drained {drained}, dropped {dropped}, missing {missing}{unconfirmed}{left}")
}
