//! A log with a past, to be searched: a day of records of an access log, one in 150 of them an error.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use logboom::formatter::{Formatter, JsonFormatter, PatternFormatter};
use logboom::handler::{Compression, Handler, RotatingFileHandler};
use logboom::{Field, Level, Record, Value};

use crate::line::now_ns;
use crate::record::{Request, worker_name};

/// From the first record to the last one, whatever the size.
const SPAN_NS: u64 = 24 * 60 * 60 * 1_000_000_000;

/// A rotated file.
const MAX_BYTES: u64 = 100_000_000;

/// So many give the mean length of a line.
const SAMPLE_RECORDS: u64 = 10_000;

const WORKERS: u64 = 8;

const WAIT: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub(crate) struct Args {
    form: Form,
    /// About so much text
    #[arg(long)]
    bytes: u64,
    /// Compress what rotates
    #[arg(long)]
    compress: bool,
    /// A new log
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Text,
    Json,
}

impl Form {
    fn formatter(self) -> Box<dyn Formatter> {
        match self {
            Form::Text => Box::new(PatternFormatter::default()),
            Form::Json => Box::new(JsonFormatter::new()),
        }
    }
}

/// Writes the log, rotates it at last, and prints how many records and errors it has, and the time of the last.
pub(crate) fn write(args: &Args) -> anyhow::Result<()> {
    let records = args.bytes * SAMPLE_RECORDS / sample_bytes(args.form);
    let mut builder =
        RotatingFileHandler::builder(&args.out).max_bytes(MAX_BYTES).backup_count(u32::MAX);
    if args.compress {
        builder = builder.compress(Compression::Zstd);
    }
    let mut handler = builder.open(args.form.formatter())?;
    let (end_ns, step_ns) = (now_ns(), SPAN_NS / records);
    let (mut errors, mut last_ns) = (0, 0);
    for index in 0..records {
        let record = record(index, end_ns - (records - index) * step_ns);
        (errors, last_ns) = (errors + u64::from(record.level >= Level::ERROR), record.time_ns);
        handler.handle(&record)?;
    }
    handler.rotate()?;
    while args.compress && has_plain_backups(&args.out)? {
        thread::sleep(WAIT);
    }
    handler.close()?;
    println!("{{\"records\":{records},\"errors\":{errors},\"last_ns\":{last_ns}}}");
    Ok(())
}

fn sample_bytes(form: Form) -> u64 {
    let (mut formatter, mut text) = (form.formatter(), Vec::new());
    let start_ns = now_ns() - SPAN_NS;
    for index in 0..SAMPLE_RECORDS {
        formatter.format(&record(index, start_ns), &mut text);
        text.push(b'\n');
    }
    text.len() as u64
}

fn record(index: u64, time_ns: u64) -> Record<'static> {
    let Request { item, status, bytes } = Request::new(index);
    let (level, message) = match index % 300 {
        7 | 157 => {
            (Level::ERROR, format!("request {index} for /api/v1/items/{item} failed: timed out"))
        }
        n if n % 30 == 3 => {
            (Level::WARNING, format!("retried request {index} after an error of the upstream"))
        }
        n if n % 5 == 4 => (Level::DEBUG, format!("cache miss for /api/v1/items/{item}")),
        _ => (Level::INFO, format!("handled request {index} for /api/v1/items/{item}")),
    };
    let mut record = Record::new(time_ns as i64, level, "web.access", message);
    record.process.to_mut().name = worker_name((index % WORKERS) as u32).into();
    record.process.to_mut().id = 4000 + (index % WORKERS) as u32;
    let field = |key: &'static str, value: u64| Field { key: key.into(), value: Value::U64(value) };
    record.fields = vec![field("status", status.into()), field("bytes", bytes)];
    if level == Level::ERROR && index % 300 == 157 {
        record.exception = Some("TimeoutError: no answer within 5 s\n  at upstream.rs:17".into());
    }
    record
}

fn has_plain_backups(log: &Path) -> anyhow::Result<bool> {
    let directory = log.parent().unwrap_or(Path::new("."));
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if name.to_string_lossy().ends_with(|c: char| c.is_ascii_digit()) {
            return Ok(true);
        }
    }
    Ok(false)
}
