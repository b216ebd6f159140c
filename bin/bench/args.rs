//! The flags of `logboom bench`, and the load they ask for.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use clap::error::ErrorKind;

use super::load::{Api, Load, Message, Pace, Transport};
use super::record::MAX_RECORDS;
use crate::options::parse_size;

/// Longest line beside its message.
const MAX_PREFIX_BYTES: u64 = 64;

/// Longest message of the records with five arguments or with none.
const MAX_MESSAGE_BYTES: u64 = 160;

/// Longest message of a chosen length: half of what logboom still takes whole.
const MAX_CHOSEN_BYTES: u32 = 64 * 1024;

/// Most backups of the log, of which none may be removed.
pub(super) const MAX_BACKUPS: u32 = 10_000;

/// Most timed calls of a run: they are kept in memory.
const MAX_SAMPLES: u64 = 20_000_000;

const DETAILS: &str = "\
Examples:
  logboom bench
  logboom bench --producers 1 --threads 4 --transport channel
  logboom bench --mode latency --seconds 10
  logboom bench --producers 8 --records 1000000 --out /var/tmp/bench.log --json

Starts a listener and producers, processes of this same program, on a private queue in /dev/shm.
Producers wait for room where the queue is full, so no record is dropped. In the end every record has
to be in the log exactly once; records of a constant message are counted. A full disk holds the
producers up; Ctrl-C ends everything.

In mode `latency` each call is timed. An empty loop, run between the bursts, shows what the clock
and the machine add.

--json prints one more line, an object. Moments (t_…_ns) count from the Unix epoch: before the first
call of any producer, after the last one, and when all was written. CPU times are those of whole
processes, start included; collector_rss_kb is the listener's largest resident set.";

/// Measure throughput or latency on this machine
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub(crate) struct Args {
    /// What to measure
    #[arg(long, value_name = "MODE", default_value = "throughput")]
    mode: Mode,
    /// Worker processes
    #[arg(long, value_name = "P", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) producers: u32,
    /// Logging threads of each producer
    #[arg(long, value_name = "T", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Throughput: records of each producer, shared out over its threads
    #[arg(long, value_name = "N", default_value_t = 250_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=MAX_RECORDS))]
    records: u64,
    /// Latency: how long to measure
    #[arg(long, value_name = "S", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Latency: records of each thread in each interval
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    burst: u32,
    /// Latency: from one burst to the next, in microseconds
    #[arg(long, value_name = "US", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    interval_us: u32,
    /// Latency: leave the call times of producer P in DIR/lat.P: nanoseconds as raw little-endian
    /// words of 64 bits, with the clock's own cost
    #[arg(long, value_name = "DIR")]
    pub(super) lat_dir: Option<PathBuf>,
    /// The log, a new file [default: one in the directory for temporary files, removed at the end]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Rotate before the file reaches this size (units: k, M, G or KiB, MiB, GiB) [default: never]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(super) rotate_bytes: Option<u64>,
    /// How records travel
    #[arg(long, value_name = "NAME", default_value = "ring")]
    transport: Transport,
    /// What the producers log with
    #[arg(long, value_name = "NAME", default_value = "log")]
    api: Api,
    /// Arguments of each message, formatted in the call; 0 is a constant of about the same length
    #[arg(long, value_name = "0|5", default_value = "5")]
    args: ArgumentCount,
    /// A constant message of this length instead
    #[arg(long, value_name = "BYTES", conflicts_with = "args")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=MAX_CHOSEN_BYTES as i64))]
    message_bytes: Option<u32>,
    /// Print a last line of JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// As many records as fit into a second
    Throughput,
    /// How long a log call takes
    Latency,
}

#[derive(Clone, Copy, ValueEnum)]
enum ArgumentCount {
    #[value(name = "0")]
    None,
    #[value(name = "5")]
    Five,
}

impl Args {
    /// What the producers are to do.
    ///
    /// # Errors
    /// The values do not go together.
    pub(super) fn load(&self) -> Result<Load, clap::Error> {
        let load = Load {
            threads: self.threads,
            pace: self.pace(),
            transport: self.transport,
            api: self.api,
            message: match (self.message_bytes, self.args) {
                (Some(bytes), _) => Message::Text("x".repeat(bytes as usize)),
                (None, ArgumentCount::Five) => Message::Formatted,
                (None, ArgumentCount::None) => Message::Constant,
            },
        };
        let records = load.records().saturating_mul(self.producers.into());
        let limit = match self.mode {
            Mode::Throughput => MAX_RECORDS,
            Mode::Latency => MAX_SAMPLES,
        };
        if records > limit {
            return Err(usage(&format!("{records} records are more than {limit}: take fewer")));
        }
        let message_bytes = self.message_bytes.map_or(MAX_MESSAGE_BYTES, u64::from);
        let bytes = records * (MAX_PREFIX_BYTES + message_bytes);
        let backups = u64::from(MAX_BACKUPS);
        match self.rotate_bytes {
            Some(size @ 1..) if bytes / backups >= size => {
                let least = bytes / backups + 1;
                Err(usage(&format!(
                    "the log would have more than {MAX_BACKUPS} files: take --rotate-bytes {least}"
                )))
            }
            _ => Ok(load),
        }
    }

    fn pace(&self) -> Pace {
        match self.mode {
            Mode::Throughput => Pace::Full { records: self.records },
            Mode::Latency => Pace::Bursts {
                burst: self.burst,
                interval: Duration::from_micros(self.interval_us.into()),
                ticks: (u64::from(self.seconds) * 1_000_000 / u64::from(self.interval_us)).max(1),
            },
        }
    }
}

fn usage(message: &str) -> clap::Error {
    let mut command = <Args as clap::Args>::augment_args(clap::Command::new("logboom bench"));
    command.error(ErrorKind::ValueValidation, message)
}
