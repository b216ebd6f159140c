//! Configuration: what Python's `logging.config` takes, as TOML, JSON or INI.
//!
//! The schema is that of `dictConfig` (Python docs, "Configuration dictionary schema"), so that the
//! dictionary of a Python project is read as it is, with tables of our own: `levels`, `queue`,
//! `listener` and `workers`. Nothing in a configuration is executed while it is read: factories, and classes
//! that are not among those known here, are refused by name.

mod build;
mod doors;
mod error;
mod filters;
mod formatters;
mod handlers;
mod in_process;
mod ini;
mod item;
mod json;
mod levels;
mod listen;
mod literal;
mod locked;
mod loggers;
mod node;
mod references;
mod rotation;
mod server;
mod service;
mod show;
#[cfg(test)]
mod tests;
mod toml;
mod workers;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub use self::error::{ConfigError, Problem};
pub(crate) use self::filters::FilterSettings;
pub(crate) use self::formatters::FormatterSettings;
pub(crate) use self::handlers::{HandlerKind, HandlerSettings, RouteSettings, SyslogPlace};
pub(crate) use self::loggers::Logger;
pub use self::server::{ConfigServer, ConfigServerError, Secret};
pub use self::service::{ListenerSettings, QueueSetting};
pub use self::show::Setting;

use self::item::Item;
use self::node::Node;
use crate::LevelNames;
use crate::queue::control::MAX_CONFIG_BYTES;
use crate::regular_file;
use crate::worker_settings::WorkerSettings;

/// Most bytes of a configuration that are read.
pub const MAX_FILE_BYTES: usize = MAX_CONFIG_BYTES;

/// The only version of the schema.
const VERSION: u64 = 1;

/// In which form a configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// TOML 1.
    Toml,
    /// JSON.
    Json,
    /// The INI form of Python's `fileConfig`, with literal arguments only.
    Ini,
}

impl Form {
    /// JSON for the extension `.json`, INI for `.ini`, `.conf` and `.cfg`, else TOML.
    pub fn of(path: &Path) -> Form {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Form::Json,
            Some("ini" | "conf" | "cfg") => Form::Ini,
            _ => Form::Toml,
        }
    }

    /// That of a text without a name: JSON begins with a brace, INI with a section; TOML has its
    /// version before any.
    fn guess(text: &[u8]) -> Form {
        let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        match lines.find_map(|line| line.first().filter(|first| !b"#;".contains(first))) {
            Some(b'{') => Form::Json,
            Some(b'[') => Form::Ini,
            _ => Form::Toml,
        }
    }
}

/// A configuration that was read and makes sense. Nothing of it is open yet.
///
/// ```
/// use logboom::config::{Config, Form};
///
/// let text = r#"
/// version = 1
/// [handlers.file]
/// class = "logging.handlers.RotatingFileHandler"
/// filename = "logs/app.log"
/// maxBytes = 10000000
/// backupCount = "five"
/// [root]
/// handlers = ["file"]
/// "#;
/// let error = Config::parse(text, Form::Toml, "logboom.toml").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "logboom.toml:7: handlers.file.backupCount: \
///      found \"five\", expected a number of files, 0 to 4294967295"
/// );
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub(crate) file: String,
    pub(crate) level_names: LevelNames,
    pub(crate) formatters: Vec<(String, FormatterSettings)>,
    pub(crate) filters: Vec<(String, FilterSettings)>,
    pub(crate) handlers: Vec<(String, HandlerSettings)>,
    pub(crate) root: Logger,
    pub(crate) loggers: Vec<(String, Logger)>,
    queue: QueueSetting,
    listener: ListenerSettings,
    workers: Vec<(String, WorkerSettings)>,
    /// What was given, by its key, and in which line.
    given: HashMap<String, usize>,
}

impl Config {
    /// Reads a file, in the form that its name says.
    ///
    /// # Errors
    /// The file cannot be read, is too large, or does not make sense.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        Config::read_open(path, File::open(path))
    }

    /// The same for a regular file only, so that nobody is waited for.
    fn read_regular(path: &Path) -> Result<Config, ConfigError> {
        Config::read_open(path, regular_file::open_linked(path))
    }

    fn read_open(path: &Path, open: io::Result<File>) -> Result<Config, ConfigError> {
        let io = |source| ConfigError::Io { path: path.to_owned(), source };
        let file = path.display().to_string();
        let mut bytes = Vec::new();
        let limit = MAX_FILE_BYTES as u64 + 1;
        open.and_then(|open| open.take(limit).read_to_end(&mut bytes)).map_err(io)?;
        Config::of_bytes(bytes, Form::of(path), &file)
    }

    /// The same for what is in a file of this name.
    pub(crate) fn of_bytes(bytes: Vec<u8>, form: Form, file: &str) -> Result<Config, ConfigError> {
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) if error.as_bytes().len() > MAX_FILE_BYTES => {
                return Err(ConfigError::TooLarge { file: file.to_owned() });
            }
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let line =
                    1 + error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count();
                let problem = node::unreadable(line, "this is no UTF-8");
                return Err(ConfigError::Problem { file: file.to_owned(), problem });
            }
        };
        Config::parse(&text, form, file)
    }

    /// Reads a text. `name` stands for the file in errors.
    ///
    /// # Errors
    /// The text is too large, or does not make sense.
    pub fn parse(text: &str, form: Form, name: &str) -> Result<Config, ConfigError> {
        let file = name.to_owned();
        if text.len() > MAX_FILE_BYTES {
            return Err(ConfigError::TooLarge { file });
        }
        let node = match form {
            Form::Toml => toml::read(text),
            Form::Json => json::read(text),
            Form::Ini => ini::read(text),
        };
        let config = node.and_then(|node| Config::of(node, name)).and_then(|config| {
            config.check_references()?;
            Ok(config)
        });
        config.map_err(|problem| ConfigError::Problem { file, problem })
    }

    /// Which queue it names.
    pub fn queue(&self) -> &QueueSetting {
        &self.queue
    }

    /// How the listener works.
    pub fn listener(&self) -> &ListenerSettings {
        &self.listener
    }

    /// The workers that `logboom run` starts by it. A listener does not look at them.
    pub fn workers(&self) -> &[(String, WorkerSettings)] {
        &self.workers
    }

    /// Whether it says where records go.
    pub fn has_handlers(&self) -> bool {
        !self.handlers.is_empty()
    }

    fn of(node: Node, file: &str) -> Result<Config, Problem> {
        let given = show::given(&node);
        let mut table = Item { key: String::new(), node }.table()?;
        let version = table.need("version", "1")?;
        if version.number(0..=u64::MAX, "1").ok() != Some(VERSION) {
            return Err(version.expected("1"));
        }
        if let Some(incremental) = table.take("incremental")
            && incremental.boolean()?
        {
            return Err(
                incremental.refused("a configuration is always taken as a whole: leave it out")
            );
        }
        // No loggers exist before: nothing is there to be disabled.
        table.take("disable_existing_loggers").map(|item| item.boolean()).transpose()?;
        let level_names = levels::read(table.take_table("levels")?)?;
        let names = &level_names;
        let (root, others) = (table.take("root"), table.take_table("loggers")?);
        let (root, loggers) = loggers::read(root, others, names)?;
        let config = Config {
            file: file.to_owned(),
            formatters: each(table.take_table("formatters")?, FormatterSettings::read)?,
            filters: each(table.take_table("filters")?, |item| FilterSettings::read(item, names))?,
            handlers: each(table.take_table("handlers")?, |item| {
                HandlerSettings::read(item, names)
            })?,
            root,
            loggers,
            queue: table.take("queue").map_or(Ok(QueueSetting::Default), service::read_queue)?,
            listener: table.take("listener").map_or(Ok(ListenerSettings::default()), |item| {
                service::read_listener(item, names)
            })?,
            workers: workers::read(table.take_table("workers")?)?,
            given,
            level_names,
        };
        table.end()?;
        Ok(config)
    }
}

fn each<T>(
    entries: Vec<(String, Item)>,
    read: impl Fn(Item) -> Result<T, Problem>,
) -> Result<Vec<(String, T)>, Problem> {
    let read = |(name, item)| Ok((name, read(item)?));
    entries.into_iter().map(read).collect()
}
