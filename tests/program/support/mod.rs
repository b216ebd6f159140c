//! Real processes for tests: a listener, workers that are this test program started again, and the
//! log they leave behind. Everything a test starts ends with it.
#![allow(dead_code, unreachable_pub, unused_imports, clippy::unwrap_used, clippy::expect_used)]

pub mod sequence;
mod small_disk;

pub mod strace;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use logboom::QueueDir;
use logboom::control::{self, Status};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
pub use small_disk::SmallDisk;
use tempfile::TempDir;

/// Longest wait for anything: generous, because machines are slow, and a test that waits this long
/// has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

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
        Listener { process, queue }
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
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", WORKER_TEST, "--nocapture", "--test-threads=1"])
            .env(ROLE, role.join("\u{1f}"))
            .env("LOGBOOM_QUEUE", self.queue().path())
            .env("LOGBOOM_WORKER", name)
            .env_remove("RUST_LOG")
            .env_remove("LOGBOOM_FILTER")
            .env_remove("LOGBOOM_TRANSPORT")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(BufReader::new);
        Worker { process: Process(child), stdin, stdout }
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

/// The test every test program with workers has under this name.
const WORKER_TEST: &str = "worker_process";
pub const ROLE: &str = "LOGBOOM_TEST_ROLE";

/// The same as a command for a shell, to which it leaves queue and name.
pub fn worker_script(role: &[&str]) -> String {
    let program = std::env::current_exe().unwrap();
    let role = role.join("\u{1f}");
    format!(
        "env {ROLE}='{role}' '{}' --exact {WORKER_TEST} --nocapture --test-threads=1",
        program.display()
    )
}

/// The role of this process, when it was started as a worker.
pub fn role() -> Option<Vec<String>> {
    let role = std::env::var(ROLE).ok()?;
    Some(role.split('\u{1f}').map(str::to_owned).collect())
}

/// What a worker says to the test, one line each.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{SAID}{text}").unwrap();
    out.flush().unwrap();
}

/// What the test says to this worker, one line each.
pub fn hear() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// Lines of ours among those of the test harness.
const SAID: &str = "said: ";

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
    /// Stops it as `ctl stop` does; its report.
    pub fn stop(mut self) -> control::StopReport {
        let report = control::stop(&self.queue, PATIENCE).unwrap();
        let code = self.process.wait();
        assert_eq!(code, if report.is_complete() { 0 } else { 74 });
        report
    }
}

pub struct Worker {
    pub process: Process,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Worker {
    /// The next line the worker [`say`]s.
    pub fn heard(&mut self) -> String {
        let out = self.stdout.as_mut().unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(out.read_line(&mut line).unwrap(), 0, "the worker has ended");
            if let Some(text) = line.trim_end().strip_prefix(SAID) {
                return text.to_owned();
            }
        }
    }

    /// Says a line that the worker [`hear`]s.
    pub fn tell(&mut self, text: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{text}").unwrap();
    }

    /// Waits for a good end.
    pub fn finish(mut self) {
        drop(self.stdin.take());
        assert_eq!(self.process.wait(), 0, "the worker failed");
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
    let text: Vec<u8> = files_of(log).iter().flat_map(|file| fs::read(file).unwrap()).collect();
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

/// Lets a command's process run under another soft limit of open files.
pub fn with_descriptor_limit(command: &Command, soft: u32) -> Command {
    with_limit(command, &format!("-Sn {soft}"))
}

/// Lets a command's process run under another limit of open files, soft and hard.
pub fn with_hard_descriptor_limit(command: &Command, hard: u32) -> Command {
    with_limit(command, &format!("-n {hard}"))
}

fn with_limit(command: &Command, limit: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("ulimit {limit} && exec \"$@\""))
        .arg("sh")
        .arg(command.get_program());
    shell.args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Lets a worker take the Channel transport.
pub fn by_channel(command: &mut Command) {
    command.env("LOGBOOM_TRANSPORT", "channel");
}

/// Copies a program. By another process: a child that another test starts in the middle of a copy of
/// ours would hold the file open for writing, and then it cannot be executed.
pub fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// Lets a command run as an unprivileged user when the test is root.
pub fn unprivileged(command: &mut Command) {
    if nix::unistd::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
}
