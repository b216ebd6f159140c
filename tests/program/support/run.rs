//! `logboom run` for tests.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use logboom::supervisor::{RunWorker, WorkerState, run_status};

use super::{Place, Process, lines_of, wait_for, wait_until};

/// `logboom run` at work in a place of its own.
pub struct Run {
    pub place: Place,
    pub process: Process,
}

impl Run {
    pub fn start(args: &[&str]) -> Run {
        let place = Place::new();
        let command = command(&place, args);
        Run::by(place, command)
    }

    pub fn by(place: Place, mut command: Command) -> Run {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Run { process: Process(command.spawn().unwrap()), place }
    }

    /// The lines of the log so far.
    pub fn all_lines(&self) -> Vec<String> {
        if self.place.log().exists() { lines_of(&self.place.log()) } else { Vec::new() }
    }

    /// What a worker has printed so far.
    pub fn lines_of(&self, worker: &str) -> Vec<String> {
        let prefix = format!("{worker} ");
        let message = |line: String| line.strip_prefix(&prefix).map(str::to_owned);
        self.all_lines().into_iter().filter_map(message).collect()
    }

    /// The pids that the worker `w` prints, once there are `count`.
    pub fn pids(&self, count: usize) -> Vec<i32> {
        let pid = |line: String| line.strip_prefix("w ")?.parse().ok();
        wait_for("the pids", || {
            let pids: Vec<_> = self.all_lines().into_iter().filter_map(pid).collect();
            (pids.len() == count).then_some(pids)
        })
    }

    /// How a worker is, as `ctl status` shows it.
    pub fn worker(&self, name: &str) -> RunWorker {
        let workers = wait_for("the run", || run_status(&self.place.queue()).ok()).workers;
        workers.into_iter().find(|worker| worker.name == name).unwrap()
    }

    pub fn wait_for_state(&self, name: &str, state: WorkerState) -> RunWorker {
        wait_for(&format!("{name} {state}"), || {
            Some(self.worker(name)).filter(|worker| worker.state == state)
        })
    }

    pub fn go(&self) {
        fs::write(self.place.path("go"), "").unwrap();
    }

    pub fn wait_for_file(&self, name: &str) {
        wait_until(name, || self.place.path(name).exists());
    }

    /// Waits for the end; the exit code and the last line on standard error. The queue directory
    /// has to be empty then, and the log not locked.
    pub fn end(&mut self) -> (i32, String) {
        let code = self.process.wait();
        let mut stderr = String::new();
        self.process.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        self.assert_nothing_left();
        (code, stderr.lines().last().unwrap_or_default().to_owned())
    }

    pub fn assert_nothing_left(&self) {
        let left = |path| fs::read_dir(path).unwrap().count();
        assert_eq!(left(self.place.queue().path()), 0);
        assert!(!self.place.path(".app.log.lock").exists());
    }
}

/// `logboom run ARGS` with the workers of this configuration.
pub fn configured(workers: &str, args: &[&str]) -> Run {
    let place = Place::new();
    fs::write(place.path("logboom.toml"), format!("version = 1\n{workers}")).unwrap();
    let command = command(&place, args);
    Run::by(place, command)
}

pub fn command(place: &Place, args: &[&str]) -> Command {
    let run = place.logboom(&["run", "--format=%(processName)s %(message)s", "--log"]);
    // Where the tests themselves run under nohup, a hang-up would be nothing to `run` either.
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP").arg(run.get_program()).args(run.get_args());
    command.arg(place.log()).args(args).current_dir(place.directory.path());
    for (name, value) in run.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}
