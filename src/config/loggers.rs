//! The `loggers` and the `root` of a configuration.

use std::collections::HashMap;

use super::error::Problem;
use super::filters::texts;
use super::handlers::ItemPlace;
use super::item::Item;
use crate::logger_names::{MAX_NAME_BYTES, ROOT, canonical};
use crate::{Level, LevelNames};

/// One logger.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Logger {
    pub(crate) level: Level,
    pub(crate) propagate: bool,
    pub(crate) handlers: Vec<String>,
    pub(crate) filters: Vec<String>,
    /// For errors that are met later.
    pub(super) item: ItemPlace,
}

/// Reads the root and the other loggers. As in Python, the root may also stand among these, as `root`
/// or without a name.
pub(super) fn read(
    root: Option<Item>,
    others: Vec<(String, Item)>,
    names: &LevelNames,
) -> Result<(Logger, Vec<(String, Logger)>), Problem> {
    let (mut root_logger, mut loggers) = (Logger::root(), Vec::new());
    // By canonical names.
    let mut keys: HashMap<String, String> = HashMap::new();
    let root = root.map(|item| (ROOT.to_owned(), item));
    for (name, item) in root.into_iter().chain(others) {
        if name.len() > MAX_NAME_BYTES {
            let limit = format_args!("the name of a logger has at most {MAX_NAME_BYTES} bytes");
            return Err(item.refused(limit));
        }
        let canonical = canonical(&name).into_owned();
        let is_root = canonical.is_empty();
        if let Some(other) = keys.insert(canonical, item.key.clone()) {
            let reason = format_args!("{other} is the same logger: write all of it in one place");
            return Err(item.refused(reason));
        }
        if is_root {
            root_logger = Logger::read(item, Logger::ROOT_LEVEL, names)?;
        } else {
            loggers.push((name, Logger::read(item, Level::NOTSET, names)?));
        }
    }
    Ok((root_logger, loggers))
}

impl Logger {
    /// As in Python.
    const ROOT_LEVEL: Level = Level::WARNING;

    /// A root without settings.
    fn root() -> Logger {
        Logger {
            level: Logger::ROOT_LEVEL,
            propagate: true,
            handlers: Vec::new(),
            filters: Vec::new(),
            item: ItemPlace { key: ROOT.to_owned(), line: 1 },
        }
    }

    fn read(item: Item, default_level: Level, names: &LevelNames) -> Result<Logger, Problem> {
        let place = ItemPlace { key: item.key.clone(), line: item.node.line };
        let mut table = item.table()?;
        let list = |item: Option<Item>, what| item.map_or(Ok(Vec::new()), |item| texts(item, what));
        let logger = Logger {
            level: table.take("level").map_or(Ok(default_level), |item| item.level(names))?,
            propagate: table.take("propagate").map_or(Ok(true), |item| item.boolean())?,
            handlers: list(table.take("handlers"), "a list of handlers")?,
            filters: list(table.take("filters"), "a list of filters")?,
            item: place,
        };
        table.end()?;
        Ok(logger)
    }
}

#[cfg(test)]
mod tests {
    use crate::Level;
    use crate::config::{Config, Form};

    fn read(text: &str) -> Result<Config, String> {
        let text = format!("version = 1\nhandlers.h.class = 'NullHandler'\n{text}");
        Config::parse(&text, Form::Toml, "c").map_err(|error| error.to_string())
    }

    #[test]
    fn the_root_may_stand_among_the_loggers() {
        for name in ["\"\"", "root"] {
            let text = format!("loggers.{name}.handlers = ['h']\nloggers.a.level = 'DEBUG'");
            let config = read(&text).expect("a configuration");
            assert_eq!(
                (config.root.level, &*config.root.handlers),
                (Level::WARNING, &["h".to_owned()][..])
            );
            assert_eq!(config.loggers.len(), 1);
            let keys: Vec<_> = config.settings().into_iter().map(|setting| setting.key).collect();
            assert!(keys.contains(&format!("loggers.{name}.level")), "{keys:?}");
            let wrong = read(&text.replace("'h'", "'g'")).expect_err("no such handler");
            assert!(wrong.starts_with(&format!("c:3: loggers.{name}.handlers: ")), "{wrong}");
        }
    }

    #[test]
    fn a_logger_that_is_there_twice_is_refused() {
        for (text, expected) in [
            ("root.level = 'INFO'\nloggers.\"\".level = 'DEBUG'", "c:4: loggers.\"\": root"),
            ("loggers.\"\" = {}\nloggers.root = {}", "c:4: loggers.root: loggers.\"\""),
            ("loggers.'a.b' = {}\nloggers.'a::b' = {}", "c:4: loggers.\"a::b\": loggers.\"a.b\""),
        ] {
            let expected = format!("{expected} is the same logger: write all of it in one place");
            assert_eq!(read(text).expect_err(text), expected);
        }
    }
}
