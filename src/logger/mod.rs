//! The tree of loggers: which handlers get a record, by the name of its logger.
//!
//! The rules are those of Python's `logging` (3.13): `Logger.getEffectiveLevel`, `Manager._fixupParents`
//! and `Logger.callHandlers`. Handlers and filters are numbers here; who gives them out knows what
//! they stand for.

mod filters;
mod names;
mod route;
mod routing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::Level;

pub(crate) use self::filters::Filters;
use self::names::{canonical, parents};
pub(crate) use self::route::Route;
#[cfg(feature = "config")]
pub(crate) use self::routing::TargetPlan;
pub(crate) use self::routing::{Delivery, Destination, Plan, Routing, Summary};

/// The name under which the root of the tree is printed.
pub(crate) const ROOT: &str = "root";

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
    /// Canonical name -> place in `routes`; the root is not among them.
    places: HashMap<String, usize>,
    /// The root first.
    routes: Vec<Routes>,
    longest_name_bytes: usize,
    known: HashMap<Box<str>, Place>,
}

/// Where the records of a configured logger go.
#[derive(Debug)]
struct Routes {
    own: Route,
    /// Those of the loggers below it that are not configured.
    below: Route,
}

/// Where the route of a name is found.
#[derive(Clone, Copy, Debug)]
enum Place {
    Own(usize),
    Below(usize),
}

impl LoggerTree {
    /// The tree of these loggers. The name of a logger has its parts separated by `.` or `::`; one
    /// that is empty or `root` is the root, and of two settings for one logger the later counts.
    pub(crate) fn new(
        root: LoggerSettings,
        loggers: impl IntoIterator<Item = (String, LoggerSettings)>,
    ) -> LoggerTree {
        let (mut places, mut settings) = (HashMap::new(), vec![(String::new(), root)]);
        for (name, logger) in loggers {
            let name = canonical(&name).into_owned();
            let place = if name.is_empty() {
                0
            } else {
                *places.entry(name.clone()).or_insert(settings.len())
            };
            match settings.get_mut(place) {
                Some(known) => known.1 = logger,
                None => settings.push((name, logger)),
            }
        }
        let longest_name_bytes = places.keys().map(String::len).max().unwrap_or(0);
        let mut tree =
            LoggerTree { places, routes: Vec::new(), longest_name_bytes, known: HashMap::new() };
        let routes = (0..settings.len()).map(|place| tree.routes_of(place, &settings));
        tree.routes = routes.collect();
        tree
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

    /// All routes there are.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().flat_map(|routes| [&routes.own, &routes.below])
    }

    fn find_and_remember(&mut self, name: &str) -> Place {
        let place = self.find(&canonical(name));
        if name.len() <= MAX_KNOWN_NAME_BYTES {
            if self.known.len() >= MAX_KNOWN_NAMES {
                self.known.clear();
            }
            self.known.insert(name.into(), place);
        }
        place
    }

    fn find(&self, name: &str) -> Place {
        if name.is_empty() {
            return Place::Own(0);
        }
        match self.places.get(name) {
            Some(place) => Place::Own(*place),
            None => Place::Below(self.parent(name)),
        }
    }

    /// The nearest logger above `name` that is configured. What is longer than any of them is not
    /// looked up: a record's name of a hundred thousand dots costs one pass.
    fn parent(&self, name: &str) -> usize {
        let short = parents(name).filter(|parent| parent.len() <= self.longest_name_bytes);
        short.filter_map(|parent| self.places.get(parent)).copied().next().unwrap_or(0)
    }

    fn routes_of(&self, place: usize, settings: &[(String, LoggerSettings)]) -> Routes {
        let (level, handlers) = self.walk(place, settings);
        let LoggerSettings { disabled, filters, .. } = settings[place].1;
        let below = Route { level, filters: None, disabled: false, handlers };
        Routes { own: Route { filters, disabled, ..below.clone() }, below }
    }

    /// The effective level, and the handlers on the way up to the first logger that does not
    /// propagate. The levels above it count all the same.
    fn walk(&self, place: usize, settings: &[(String, LoggerSettings)]) -> (Level, Box<[usize]>) {
        let (mut level, mut handlers) = (Level::NOTSET, Vec::new());
        let (mut place, mut propagates) = (place, true);
        loop {
            let (name, logger) = &settings[place];
            if level == Level::NOTSET {
                level = logger.level;
            }
            if propagates {
                handlers.extend(&logger.handlers);
            }
            propagates &= logger.propagate;
            if place == 0 {
                return (level, handlers.into());
            }
            place = self.parent(name);
        }
    }
}
