//! `logboom tail`: prints the last lines of a log and follows it across rotation.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use logboom::control;
use logboom::tail::{Progress, Tail, TailError};

use crate::options::{QueueOptions, complain, default_log};

/// How long to wait for new lines. Looking at files works on every file system.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

const EXAMPLES: &str = "\
Examples:
  logboom tail -f               follow the log of the default queue
  logboom tail -n 100 app.log   the last 100 lines, from backups too
  logboom tail -n all app.log | grep api-3

A line is printed when its newline has been written. Backups are app.log.1 (newest), app.log.2, …, or have
dates instead of numbers.";

/// Print the last lines of a log, across its rotation
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The current file of the log [default: that of the running listener, else logs/QUEUE.log]
    path: Option<PathBuf>,

    #[command(flatten)]
    queue: QueueOptions,

    /// How many lines to print first, or `all`
    #[arg(short = 'n', long, value_name = "N", default_value = "10", value_parser = parse_lines)]
    lines: u64,

    /// Go on with what is written later; wait for a log that does not exist yet
    #[arg(short, long)]
    follow: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let path = match &args.path {
        Some(path) => path.clone(),
        None => log_of_listener(&args.queue)?,
    };
    print(&path, &args, &mut io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

/// The log that is written now, or the one that is written where nothing else is said.
fn log_of_listener(queue: &QueueOptions) -> anyhow::Result<PathBuf> {
    let running = control::status(&queue.directory()?).ok();
    let log = running.and_then(|status| status.logs.into_iter().next());
    log.map_or_else(
        || queue.directory().map(|queue| default_log(&queue)),
        |log| Ok(PathBuf::from(log)),
    )
}

fn print(path: &Path, args: &Args, out: &mut impl Write) -> anyhow::Result<()> {
    let mut tail = open(path, args)?;
    let mut lines = Vec::new();
    loop {
        let progress = tail.read(&mut lines)?;
        out.write_all(&lines)?;
        lines.clear();
        match progress {
            Progress::Advanced => {}
            Progress::Skipped => {
                out.flush()?;
                report_skip(path);
            }
            Progress::Idle if args.follow => {
                out.flush()?;
                thread::sleep(POLL_INTERVAL);
            }
            Progress::Idle => return Ok(out.flush()?),
        }
    }
}

fn open(path: &Path, args: &Args) -> Result<Tail, TailError> {
    match Tail::open(path, args.lines) {
        Err(TailError::Missing { path }) if args.follow => Ok(Tail::awaiting(path)),
        opened => opened,
    }
}

fn report_skip(path: &Path) {
    complain(&format_args!(
        "lines of {} may be missing here: backups were deleted before they were read \
         (a higher --backup-count keeps them longer)",
        path.display()
    ));
}

fn parse_lines(text: &str) -> Result<u64, String> {
    match text {
        "all" => Ok(u64::MAX),
        _ => text.parse().map_err(|_| "expected a number or `all`".to_owned()),
    }
}
