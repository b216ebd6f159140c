//! Processes that end with the test that has started them.

use std::fs;
use std::process::Child;

use logboom::QueueDir;
use logboom::control;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{PATIENCE, wait_for};

/// A process that is killed, if it still runs, when the test ends.
pub struct Process(pub Child);

impl Process {
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id() as i32), signal).unwrap();
    }

    /// Waits for the end; the exit code, or 128 and the signal.
    pub fn wait(&mut self) -> i32 {
        let status = wait_for("the end of a process", || self.0.try_wait().unwrap());
        use std::os::unix::process::ExitStatusExt;
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Sends a signal to a process that may have ended.
pub fn signal(pid: i32, signal: Signal) {
    let _ended = kill(Pid::from_raw(pid), signal);
}

/// Whether the process is there and no zombie. One whose other threads are still ending has its files
/// open, and its locks.
pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    let is_zombie = |(_, rest): (&str, &str)| rest.starts_with(['Z', 'X']);
    stat.rsplit_once(") ").is_some_and(|state| !is_zombie(state) || threads > 1)
}

/// Processes that have `text` in their command line or environment.
pub fn processes_with(text: &str) -> Vec<String> {
    let has_text = |path: String| {
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    };
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        entry.unwrap().file_name().into_string().ok().filter(|name| name.parse::<u32>().is_ok())
    });
    pids.filter(|pid| {
        ["cmdline", "environ"].iter().any(|file| has_text(format!("/proc/{pid}/{file}")))
    })
    .collect()
}

pub struct Listener {
    pub process: Process,
    queue: QueueDir,
}

impl Listener {
    pub(super) fn new(process: Process, queue: QueueDir) -> Listener {
        Listener { process, queue }
    }

    /// Stops it as `ctl stop` does; its report.
    pub fn stop(mut self) -> control::StopReport {
        let report = control::stop(&self.queue, PATIENCE).unwrap();
        let code = self.process.wait();
        assert_eq!(code, if report.is_complete() { 0 } else { 74 });
        report
    }
}
