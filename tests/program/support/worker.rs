//! Workers that are this test program started again, and what they and the test say to each other.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use logboom::QueueDir;

use super::Process;

/// The test every test program with workers has under this name.
const WORKER_TEST: &str = "worker_process";
pub const ROLE: &str = "LOGBOOM_TEST_ROLE";

/// A worker with this role as a command for a shell, to which it leaves queue and name.
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

pub struct Worker {
    pub process: Process,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Worker {
    pub(super) fn start(
        queue: &QueueDir,
        name: &str,
        role: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Worker {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", WORKER_TEST, "--nocapture", "--test-threads=1"])
            .env(ROLE, role.join("\u{1f}"))
            .env("LOGBOOM_QUEUE", queue.path())
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
