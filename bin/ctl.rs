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
use logboom::{Certainty, QueueDir};

use crate::exit;
use crate::options::QueueOptions;
use crate::{level, status};

const PUSH_EXAMPLES: &str = "Examples:
  logboom ctl config push logboom.toml
  logboom ctl --queue jobs config push dict.json";

const PRINTING: &str = "cannot print";

/// Talk to a running listener
#[derive(clap::Args)]
#[command(after_help = "Examples:
  logboom ctl status
  logboom ctl --queue jobs flush --sync
  logboom ctl level web.access DEBUG --for 10m
  logboom ctl config push logging.toml
  logboom ctl rotate
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
    /// Drain, stop, and say how it went
    #[command(after_help = "Examples:
  logboom ctl stop
  logboom ctl --queue jobs stop --timeout 300")]
    Stop {
        /// Give up after this many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        timeout: u32,
    },
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
        Request::Status { json } => {
            let status = control::status(&queue)?;
            if json {
                let text = serde_json::to_string(&status).context("cannot print the status")?;
                writeln!(anstream::stdout(), "{text}").context(PRINTING)?;
            } else {
                status::print(&status, &mut anstream::stdout().lock()).context(PRINTING)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Request::Flush { sync, timeout } => flush(&queue, sync, seconds(timeout)),
        Request::Level(args) => level::run(&queue, args),
        Request::Config { request: ConfigRequest::Push { file, timeout } } => {
            push(&queue, &file, seconds(timeout))
        }
        Request::Rotate { timeout } => {
            let rotated = control::rotate(&queue, seconds(timeout))?;
            if let Some(error) = rotated.error {
                bail!("{} log files rotated, then: {error}", rotated.files);
            }
            let said = writeln!(anstream::stdout(), "{} log files rotated", rotated.files);
            exit::printed(said).context(PRINTING)?;
            Ok(ExitCode::SUCCESS)
        }
        Request::Stop { timeout } => {
            let report = control::stop(&queue, seconds(timeout))?;
            exit::printed(writeln!(anstream::stdout(), "{report}")).context(PRINTING)?;
            Ok(if report.is_complete() { ExitCode::SUCCESS } else { exit::IO.into() })
        }
    }
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
