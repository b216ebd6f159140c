//! Watches the system calls of a running process, and lets some of them fail, by means of `strace`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::{Place, Process};

/// A process under `strace` until this ends.
pub struct Tracer {
    strace: Process,
    trace: PathBuf,
}

impl Tracer {
    /// Attaches to all threads of process `pid`; its calls go on as `expressions` say (those of
    /// `strace -e`), as far as they touch `path`. `None`, and said, where processes cannot be traced.
    pub fn attach(place: &Place, pid: u32, path: &Path, expressions: &[&str]) -> Option<Tracer> {
        let trace = place.path("trace");
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &pid.to_string(), "-o"]).arg(&trace).arg("-P").arg(path);
        expressions.iter().for_each(|expression| {
            command.args(["-e", expression]);
        });
        let Ok(child) = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn() else {
            eprintln!("skipped: install strace to let system calls fail");
            return None;
        };
        let mut strace = Process(child);
        let mut said = BufReader::new(strace.0.stderr.take().unwrap());
        let mut first = String::new();
        said.read_line(&mut first).unwrap();
        if first.contains("Operation not permitted") {
            eprintln!("skipped: processes cannot be traced here");
            return None;
        }
        assert!(first.contains("attached"), "{first}");
        // It stands still when nobody reads what it says.
        std::thread::spawn(move || said.lines().for_each(drop));
        Some(Tracer { strace, trace })
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<String> {
        calls_in(&self.trace)
    }

    /// Lets the process go; its calls under the trace.
    pub fn end(mut self) -> Vec<String> {
        self.strace.signal(Signal::SIGINT);
        self.strace.wait();
        calls_in(&self.trace)
    }
}

/// The calls in a trace, without the number of the thread.
fn calls_in(trace: &Path) -> Vec<String> {
    let text = fs::read_to_string(trace).unwrap();
    let call = |line: &str| line.split_once(' ').map(|(_, call)| call.trim().to_owned());
    let calls = text.lines().filter_map(call);
    calls.filter(|call| !call.starts_with("+++") && !call.starts_with("---")).collect()
}
