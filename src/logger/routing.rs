//! Which log files and handlers get a record: by its logger, and by their own level and filters.

use std::borrow::Cow;

use super::filters::Filters;
use super::{LoggerSettings, LoggerTree};
use crate::filter::Filter;
use crate::{Level, Record};

/// How a record finds its way, as a configuration says.
pub(crate) struct Plan {
    pub(crate) root: LoggerSettings,
    pub(crate) loggers: Vec<(String, LoggerSettings)>,
    /// Of the loggers, each with a name for notices.
    pub(crate) filters: Vec<(String, Vec<Box<dyn Filter>>)>,
    pub(crate) targets: Vec<TargetPlan>,
}

/// A log file or a handler that is attached to loggers.
pub(crate) struct TargetPlan {
    pub(crate) name: String,
    pub(crate) level: Level,
    pub(crate) filters: Vec<Box<dyn Filter>>,
    pub(crate) destination: Destination,
}

/// Where a record goes, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    File(usize),
    Handler(usize),
}

impl Plan {
    /// Everything goes everywhere.
    pub(crate) fn plain() -> Plan {
        Plan {
            root: LoggerSettings::default(),
            loggers: Vec::new(),
            filters: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// Attaches to the root what is not attached to any logger.
    pub(crate) fn attach_rest(&mut self, destinations: impl Iterator<Item = Destination>) {
        for destination in destinations {
            if self.targets.iter().all(|target| target.destination != destination) {
                self.root.handlers.push(self.targets.len());
                self.targets.push(TargetPlan {
                    name: String::new(),
                    level: Level::NOTSET,
                    filters: Vec::new(),
                    destination,
                });
            }
        }
    }

    /// Gives the destinations other numbers.
    pub(crate) fn renumber(&mut self, number: impl Fn(Destination) -> Destination) {
        for target in &mut self.targets {
            target.destination = number(target.destination);
        }
    }

    /// Whether every record goes everywhere.
    fn is_plain(&self) -> bool {
        let root = &self.root;
        root.level == Level::NOTSET
            && root.filters.is_none()
            && self.loggers.is_empty()
            && (0..self.targets.len()).all(|target| root.handlers.contains(&target))
            && self
                .targets
                .iter()
                .all(|target| target.level == Level::NOTSET && target.filters.is_empty())
    }
}

pub(crate) struct Routing {
    tree: LoggerTree,
    filters: Vec<Filters>,
    targets: Vec<Target>,
    is_plain: bool,
    /// Somebody may have something to say of records that were hidden.
    has_filters: bool,
}

struct Target {
    level: Level,
    filters: Filters,
    destination: Destination,
}

/// One destination of a record, with the copy that its filters have changed, if they have.
pub(crate) struct Delivery {
    pub(crate) destination: Destination,
    pub(crate) changed: Option<Record<'static>>,
}

/// A record that a filter has made, and where it goes on.
pub(crate) struct Summary {
    pub(crate) record: Record<'static>,
    pub(crate) deliveries: Vec<Delivery>,
}

impl Routing {
    pub(crate) fn new(plan: Plan) -> Routing {
        let is_plain = plan.is_plain();
        let filters = plan.filters.into_iter();
        let filters: Vec<_> = filters
            .map(|(name, filters)| Filters::of(format!("logger {name}: "), filters))
            .collect();
        let targets =
            plan.targets.into_iter().map(|TargetPlan { name, level, filters, destination }| {
                Target {
                    level,
                    filters: Filters::of(format!("handler {name}: "), filters),
                    destination,
                }
            });
        let targets: Vec<_> = targets.collect();
        let has_filters =
            !filters.is_empty() || targets.iter().any(|target| !target.filters.is_empty());
        Routing {
            tree: LoggerTree::new(plan.root, plan.loggers),
            filters,
            targets,
            is_plain,
            has_filters,
        }
    }

    /// Whether every record goes everywhere, as it is.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    pub(crate) fn has_filters(&self) -> bool {
        self.has_filters
    }

    /// The lowest level that is not lost whatever the logger is.
    pub(crate) fn lowest_level(&self) -> Level {
        let wanted = self.tree.routes().filter(|route| !route.disabled).filter_map(|route| {
            let handlers = route.handlers.iter().map(|index| self.targets[*index].level);
            handlers.min().map(|level| level.max(route.level))
        });
        wanted.min().unwrap_or(Level::new(u8::MAX))
    }

    /// Finds the destinations of a record. The filters of its logger change it for all of them. A
    /// destination that is on the way twice gets it once.
    pub(crate) fn route(
        &mut self,
        record: &mut Cow<'_, Record<'_>>,
        deliveries: &mut Vec<Delivery>,
    ) {
        let route = self.tree.route(&record.logger);
        if !route.is_enabled_for(record.level) {
            return;
        }
        if let Some(filters) = route.filters
            && !self.filters[filters].pass(record)
        {
            return;
        }
        deliver(&mut self.targets, &route.handlers, record, deliveries);
    }

    /// What filters say of records they have hidden: of loggers to the handlers of these, of
    /// handlers to these.
    pub(crate) fn take_summaries(&mut self, now_ns: i64) -> Vec<Summary> {
        let mut summaries = Vec::new();
        for filters in self.filters.iter_mut().filter(|filters| !filters.is_empty()) {
            for record in filters.take_summaries(now_ns) {
                let route = self.tree.route(&record.logger);
                let mut deliveries = Vec::new();
                deliver(&mut self.targets, &route.handlers, &record, &mut deliveries);
                summaries.push(Summary { record, deliveries });
            }
        }
        for target in self.targets.iter_mut().filter(|target| !target.filters.is_empty()) {
            let destination = target.destination;
            summaries.extend(target.filters.take_summaries(now_ns).into_iter().map(|record| {
                Summary { record, deliveries: vec![Delivery { destination, changed: None }] }
            }));
        }
        summaries
    }

    pub(crate) fn panics(&self) -> u64 {
        self.all_filters().map(Filters::panics).sum()
    }

    /// What the log should say of the filters.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        let of_targets = self.targets.iter_mut().map(|target| &mut target.filters);
        self.filters.iter_mut().chain(of_targets).flat_map(Filters::take_notices).collect()
    }

    fn all_filters(&self) -> impl Iterator<Item = &Filters> {
        self.filters.iter().chain(self.targets.iter().map(|target| &target.filters))
    }
}

fn deliver(
    targets: &mut [Target],
    handlers: &[usize],
    record: &Record<'_>,
    deliveries: &mut Vec<Delivery>,
) {
    for index in handlers {
        let Target { level, filters, destination } = &mut targets[*index];
        let is_known = deliveries.iter().any(|delivery| delivery.destination == *destination);
        if is_known || record.level < *level {
            continue;
        }
        let mut seen = Cow::Borrowed(record);
        if filters.pass(&mut seen) {
            let changed = match seen {
                Cow::Borrowed(_) => None,
                Cow::Owned(record) => Some(record.into_owned()),
            };
            deliveries.push(Delivery { destination: *destination, changed });
        }
    }
}
