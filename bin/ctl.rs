//! `logboom ctl`: talk to a running listener.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Subcommand;
use logboom::config::{ConfigError, MAX_FILE_BYTES};
use logboom::control;
use logboom::supervisor::{self, Action, ControlError};
use logboom::{Certainty, QueueDir};

use crate::exit;
use crate::options::{QueueOptions, complain};
use crate::run_status::{self, Shown};
use crate::{ctl_workers, level, status};

const PUSH_EXAMPLES: &str = "Examples:
  logboom ctl config push logboom.toml
  logboom ctl --queue jobs config push dict.json";

const PRINTING: &str = "cannot print";

/// Talk to a running listener, and to a run
#[derive(clap::Args)]
#[command(after_help = "Examples:
  logboom ctl status
  logboom ctl --queue jobs flush --sync
  logboom ctl level web.access DEBUG --for 10m
  logboom ctl config push logging.toml
  logboom ctl rotate
  logboom ctl restart web
  logboom ctl stop")]
pub(crate) struct Args {
    #[command(flatten)]
    queue: QueueOptions,
    #[command(subcommand)]
    request: Request,
}

#[derive(Subcommand)]
enum Request {
    /// Show the workers, what was written, dropped and refused
    #[command(after_help = status::KEYS)]
    Status {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Wait until everything logged so far is in the log file
    #[command(after_help = "Examples:
  logboom ctl flush
  logboom ctl flush --sync --timeout 60")]
    Flush {
        /// Wait until it is on the disk
        #[arg(long)]
        sync: bool,
        /// Give up after this many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        timeout: u32,
    },
    /// Set the level of a logger, and wait until all workers obey
    #[command(after_help = level::DETAILS)]
    Level(level::Args),
    /// Give it another configuration
    #[command(after_help = PUSH_EXAMPLES)]
    Config {
        #[command(subcommand)]
        request: ConfigRequest,
    },
    /// Rotate the log files now, and wait until that is done
    #[command(after_help = "Examples:
  logboom ctl rotate")]
    Rotate {
        /// Give up after this many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        timeout: u32,
    },
    /// Start workers of a run, and wait until they are ready
    #[command(after_help = ctl_workers::help(&[
        "logboom ctl start web            all processes of it: web-1, web-2, …",
        "logboom ctl --queue jobs start db web",
    ]))]
    Start(WorkerNames),
    /// Stop workers of a run and start them again, and wait until they are ready
    #[command(after_help = ctl_workers::help(&[
        "logboom ctl restart web-2",
        "logboom ctl restart db web --timeout 120",
    ]))]
    Restart(WorkerNames),
    /// Stop the listener, and the run where there is one, and say how it went; or stop some workers
    #[command(after_help = ctl_workers::help(&[
        "logboom ctl stop",
        "logboom ctl --queue jobs stop --timeout 300",
        "logboom ctl stop web-2",
    ]))]
    Stop {
        /// Stop only these workers of a run: `web-1`, or `web` for all processes of it
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Give up after this many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        timeout: u32,
    },
}

#[derive(clap::Args)]
struct WorkerNames {
    /// The workers: `web-1`, or `web` for all processes of it
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    timeout: u32,
}

#[derive(Subcommand)]
enum ConfigRequest {
    /// Send a configuration, which then holds until the next one, a SIGHUP, or the end of the listener.
    /// One that cannot be used changes nothing (78). Relative paths in it are those of the listener
    #[command(after_help = PUSH_EXAMPLES)]
    Push {
        /// The configuration; its name says in which form it is
        file: PathBuf,
        /// Give up after this many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        timeout: u32,
    },
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let queue = args.queue.directory()?;
    match args.request {
        Request::Status { json } => show_status(&queue, json),
        Request::Flush { sync, timeout } => flush(&queue, sync, seconds(timeout)),
        Request::Level(args) => level::run(&queue, args),
        Request::Config { request: ConfigRequest::Push { file, timeout } } => {
            push(&queue, &file, seconds(timeout))
        }
        Request::Rotate { timeout } => {
            let rotated = control::rotate(&queue, seconds(timeout))?;
            if let Some(error) = rotated.error {
                if rotated.files == 0 {
                    bail!("no log file was rotated: {error}");
                }
                bail!("{} log files rotated, then: {error}", rotated.files);
            }
            let said = writeln!(anstream::stdout(), "{} log files rotated", rotated.files);
            exit::printed(said).context(PRINTING)?;
            Ok(ExitCode::SUCCESS)
        }
        Request::Start(WorkerNames { names, timeout }) => {
            ctl_workers::change(&queue, Action::Start, &names, seconds(timeout))
        }
        Request::Restart(WorkerNames { names, timeout }) => {
            ctl_workers::change(&queue, Action::Restart, &names, seconds(timeout))
        }
        Request::Stop { names, timeout } if !names.is_empty() => {
            ctl_workers::change(&queue, Action::Stop, &names, seconds(timeout))
        }
        Request::Stop { timeout, .. } => {
            let report = control::stop(&queue, seconds(timeout))?;
            exit::printed(writeln!(anstream::stdout(), "{report}")).context(PRINTING)?;
            Ok(if report.is_complete() { ExitCode::SUCCESS } else { exit::IO.into() })
        }
    }
}

/// Without a listener the workers of a run are shown all the same.
fn show_status(queue: &QueueDir, json: bool) -> anyhow::Result<ExitCode> {
    let run = match supervisor::run_status(queue) {
        Ok(run) => Some(run),
        Err(ControlError::NoRun { .. }) => None,
        Err(error) => {
            complain(&error);
            None
        }
    };
    let mut out = anstream::stdout().lock();
    let status = match (control::status(queue), &run) {
        (Ok(status), _) => status,
        (Err(error), Some(run)) if !json => {
            exit::printed(run_status::print(run, &[], &mut out)).context(PRINTING)?;
            return Err(error.into());
        }
        (Err(error), _) => return Err(error.into()),
    };
    if json {
        let shown = serde_json::to_string(&Shown::new(&status, run.as_ref()));
        let text = shown.context("cannot print the status")?;
        writeln!(out, "{text}").context(PRINTING)?;
    } else {
        status::print(&status, run.as_ref(), &mut out).context(PRINTING)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn flush(queue: &QueueDir, sync: bool, timeout: Duration) -> anyhow::Result<ExitCode> {
    let certainty = if sync { Certainty::Synced } else { Certainty::Written };
    let flushed = control::flush(queue, certainty, timeout)?;
    if flushed.silent_workers > 0 {
        bail!(
            "{} workers did not send what they have in time: they may stand still",
            flushed.silent_workers
        );
    }
    if !flushed.written {
        bail!("not all records could be written in time: see `logboom ctl status`");
    }
    if sync && !flushed.synced {
        bail!("a sync has failed, so the log may not be on the disk: see `logboom ctl status`");
    }
    Ok(ExitCode::SUCCESS)
}

fn push(queue: &QueueDir, file: &Path, timeout: Duration) -> anyhow::Result<ExitCode> {
    let io = |source| ConfigError::Io { path: file.to_owned(), source };
    let mut text = Vec::new();
    let limit = MAX_FILE_BYTES as u64 + 1;
    File::open(file).and_then(|open| open.take(limit).read_to_end(&mut text)).map_err(io)?;
    control::push_config(queue, &file.display().to_string(), &text, timeout)?;
    Ok(ExitCode::SUCCESS)
}
