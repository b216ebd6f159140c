//! How workers and listeners find each other, and what keeps them apart.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use logboom::{AttachError, Certainty, QueueDir, TransportChoice};
use nix::sys::signal::Signal;
use support::{
    PATIENCE, Place, by_channel, copy_program, hear, role, say, unprivileged, wait_until,
    with_descriptor_limit,
};

const PATTERN: &str = "%(processName)s %(message)s";

/// `once`: logs one record. `paced`: logs one each time it is told to. `refused`: greets raw.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    match role[0].as_str() {
        "once" => {
            let _guard = logboom::init().unwrap();
            log::info!("here");
        }
        "paced" => {
            let guard = logboom::init().unwrap();
            for number in 0.. {
                if hear() != "log" {
                    return;
                }
                log::info!("record {number}");
                let report = guard.flush(Certainty::Written, PATIENCE);
                say(if report.is_complete() { "written" } else { "unsure" });
            }
        }
        "burst" => {
            let guard = logboom::builder().overflow(logboom::Overflow::DropNewest).init().unwrap();
            say("ready");
            hear();
            for number in 0.. {
                log::info!("record {number} {:100}", "");
                if guard.handler().stats().dropped > 0 {
                    say(&number.to_string());
                    break;
                }
            }
            hear();
            let _lost = guard.flush(Certainty::Written, PATIENCE);
        }
        _ => {
            let mut stream = UnixStream::connect(&role[1]).unwrap();
            stream.write_all(b"logboom\n\x04\0\x01\0").unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            say(&String::from_utf8_lossy(&answer[5..]));
        }
    }
}

fn stderr_of(output: &std::process::Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "not one line: {text:?}");
    text
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn two_hundred_workers_attach_at_once_under_a_soft_limit_of_1024_descriptors() {
    let place = Place::new();
    let mut command = place.logboom(&["listen", "--format", PATTERN, "--log"]);
    command.arg(place.log());
    let listener = place.serve(with_descriptor_limit(&command, 1024));
    let workers: Vec<_> = (0..200).map(|n| place.worker(&format!("w{n}"), &["once"])).collect();
    workers.into_iter().for_each(|worker| worker.finish());
    assert_eq!(listener.stop().drained, 200);
    let mut lines = place.lines();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 200);
}

#[test]
fn a_second_listener_is_told_who_has_the_queue_or_the_log() {
    let place = Place::new();
    let listener = place.listen(&[]);
    let pid = listener.process.pid();
    let same_queue = place.run(&["listen", "--log", "other.log"]);
    let other_queue = place.path("other").display().to_string();
    let same_log = place.run(&["listen", "--queue-dir", &other_queue, "--log", "app.log"]);
    for output in [same_queue, same_log] {
        assert_eq!(output.status.code(), Some(73));
        assert!(stderr_of(&output).contains(&format!("locked by process {pid}")));
    }
    listener.stop();
}

#[test]
fn after_a_kill_the_next_listener_starts_and_workers_find_it() {
    let place = Place::new();
    let mut listener = place.listen(&["--format", PATTERN]);
    let mut worker = place.worker("w", &["paced"]);
    for _ in 0..5 {
        worker.tell("log");
        assert_eq!(worker.heard(), "written");
        listener.process.signal(Signal::SIGKILL);
        listener.process.wait();
        listener = place.listen(&["--format", PATTERN]);
        wait_until("the worker", || place.status().workers.len() == 1);
    }
    worker.tell("log");
    assert_eq!(worker.heard(), "written");
    worker.finish();
    let report = listener.stop();
    assert_eq!(report.missing, 0);
    assert_eq!(place.messages_of("w"), (0..6).map(|n| format!("record {n}")).collect::<Vec<_>>());
}

#[test]
fn what_a_killed_listener_took_along_is_told_by_the_next() {
    let place = Place::new();
    let mut listener = place.listen(&["--format", PATTERN]);
    let mut worker = place.start_worker("w", &["burst"], by_channel);
    worker.heard();
    listener.process.signal(Signal::SIGSTOP);
    worker.tell("go");
    // The socket and the worker's queue are full when a record is dropped.
    let dropped: u64 = worker.heard().parse().unwrap();
    listener.process.signal(Signal::SIGKILL);
    listener.process.wait();
    let listener = place.listen(&["--format", PATTERN]);
    worker.tell("flush");
    let pid = worker.process.pid();
    worker.finish();
    listener.stop();

    let lines = place.messages_of("w");
    let first: u64 = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
    assert!(first > 0, "nothing was lost, so nothing is shown");
    assert_eq!(lines.len() as u64, dropped - first + 1);
    assert!(lines.last().unwrap().starts_with("dropped 1 records (INFO 1) from w between "));
    let told = format!(
        "logboom w ({pid}) goes on with record {first}: {first} records before it were handed to a \
         listener that ended before it said they were written"
    );
    assert!(place.lines().contains(&told), "{:?}", place.messages_of("logboom"));
}

#[test]
fn records_logged_without_a_listener_reach_the_next_one() {
    let place = Place::new();
    let mut listener = place.listen(&["--format", PATTERN]);
    let mut worker = place.worker("w", &["paced"]);
    worker.tell("log");
    assert_eq!(worker.heard(), "written");
    listener.process.signal(Signal::SIGKILL);
    listener.process.wait();
    worker.tell("log");
    let listener = place.listen(&["--format", PATTERN]);
    assert_eq!(worker.heard(), "written");
    worker.finish();
    listener.stop();
    assert_eq!(place.messages_of("w"), ["record 0", "record 1"]);
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    let place = Place::new();
    let mut command = std::process::Command::new("sh");
    let plain = place.logboom(&[]);
    command.args(["-c", "umask 0 && exec \"$@\"", "sh"]).arg(plain.get_program());
    command.arg("listen").arg("--log").arg(place.path("logs/app.log"));
    command.arg("--queue-dir").arg(place.queue().path());
    let listener = place.serve(command);
    assert_eq!(mode(place.queue().path()), 0o700);
    assert_eq!(mode(&place.queue().path().join("control.sock")), 0o600);
    assert_eq!(mode(&place.path("logs")), 0o750);
    assert_eq!(mode(&place.path("logs/app.log")), 0o640);
    listener.stop();
}

#[test]
fn a_queue_path_that_is_too_long_is_refused_in_one_line() {
    let place = Place::new();
    let long = format!("/tmp/{}", "q".repeat(195));
    for args in [["listen", "--queue-dir", &long], ["log", "--queue-dir", &long]] {
        let output = place.run(&[&args[..], if args[0] == "log" { &["x"] } else { &[] }].concat());
        assert_eq!(output.status.code(), Some(78));
        assert!(stderr_of(&output).contains("200 bytes: take a path of at most 80"));
    }
}

#[test]
fn a_queue_directory_open_to_others_is_refused() {
    let place = Place::new();
    fs::create_dir(place.queue().path()).unwrap();
    fs::set_permissions(place.queue().path(), fs::Permissions::from_mode(0o755)).unwrap();
    let output = place.run(&["listen"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr_of(&output).contains("run `chmod 700` on it"));
}

#[test]
fn without_a_listener_a_worker_is_told_how_to_start_one() {
    let place = Place::new();
    let output = place.run(&["log", "x"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(stderr_of(&output).contains("start one with `logboom listen --queue-dir"));
    let queue = QueueDir::at(place.path("none")).unwrap();
    let builder = logboom::builder().queue(queue).transport(TransportChoice::Channel);
    let error = builder.attach().err().unwrap();
    assert!(matches!(error, AttachError::NoListener { .. }), "{error}");
}

#[test]
fn records_that_are_logged_offline_wait_for_the_next_listener() {
    let place = Place::new();
    for message in ["one", "two"] {
        let output = place.run(&["log", "--offline", message]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let report = place.listen(&["--format", "%(message)s"]).stop();
    assert_eq!((report.drained, report.missing, report.left_lanes), (2, 0, 0));
    assert_eq!(place.lines(), ["one", "two"]);
}

#[test]
fn another_user_is_refused_by_the_kernels_word() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let place = Place::new();
    let listener = place.listen(&[]);
    let socket = place.queue().path().join("control.sock");
    for (path, mode) in
        [(place.directory.path(), 0o755), (place.queue().path(), 0o755), (&*socket, 0o777)]
    {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    // The test program itself may stand where another user cannot reach it.
    let program = place.path("greet");
    copy_program(&std::env::current_exe().unwrap(), &program);
    let socket = socket.display().to_string();
    let mut stranger = place.start_worker("stranger", &["refused", &socket], |command| {
        let mut other = std::process::Command::new(&program);
        other.args(command.get_args());
        for (name, value) in command.get_envs() {
            value.map(|value| other.env(name, value));
        }
        other.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        unprivileged(&mut other);
        *command = other;
    });
    assert_eq!(stranger.heard(), "another user");
    stranger.finish();
    fs::set_permissions(place.queue().path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(place.status().refused, [("another user".to_owned(), 1)]);
    listener.stop();
}
