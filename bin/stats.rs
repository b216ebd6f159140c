//! `logboom stats`: what is in logs, in numbers.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use logboom::formatter::{Formatter, PatternFormatter};
use logboom::tail::{Counted, Found, Reader, Start, Stats, Summary};
use logboom::{Level, Record};

use crate::exit;
use crate::options::{QueueOptions, plain};
use crate::progress::Progress;
use crate::tail::{FilterOptions, paths};

/// So many records are read before the clock is looked at; few where few are wanted of many.
const PROGRESS_RECORDS: u64 = 100;

/// Width of the longest bar.
const BAR_COLUMNS: u64 = 50;

/// Count records by level, worker, logger, time and message
#[derive(clap::Args)]
#[command(after_help = "Examples:
  logboom stats logs/app.log
  logboom stats --since yesterday -l warning logs
  logboom stats --json -g timeout logs/app.log

Understands the same forms of lines as `logboom tail`, and takes the same questions, which all logs have to
answer. In messages each number counts as `#`. Drops are those that the listener has logged; missing are
sequence numbers that no record has, where lines have them: `logboom verify` proves it.")]
pub(crate) struct Args {
    /// Current files of logs, or directories of them [default: the log of the running listener, else
    /// logs/QUEUE.log]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    queue: QueueOptions,

    #[command(flatten)]
    filter: FilterOptions,

    /// How many workers, loggers and messages to list
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let paths = paths(&args.paths, &args.queue)?;
    let mut reader = Reader::open(paths, args.filter.query()?, Start::First)?;
    let summary = count(&mut reader)?.summary(args.top);
    let text = if args.json { serde_json::to_string(&summary)? + "\n" } else { text_of(&summary) };
    exit::printed(write!(anstream::stdout(), "{text}")).context("cannot print the numbers")?;
    Ok(ExitCode::SUCCESS)
}

fn count(reader: &mut Reader) -> anyhow::Result<Stats> {
    let (mut stats, mut progress, mut records) = (Stats::new(), Progress::new(), 0u64);
    loop {
        match reader.advance()? {
            Found::Record => {
                if !reader.is_known() {
                    stats.add_unknown();
                } else {
                    reader.with_record(|record| stats.add(record));
                }
                records += 1;
                if records % PROGRESS_RECORDS == 0 && progress.is_due() {
                    let bytes = reader.read_bytes()?;
                    progress.tell(bytes.read, bytes.total);
                }
            }
            Found::Rest | Found::Skipped => {}
            Found::Idle => return Ok(stats),
        }
    }
}

fn text_of(summary: &Summary) -> String {
    let mut text = String::new();
    write_text(summary, &mut text).expect("invariant: writing to memory does not fail");
    text
}

fn write_text(summary: &Summary, out: &mut String) -> std::fmt::Result {
    write!(out, "records   {}", summary.records)?;
    if summary.unknown > 0 {
        write!(out, ", {} of no known form", summary.unknown)?;
    }
    if let (Some(first), Some(last)) = (summary.first_ns, summary.last_ns) {
        write!(out, "\ntime      {} to {}", time(first), time(last))?;
    }
    let levels = summary.levels.iter().map(|Counted { name, count, .. }| format!("{count} {name}"));
    writeln!(out, "\nlevels    {}", levels.collect::<Vec<_>>().join(", "))?;
    write!(out, "dropped   {}", summary.dropped)?;
    if summary.lanes > 0 {
        write!(out, "\nmissing   {} in {} lanes", summary.missing, summary.lanes)?;
    }
    writeln!(out)?;
    write_list("workers", &summary.workers, summary.records, out)?;
    write_list("loggers", &summary.loggers, summary.records, out)?;
    write_list("messages", &summary.messages, summary.records, out)?;
    write_plot(summary, out)
}

fn write_list(title: &str, list: &[Counted], records: u64, out: &mut String) -> std::fmt::Result {
    let named: Vec<_> = list.iter().filter(|counted| !counted.name.is_empty()).collect();
    if named.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    for Counted { name, count, .. } in named {
        let percent = *count as f64 * 100.0 / records.max(1) as f64;
        writeln!(out, "{count:>10} {percent:5.1} %  {}", plain(name))?;
    }
    Ok(())
}

/// Records by time, a bar for each interval, and those of them that are errors.
fn write_plot(summary: &Summary, out: &mut String) -> std::fmt::Result {
    let most = summary.intervals.iter().map(|interval| interval.records).max().unwrap_or(0);
    let (Some(first), Some(last)) = (summary.intervals.first(), summary.intervals.last()) else {
        return Ok(());
    };
    writeln!(out, "\nrecords in each {} s, `!` for errors", summary.interval_s)?;
    let mut intervals = summary.intervals.iter().peekable();
    let mut start_s = first.start_s;
    while start_s <= last.start_s {
        let found = intervals.next_if(|interval| interval.start_s == start_s);
        let (records, errors) = found.map_or((0, 0), |found| (found.records, found.errors));
        let columns = |count: u64| (count * BAR_COLUMNS).div_ceil(most.max(1)) as usize;
        let bad = "!".repeat(columns(errors));
        let good = "=".repeat(columns(records).saturating_sub(bad.len()));
        let time = time(start_s.saturating_mul(1_000_000_000));
        writeln!(out, "{} {records:>9} {bad}{good}", &time[..time.len().min(19)])?;
        start_s += summary.interval_s;
    }
    Ok(())
}

/// A time as lines of text have it.
fn time(time_ns: i64) -> String {
    let mut text = Vec::new();
    if let Ok(mut formatter) = PatternFormatter::new("%(asctime)s") {
        formatter.format(&Record::new(time_ns, Level::INFO, "", ""), &mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}
