//! Other ways to log from many processes into one file, with the records and the checks of
//! `logboom bench`.
//!
//! `peers run WAY` starts producers, and a collector where the way has one: processes of this same
//! program. It prints one line of JSON with the keys that `logboom bench --json` prints. `peers history` writes a log
//! for the measurements of `logboom tail`.

mod appender;
mod ceiling;
#[path = "../../../../bin/bench/check.rs"]
#[allow(dead_code, reason = "logboom's own messages have more forms")]
mod check;
mod harness;
mod history;
mod limit;
mod line;
mod locked;
mod naive;
#[path = "../../../../bin/bench/record.rs"]
#[allow(dead_code, unused_imports, reason = "logboom's own messages have more forms")]
mod record;
mod ring;
mod s6;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure one way
    Run(Run),
    /// Write a log to be searched
    History(history::Args),
    #[command(hide = true)]
    Collect(Run),
    #[command(hide = true)]
    Produce(Producer),
}

#[derive(clap::Args)]
struct Run {
    way: Way,
    #[arg(long, default_value_t = 1)]
    producers: u32,
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Of each producer
    #[arg(long)]
    records: u64,
    /// A new file
    #[arg(long)]
    out: PathBuf,
    /// Ten records of each thread each millisecond; times of the calls of producer P go to DIR/lat.P
    #[arg(long, value_name = "DIR")]
    lat_dir: Option<PathBuf>,
    #[arg(long, hide = true, default_value = "")]
    address: String,
}

#[derive(clap::Args)]
struct Producer {
    way: Way,
    worker: u32,
    threads: u32,
    records: u64,
    address: String,
    #[arg(long)]
    lat_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// One ipc-channel message for each record, one process that formats and writes
    Naive,
    /// tracing-appender in each process, one file opened for appending
    Appender,
    /// Lines through a pipe into s6-log
    S6,
    /// Shared memory, formatting and writing, and nothing else
    Limit,
    /// The same without a message: only its numbers go through the memory
    Numbers,
    /// logboom without a listener: each process writes the rotated file in turns
    Locked,
    /// Ready lines in blocks of 64 KiB
    Ceiling,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(run) if run.way == Way::Ceiling => ceiling::run(&run),
        Command::Run(run) => harness::run(&run),
        Command::History(args) => history::write(&args),
        Command::Collect(run) => match run.way {
            Way::Naive => naive::collect(&run),
            Way::Limit | Way::Numbers => limit::collect(&run),
            Way::Appender | Way::S6 | Way::Locked | Way::Ceiling => {
                anyhow::bail!("it has no collector of ours")
            }
        },
        Command::Produce(producer) => match producer.way {
            Way::Naive => naive::produce(&producer),
            Way::Appender => appender::produce(&producer),
            Way::S6 => s6::produce(&producer),
            Way::Locked => locked::produce(&producer),
            Way::Limit | Way::Numbers => limit::produce(&producer),
            Way::Ceiling => anyhow::bail!("it has no producers"),
        },
    }
}
