//! Flags that several commands share.

mod routes;

use std::ffi::OsString;
use std::fmt::{self, Display};
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use logboom::config::{Config, ConfigServer, QueueSetting, Secret};
use logboom::formatter::{
    DEFAULT_PATTERN, Formatter, JsonFormatter, LogfmtFormatter, PatternFormatter,
};
use logboom::handler::{
    Age, BackupNames, Color, Compression, HandlerError, RotatingFileBuilder, RotatingFileHandler,
    RoutingFileHandler, Schedule,
};
use logboom::{Level, QueueDir, Reloader, SyncPolicy};

pub(crate) use self::routes::RouteOptions;

/// The environment's word for the configuration.
const CONFIG: &str = "LOGBOOM_CONFIG";

/// Longest time that is read.
const MAX_DURATION_S: u64 = 366 * 24 * 60 * 60;

/// The configuration where nobody names one.
const DEFAULT_CONFIG: &str = "logboom.toml";

/// How the program itself speaks.
#[derive(clap::Args)]
pub(crate) struct OutputOptions {
    /// When to colour what goes to a terminal
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorWhen,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ColorWhen {
    Auto,
    Always,
    Never,
}

impl OutputOptions {
    /// Sets the choice for everything this process prints.
    pub(crate) fn apply(&self) {
        match self.color {
            ColorWhen::Auto => anstream::ColorChoice::Auto,
            ColorWhen::Always => anstream::ColorChoice::Always,
            ColorWhen::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }

    /// The colour of records on `stream`.
    pub(crate) fn handler_color(&self, stream: &impl IsTerminal) -> Color {
        match self.color {
            ColorWhen::Auto => Color::auto(stream),
            ColorWhen::Always => Color::Always,
            ColorWhen::Never => Color::Never,
        }
    }

    /// Prints one line on standard error, unless asked to be quiet.
    pub(crate) fn say(&self, line: &impl Display) {
        if !self.quiet {
            complain(line);
        }
    }

    /// Whether records are to be shown on the terminal as well.
    pub(crate) fn shows_records(&self) -> bool {
        !self.quiet
    }

    /// The flag with which another process of this program colours as this one does.
    pub(crate) fn color_flag(&self) -> OsString {
        let value = self.color.to_possible_value();
        let name = value.as_ref().map_or("auto", |value| value.get_name());
        format!("--color={name}").into()
    }
}

/// Prints one line on standard error. Where that is closed, as after a hang-up, nobody is left to
/// be told.
pub(crate) fn complain(line: &impl Display) {
    let _closed = writeln!(anstream::stderr(), "logboom: {line}");
}

/// The text with its control characters escaped: names come from others, and must neither forge a
/// line nor drive a terminal.
pub(crate) fn plain(text: &impl Display) -> String {
    let mut plain = String::new();
    for c in text.to_string().chars() {
        if c.is_control() { plain.extend(c.escape_default()) } else { plain.push(c) }
    }
    plain
}

/// Which queue.
#[derive(clap::Args, Clone)]
pub(crate) struct QueueOptions {
    /// Name of the queue [default: the directory in LOGBOOM_QUEUE, else `default`]
    #[arg(long, value_name = "NAME", conflicts_with = "queue_dir")]
    queue: Option<String>,
    /// Directory of the queue, instead of a name
    #[arg(long, value_name = "DIR")]
    queue_dir: Option<PathBuf>,
}

impl QueueOptions {
    /// The queue by flag, else by `LOGBOOM_QUEUE`, else the default one.
    pub(crate) fn directory(&self) -> anyhow::Result<QueueDir> {
        Ok(self.directory_and_source(None)?.0)
    }

    /// The queue by flag, else by `LOGBOOM_QUEUE`, else by the configuration, else the default one;
    /// and which of them it was, where it was not the configuration.
    pub(crate) fn directory_and_source(
        &self,
        config: Option<&Config>,
    ) -> anyhow::Result<(QueueDir, Option<&'static str>)> {
        if let Some(path) = &self.queue_dir {
            return Ok((QueueDir::at(path)?, Some("flag")));
        }
        if let Some(name) = &self.queue {
            return Ok((QueueDir::named(name)?, Some("flag")));
        }
        if let Some(queue) = QueueDir::from_env()? {
            return Ok((queue, Some("environment")));
        }
        Ok(match config.map_or(&QueueSetting::Default, Config::queue) {
            QueueSetting::Name(name) => (QueueDir::named(name)?, None),
            QueueSetting::Directory(path) => (QueueDir::at(path)?, None),
            QueueSetting::Default => (QueueDir::named(QueueDir::DEFAULT_NAME)?, Some("default")),
        })
    }
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

/// Which configuration.
#[derive(clap::Args, Clone)]
pub(crate) struct ConfigOptions {
    /// Configuration in the schema of Python's dictConfig, as TOML or JSON; flags and environment
    /// come first [default: LOGBOOM_CONFIG, else ./logboom.toml where that exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Use no configuration
    #[arg(long, conflicts_with = "config")]
    no_config: bool,
}

impl ConfigOptions {
    pub(crate) fn named(config: Option<PathBuf>) -> ConfigOptions {
        ConfigOptions { config, no_config: false }
    }

    /// The configuration and its path.
    pub(crate) fn load(&self) -> anyhow::Result<Option<(PathBuf, Config)>> {
        if self.no_config {
            return Ok(None);
        }
        let named = self.config.clone().or_else(|| std::env::var_os(CONFIG).map(PathBuf::from));
        let path =
            named.or_else(|| Some(PathBuf::from(DEFAULT_CONFIG)).filter(|path| path.exists()));
        let Some(path) = path else { return Ok(None) };
        let config = Config::read(&path)?;
        Ok(Some((path, config)))
    }
}

/// Who else may give a running listener another configuration.
#[derive(clap::Args, Clone)]
pub(crate) struct ConfigServerOptions {
    /// Take configurations at this unix socket, as Python's logging.config.listen does
    #[arg(long, value_name = "PATH")]
    config_socket: Option<PathBuf>,
    /// Take them at this loopback address, from whoever sends the secret first
    #[arg(long, value_name = "ADDRESS:PORT", requires = "config_secret_file")]
    config_tcp: Option<SocketAddr>,
    /// The secret: 16 to 1024 bytes that nobody else may read; a newline at the end does not count
    #[arg(long, value_name = "FILE", requires = "config_tcp")]
    config_secret_file: Option<PathBuf>,
}

impl ConfigServerOptions {
    /// Begins to take configurations; ends when what it returns is dropped.
    pub(crate) fn start(&self, reloader: &Reloader) -> anyhow::Result<Vec<ConfigServer>> {
        let mut servers = Vec::new();
        if let Some(path) = &self.config_socket {
            servers.push(ConfigServer::unix(path, reloader.clone())?);
        }
        if let (Some(address), Some(file)) = (self.config_tcp, &self.config_secret_file) {
            servers.push(ConfigServer::tcp(address, Secret::read(file)?, reloader.clone())?);
        }
        Ok(servers)
    }

    /// The flags with which a listener does the same.
    pub(crate) fn flags(&self) -> Vec<OsString> {
        let path_flag = |name: &str, path: &PathBuf| {
            let mut flag = OsString::from(name);
            flag.push(path);
            flag
        };
        let socket = self.config_socket.iter().map(|path| path_flag("--config-socket=", path));
        let tcp = self.config_tcp.map(|address| format!("--config-tcp={address}").into());
        let file = self.config_secret_file.iter();
        let file = file.map(|path| path_flag("--config-secret-file=", path));
        socket.chain(tcp).chain(file).collect()
    }
}

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
    #[arg(long, value_name = "NAMES")]
    backup_names: Option<BackupNames>,
    /// Delete rotated files that were written last so long ago, such as 30d (s, m, h, d), when the log
    /// rotates and at the start
    #[arg(long, value_name = "AGE")]
    keep_age: Option<Age>,
    /// Delete the oldest rotated files so that the log never takes more, all its files together;
    /// at least twice --max-bytes
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    keep_bytes: Option<u64>,
    /// Compress rotated files, aside: `zstd` (app.log.1.zst) or `gzip` (app.log.1.gz)
    #[arg(long, value_name = "FORM")]
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

/// Reads a time with its unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_s = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err("the unit is none of s, m, h, d".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "write it like 90s, 10m, 2h or 1d".to_owned())?;
    let seconds = number.checked_mul(unit_s).filter(|s| (1..=MAX_DURATION_S).contains(s));
    seconds.map(Duration::from_secs).ok_or_else(|| "from one second to a year".to_owned())
}

/// Reads a number of bytes, with a unit or without.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err("the unit is none of k, M, G, KiB, MiB, GiB".to_owned()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "a size is a whole number, with a unit or without".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "the size is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        let sizes = [
            ("0", 0),
            ("2000", 2000),
            ("100kB", 100_000),
            ("1K", 1000),
            ("64MiB", 64 << 20),
            ("1G", 1_000_000_000),
        ];
        for (text, bytes) in sizes {
            assert_eq!(parse_size(text), Ok(bytes));
        }
    }

    #[test]
    fn times_have_a_unit_and_a_limit() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("2h", 7200), ("366d", 366 * 86400)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "10", "0s", "367d", "1.5h", "-1s", "10 m", "10ms", "99999999999999999999d"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in
            ["", "nonsense", "1.5M", "-1", "5 M", "99999999999999999999", "99999999999G", "MiB"]
        {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
