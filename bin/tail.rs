//! `logboom tail`: prints records of logs, and follows them across rotation.

mod context;
mod highlight;
mod logs;
mod output;
mod pager;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use logboom::Level;
use logboom::handler::Color;
use logboom::tail::{Form, Found, Query, QueryError, Reader, Start, Zone};

use self::context::Context;
use self::logs::NewLogs;
pub(crate) use self::logs::paths;
use self::output::{Output, Printer};
use self::pager::Screen;
use crate::exit;
use crate::options::{self, Format, OutputOptions, QueueOptions, complain};

/// How long to wait for new lines. Looking at files works on every file system.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How many records are printed where nothing else is said.
const DEFAULT_RECORDS: u64 = 10;

/// Most records around each that is found.
const MAX_CONTEXT: u64 = 1000;

const EXAMPLES: &str = "\
Examples:
  logboom tail -f                            follow the log of the default queue
  logboom tail -n 100 app.log                the last 100 records, from backups too
  logboom tail -l error app.log              all errors in the log and its backups
  logboom tail --since -2h -w 'api-*' logs   of all logs in a directory, merged by time
  logboom tail -f logs                       also those that come later
  logboom tail -F status~^5 -o json app.log  by a field, as JSON
  logboom tail -g timeout -C 3 app.log       with three records before and behind each

A record is printed when its last newline has been written; without -f also a last line that has none, where
nobody ends it within 200 ms. One that goes on behind a TAB, or with a traceback that others wrote as it is, is shown
or left out as a whole. Backups are app.log.1 (newest), app.log.2, …, or have dates instead of numbers, as they are
or compressed (.gz, .zst).

Understood are the text of `--format text`, common patterns of Python and Rust, JSON and logfmt, by the look of
the first lines; others by --format. Of other text only -g and -v can be asked. Times in text are local unless
they tell their zone, or as --zone says. --since searches its place, also in backups that logboom compressed by zstd;
others are decompressed whole to TMPDIR from the one on in which the range begins. Records that stand more than a
minute out of the order of time may be missed by it. With -f, tail ends a minute behind the time of --until.";

/// Print records of logs, across their rotation, by time, level, worker and more
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Current files of logs, or directories of them [default: the log of the running listener, else
    /// logs/QUEUE.log]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    queue: QueueOptions,

    /// How many of the last records to print first, or `all` [default: 10; all where only some are asked for,
    /// unless with -f]
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_lines)]
    lines: Option<u64>,

    /// Go on with what is written later; wait for a log that does not exist yet
    #[arg(short, long)]
    follow: bool,

    #[command(flatten)]
    filter: FilterOptions,

    /// Print so many records behind each that is found
    #[arg(short = 'A', long, value_name = "N", value_parser = context_range())]
    after: Option<u64>,

    /// Print so many records before each that is found
    #[arg(short = 'B', long, value_name = "N", value_parser = context_range())]
    before: Option<u64>,

    /// Print so many on both sides
    #[arg(short = 'C', long, value_name = "N", default_value = "0", value_parser = context_range())]
    context: u64,

    /// `text`, `json`, `logfmt`, `raw` (as it stands in the log), or a pattern such as '%(asctime)s
    /// %(message)s' [default: text on a terminal, else raw]
    #[arg(short, long, value_name = "FORM")]
    output: Option<Output>,

    /// Do not show what is longer than a terminal by PAGER (else `less`)
    #[arg(long)]
    no_pager: bool,
}

/// Which records.
#[derive(clap::Args)]
pub(crate) struct FilterOptions {
    /// Nothing earlier: `04:48`, `2026-11-22 04:48:23`, `2026-11-22`, `today`, `yesterday`, `-2h`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,

    /// Nothing later; a date alone is the beginning of its day
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,

    /// Zone of times without one, here and in lines of text [default: local]
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,

    /// This level and above
    #[arg(short, long)]
    level: Option<Level>,

    /// This worker; `api-*` is all that begin so
    #[arg(short, long, value_name = "NAME")]
    worker: Vec<String>,

    /// This logger and those below it
    #[arg(short = 't', long, value_name = "NAME")]
    logger: Vec<String>,

    /// A field: `key=value`, `key!=value`, `key~REGEX`; several have to hold together
    #[arg(short = 'F', long, value_name = "TEST")]
    field: Vec<String>,

    /// Text of the record as it stands in the log; of several, one
    #[arg(short, long, value_name = "REGEX")]
    grep: Vec<String>,

    /// Nothing with this text
    #[arg(short = 'v', long, value_name = "REGEX")]
    exclude: Vec<String>,

    /// Form of the lines: `text`, `json`, `logfmt` or a pattern [default: what they look like]
    #[arg(long, value_name = "FORM", value_parser = parse_form)]
    format: Option<Form>,
}

impl FilterOptions {
    /// The query that the flags ask.
    pub(crate) fn query(&self) -> anyhow::Result<Query> {
        let zone = self.zone.as_deref().map_or_else(|| Ok(Zone::local()), Zone::named);
        let zone = zone.map_err(|error| usage(&error))?;
        let now_ns = now_ns();
        let instant = |text: &Option<String>| {
            let text = text.as_deref();
            text.map(|text| zone.instant(text, now_ns)).transpose().map_err(|error| usage(&error))
        };
        let (since, until) = (instant(&self.since)?, instant(&self.until)?);
        if let (Some(since), Some(until)) = (&since, &until)
            && since.start() > until.end()
        {
            return Err(usage(&"--until is before --since: nothing lies between them"));
        }
        let mut query = Query::new().zone(zone).form(self.format.clone().unwrap_or_default());
        query = since.iter().fold(query, |query, since| query.since(*since.start()));
        query = until.iter().fold(query, |query, until| query.until(*until.end()));
        query = self.level.iter().fold(query, |query, level| query.level(*level));
        query = self.worker.iter().fold(query, Query::worker);
        query = self.logger.iter().fold(query, Query::logger);
        self.tests(query).map_err(|error| usage(&anyhow::Error::from(error)))
    }

    fn tests(&self, query: Query) -> Result<Query, QueryError> {
        let query = self.field.iter().try_fold(query, |query, test| query.field(test))?;
        let query = self.grep.iter().try_fold(query, |query, regex| query.matching(regex))?;
        self.exclude.iter().try_fold(query, |query, regex| query.excluding(regex))
    }
}

pub(crate) fn run(args: Args, options: &OutputOptions) -> anyhow::Result<ExitCode> {
    let find = if args.follow { logs::paths_so_far } else { logs::paths };
    let paths = find(&args.paths, &args.queue)?;
    let query = args.filter.query()?;
    let start = match args.lines {
        Some(u64::MAX) => Start::First,
        Some(records) => Start::Last(records),
        None if query.has_tests() && !args.follow => Start::First,
        None if query.has_range() => Start::First,
        None => Start::Last(DEFAULT_RECORDS),
    };
    let open = if args.follow { Reader::following } else { Reader::open };
    let new_logs = args.follow.then(|| NewLogs::beside(&args.paths, &paths));
    let mut reader = open(paths, query, start)?;
    let before = args.before.unwrap_or(args.context);
    let after = args.after.unwrap_or(args.context);
    let has_context = before > 0 || after > 0;
    if has_context {
        reader = reader.with_others();
    }
    let is_terminal = io::stdout().is_terminal();
    let default = if is_terminal { Output::Text } else { Output::Raw };
    let color = options.handler_color(&io::stdout());
    let printer = Printer::new(args.output.unwrap_or(default), color == Color::Always)?;
    let screen = if is_terminal && !args.follow && !args.no_pager {
        Screen::paged()
    } else {
        Screen::plain()
    };
    let is_answered = print(&mut reader, new_logs, Context::new(before, after, printer, screen))?;
    // What is written to logs that are followed may still be understood.
    Ok(if is_answered || args.follow { ExitCode::SUCCESS } else { exit::CONFIG.into() })
}

/// Prints what is there, and follows the logs where there may be new ones. Whether each log tells what was
/// asked; one that does not holds up no other.
fn print(
    reader: &mut Reader,
    mut new_logs: Option<NewLogs>,
    mut context: Context,
) -> anyhow::Result<bool> {
    let mut is_answered = true;
    loop {
        let found = match reader.advance() {
            Err(error) if error.is_unanswered() => {
                context.screen().flush()?;
                complain(&error);
                is_answered = false;
                continue;
            }
            found => found?,
        };
        match found {
            Found::Record | Found::Rest => context.take(reader)?,
            Found::Skipped => {
                context.screen().flush()?;
                report_skip(reader);
            }
            Found::Idle => match &mut new_logs {
                Some(new_logs) if !reader.is_past() => {
                    context.screen().flush()?;
                    if context.screen().wait(POLL_INTERVAL)? {
                        return Ok(is_answered);
                    }
                    new_logs.take().iter().for_each(|path| add(reader, path));
                }
                _ => {
                    context.finish()?;
                    return Ok(is_answered);
                }
            },
        }
        if context.screen().is_left() {
            return Ok(is_answered);
        }
    }
}

/// Follows one more log; one that cannot be read holds up no other.
fn add(reader: &mut Reader, path: &Path) {
    if let Err(error) = reader.add(path) {
        complain(&format_args!("{} is not followed: {error}", path.display()));
    }
}

fn report_skip(reader: &Reader) {
    complain(&format_args!(
        "lines of {} may be missing here: backups were deleted before they were read (keep more of them), \
         or compressed by a program that changes their times",
        reader.path().unwrap_or("the log".as_ref()).display()
    ));
}

fn now_ns() -> i64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

fn usage(error: &impl std::fmt::Display) -> anyhow::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{error:#}\n")).into()
}

fn context_range() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(..=MAX_CONTEXT)
}

fn parse_lines(text: &str) -> Result<u64, String> {
    match text {
        "all" => Ok(u64::MAX),
        // Of other programs `+3` is from the third on.
        _ if text.starts_with('+') => Err("expected a number without a sign, or `all`".to_owned()),
        _ => text.parse().map_err(|_| "expected a number or `all`".to_owned()),
    }
}

fn parse_form(text: &str) -> Result<Form, String> {
    Ok(match options::parse_format(text)? {
        Format::Json => Form::Json,
        Format::Logfmt => Form::Logfmt,
        Format::Pattern(pattern) => Form::Pattern(pattern),
    })
}
