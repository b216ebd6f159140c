//! `logboom log`: one record, or one per line of standard input, into a queue.

use std::io::{ErrorKind, Read};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use logboom::supervisor::Lines;
use logboom::{
    AttachError, Builder, Certainty, Context, Level, Overflow, QueueHandler, TransportChoice,
    control,
};

use crate::options::QueueOptions;

/// How long to wait for the log file.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

const READ_BYTES: usize = 64 * 1024;

/// Log one record, or one per line of standard input
#[derive(clap::Args)]
#[command(after_help = "Examples:
  logboom log -l WARNING -t backup 'disk is nearly full'
  ./nightly.sh 2>&1 | logboom log -t nightly")]
pub(crate) struct Args {
    #[command(flatten)]
    queue: QueueOptions,
    /// Level of the records
    #[arg(short, long, default_value = "INFO")]
    level: Level,
    /// Logger of the records
    #[arg(short = 't', long, default_value = "shell", value_name = "LOGGER")]
    logger: String,
    /// A field that goes with every record, such as `build=17`; may be repeated. More come from
    /// LOGBOOM_CONTEXT
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<Context>,
    /// Leave the records in shared memory for the next listener, where there is none
    #[arg(long)]
    offline: bool,
    /// The message; without one, each line of standard input is a record
    message: Vec<String>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let queue = args.queue.directory()?;
    let mut builder = logboom::builder().queue(queue.clone()).overflow(Overflow::Block);
    builder = args.context.iter().fold(builder, Builder::context);
    if args.offline {
        builder = builder.transport(TransportChoice::Ring).overflow(Overflow::DropNewest);
    } else {
        // Tells at once where nobody listens, or not for long.
        if control::status(&queue)?.stopping {
            return Err(AttachError::Refused { reason: "stopping".to_owned() }.into());
        }
    }
    // RUST_LOG is for programs that log, not for what a script wants to have in the log.
    let handler = builder.pinned_filter("trace").without_panic_hook().attach()?;
    if args.message.is_empty() {
        log_lines(&handler, &args)?;
    } else {
        handler.relay(args.level, &args.logger, &args.message.join(" "));
    }
    let dropped = handler.stats().dropped;
    if dropped > 0 {
        bail!("{dropped} records found no room: start a listener to make some");
    }
    let certainty = if args.offline { Certainty::Queued } else { Certainty::Written };
    let flushed = handler.flush(certainty, FLUSH_TIMEOUT);
    if !flushed.is_complete() {
        bail!(
            "{} records are not yet in the log file: the listener stands still",
            flushed.pending_records
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn log_lines(handler: &QueueHandler, args: &Args) -> anyhow::Result<()> {
    let mut input = std::io::stdin().lock();
    let mut log = |line: &str| handler.relay(args.level, &args.logger, line);
    let mut lines = Lines::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => lines.add(&buffer[..count], &mut log),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot read standard input"),
        }
    }
    lines.end(log);
    Ok(())
}
