//! How `logboom run` ends: with the right code, in time, and with nothing left behind.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use logboom::supervisor::{Supervisor, WorkerCommand, run_status};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::run::{Run, command};
use support::{Place, SmallDisk, is_alive, lines_of, wait_for, wait_until};

/// A shell that waits for the file `go`.
const UNTIL_GO: &str = "until [ -e go ]; do sleep 0.01; done";

#[test]
fn the_exit_code_is_that_of_the_worker_that_failed() {
    let place = Place::new();
    let script = place.path("script");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let script = script.to_str().unwrap();
    let no_interpreter =
        format!("cannot start script: the interpreter that {script} names in its first line");
    let cases: [(&[&str], i32, &str); 7] = [
        (&["-c", "w=true"], 0, "all workers ended; drained 1,"),
        (&["-c", "w=exit 3"], 3, "w exited 3; drained 1,"),
        (&["-c", "w=kill -KILL $$"], 137, "w was killed by SIGKILL; drained 1,"),
        (&["-c", "w=no-such-program"], 127, "w exited 127; drained 2,"),
        (&["--", "no-such-program"], 127, "cannot start no-such-program: No such file"),
        (&["--", "/etc/passwd"], 126, "cannot start passwd: Permission denied"),
        (&["--", script], 127, &no_interpreter),
    ];
    for (args, expected, reason) in cases {
        let (code, line) = Run::start(args).end();
        assert_eq!(code, expected, "{args:?}: {line}");
        assert!(line.starts_with(&format!("logboom: {reason}")), "{args:?}: {line}");
    }
}

#[test]
fn a_command_line_that_makes_no_sense_starts_nothing() {
    let place = Place::new();
    let cases: [&[&str]; 8] = [
        &[],
        &["-c", "true"],
        &["-c", "a="],
        &["-c", "a= "],
        &["-c", "a b=true"],
        &["-c", "=true"],
        &["-c", "a=true", "-c", "a=true"],
        &["-c", "true=true", "--", "true"],
    ];
    for args in cases {
        let output = command(&place, args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: "), "{args:?}");
    }
    assert!(!place.log().exists());
}

#[test]
fn a_queue_that_is_taken_starts_nothing() {
    let place = Place::new();
    let listener = place.listen(&[]);
    let mut command = place.logboom(&["run", "--log", "other.log", "-c", "w=touch started"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(73));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.lines().count() == 1 && stderr.contains("is locked by process"), "{stderr}");
    assert!(!place.path("started").exists());
    listener.stop();
}

#[test]
fn the_first_failure_ends_the_others_and_is_in_the_log() {
    let mut run = Run::start(&[
        "-c",
        "w=trap 'echo last words; exit 9' TERM; echo $$; while :; do sleep 0.05; done",
        "-c",
        &format!("bad={UNTIL_GO}; exit 3"),
    ]);
    let pids = run.pids(1);
    run.go();
    let (code, line) = run.end();
    let reason = "bad exited 3; stopped 1 other";
    assert_eq!(code, 3);
    assert!(line.starts_with(&format!("logboom: {reason}; drained ")), "{line}");
    assert!(line.ends_with(", dropped 0, missing 0"), "{line}");
    assert!(!is_alive(pids[0]));
    assert!(run.place.messages_of("w").contains(&"last words".to_owned()));
    assert_eq!(run.place.messages_of("run"), [reason]);
}

#[test]
fn each_signal_that_asks_for_the_end_ends_all_processes() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut run = Run::start(&["-c", "w=sleep 1000 & echo $!; echo $$; wait"]);
        let pids = run.pids(2);
        run.process.signal(signal);
        let (code, line) = run.end();
        assert_eq!(code, 0, "{line}");
        let reason = format!("logboom: interrupted by {signal}; drained 3, dropped 0, missing 0");
        assert_eq!(line, reason);
        assert_eq!(pids.iter().find(|pid| is_alive(**pid)), None);
    }
}

#[test]
fn a_hang_up_is_nothing_under_nohup() {
    let place = Place::new();
    let mut shell = Command::new("nohup");
    let run = place.logboom(&["run", "--format=%(processName)s %(message)s", "--log"]);
    shell.arg(run.get_program()).args(run.get_args()).arg(place.log());
    shell.arg("-c").arg(format!("w=echo $$; {UNTIL_GO}"));
    shell.env("LOGBOOM_QUEUE", place.queue().path()).current_dir(place.directory.path());
    let mut run = Run::by(place, shell);
    run.pids(1);
    run.process.signal(Signal::SIGHUP);
    run.go();
    assert_eq!(
        run.end(),
        (0, "logboom: all workers ended; drained 2, dropped 0, missing 0".into())
    );
}

#[test]
fn a_second_signal_kills_what_does_not_want_to_end() {
    let script = "w=trap '' TERM; echo $$; while :; do sleep 0.05; done";
    let mut run = Run::start(&["--stop-timeout", "100000", "-c", script]);
    let pids = run.pids(1);
    run.process.signal(Signal::SIGINT);
    run.process.signal(Signal::SIGTERM);
    assert_eq!(run.end().0, 0);
    assert!(!is_alive(pids[0]));
}

#[test]
fn a_second_signal_kills_what_has_left_its_group_too() {
    let away = "setsid sh -c \"trap \\\"\\\" TERM; echo \\$\\$; while :; do sleep 0.05; done\"";
    let mut run = Run::start(&["--stop-timeout", "100000", "-c", &format!("w={away} & wait")]);
    let pids = run.pids(1);
    run.process.signal(Signal::SIGINT);
    run.process.signal(Signal::SIGTERM);
    assert_eq!(run.end().0, 0);
    assert!(!is_alive(pids[0]));
}

#[test]
fn a_second_signal_ends_a_run_on_a_full_disk_and_the_next_listener_writes_what_it_left() {
    const FORM: &str = "--format=%(processName)s %(message)s";
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.path("disk"), "256k") else {
        println!("skipped: a tmpfs cannot be mounted here");
        return;
    };
    let script = format!("w=echo up; {UNTIL_GO}; seq 1000; touch said; sleep 1000");
    let args = ["run", FORM, "--log=disk/app.log", "--stop-timeout=100000", "-c", &script];
    let command = place.logboom(&args);
    let mut run = Run::by(place, command);
    let log = run.place.path("disk/app.log");
    wait_until("the worker", || fs::read_to_string(&log).is_ok_and(|log| log == "w up\n"));
    let filler = disk.fill(1 << 20);
    run.go();
    run.wait_for_file("said");
    run.process.signal(Signal::SIGINT);
    let queue = run.place.queue();
    wait_until("the end", || run_status(&queue).is_ok_and(|status| status.stopping));
    let since = Instant::now();
    run.process.signal(Signal::SIGINT);
    assert_eq!(run.process.wait(), 74);
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    fs::remove_file(filler).unwrap();
    let next = run.place.serve(run.place.logboom(&["listen", FORM, "--log=disk/app.log"]));
    assert!(next.stop().is_complete());
    let numbers = (1..=1000).map(|number| format!("w {number}"));
    let expected = ["w up".to_owned()].into_iter().chain(numbers);
    let expected: Vec<_> = expected.chain(["run interrupted by SIGINT".to_owned()]).collect();
    assert_eq!(lines_of(&log), expected);
    // Before the directory that it is mounted in is removed.
    drop(disk);
}

#[test]
fn the_stop_timeout_kills_what_does_not_want_to_end() {
    let script = "w=trap '' TERM; echo $$; while :; do sleep 0.05; done";
    let mut run = Run::start(&["--stop-timeout", "1", "-c", script]);
    let pids = run.pids(1);
    run.process.signal(Signal::SIGTERM);
    assert_eq!(run.end().0, 0);
    assert!(!is_alive(pids[0]));
}

#[test]
fn a_stop_timeout_may_be_of_any_length() {
    let place = Place::new();
    let mut listener = place.logboom(&["listen", "--supervised", "10", "--log"]);
    listener.arg(place.log());
    let mut supervisor = Supervisor::new(place.queue(), listener, Duration::MAX, |_| ());
    let worker = WorkerCommand::new("w", Command::new("true")).unwrap();
    assert_eq!(supervisor.run(vec![worker]).unwrap().exit_code(), 0);
    assert!(supervisor.stop().unwrap().is_complete());
}

#[test]
fn what_a_worker_leaves_behind_gets_time_to_end() {
    let left = "(trap 'sleep 0.2; echo > bye; exit' TERM; echo > up; while :; do sleep 0.05; done)";
    let script =
        format!("w={left} >/dev/null 2>&1 & echo $!; until [ -e up ]; do sleep 0.01; done");
    let mut run = Run::start(&["--stop-timeout", "60", "-c", &script]);
    let pids = run.pids(1);
    assert_eq!(run.end().0, 0);
    assert!(!is_alive(pids[0]));
    assert!(run.place.path("bye").exists(), "it was killed before it was done");
}

#[test]
fn a_process_that_left_its_group_ends_with_the_last_worker_and_holds_nobody_up() {
    for ignores in ["", "trap \\\"\\\" TERM; "] {
        let away =
            format!("setsid sh -c \"{ignores}echo \\$\\$ > up.new; mv up.new up; sleep 1000; :\"");
        let script = format!("w={away} & until [ -e up ]; do sleep 0.01; done; cat up; printf end");
        let mut run = Run::start(&["--stop-timeout", "1", "-c", &script]);
        let pids = run.pids(1);
        let (code, line) = run.end();
        assert!(!is_alive(pids[0]), "{ignores}");
        assert_eq!(
            (code, run.place.messages_of("w").last().map(String::as_str)),
            (0, Some("end")),
            "{line}"
        );
    }
}

#[test]
fn a_killed_supervisor_leaves_nobody_behind_and_its_records_are_written() {
    for script in [
        "w=sleep 1000 & echo $!; echo $$; wait",
        "w=trap '' TERM; sleep 1000 & echo $!; echo $$; wait; sleep 1000",
    ] {
        let mut run = Run::start(&["--stop-timeout", "1", "-c", script]);
        let pids = run.pids(2);
        let listener = run.place.status().pid as i32;
        run.process.signal(Signal::SIGKILL);
        assert_eq!(run.process.wait(), 137);
        wait_until("the end of all", || !pids.iter().chain([&listener]).any(|pid| is_alive(*pid)));
        // The next run takes it over.
        fs::remove_file(run.place.queue().path().join("run.sock")).unwrap();
        run.assert_nothing_left();
        assert_eq!(run.place.messages_of("listen"), ["the supervisor is gone; ending w"]);
        assert_eq!(run.place.messages_of("w").len(), 2);
    }
}

#[test]
fn only_the_supervisor_can_end_its_listener_politely() {
    let mut run = Run::start(&["-c", &format!("w=echo $$; {UNTIL_GO}; echo late")]);
    run.pids(1);
    let listener = Pid::from_raw(run.place.status().pid as i32);
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        kill(listener, signal).unwrap();
    }
    run.go();
    assert_eq!(
        run.end(),
        (0, "logboom: all workers ended; drained 3, dropped 0, missing 0".into())
    );
}

#[test]
fn a_listener_that_dies_again_and_again_is_started_again_and_again() {
    let mut run = Run::start(&["-c", &format!("w=echo $$; touch up; {UNTIL_GO}; echo late")]);
    run.wait_for_file("up");
    let mut known = 0;
    for _ in 0..3 {
        let next = || logboom::control::status(&run.place.queue()).ok().map(|status| status.pid);
        known = wait_for("a listener", || next().filter(|pid| *pid != known));
        kill(Pid::from_raw(known as i32), Signal::SIGKILL).unwrap();
    }
    run.go();
    let (code, line) = run.end();
    assert_eq!(code, 0, "{line}");
    let messages = run.place.messages_of("w");
    assert!(messages.len() == 2 && messages[1] == "late", "{messages:?}");
}
