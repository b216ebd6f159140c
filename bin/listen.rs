//! `logboom listen`: the listener as a process of its own.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use logboom::filter::LevelFilter;
use logboom::handler::StreamHandler;
use logboom::{Level, QueueListener, Stop};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit;
use crate::options::{LogOptions, OutputOptions, QueueOptions};

/// Receive the records of all workers of a queue and write them to one rotated file
#[derive(clap::Args)]
#[command(after_help = "Examples:
  logboom listen --log logs/app.log --max-bytes 100MB --backup-count 5
  logboom listen --queue jobs --format json")]
pub(crate) struct Args {
    #[command(flatten)]
    queue: QueueOptions,
    #[command(flatten)]
    log: LogOptions,
    /// Print every record to standard output as well
    #[arg(long)]
    console: bool,
    /// How long a stop waits for workers and for the log file, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    drain_timeout: u32,
}

pub(crate) fn run(args: Args, output: &OutputOptions) -> anyhow::Result<ExitCode> {
    let queue = args.queue.directory()?;
    let mut builder = QueueListener::builder(queue)
        .own_process()
        .file(args.log.open(&args.queue)?)
        .drain_timeout(Duration::from_secs(args.drain_timeout.into()));
    if args.console {
        let color = output.handler_color(&std::io::stdout());
        let console = StreamHandler::stdout(args.log.format.formatter()?).color(color);
        builder = builder.handler("console", console);
    }
    if let Some(level) = args.log.level {
        builder = builder.filter(LevelFilter(level)).worker_levels(facade_filter(level));
    }
    let listener = builder.bind()?;
    stop_on_signals(listener.stop_handle()).context("cannot watch signals")?;
    let report = listener.run()?;
    output.say(&report);
    Ok(if report.missing == 0 { ExitCode::SUCCESS } else { exit::IO.into() })
}

/// The table that lets no worker encode what is below `level`.
fn facade_filter(level: Level) -> &'static str {
    match level {
        level if level > Level::WARNING => "error",
        level if level > Level::INFO => "warn",
        level if level > Level::DEBUG => "info",
        level if level > Level::TRACE => "debug",
        _ => "trace",
    }
}

/// Ctrl-C and termination are the sentinel. A hang-up is what logrotate sends after it has moved the
/// log: nothing is to be done, because every write looks for that.
fn stop_on_signals(stop: Stop) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    std::thread::Builder::new().name("logboom-signals".into()).spawn(move || {
        signals.forever().filter(|signal| *signal != SIGHUP).for_each(|_| stop.request());
    })?;
    Ok(())
}
