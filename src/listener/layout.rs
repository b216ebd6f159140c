//! What a configuration makes of a listener. Nothing of it is open yet, so that one that cannot be
//! used changes nothing.

use std::path::PathBuf;
use std::time::Duration;

use super::SyncPolicy;
use crate::formatter::Formatter;
use crate::handler::{
    Handler, HandlerError, RotatingFileBuilder, RotatingFileHandler, RoutingFileHandler,
};
use crate::logger::Plan;

pub(crate) struct Layout {
    /// Where it is from, for people; nothing where there is no configuration.
    pub(crate) source: Option<String>,
    pub(crate) queue: Option<NamedQueue>,
    pub(crate) doors: Option<FixedDoors>,
    /// Whether it says where records go. Otherwise they go to the fallback file.
    pub(crate) has_handlers: bool,
    pub(crate) files: Vec<FileLayout>,
    pub(crate) routes: Vec<RoutingFileHandler>,
    pub(crate) handlers: Vec<HandlerLayout>,
    /// Knows files, routes and handlers by their places above.
    pub(crate) plan: Plan,
    pub(crate) sync: Option<SyncPolicy>,
    pub(crate) drain_timeout: Option<Duration>,
}

impl Layout {
    /// Without a configuration.
    pub(crate) fn plain() -> Layout {
        Layout {
            source: None,
            queue: None,
            doors: None,
            has_handlers: false,
            files: Vec::new(),
            routes: Vec::new(),
            handlers: Vec::new(),
            plan: Plan::plain(),
            sync: None,
            drain_timeout: None,
        }
    }
}

/// A queue that a configuration names.
pub(crate) struct NamedQueue {
    pub(crate) directory: PathBuf,
    /// What to say where a running listener has another one.
    pub(crate) problem: String,
}

/// Doors that a configuration names.
pub(crate) struct FixedDoors {
    /// All that they are.
    pub(crate) identity: String,
    /// What to say where a running listener has others.
    pub(crate) problem: String,
}

/// A log file.
pub(crate) struct FileLayout {
    pub(crate) settings: RotatingFileBuilder,
    pub(crate) formatter: Box<dyn Formatter>,
}

/// A handler beside the log files.
pub(crate) struct HandlerLayout {
    pub(crate) name: String,
    /// One that has the same goes on with what it has.
    pub(crate) identity: String,
    pub(crate) open: OpenHandler,
}

pub(crate) type OpenHandler = Box<dyn FnOnce() -> Result<Box<dyn Handler>, HandlerError> + Send>;

/// A log file of the next configuration.
pub(super) enum NextFile {
    /// The one of this number, under these settings where they may have changed.
    Stays(usize, Option<FileLayout>),
    Comes(Box<RotatingFileHandler>),
}

/// A route of the next configuration.
pub(super) enum NextRoute {
    /// The one of this number, under these settings where they may have changed.
    Stays(usize, Option<Box<RoutingFileHandler>>),
    Comes(Box<RoutingFileHandler>),
}

/// A handler of the next configuration.
pub(super) enum NextHandler {
    /// The one at this place.
    Stays(usize),
    Comes(String, Box<dyn Handler>),
}
