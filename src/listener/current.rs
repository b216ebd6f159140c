//! What a listener has, and the step from there to what a configuration wants: opens what is not open
//! yet, and changes nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::builder::FallbackFile;
use super::layout::{Layout, NextFile, NextHandler, NextRoute};
use super::outlet::MAX_OUTLETS;
use super::reload::{ReadConfig, ReloadError};
use super::tasks::{Claim, Exchange};
use super::{DEFAULT_DRAIN_TIMEOUT, SyncPolicy};
use crate::Level;
use crate::handler::{
    HandlerError, OnUnresolved, RotatingFileHandler, RoutedPaths, RoutingFileHandler,
};
use crate::journal::MAX_FILES;
use crate::logger::Destination;
use crate::queue::QueueDir;
use crate::regular_file::{self, is_same_name};

/// What no configuration changes.
pub(super) struct Fixed {
    pub(super) queue: QueueDir,
    /// The directory of the queue that the first configuration has named, which flags come before.
    pub(super) named_queue: Option<PathBuf>,
    /// The doors that the first configuration has named.
    pub(super) doors: Option<String>,
    pub(super) on_unresolved: OnUnresolved,
    pub(super) fallback: Option<FallbackFile>,
    /// Of loggers, in their order.
    pub(super) levels: Vec<(String, Level)>,
    pub(super) sync: Option<SyncPolicy>,
    pub(super) drain_timeout: Option<Duration>,
    pub(super) read_config: Option<ReadConfig>,
}

impl Fixed {
    fn sync(&self, layout: &Layout) -> SyncPolicy {
        self.sync.or(layout.sync).unwrap_or_default()
    }

    fn drain_timeout(&self, layout: &Layout) -> Duration {
        self.drain_timeout.or(layout.drain_timeout).unwrap_or(DEFAULT_DRAIN_TIMEOUT)
    }

    /// A configuration that names no doors leaves those that there are.
    fn check_doors(&self, layout: &Layout) -> Result<(), ReloadError> {
        match &layout.doors {
            Some(named) if self.doors.as_ref() != Some(&named.identity) => {
                Err(ReloadError::Refused { reason: named.problem.clone() })
            }
            _ => Ok(()),
        }
    }

    fn check_queue(&self, layout: &Layout) -> Result<(), ReloadError> {
        match &layout.queue {
            Some(named)
                if named.directory != self.queue.path()
                    && self.named_queue.as_ref() != Some(&named.directory) =>
            {
                Err(ReloadError::Refused { reason: named.problem.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// The log files, routes and handlers of the listener: first those of its own, then those that the
/// configuration has.
#[derive(Clone)]
pub(super) struct Current {
    own_files: usize,
    own_routes: usize,
    own_handlers: usize,
    files: Vec<PathBuf>,
    routes: Vec<RoutedPaths>,
    /// What decides whether a handler stays; nothing for those of the listener's own.
    identities: Vec<String>,
}

impl Current {
    pub(super) fn of_own(
        files: &[RotatingFileHandler],
        routes: &[RoutingFileHandler],
        handlers: usize,
    ) -> Current {
        Current {
            own_files: files.len(),
            own_routes: routes.len(),
            own_handlers: handlers,
            files: files.iter().map(|file| file.path().to_owned()).collect(),
            routes: routes.iter().map(|route| route.paths().clone()).collect(),
            identities: vec![String::new(); handlers],
        }
    }

    /// Opens what `layout` has and is not open yet; the paths of new log files go to `created`.
    pub(super) fn open(
        &self,
        layout: Layout,
        fixed: &Fixed,
        created: &mut Vec<PathBuf>,
    ) -> Result<(Exchange, Current), ReloadError> {
        fixed.check_queue(&layout)?;
        fixed.check_doors(&layout)?;
        let (sync, drain_timeout) = (fixed.sync(&layout), fixed.drain_timeout(&layout));
        let Layout { source, has_handlers, files: mut wanted, routes, handlers, mut plan, .. } =
            layout;
        if let Some(fallback) = fixed.fallback.as_ref().filter(|_| !has_handlers) {
            wanted.push(fallback.layout()?);
        }
        self.check_limits(wanted.len(), routes.len(), handlers.len())?;
        let mut next = Current {
            files: self.files[..self.own_files].to_vec(),
            routes: self.routes[..self.own_routes].to_vec(),
            identities: self.identities[..self.own_handlers].to_vec(),
            ..*self
        };
        let mut files: Vec<_> =
            (0..self.own_files).map(|index| NextFile::Stays(index, None)).collect();
        for file in wanted {
            let path = absolute(file.settings.path())?;
            let known = (self.own_files..self.files.len()).find(|index| {
                let known = &self.files[*index];
                is_same_name(known, &path) && !next.files.contains(known)
            });
            if let Some(index) = known {
                file.settings.check(&path)?;
                next.files.push(self.files[index].clone());
                files.push(NextFile::Stays(index, Some(file)));
                continue;
            }
            if regular_file::look(&path).is_ok_and(|found| found.is_none()) {
                created.push(path);
            }
            let handler = file.settings.open(file.formatter)?;
            next.files.push(handler.path().to_owned());
            files.push(NextFile::Comes(Box::new(handler)));
        }
        let routes = self.next_routes(routes, &mut next.routes);
        check_routes(&next.routes)?;
        let mut next_handlers: Vec<_> = (0..self.own_handlers).map(NextHandler::Stays).collect();
        for handler in handlers {
            let known = (self.own_handlers..self.identities.len())
                .find(|place| self.identities[*place] == handler.identity);
            next_handlers.push(match known {
                Some(place) => NextHandler::Stays(place),
                None => NextHandler::Comes(handler.name, (handler.open)()?),
            });
            next.identities.push(handler.identity);
        }
        plan.renumber(|destination| match destination {
            Destination::File(index) => Destination::File(self.own_files + index),
            Destination::Route(index) => Destination::Route(self.own_routes + index),
            Destination::Handler(place) => Destination::Handler(self.own_handlers + place),
        });
        let numbers = (0..files.len()).map(Destination::File);
        let numbers = numbers.chain((0..routes.len()).map(Destination::Route));
        plan.attach_rest(numbers.chain((0..next_handlers.len()).map(Destination::Handler)));
        plan.loggers.set_levels(fixed.levels.iter().map(|(logger, level)| (&**logger, *level)));
        let handlers = next_handlers;
        let claim = Claim::default();
        Ok((Exchange { source, files, routes, handlers, plan, sync, drain_timeout, claim }, next))
    }

    /// Those that stay and those that come; their paths are added to `next`.
    fn next_routes(
        &self,
        wanted: Vec<RoutingFileHandler>,
        next: &mut Vec<RoutedPaths>,
    ) -> Vec<NextRoute> {
        let mut routes: Vec<_> =
            (0..self.own_routes).map(|index| NextRoute::Stays(index, None)).collect();
        for route in wanted {
            let paths = route.paths();
            let known = self.routes.iter().skip(self.own_routes).position(|known| known == paths);
            let known = known.filter(|_| !next.contains(paths));
            next.push(paths.clone());
            let route = Box::new(route);
            routes.push(match known {
                Some(index) => NextRoute::Stays(self.own_routes + index, Some(route)),
                None => NextRoute::Comes(route),
            });
        }
        routes
    }

    fn check_limits(
        &self,
        files: usize,
        routes: usize,
        handlers: usize,
    ) -> Result<(), ReloadError> {
        // One record may go to all of them.
        let reason = if self.own_files + files + self.own_routes + routes > MAX_FILES {
            format!("a listener has at most {MAX_FILES} log files and routes")
        } else if self.own_handlers + handlers > MAX_OUTLETS {
            format!("a listener has at most {MAX_OUTLETS} handlers beside its log files")
        } else {
            return Ok(());
        };
        Err(ReloadError::Refused { reason })
    }
}

/// No two routes may ever write to one file.
fn check_routes(routes: &[RoutedPaths]) -> Result<(), ReloadError> {
    for (number, one) in routes.iter().enumerate() {
        if let Some(other) = routes[..number].iter().find(|other| other.may_meet(one)) {
            let (one, other) = (one.template(), other.template());
            let reason = format!(
                "{other} and {one} may be the same file: give them different directories or file names"
            );
            return Err(ReloadError::Refused { reason });
        }
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, HandlerError> {
    Ok(std::path::absolute(path).map_err(regular_file::refused("open", path))?)
}
