//! What the parts of a configuration say of each other.

use std::collections::{HashMap, HashSet};
use std::path;

use super::error::Problem;
use super::handlers::ItemPlace;
use super::node::escaped;
use super::{Config, FormatterSettings, HandlerKind, HandlerSettings};
use crate::journal::MAX_FILES;

/// How many names an error lists.
const MAX_SHOWN_NAMES: usize = 20;

/// Formatters that need no settings.
const BUILT_IN: [&str; 3] = ["text", "json", "logfmt"];

impl Config {
    pub(super) fn check_references(&self) -> Result<(), Problem> {
        let handlers = Names::of("handler", &self.handlers);
        let filters = Names::of("filter", &self.filters);
        let formatters = Names::of("formatter", &self.formatters).and(&BUILT_IN);
        for logger in self.loggers.iter().map(|(_, logger)| logger).chain([&self.root]) {
            handlers.check(&logger.handlers, &logger.item.below("handlers"))?;
            filters.check(&logger.filters, &logger.item.below("filters"))?;
        }
        for (_, HandlerSettings { filters: names, formatter, kind, item, .. }) in &self.handlers {
            filters.check(names, &item.below("filters"))?;
            formatters.check(formatter.as_slice(), &item.below("formatter"))?;
            if let HandlerKind::Memory { target, .. } = kind {
                handlers.check(std::slice::from_ref(target), &item.below("target"))?;
            }
        }
        self.check_targets()?;
        self.check_paths()
    }

    /// The formatter of this name: one of the configuration, or one that is built in.
    pub(crate) fn formatter(&self, name: &str) -> Option<FormatterSettings> {
        let own = self.formatters.iter().find(|(known, _)| known == name);
        own.map(|(_, formatter)| formatter.clone()).or_else(|| FormatterSettings::built_in(name))
    }

    /// What a `MemoryHandler` keeps back must not pass its target on another way.
    fn check_targets(&self) -> Result<(), Problem> {
        let loggers = self.loggers.iter().map(|(_, logger)| logger).chain([&self.root]);
        let mut attached: HashSet<&str> =
            loggers.flat_map(|logger| &logger.handlers).map(|name| &**name).collect();
        for (_, handler) in &self.handlers {
            if let HandlerKind::Memory { target, .. } = &handler.kind
                && !attached.insert(target)
            {
                let reason = format!(
                    "handler `{target}` has other records as well: give this one a target of its own"
                );
                return Err(handler.item.below("target").problem(reason));
            }
            if let HandlerKind::Memory { target, .. } = &handler.kind
                && let Some((_, settings)) = self.handlers.iter().find(|(name, _)| name == target)
                && !settings.filters.is_empty()
            {
                let reason = "what it gets has passed its MemoryHandler: give that one the filters";
                return Err(settings.item.below("filters").problem(reason.to_owned()));
            }
        }
        Ok(())
    }

    fn check_paths(&self) -> Result<(), Problem> {
        let mut paths = HashMap::new();
        let mut log_files = 0;
        for (name, handler) in &self.handlers {
            let (HandlerKind::LogFile { path, .. }
            | HandlerKind::LockedFile { path, .. }
            | HandlerKind::NewFile { path, .. }) = &handler.kind
            else {
                continue;
            };
            let place = handler.item.below("filename");
            log_files += usize::from(matches!(handler.kind, HandlerKind::LogFile { .. }));
            if log_files > MAX_FILES {
                return Err(place.problem(format!("a listener has at most {MAX_FILES} log files")));
            }
            let absolute = path::absolute(path).unwrap_or_else(|_| path.clone());
            if let Some(other) = paths.insert(absolute, name) {
                let shown = path.display();
                return Err(
                    place.problem(format!("{shown} is the file of handler `{other}` already"))
                );
            }
        }
        Ok(())
    }
}

impl ItemPlace {
    pub(super) fn below(&self, name: &str) -> ItemPlace {
        ItemPlace { key: format!("{}.{name}", self.key), line: self.line }
    }

    pub(super) fn problem(&self, reason: String) -> Problem {
        Problem { line: self.line, key: self.key.clone(), reason }
    }
}

/// The names that others may refer to.
struct Names<'c> {
    what: &'static str,
    known: Vec<&'c str>,
    set: HashSet<&'c str>,
}

impl<'c> Names<'c> {
    fn of<T>(what: &'static str, entries: &'c [(String, T)]) -> Names<'c> {
        let known: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
        Names { what, set: known.iter().copied().collect(), known }
    }

    fn and(mut self, built_in: &[&'c str]) -> Names<'c> {
        self.known.extend(built_in);
        self.set.extend(built_in);
        self
    }

    fn check(&self, names: &[String], place: &ItemPlace) -> Result<(), Problem> {
        match names.iter().find(|name| !self.set.contains(&***name)) {
            Some(name) => Err(self.unknown(name, place)),
            None => Ok(()),
        }
    }

    fn unknown(&self, name: &str, place: &ItemPlace) -> Problem {
        let known = match self.known.get(..MAX_SHOWN_NAMES).unwrap_or(&self.known) {
            [] => "there are none".to_owned(),
            known => format!("known are {}", known.join(", ")),
        };
        place.problem(format!("there is no {} \"{}\"; {known}", self.what, escaped(name)))
    }
}
