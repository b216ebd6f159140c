//! `logboom tail` as a user runs it: real processes, a log that rotates under them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, mkfifo};
use tempfile::TempDir;

/// How long a line may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A log in a directory of its own.
struct Log {
    _directory: TempDir,
    path: PathBuf,
    backup_count: u32,
}

impl Log {
    fn new(backup_count: u32) -> Log {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("app.log");
        Log { _directory: directory, path, backup_count }
    }

    fn append(&self, text: &str) {
        let mut file = File::options().append(true).create(true).open(&self.path).expect("open");
        file.write_all(text.as_bytes()).expect("write");
    }

    fn rotate(&self) {
        let name = |number: u32| match number {
            0 => self.path.clone(),
            _ => self.path.with_extension(format!("log.{number}")),
        };
        let free = (1..self.backup_count).find(|&number| !name(number).exists());
        for number in (1..=free.unwrap_or(self.backup_count)).rev() {
            fs::rename(name(number - 1), name(number)).expect("rename");
        }
        self.append("");
    }
}

fn tail(arguments: &[&str], path: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logboom"));
    command.arg("tail").args(arguments).arg(path).stdin(Stdio::null());
    command
}

fn printed(arguments: &[&str], path: &Path) -> String {
    let output = tail(arguments, path).output().expect("run");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// `logboom tail -f`, ended when the test ends.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(path: &Path) -> Follower {
        let mut command = tail(&["-f"], path);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
        });
        Follower { child, lines }
    }

    #[track_caller]
    fn expect(&self, line: &str) {
        assert_eq!(self.lines.recv_timeout(DEADLINE).as_deref(), Ok(line));
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("signal");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        let state = waitpid(self.pid(), Some(WaitPidFlag::WUNTRACED)).expect("wait");
        assert_eq!(state, WaitStatus::Stopped(self.pid(), Signal::SIGSTOP));
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_last_ten_lines_are_printed_unless_told_otherwise() {
    let log = Log::new(5);
    let lines: Vec<String> = (0..30).map(|number| format!("line {number}\n")).collect();
    for part in lines.chunks(7) {
        log.append(&part.concat());
        log.rotate();
    }
    assert_eq!(printed(&[], &log.path), lines[20..].concat());
    assert_eq!(printed(&["-n", "3"], &log.path), lines[27..].concat());
    assert_eq!(printed(&["--lines", "all"], &log.path), lines.concat());
    assert_eq!(printed(&["-n0"], &log.path), "");
}

#[test]
fn a_log_that_rotates_without_pause_is_followed_line_by_line() {
    const ROTATIONS: u32 = 200;
    let log = Log::new(ROTATIONS);
    log.append("ready\n");
    let follower = Follower::start(&log.path);
    follower.expect("ready");
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..ROTATIONS * 5 {
                log.append(&format!("line {number}\n"));
                if number % 5 == 0 {
                    log.rotate();
                }
            }
        });
        for number in 0..ROTATIONS * 5 {
            follower.expect(&format!("line {number}"));
        }
    });
}

#[test]
fn a_log_that_is_truncated_is_followed_from_its_new_beginning() {
    let log = Log::new(5);
    log.append("before 0\n");
    let follower = Follower::start(&log.path);
    follower.expect("before 0");
    for number in 1..50 {
        File::options().write(true).open(&log.path).expect("open").set_len(0).expect("cut");
        // Longer each time, so that the size alone does not tell.
        let lines: Vec<_> = (0..=number).map(|line| format!("{number} of {line}")).collect();
        log.append(&(lines.join("\n") + "\n"));
        lines.iter().for_each(|line| follower.expect(line));
    }
}

#[test]
fn a_log_that_does_not_exist_yet_is_waited_for() {
    let log = Log::new(5);
    let follower = Follower::start(&log.path);
    log.append("first\n");
    follower.expect("first");
}

#[test]
fn lines_that_are_gone_before_they_were_read_are_reported_on_stderr() {
    let log = Log::new(1);
    log.append("ready\n");
    let mut follower = Follower::start(&log.path);
    follower.expect("ready");
    follower.stop();
    for line in ["1\n", "2\n", "3\n", "4\n"] {
        log.rotate();
        log.append(line);
    }
    follower.signal(Signal::SIGCONT);
    follower.expect("3");
    follower.expect("4");
    follower.signal(Signal::SIGTERM);
    let mut errors = String::new();
    follower.child.stderr.take().expect("piped").read_to_string(&mut errors).expect("read");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("may be missing"), "{errors}");
}

#[test]
fn a_reader_that_closes_the_pipe_ends_it_quietly() {
    let log = Log::new(5);
    log.append("ready\n");
    let mut child = tail(&["-f"], &log.path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.read_line(&mut String::new()).expect("read");
    drop(stdout);
    log.append("nobody reads this\n");
    let output = child.wait_with_output().expect("wait");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// Later than the other half by so much a second half may come behind the end of the wait for it.
const LATE: Duration = Duration::from_millis(150);

#[test]
fn a_line_that_is_written_in_halves_is_never_cut_in_two() {
    let log = Log::new(5);
    let (mut late, mut printed_texts) = (Vec::new(), Vec::new());
    log.append("line 0 end\n");
    thread::scope(|scope| {
        let (end, ended) = mpsc::channel::<()>();
        let (log, late) = (&log, &mut late);
        scope.spawn(move || {
            for number in 1.. {
                let begun = Instant::now();
                log.append(&format!("line {number} "));
                let is_over = ended.recv_timeout(Duration::from_millis(20)).is_ok();
                log.append("end\n");
                if begun.elapsed() >= LATE {
                    late.push(number);
                }
                if is_over {
                    break;
                }
            }
        });
        printed_texts.extend((0..15).map(|_| printed(&["-n", "all"], &log.path)));
        end.send(()).expect("the writer");
    });
    for text in printed_texts {
        for (number, line) in text.lines().enumerate() {
            assert!(line == format!("line {number} end") || late.contains(&number), "{line}");
        }
    }
}

#[test]
fn what_follows_is_not_printed_before_its_newline() {
    let log = Log::new(5);
    log.append("first\nhalf");
    let follower = Follower::start(&log.path);
    follower.expect("first");
    assert_eq!(printed(&["-n", "all"], &log.path), "first\nhalf\n");
    log.append(" and half\n");
    follower.expect("half and half");
}

#[track_caller]
fn check_refused(output: Output, word: &str) {
    let errors = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(74), "{errors}");
    assert_eq!(output.stdout, b"");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains(word), "{errors}");
}

#[test]
fn what_is_no_log_is_refused_with_one_line() {
    let log = Log::new(5);
    let missing = tail(&[], &log.path).output().expect("run");
    check_refused(missing, "there is no log");

    let directory = log.path.parent().expect("a parent");
    let refused = tail(&[], directory).output().expect("run");
    check_refused(refused, "there is no log in");

    mkfifo(&log.path, Mode::S_IRWXU).expect("pipe");
    let refused = tail(&["-f"], &log.path).output().expect("run");
    check_refused(refused, "not a regular file");
}
