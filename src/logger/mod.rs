//! The tree of loggers: which handlers get a record, by the name of its logger.
//!
//! The rules are those of Python's `logging` (3.13): `Logger.getEffectiveLevel`, `Manager._fixupParents`
//! and `Logger.callHandlers`. Handlers and filters are numbers here; who gives them out knows what
//! they stand for.

mod filters;
mod route;
mod routing;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::Level;

pub(crate) use self::filters::Filters;
pub(crate) use self::route::Route;
#[cfg(feature = "config")]
pub(crate) use self::routing::TargetPlan;
pub(crate) use self::routing::{Delivery, Destination, Plan, Routing, Summary};
pub(crate) use self::rules::{LevelRules, Loggers};
use crate::logger_names::{Names, Place, canonical};

/// Names of loggers come from records, and nobody bounds how many there are: when so many are known,
/// all are forgotten.
const MAX_KNOWN_NAMES: usize = 1024;

/// A longer name is looked up each time, so that what is known is bounded in bytes as well.
const MAX_KNOWN_NAME_BYTES: usize = 256;

/// What is configured of one logger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoggerSettings {
    /// [`Level::NOTSET`]: that of the nearest logger above that has one.
    pub(crate) level: Level,
    /// Whether the handlers of the loggers above get its records, too.
    pub(crate) propagate: bool,
    /// Whether its own records go nowhere; those of the loggers below do not notice.
    pub(crate) disabled: bool,
    /// Its own handlers, in their order.
    pub(crate) handlers: Vec<usize>,
    /// The filters that look at its own records, and at nobody else's.
    pub(crate) filters: Option<usize>,
}

impl Default for LoggerSettings {
    fn default() -> LoggerSettings {
        LoggerSettings {
            level: Level::NOTSET,
            propagate: true,
            disabled: false,
            handlers: Vec::new(),
            filters: None,
        }
    }
}

/// Loggers by their dotted names, each below the nearest one that is configured.
#[derive(Debug)]
pub(crate) struct LoggerTree {
    names: Names,
    /// By the numbers of the names.
    routes: Vec<Routes>,
    known: HashMap<Box<str>, Place>,
}

/// Where the records of a configured logger go.
#[derive(Debug)]
struct Routes {
    own: Route,
    /// Those of the loggers below it that are not configured.
    below: Route,
}

impl LoggerTree {
    /// The tree of these loggers. The name of a logger has its parts separated by `.` or `::`; one
    /// that is empty or `root` is the root, and of two settings for one logger the later counts.
    pub(crate) fn new(
        root: LoggerSettings,
        loggers: impl IntoIterator<Item = (String, LoggerSettings)>,
    ) -> LoggerTree {
        let loggers: Vec<_> = loggers
            .into_iter()
            .map(|(name, logger)| (canonical(&name).into_owned(), logger))
            .collect();
        let names = Names::new(loggers.iter().map(|(name, _)| &**name));
        let mut settings = vec![LoggerSettings::default(); names.len()];
        for (name, logger) in [(String::new(), root)].into_iter().chain(loggers) {
            if let Some(number) = names.number(&name) {
                settings[number] = logger;
            }
        }
        let routes = names.iter().enumerate();
        let routes =
            routes.map(|(number, name)| routes_of(number, name, &names, &settings)).collect();
        LoggerTree { names, routes, known: HashMap::new() }
    }

    /// Where records of the logger `name` go.
    pub(crate) fn route(&mut self, name: &str) -> &Route {
        let place = match self.known.get(name) {
            Some(place) => *place,
            None => self.find_and_remember(name),
        };
        match place {
            Place::Own(place) => &self.routes[place].own,
            Place::Below(place) => &self.routes[place].below,
        }
    }

    /// The names that are configured, each with the route of its own records and that of the loggers
    /// below it.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (&str, &Route, &Route)> {
        let routes = self.names.iter().zip(&self.routes);
        routes.map(|(name, Routes { own, below })| (name, own, below))
    }

    fn find_and_remember(&mut self, name: &str) -> Place {
        let place = self.names.find(&canonical(name));
        if name.len() <= MAX_KNOWN_NAME_BYTES {
            if self.known.len() >= MAX_KNOWN_NAMES {
                self.known.clear();
            }
            self.known.insert(name.into(), place);
        }
        place
    }
}

fn routes_of(number: usize, name: &str, names: &Names, settings: &[LoggerSettings]) -> Routes {
    let (level, handlers) = walk(number, name, names, settings);
    let LoggerSettings { disabled, filters, .. } = settings[number];
    let below = Route { level, filters: None, disabled: false, handlers };
    Routes { own: Route { filters, disabled, ..below.clone() }, below }
}

/// The effective level, and the handlers on the way up to the first logger that does not propagate.
/// The levels above it count all the same.
fn walk(
    number: usize,
    name: &str,
    names: &Names,
    settings: &[LoggerSettings],
) -> (Level, Box<[usize]>) {
    let (mut level, mut handlers) = (Level::NOTSET, Vec::new());
    let (mut number, mut name, mut propagates) = (number, name, true);
    loop {
        let logger = &settings[number];
        if level == Level::NOTSET {
            level = logger.level;
        }
        if propagates {
            handlers.extend(&logger.handlers);
        }
        propagates &= logger.propagate;
        if number == 0 {
            return (level, handlers.into());
        }
        number = names.parent(name);
        name = names.name(number);
    }
}
