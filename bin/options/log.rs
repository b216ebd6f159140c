//! Flags of whatever writes a log: which file, when it rotates, and how it looks.

use std::ffi::OsString;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use logboom::formatter::{
    DEFAULT_PATTERN, Formatter, JsonFormatter, LogfmtFormatter, PatternFormatter,
};
use logboom::handler::{
    Age, AtDiskLimit, BackupNames, Compression, HandlerError, RotatingFileBuilder,
    RotatingFileHandler, RoutingFileHandler, Schedule,
};
use logboom::{Level, QueueDir, SyncPolicy};

use super::{RouteOptions, parse_size};

/// Which log file, and how it looks.
#[derive(clap::Args, Clone)]
pub(crate) struct LogOptions {
    /// Current log file [default: logs/QUEUE.log, after the last part of the queue's directory]
    #[arg(long, value_name = "PATH")]
    pub(crate) log: Option<PathBuf>,
    /// Rotate before the file reaches this size; 0 never (units: k, M, G or KiB, MiB, GiB)
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    pub(crate) max_bytes: u64,
    /// How many rotated files to keep; 0 never rotates
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) backup_count: u32,
    #[command(flatten)]
    pub(crate) rotation: RotationOptions,
    #[command(flatten)]
    pub(crate) routes: RouteOptions,
    /// Form of a line: `text`, `json`, `logfmt`, or a pattern such as '%(asctime)s %(message)s'
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = parse_format)]
    pub(crate) format: Format,
    /// When to bring the log to the disk unasked: `none`, an interval such as `1s` or `500ms`, a level
    /// (each batch with a record of it or above), or `every-batch` [default: none]
    #[arg(long, value_name = "WHEN")]
    pub(crate) sync: Option<SyncPolicy>,
    /// Level of the root logger: the lowest that is kept of loggers without one of their own [default:
    /// that of the configuration, else what the workers let pass]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<Level>,
    /// Take the log although a listener of another queue was killed while it wrote to it
    #[arg(long)]
    pub(crate) force: bool,
}

impl LogOptions {
    /// The flags with which a listener logs in this way, to `path` where that is given.
    pub(crate) fn flags(&self, path: Option<&Path>) -> Vec<OsString> {
        let mut flags: Vec<OsString> = vec![
            format!("--max-bytes={}", self.max_bytes).into(),
            format!("--backup-count={}", self.backup_count).into(),
            format!("--format={}", self.format).into(),
        ];
        flags.extend(self.rotation.flags());
        flags.extend(self.routes.flags());
        flags.extend(path.map(|path| {
            let mut log = OsString::from("--log=");
            log.push(path);
            log
        }));
        flags.extend(self.sync.map(|sync| format!("--sync={sync}").into()));
        flags.extend(self.force.then(|| "--force".into()));
        flags.extend(self.level.map(|level| format!("--level={}", level.number()).into()));
        flags
    }

    /// Path of the current log file.
    pub(crate) fn path(&self, queue: &QueueDir) -> PathBuf {
        self.log.clone().unwrap_or_else(|| default_log(queue))
    }

    /// The log file, before it is opened.
    pub(crate) fn builder(&self, queue: &QueueDir) -> RotatingFileBuilder {
        self.builder_at(self.path(queue))
    }

    fn builder_at(&self, path: PathBuf) -> RotatingFileBuilder {
        let builder = RotatingFileHandler::builder(path)
            .max_bytes(self.max_bytes)
            .backup_count(self.backup_count);
        self.rotation.apply(builder)
    }

    /// The files that records choose.
    pub(crate) fn routes(&self) -> Result<Vec<RoutingFileHandler>, HandlerError> {
        self.routes.open(&self.format, |template| self.builder_at(template.to_string().into()))
    }

    /// Opens the log file.
    pub(crate) fn open(&self, queue: &QueueDir) -> anyhow::Result<RotatingFileHandler> {
        let path = self.path(queue);
        self.builder(queue)
            .open(self.format.formatter()?)
            .with_context(|| format!("cannot log to {}", path.display()))
    }
}

/// Takes one of these words, all that there are: shells offer them.
fn one_of<T>(words: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse())
}

/// When a log file rotates besides, and what becomes of its backups.
#[derive(clap::Args, Clone, Default)]
pub(crate) struct RotationOptions {
    /// Rotate at these times too: `midnight`, `hourly`, `04:30`, `mon 04:30`, `every 10m` (of the age of
    /// the file); with ` utc` behind it not in local time
    #[arg(long, value_name = "TIMES")]
    rotate_at: Option<Schedule>,
    /// Rotate before the first record of each start
    #[arg(long)]
    rotate_on_start: bool,
    /// What rotated files are called: `number` (app.log.1), `date` (app.log.2026-11-22), `unique`
    /// (app.log.2026-11-22T04-48-23Z); with dates, a --backup-count of 0 keeps all [default: number]
    #[arg(long, value_name = "NAMES", hide_possible_values = true)]
    #[arg(value_parser = one_of::<BackupNames>(["number", "date", "unique"]))]
    backup_names: Option<BackupNames>,
    /// Delete rotated files that were written last so long ago, such as 30d (s, m, h, d), when the log
    /// rotates and at the start
    #[arg(long, value_name = "AGE")]
    keep_age: Option<Age>,
    /// Let the log never take more, all its files together: the oldest rotated files are deleted, see
    /// --at-disk-limit; at least twice --max-bytes
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    keep_bytes: Option<u64>,
    /// Leave so much of the file system of the log free for others
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    min_free: Option<u64>,
    /// What to do at --keep-bytes and --min-free: `hold-back`, write nothing more until there is room, as
    /// on a full disk; or `delete-oldest`, delete the oldest rotated files, and hold back when none is left
    /// [default: delete-oldest at --keep-bytes, hold-back at --min-free]
    #[arg(long, value_name = "WHAT", hide_possible_values = true)]
    #[arg(value_parser = one_of::<AtDiskLimit>(["hold-back", "delete-oldest"]))]
    at_disk_limit: Option<AtDiskLimit>,
    /// Compress rotated files, aside: `zstd` (app.log.1.zst) or `gzip` (app.log.1.gz)
    #[arg(long, value_name = "FORM", hide_possible_values = true)]
    #[arg(value_parser = one_of::<Compression>(["zstd", "gzip"]))]
    compress: Option<Compression>,
}

impl RotationOptions {
    fn flags(&self) -> impl Iterator<Item = OsString> {
        let values = [
            self.rotate_at.map(|schedule| format!("--rotate-at={schedule}")),
            self.rotate_on_start.then(|| "--rotate-on-start".to_owned()),
            self.backup_names.map(|names| format!("--backup-names={names}")),
            self.keep_age.map(|age| format!("--keep-age={age}")),
            self.keep_bytes.map(|bytes| format!("--keep-bytes={bytes}")),
            self.min_free.map(|bytes| format!("--min-free={bytes}")),
            self.at_disk_limit.map(|what| format!("--at-disk-limit={what}")),
            self.compress.map(|compression| format!("--compress={compression}")),
        ];
        values.into_iter().flatten().map(OsString::from)
    }

    fn apply(&self, mut builder: RotatingFileBuilder) -> RotatingFileBuilder {
        if let Some(schedule) = self.rotate_at {
            builder = builder.rotate_at(schedule);
        }
        if self.rotate_on_start {
            builder = builder.rotate_on_start();
        }
        if let Some(names) = self.backup_names {
            builder = builder.backup_names(names);
        }
        if let Some(age) = self.keep_age {
            builder = builder.keep_age(age.into());
        }
        if let Some(bytes) = self.keep_bytes {
            builder = builder.keep_bytes(bytes);
        }
        if let Some(bytes) = self.min_free {
            builder = builder.min_free(bytes);
        }
        if let Some(at_disk_limit) = self.at_disk_limit {
            builder = builder.at_disk_limit(at_disk_limit);
        }
        if let Some(compression) = self.compress {
            builder = builder.compress(compression);
        }
        builder
    }
}

/// Form of a line.
#[derive(Clone, Debug)]
pub(crate) enum Format {
    Json,
    Logfmt,
    Pattern(String),
}

impl Format {
    pub(crate) fn formatter(&self) -> anyhow::Result<Box<dyn Formatter>> {
        Ok(match self {
            Format::Json => Box::new(JsonFormatter::new()),
            Format::Logfmt => Box::new(LogfmtFormatter::new()),
            Format::Pattern(pattern) => Box::new(PatternFormatter::new(pattern)?),
        })
    }
}

impl Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Format::Json => write!(f, "json"),
            Format::Logfmt => write!(f, "logfmt"),
            Format::Pattern(pattern) => write!(f, "{pattern}"),
        }
    }
}

/// Reads the value of `--format`.
pub(crate) fn parse_format(text: &str) -> Result<Format, String> {
    let format = match text {
        "json" => Format::Json,
        "logfmt" => Format::Logfmt,
        "text" => Format::Pattern(DEFAULT_PATTERN.to_owned()),
        pattern if pattern.contains("%(") => Format::Pattern(pattern.to_owned()),
        _ => {
            return Err(
                "use `text`, `json`, `logfmt`, or a pattern with attributes such as %(message)s"
                    .to_owned(),
            );
        }
    };
    format.formatter().map(|_| format).map_err(|error| format!("{error:#}"))
}

/// The log of a queue, where none was named.
pub(crate) fn default_log(queue: &QueueDir) -> PathBuf {
    let mut name = match queue.path().file_name() {
        Some(name) => name.to_owned(),
        None => QueueDir::DEFAULT_NAME.into(),
    };
    name.push(".log");
    Path::new("logs").join(name)
}
