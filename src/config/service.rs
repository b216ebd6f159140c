//! The `queue` and the `listener` of a configuration: what Python's has not.

use std::path::PathBuf;
use std::time::Duration;

use super::doors;
use super::error::Problem;
use super::item::Item;
use crate::handler::SocketAddress;
use crate::receiver::Door;
use crate::{LevelNames, SyncPolicy};

/// Longest time that a stop may be told to wait.
const MAX_DRAIN_TIMEOUT_S: u64 = 24 * 60 * 60;

/// Which queue, unless flags or the environment say so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum QueueSetting {
    /// Nothing is said.
    #[default]
    Default,
    /// By its name.
    Name(String),
    /// By its directory.
    Directory(PathBuf),
}

/// How the listener works, unless flags say so.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ListenerSettings {
    /// When log files are brought to the disk unasked.
    pub sync: Option<SyncPolicy>,
    /// How long a stop waits for workers and log files.
    pub drain_timeout: Option<Duration>,
    /// Where it takes the records of other programs, each with its name.
    pub doors: Vec<(String, Door)>,
    /// Where it takes what the `SocketHandler`s of other listeners and programs send, each with its name.
    pub sockets: Vec<(String, SocketAddress)>,
}

pub(super) fn read_queue(item: Item) -> Result<QueueSetting, Problem> {
    let whole = item.clone();
    let mut table = item.table()?;
    let (name, directory) = (table.take("name"), table.take("directory"));
    table.end()?;
    match (name, directory) {
        (Some(_), Some(directory)) => {
            Err(directory.refused("a queue has a name or a directory, not both"))
        }
        (Some(name), None) => Ok(QueueSetting::Name(name.text("the name of a queue")?.to_owned())),
        (None, Some(path)) => Ok(QueueSetting::Directory(path.text("a path")?.into())),
        (None, None) => Err(whole.refused("empty, expected name or directory")),
    }
}

pub(super) fn read_listener(item: Item, names: &LevelNames) -> Result<ListenerSettings, Problem> {
    const POLICIES: &str = "none, an interval such as 1s, a level, or every-batch";
    let mut table = item.table()?;
    let sync = table.take("sync").map(|item| {
        sync_policy(item.text(POLICIES)?, names).ok_or_else(|| item.expected(POLICIES))
    });
    let drain_timeout = table.take("drain_timeout").map(|item| {
        item.number(0..=MAX_DRAIN_TIMEOUT_S, "a number of seconds").map(Duration::from_secs)
    });
    let mut settings = ListenerSettings {
        sync: sync.transpose()?,
        drain_timeout: drain_timeout.transpose()?,
        ..ListenerSettings::default()
    };
    if let Some(item) = table.take("doors") {
        (settings.doors, settings.sockets) = doors::read(item)?;
    }
    table.end()?;
    Ok(settings)
}

fn sync_policy(text: &str, names: &LevelNames) -> Option<SyncPolicy> {
    let named = || names.level(text).ok().map(SyncPolicy::AtLevel);
    text.parse().ok().or_else(named)
}
