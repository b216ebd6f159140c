//! Flags that several commands share.

mod log;
mod routes;
mod units;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use logboom::config::{Config, ConfigServer, QueueSetting, Secret};
use logboom::handler::Color;
use logboom::{QueueDir, Reloader};

pub(crate) use self::log::{Format, LogOptions, RotationOptions, default_log, parse_format};
pub(crate) use self::routes::RouteOptions;
pub(crate) use self::units::{parse_duration, parse_size};

/// The environment's word for the configuration.
const CONFIG: &str = "LOGBOOM_CONFIG";

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
    // In one piece: a listener may print to the same terminal.
    let _closed = anstream::stderr().write_all(format!("logboom: {line}\n").as_bytes());
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

/// Which configuration.
#[derive(clap::Args, Clone)]
pub(crate) struct ConfigOptions {
    /// Configuration in the schema of Python's dictConfig, as TOML, JSON or INI; flags and environment
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
        let of_environment = || std::env::var_os(CONFIG).filter(|path| !path.is_empty());
        let here = || Some(PathBuf::from(DEFAULT_CONFIG)).filter(|path| path.exists());
        let named = self.config.clone().or_else(|| of_environment().map(PathBuf::from));
        let Some(path) = named.or_else(here) else { return Ok(None) };
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
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address, requires = "config_secret_file")]
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

/// Reads an address with its port.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let sentence = "write an address and a port, such as 127.0.0.1:9020 or [::1]:9020";
    text.parse().map_err(|_| sentence.to_owned())
}
