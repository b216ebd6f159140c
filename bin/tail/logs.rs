//! Which logs are meant.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use logboom::control;
use logboom::tail::log_of;

use crate::options::{QueueOptions, default_log};

/// What the names of logs in a directory end in.
const ENDING: &str = "log";

/// How often directories are looked into for new logs.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Finds logs that come into directories while those that were there are followed.
pub(crate) struct NewLogs {
    directories: Vec<PathBuf>,
    known: HashSet<PathBuf>,
    looked_at: Instant,
}

impl NewLogs {
    /// Those that come to the directories among `given`, where `known` are there.
    pub(crate) fn beside(given: &[PathBuf], known: &[PathBuf]) -> NewLogs {
        NewLogs {
            directories: given.iter().filter(|path| path.is_dir()).cloned().collect(),
            known: known.iter().map(|path| real(path)).collect(),
            looked_at: Instant::now(),
        }
    }

    /// Those that have come; looks once a second. A directory that cannot be listed has none.
    pub(crate) fn take(&mut self) -> Vec<PathBuf> {
        if self.directories.is_empty() || self.looked_at.elapsed() < LOOK_INTERVAL {
            return Vec::new();
        }
        self.looked_at = Instant::now();
        let found = self.directories.iter().filter_map(|directory| logs_in(directory).ok());
        found.flatten().filter(|path| self.known.insert(real(path))).collect()
    }
}

/// As [`paths_so_far`], where each directory has to have a log.
pub(crate) fn paths(given: &[PathBuf], queue: &QueueOptions) -> anyhow::Result<Vec<PathBuf>> {
    find(given, queue, |directory| {
        let logs = logs_in(directory)?;
        if logs.is_empty() {
            anyhow::bail!(
                "there is no log in {}: its name would end in `.{ENDING}`",
                directory.display()
            );
        }
        Ok(logs)
    })
}

/// The current files of the logs at these paths; where no path is given, the log that is written now.
pub(crate) fn paths_so_far(
    given: &[PathBuf],
    queue: &QueueOptions,
) -> anyhow::Result<Vec<PathBuf>> {
    find(given, queue, logs_in)
}

fn find(
    given: &[PathBuf],
    queue: &QueueOptions,
    list: impl Fn(&Path) -> anyhow::Result<Vec<PathBuf>>,
) -> anyhow::Result<Vec<PathBuf>> {
    if given.is_empty() {
        return Ok(vec![log_of_listener(queue)?]);
    }
    let mut paths = Vec::new();
    for path in given {
        paths.extend(if path.is_dir() { list(path)? } else { vec![path.clone()] });
    }
    Ok(each_once(paths))
}

/// The paths without those that name a log again, or a backup of another: shells make them of `app.log*`.
fn each_once(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let named: Vec<_> = paths.into_iter().map(|path| (real(&path), path)).collect();
    let all: HashSet<_> = named.iter().map(|(real, _)| real).collect();
    // A link leads to the current file only, not to its backups.
    let direct = named.iter().filter(|(_, path)| !path.is_symlink()).map(|(real, _)| real);
    let direct: HashSet<_> = direct.collect();
    let mut seen = HashSet::new();
    let is_first = |(real, path): &&(PathBuf, PathBuf)| {
        let is_backup = log_of(real).is_some_and(|log| all.contains(&log));
        let is_other_name = path.is_symlink() && direct.contains(real);
        !is_backup && !is_other_name && seen.insert(real.clone())
    };
    named.iter().filter(is_first).map(|(_, path)| path.clone()).collect()
}

/// The same for all paths that lead to a log, whether its file is there or not.
fn real(path: &Path) -> PathBuf {
    let in_real_directory = || {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(".".as_ref()).canonicalize().ok()?;
        Some(directory.join(path.file_name()?))
    };
    let real = path.canonicalize().ok().or_else(in_real_directory);
    real.unwrap_or_else(|| path.to_owned())
}

/// The logs in a directory: files that end in `.log`, and those whose backups do.
fn logs_in(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cannot = || format!("cannot list {}", directory.display());
    let mut logs = BTreeSet::new();
    for entry in fs::read_dir(directory).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let log = log_of(&path).unwrap_or(path);
        let is_hidden =
            log.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && log.extension().is_some_and(|ending| ending == ENDING) && !log.is_dir() {
            logs.insert(log);
        }
    }
    Ok(logs.into_iter().collect())
}

/// The log that is written now, or the one that is written where nothing else is said.
fn log_of_listener(queue: &QueueOptions) -> anyhow::Result<PathBuf> {
    let running = control::status(&queue.directory()?).ok();
    let log = running.and_then(|status| status.logs.into_iter().next());
    log.map_or_else(
        || queue.directory().map(|queue| default_log(&queue)),
        |log| Ok(PathBuf::from(log)),
    )
}
