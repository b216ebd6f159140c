//! Where a run happens: its directories, and the processes that meet there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::{Context, bail};
use logboom::QueueDir;
use logboom::supervisor::{DEFAULT_STOP_TIMEOUT, Supervisor, WorkerCommand};
use tempfile::TempDir;

use super::args::{Args, MAX_BACKUPS};
use super::check::files_of;
use super::load::{Load, Pace};
use super::record::worker_name;
use super::report::Latency;
use super::start_line::{Times, referee};
use crate::options::{Format, LogOptions, OutputOptions, RotationOptions, RouteOptions};
use crate::supervise;

/// Form of a line, with Python's names.
const PATTERN: &str = "%(asctime)s %(processName)s %(name)s %(levelname)s %(message)s";

/// Where the queue is: in memory, not on a disk.
const SHARED_MEMORY: &str = "/dev/shm";

/// The files of a run, and where it happens.
pub(super) struct Place {
    pub(super) queue: QueueDir,
    socket: PathBuf,
    pub(super) log: PathBuf,
    /// Where the call times go.
    calls: PathBuf,
    /// All of ours: removed at the end.
    private: TempDir,
    /// The directory of a log that nobody asked for.
    _private_log: Option<TempDir>,
}

impl Place {
    /// Makes the directories.
    ///
    /// # Errors
    /// There is such a log already, or a directory cannot be made.
    pub(super) fn new(args: &Args) -> anyhow::Result<Place> {
        let private = private_directory(Path::new(SHARED_MEMORY))?;
        let (log, private_log) = match &args.out {
            Some(path) if fs::metadata(path).is_ok_and(|file| file.len() > 0) => {
                bail!("{} is there already: bench needs a new file", path.display());
            }
            Some(path) if files_of(path).len() > 1 => {
                bail!("{} has backups already: bench needs a new file", path.display());
            }
            Some(path) => (path.clone(), None),
            None => {
                let directory = private_directory(&std::env::temp_dir())?;
                (directory.path().join("bench.log"), Some(directory))
            }
        };
        let calls = args.lat_dir.clone().unwrap_or_else(|| private.path().to_owned());
        fs::create_dir_all(&calls).with_context(|| format!("cannot make {}", calls.display()))?;
        Ok(Place {
            queue: QueueDir::at(private.path().join("q"))?,
            socket: private.path().join("start.sock"),
            log,
            calls,
            private,
            _private_log: private_log,
        })
    }

    /// A supervisor of a listener on the queue.
    pub(super) fn supervisor(
        &self,
        args: &Args,
        output: &OutputOptions,
    ) -> anyhow::Result<Supervisor> {
        let options = LogOptions {
            log: None,
            max_bytes: args.rotate_bytes.unwrap_or(0),
            backup_count: MAX_BACKUPS,
            rotation: RotationOptions::default(),
            routes: RouteOptions::default(),
            format: Format::Pattern(PATTERN.to_owned()),
            sync: None,
            level: None,
            force: false,
        };
        let mut listener =
            supervise::listener(&self.queue, Some(&self.log), &options, None, output)?;
        listener.arg(format!("--supervised={}", DEFAULT_STOP_TIMEOUT.as_secs()));
        Ok(Supervisor::new(self.queue.clone(), listener, DEFAULT_STOP_TIMEOUT, supervise::tell))
    }

    /// The commands of the producers.
    pub(super) fn producers(&self, count: u32) -> anyhow::Result<Vec<WorkerCommand>> {
        let producer = |worker: u32| {
            let mut command = supervise::this_program()?;
            command.arg("bench-producer").arg(worker.to_string());
            command.args([&self.socket, &self.calls]).arg(self.private.path());
            Ok(WorkerCommand::new(&worker_name(worker), command)?)
        };
        (0..count).map(producer).collect()
    }

    /// Waits for the producers on a thread of its own: the supervisor has the main one.
    pub(super) fn referee(
        &self,
        producers: u32,
        load: Load,
    ) -> anyhow::Result<Receiver<anyhow::Result<Vec<Times>>>> {
        let door = UnixListener::bind(&self.socket).context("cannot open the start line")?;
        let (sender, finished) = sync_channel(1);
        let thread = thread::Builder::new().name("logboom-referee".into());
        let spawned = thread.spawn(move || {
            // Nobody waits any more where the run was interrupted.
            let _gone = sender.send(referee(&door, producers, &load));
        });
        spawned.context("cannot start a thread")?;
        Ok(finished)
    }

    /// What the producers have measured, if they were to.
    pub(super) fn latency(&self, load: &Load, producers: u32) -> anyhow::Result<Option<Latency>> {
        match load.pace {
            Pace::Full { .. } => Ok(None),
            Pace::Bursts { .. } => {
                Latency::read(&self.calls, self.private.path(), producers).map(Some)
            }
        }
    }
}

fn private_directory(parent: &Path) -> anyhow::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("logboom-bench-").permissions(Permissions::from_mode(0o700));
    let made = builder.tempdir_in(parent);
    made.with_context(|| format!("cannot make a directory in {}", parent.display()))
}
