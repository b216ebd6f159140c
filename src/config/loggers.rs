//! The `loggers` and the `root` of a configuration.

use super::error::Problem;
use super::filters::texts;
use super::item::Item;
use crate::{Level, LevelNames};

/// Longest name of a logger, in bytes.
const MAX_NAME_BYTES: usize = 1024;

/// One logger.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Logger {
    pub(crate) level: Level,
    pub(crate) propagate: bool,
    pub(crate) handlers: Vec<String>,
    pub(crate) filters: Vec<String>,
    pub(super) line: usize,
}

impl Logger {
    /// A root without settings: WARNING, as in Python.
    pub(super) fn root() -> Logger {
        Logger {
            level: Level::WARNING,
            propagate: true,
            handlers: Vec::new(),
            filters: Vec::new(),
            line: 1,
        }
    }

    pub(super) fn read_root(item: Item, names: &LevelNames) -> Result<Logger, Problem> {
        Logger::read_as(Logger::root(), item, names)
    }

    pub(super) fn read(name: &str, item: Item, names: &LevelNames) -> Result<Logger, Problem> {
        if name.len() > MAX_NAME_BYTES {
            let limit = format_args!("the name of a logger has at most {MAX_NAME_BYTES} bytes");
            return Err(item.refused(limit));
        }
        Logger::read_as(Logger { level: Level::NOTSET, ..Logger::root() }, item, names)
    }

    fn read_as(default: Logger, item: Item, names: &LevelNames) -> Result<Logger, Problem> {
        let line = item.node.line;
        let mut table = item.table()?;
        let list = |item: Option<Item>, what| item.map_or(Ok(Vec::new()), |item| texts(item, what));
        let logger = Logger {
            level: table.take("level").map_or(Ok(default.level), |item| item.level(names))?,
            propagate: table.take("propagate").map_or(Ok(true), |item| truth(&item))?,
            handlers: list(table.take("handlers"), "a list of handlers")?,
            filters: list(table.take("filters"), "a list of filters")?,
            line,
        };
        table.end()?;
        Ok(logger)
    }
}

/// Python takes 0 and 1 as well, which many configurations have here.
fn truth(item: &Item) -> Result<bool, Problem> {
    use super::node::Data;
    match item.node.data {
        Data::Integer(number @ (0 | 1)) => Ok(number == 1),
        _ => item.boolean(),
    }
}
