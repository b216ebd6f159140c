//! Real processes for tests: a listener, workers that are this test program started again, and the
//! log they leave behind. Everything a test starts ends with it.
#![allow(dead_code, unreachable_pub, unused_imports, clippy::unwrap_used, clippy::expect_used)]

mod command;
mod door;
mod load;
pub mod logs;
mod process;
mod python;
pub mod run;
pub mod sender;
pub mod sequence;
mod small_disk;
pub mod strace;
mod terminal;
mod worker;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use logboom::QueueDir;
use logboom::control::{self, Status};
use tempfile::TempDir;

pub use self::command::{
    by_channel, copy_program, unprivileged, with_descriptor_limit, with_hard_descriptor_limit,
    with_limit,
};
pub use self::load::Load;
pub use self::process::{Listener, Process, is_alive, processes_with, signal};
pub use self::python::pythons;
pub use self::small_disk::SmallDisk;
pub use self::terminal::open_terminal;
pub use self::worker::{ROLE, Worker, hear, role, say, worker_script};

/// Longest wait for anything: generous, because machines are slow, and a test that waits this long
/// has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The greeting of an honest worker; bytes 8 and 9 are the version of the protocol.
pub const GREETING: [u8; 12] = *b"logboom\n\x04\0\x01\0";

/// Waits until `condition` gives something.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// A private directory with room for a queue and a log.
pub struct Place {
    pub directory: TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { directory: tempfile::Builder::new().prefix("lb").tempdir().unwrap() }
    }

    /// The same on tmpfs, where queues are: for tests with many lanes.
    pub fn in_shared_memory() -> Place {
        let directory = tempfile::Builder::new().prefix("lb").tempdir_in("/dev/shm").unwrap();
        Place { directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn queue(&self) -> QueueDir {
        QueueDir::at(self.path("q")).unwrap()
    }

    /// The folder of the lanes.
    pub fn lanes(&self) -> PathBuf {
        self.queue().path().join("lanes")
    }

    pub fn log(&self) -> PathBuf {
        self.path("app.log")
    }

    /// `logboom ARGS`, with this place's queue in the environment.
    pub fn logboom(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logboom"));
        command.args(args).current_dir(self.directory.path());
        command.env("LOGBOOM_QUEUE", self.queue().path());
        command.env_remove("RUST_LOG").env_remove("LOGBOOM_FILTER").env_remove("LOGBOOM_WORKER");
        command
    }

    /// Runs `logboom ARGS` to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.logboom(args).stdin(Stdio::null()).output().unwrap()
    }

    /// A listener on this place's queue and log, once it serves.
    pub fn listen(&self, args: &[&str]) -> Listener {
        let mut command = self.logboom(&["listen", "--log"]);
        command.arg(self.log()).args(args);
        self.serve(command)
    }

    /// Starts a listener by `command` and waits until it serves.
    pub fn serve(&self, mut command: Command) -> Listener {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let queue = self.queue();
        let mut process = Process(command.spawn().unwrap());
        wait_for("the listener", || match control::status(&queue) {
            Ok(status) if status.pid == process.0.id() => Some(()),
            _ => {
                assert_eq!(process.0.try_wait().unwrap(), None, "the listener ended");
                None
            }
        });
        Listener::new(process, queue)
    }

    /// This test program again, as the worker `name` with a role that [`role`] tells it.
    pub fn worker(&self, name: &str, role: &[&str]) -> Worker {
        self.start_worker(name, role, |_| {})
    }

    /// The same, with a change to its command.
    pub fn start_worker(
        &self,
        name: &str,
        role: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Worker {
        Worker::start(&self.queue(), name, role, change)
    }

    pub fn status(&self) -> Status {
        control::status(&self.queue()).unwrap()
    }

    pub fn lines(&self) -> Vec<String> {
        lines_of(&self.log())
    }

    /// The lines of one worker under the pattern `%(processName)s %(message)s`.
    pub fn messages_of(&self, worker: &str) -> Vec<String> {
        let prefix = format!("{worker} ");
        self.lines()
            .iter()
            .filter_map(|line| Some(line.strip_prefix(&prefix)?.to_owned()))
            .collect()
    }
}

/// The files of a log, oldest backup first.
pub fn files_of(log: &Path) -> Vec<PathBuf> {
    let backup = |n: u32| PathBuf::from(format!("{}.{n}", log.display()));
    let mut files: Vec<_> = (1..).map(backup).take_while(|path| path.exists()).collect();
    files.reverse();
    files.push(log.to_owned());
    files
}

/// The lines of a log, oldest first.
pub fn lines_of(log: &Path) -> Vec<String> {
    // A listener may rename a file between the look at its name and the look into it.
    let text = wait_for("all files of the log to be there", || {
        files_of(log).iter().map(fs::read).collect::<Result<Vec<_>, _>>().ok()
    });
    String::from_utf8(text.concat()).unwrap().lines().map(str::to_owned).collect()
}
