//! What workers print under `logboom run` is in the log, whole, in order, under their names.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use support::{Place, Process, lines_of, wait_for, wait_until};

const PATTERN: &str = "--format=%(processName)s %(message)s";

/// `logboom run ARGS` with the log of `place`, by worker and message.
fn command(place: &Place, args: &[&str]) -> Command {
    formatted(place, PATTERN, args)
}

fn formatted(place: &Place, format: &str, args: &[&str]) -> Command {
    let mut command = place.logboom(&["run", format, "--log"]);
    command.arg(place.log()).args(args).stdin(Stdio::null());
    command
}

/// Runs it to its end, which has to be a good one that leaves nothing in the queue directory.
fn run(place: &Place, args: &[&str]) -> Output {
    finish(place, command(place, args))
}

fn finish(place: &Place, mut command: Command) -> Output {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    assert!(stderr.contains("missing 0"), "{stderr}");
    assert_eq!(fs::read_dir(place.queue().path()).unwrap().count(), 0);
    output
}

#[test]
fn lines_of_two_programs_come_in_order_under_their_names() {
    let place = Place::new();
    let count = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i; done";
    run(&place, &["-c", &format!("up={count}"), "-c", &format!("also-up={count}")]);
    let expected: Vec<String> = (1..=300).map(|number| number.to_string()).collect();
    assert_eq!(place.messages_of("up"), expected);
    assert_eq!(place.messages_of("also-up"), expected);
    assert_eq!(place.messages_of("run"), ["all workers ended"]);
}

#[test]
fn twenty_thousand_lines_pass_a_pipe_whole_and_in_order() {
    let place = Place::new();
    run(&place, &["--", "seq", "20000"]);
    let expected = (1..=20_000).map(|number: u32| number.to_string());
    assert!(place.messages_of("seq").into_iter().eq(expected));
}

#[test]
fn every_byte_of_a_line_stays_visible() {
    let place = Place::new();
    run(&place, &["-c", r"w=printf 'a\377b\n\ncr\r\n'; echo é >&2; printf 'no end'"]);
    let mut messages = place.messages_of("w");
    messages.sort();
    assert_eq!(messages, ["", "a\\xffb", "cr", "no end", "é"]);
}

#[test]
fn a_line_over_the_limit_is_cut_into_records() {
    let place = Place::new();
    run(&place, &["-c", "w=head -c 150000 /dev/zero | tr '\\0' x; echo; echo next"]);
    let lengths: Vec<_> = place.messages_of("w").iter().map(String::len).collect();
    assert_eq!(lengths, [65536, 65536, 150_000 - 2 * 65536, 4]);
}

#[test]
fn a_record_names_stream_process_and_program() {
    let place = Place::new();
    let format =
        "--format=%(processName)s %(program)s %(process)d %(name)s %(levelname)s %(message)s";
    let script = "echo $$; echo $$ >&2";
    let api = format!("api={script}");
    finish(&place, formatted(&place, format, &["-c", &api, "--", "env", "sh", "-c", script]));
    let lines = place.lines();
    for (worker, program) in [("api", "sh"), ("env", "env")] {
        for stream in ["stdout INFO", "stderr WARNING"] {
            let of_stream = |line: &&String| {
                line.starts_with(&format!("{worker} {program} ")) && line.contains(stream)
            };
            let line = lines.iter().find(of_stream).unwrap_or_else(|| panic!("{lines:?}"));
            let pid = line.rsplit(' ').next().unwrap();
            assert_eq!(*line, format!("{worker} {program} {pid} {stream} {pid}"));
        }
    }
}

#[test]
fn filters_for_programs_do_not_touch_what_they_print() {
    for (level, expected) in [("DEBUG", &["err", "out"][..]), ("WARNING", &["err"])] {
        let place = Place::new();
        let args = ["--level", level, "-c", "w=echo out; echo err >&2"];
        let mut command = command(&place, &args);
        command.env("RUST_LOG", "error").env("LOGBOOM_FILTER", "off");
        assert!(command.output().unwrap().status.success());
        let mut messages = place.messages_of("w");
        messages.sort();
        assert_eq!(messages, expected, "{level}");
    }
}

#[test]
fn a_worker_can_log_itself_and_reads_nothing() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_logboom");
    run(&place, &["-c", &format!("w=cat; {program} log by itself; echo $LOGBOOM_QUEUE")]);
    let queue = place.queue().path().display().to_string();
    assert_eq!(place.messages_of("w"), ["by itself".to_owned(), queue]);
}

#[test]
fn records_are_shown_unless_asked_to_be_quiet() {
    let place = Place::new();
    let shown = run(&place, &["-c", "w=echo hello"]).stdout;
    let shown = String::from_utf8(shown).unwrap();
    let lines: Vec<_> = shown.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(lines, ["w | hello", "run | all workers ended"]);
    let as_logged = run(&place, &["--screen=log", "-c", "w=echo hello"]).stdout;
    assert_eq!(String::from_utf8(as_logged).unwrap(), "w hello\nrun all workers ended\n");
    let coloured = run(&place, &["--color=always", "-c", "w=echo hello"]).stdout;
    let coloured = String::from_utf8(coloured).unwrap();
    assert!(coloured.lines().next().unwrap().ends_with(" w |\x1b[0m hello"), "{coloured:?}");
    let quiet = command(&place, &["-q", "-c", "w=echo hello"]).output().unwrap();
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty());
}

#[test]
fn a_screen_that_nobody_reads_any_more_costs_no_record() {
    let place = Place::new();
    let script = "w=echo one; until [ -e go ]; do sleep 0.01; done; seq 2 10000";
    let child = command(&place, &["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut process = Process(child);
    let mut screen = BufReader::new(process.0.stdout.take().unwrap());
    let mut line = String::new();
    screen.read_line(&mut line).unwrap();
    assert!(line.ends_with(" w | one\n"), "{line:?}");
    drop(screen);
    fs::write(place.path("go"), "").unwrap();
    assert_eq!(process.wait(), 0);
    assert_eq!(place.messages_of("w").len(), 10_000);
    let trouble = "handler screen failed: cannot write to <stdout>: Broken pipe (os error 32)";
    assert_eq!(place.messages_of("logboom"), [trouble]);
}

#[test]
fn lines_after_the_death_of_a_listener_reach_its_successor() {
    let place = Place::new();
    let script = "echo one; until [ -e go ]; do sleep 0.01; done; echo two";
    let mut command = command(&place, &["-c", &format!("w={script}")]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut process = Process(child);
    wait_until("the first line", || has_line(&place, "w one"));
    let first = place.status().pid;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first as i32), Signal::SIGKILL).unwrap();
    wait_until("the next listener", || {
        logboom::control::status(&place.queue()).is_ok_and(|status| status.pid != first)
    });
    fs::write(place.path("go"), "").unwrap();
    let code = process.wait();
    assert_eq!(place.messages_of("w"), ["one", "two"]);
    assert_eq!(code, 0);
    let mut stderr = String::new();
    process.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let again = "logboom: the listener was killed by SIGKILL; starting it again in 100 ms";
    assert_eq!(stderr.lines().next(), Some(again));
}

#[test]
fn a_removed_queue_directory_is_made_again_by_the_next_listener() {
    let place = Place::new();
    let until = |file: &str| format!("until [ -e {file} ]; do sleep 0.01; done");
    let script = format!("w=echo one; {}; echo two; {}; echo three", until("go"), until("end"));
    let mut command = command(&place, &["-c", &script]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut process = Process(child);
    wait_until("the first line", || has_line(&place, "w one"));
    let first = place.status().pid;
    fs::remove_dir_all(place.queue().path()).unwrap();
    fs::write(place.path("go"), "").unwrap();
    wait_until("the next listener", || {
        logboom::control::status(&place.queue()).is_ok_and(|status| status.pid != first)
    });
    wait_until("the second line", || has_line(&place, "w two"));
    fs::write(place.path("end"), "").unwrap();
    assert_eq!(process.wait(), 0);
    assert_eq!(place.messages_of("w"), ["one", "two", "three"]);
    let mut stderr = String::new();
    process.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let lines: Vec<_> = stderr.lines().collect();
    let queue = place.queue().path().display().to_string();
    assert!(lines[0].contains(&queue) && lines[0].ends_with("start it again"), "{stderr}");
    let again = "logboom: the listener exited 74; starting it again in 100 ms";
    assert_eq!(lines[1], again);
}

#[test]
fn a_real_server_and_a_shell_loop_log_side_by_side() {
    let place = Place::new();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let port = free.port().to_string();
    let server = ["python3", "-u", "-m", "http.server", &port, "--bind", "127.0.0.1"];
    let args = ["-c", "loop=while :; do echo tick; sleep 0.05; done", "--"];
    let mut command = command(&place, &[&args[..], &server].concat());
    let mut process = Process(command.stdout(Stdio::null()).spawn().unwrap());
    for page in ["/one", "/two"] {
        let mut stream = wait_for("the server", || TcpStream::connect(free).ok());
        write!(stream, "GET {page} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 404"), "{answer}");
    }
    wait_until("a tick", || has_line(&place, "loop tick"));
    process.signal(Signal::SIGINT);
    assert_eq!(process.wait(), 0);
    let requests: Vec<_> =
        place.messages_of("python3").into_iter().filter(|line| line.contains("GET")).collect();
    assert!(
        requests.len() == 2 && requests[0].contains("\"GET /one HTTP/1.0\" 404"),
        "{requests:?}"
    );
    assert!(place.messages_of("loop").iter().all(|line| line == "tick"));
    assert!(TcpStream::connect(free).is_err(), "the server is still there");
}

fn has_line(place: &Place, line: &str) -> bool {
    place.log().exists() && lines_of(&place.log()).iter().any(|found| found == line)
}
