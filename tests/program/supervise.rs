//! What `logboom run` makes of Procfiles and `[workers]`: who is started when, started again, and
//! stopped in which order.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;

use logboom::supervisor::WorkerState;
use nix::sys::signal::Signal;
use support::run::{Run, command, configured};
use support::{Place, is_alive, processes_with, wait_until, with_limit};

/// A worker that says so when it is asked to end.
const UNTIL_TERM: &str = "trap 'echo bye; exit 0' TERM; while :; do sleep 0.02; done";

/// Runs the workers of a Procfile to their end; their lines.
fn procfile(text: &str, env: &str, args: &[&str]) -> Vec<String> {
    let place = Place::new();
    fs::write(place.path("Procfile"), text).unwrap();
    fs::write(place.path(".env"), env).unwrap();
    let mut command = command(&place, args);
    command.env_remove("PORT");
    let mut run = Run::by(place, command);
    let (code, line) = run.end();
    assert_eq!(code, 0, "{line}");
    let mut lines = run.place.lines();
    lines.retain(|line| !line.starts_with("run "));
    lines.sort();
    lines
}

#[test]
fn a_procfile_is_found_and_its_workers_get_ports_and_variables() {
    let text = "# all of it\nweb: echo $PORT $COLOR\n\njob: echo $PORT \"$COLOR\"\n";
    assert_eq!(
        procfile(text, "COLOR = 'sea green'", &[]),
        ["job 5100 sea green", "web 5000 sea green"]
    );
    let env = "PORT=7000\nexport COLOR=red # not green";
    assert_eq!(
        procfile(text, env, &["-m", "web=2,job=1"]),
        ["job 7100 red", "web-1 7000 red", "web-2 7001 red"]
    );
    assert_eq!(procfile(text, env, &["-p", "80", "-m", "all=0,job=1"]), ["job 180 red"]);
    let beside = ["-f", "Procfile", "-m", "all=0", "--", "sh", "-c", "echo $COLOR"];
    assert_eq!(procfile(text, env, &beside), ["sh red"]);
}

#[test]
fn flags_come_before_the_configuration_and_that_before_a_procfile() {
    let cases: [(&[&str], &str); 4] = [
        (&["-c", "w=echo flag"], "flag"),
        (&["-f", "Procfile"], "procfile"),
        (&[], "configuration"),
        (&["--no-config"], "procfile"),
    ];
    for (args, expected) in cases {
        let place = Place::new();
        fs::write(place.path("Procfile"), "w: echo procfile").unwrap();
        let config = "version = 1\nworkers.w.command = 'echo configuration'";
        fs::write(place.path("logboom.toml"), config).unwrap();
        let command = command(&place, args);
        let mut run = Run::by(place, command);
        assert_eq!(run.end().0, 0);
        assert_eq!(run.place.messages_of("w"), [expected], "{args:?}");
    }
}

#[test]
fn what_cannot_be_run_starts_nothing_and_names_the_place() {
    let cases: [(&str, &str, &[&str], i32, &str); 8] = [
        ("", "", &[], 2, "there is nothing to run"),
        ("# web: touch up", "", &[], 78, "Procfile has no worker: write a line such as"),
        ("web a", "", &[], 78, "Procfile:1: expected a line such as"),
        ("web: touch up", "A", &[], 78, ".env:1: expected a line such as NAME=value"),
        ("web: touch up", "", &["-m", "wep=2"], 2, "there is no worker `wep` to count"),
        ("web: touch up", "", &["-m", "web=1001"], 2, "with a number up to 1000"),
        ("web: touch up", "PORT=x", &[], 2, "PORT is `x`, which is no port"),
        ("web: touch up", "", &["-f", "other"], 74, "cannot read other"),
    ];
    for (procfile, env, args, code, reason) in cases {
        let place = Place::new();
        if !procfile.is_empty() {
            fs::write(place.path("Procfile"), procfile).unwrap();
        }
        fs::write(place.path(".env"), env).unwrap();
        let output = command(&place, args).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{reason}: {stderr}");
        assert!(stderr.contains(reason), "{reason}: {stderr}");
        assert!(!place.path("up").exists() && !place.log().exists(), "{reason}");
    }
}

#[test]
fn the_end_of_one_worker_is_to_the_others_what_was_said() {
    let forever = "-c=b=touch b; while :; do sleep 0.02; done";
    let good = "-c=a=until [ -e b ]; do sleep 0.01; done";
    let bad = "-c=a=until [ -e b ]; do sleep 0.01; done; exit 3";
    // A process has its number until the supervisor has seen its end.
    let well = "-c=a=echo $$ > new; mv new a";
    let noted = "-c=a=echo $$ > new; mv new a; exit 4";
    let after_noted =
        "-c=b=until [ -e a ] && ! kill -0 $(cat a) 2>&-; do sleep 0.01; done; echo on; exit 5";
    let cases: [(&[&str], i32, &str); 6] = [
        (&[bad, forever], 3, "a exited 3; stopped 1 other"),
        (&["--on-exit=fail-fast", well, after_noted], 5, "b exited 5"),
        (&["--on-exit=any", good, forever], 0, "a exited 0; stopped 1 other"),
        (&["--on-exit=any", bad, forever], 3, "a exited 3; stopped 1 other"),
        (&["--on-exit=keep", noted, after_noted], 4, "a exited 4"),
        (&["--on-exit=keep", "-c=a=exit 0", "-c=b=exit 0"], 0, "all workers ended"),
    ];
    for (args, code, reason) in cases {
        let mut run = Run::start(args);
        let (ended, line) = run.end();
        assert_eq!(ended, code, "{args:?}: {line}");
        assert!(line.starts_with(&format!("logboom: {reason}; drained ")), "{args:?}: {line}");
        assert_eq!(run.place.messages_of("run"), [reason]);
        if args[0] == "--on-exit=keep" && code == 4 {
            assert_eq!(run.place.messages_of("b"), ["on"]);
        }
    }
}

#[test]
fn a_worker_is_started_again_by_its_policy_as_often_as_was_said() {
    // Its life counts from 1; the third is a good one.
    let script = "n=$(($(cat n 2>/dev/null || echo 0) + 1)); echo $n | tee n; [ $n = 3 ] || exit 6";
    let good = "echo life";
    let cases = [
        (script, "restart = 'no'", 6, 1),
        (script, "restart = 'on-failure'", 0, 3),
        (script, "restart = 'on-failure'\nmax_restarts = 1", 6, 2),
        (script, "restart = 'always'\nmax_restarts = 2", 0, 3),
        (good, "restart = 'on-failure'", 0, 1),
        (good, "restart = 'always'\nmax_restarts = 2", 0, 3),
    ];
    for (script, policy, code, lives) in cases {
        let mut run = configured(&format!("[workers.w]\ncommand = '''{script}'''\n{policy}"), &[]);
        let (ended, line) = run.end();
        assert_eq!(ended, code, "{policy}: {line}");
        assert_eq!(run.place.messages_of("w").len(), lives, "{policy}: {line}");
    }
}

#[test]
fn a_worker_that_cannot_be_started_is_tried_again_by_its_policy() {
    let workers = "[workers.w]\ncommand = 'echo up'\ndirectory = 'late'\nrestart = 'on-failure'\n\
                   max_restarts = 1000000";
    let mut run = configured(workers, &[]);
    run.wait_for_state("w", WorkerState::BackingOff);
    fs::create_dir(run.place.path("late")).unwrap();
    let (code, line) = run.end();
    assert_eq!((code, run.place.messages_of("w")), (0, vec!["up".to_owned()]), "{line}");

    let workers = workers.replace("1000000", "1").replace("late", "never");
    let mut run = configured(&workers, &[]);
    let (code, line) = run.end();
    assert_eq!(code, 127, "{line}");
    assert!(line.starts_with("logboom: cannot start w: there is no directory never"), "{line}");
}

#[test]
fn descriptors_suffice_for_all_workers_or_nothing_is_started() {
    let limited = |place: &Place, limit: &str| {
        let workers = ["-c", "w=ulimit -Sn > $LOGBOOM_WORKER", "-m", "w=40"];
        with_limit(&command(place, &workers), limit)
    };
    let place = Place::new();
    let command = limited(&place, "-Sn 128");
    let mut run = Run::by(place, command);
    let (code, line) = run.end();
    assert_eq!(code, 0, "{line}");
    let limit_of = |name: &str| fs::read_to_string(run.place.path(name)).unwrap();
    assert_eq!((limit_of("w-1"), limit_of("w-40")), ("528\n".into(), "528\n".into()));

    let place = Place::new();
    let output = limited(&place, "-n 300").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(74), "{stderr}");
    let reason = "logboom: 40 workers take 360 descriptors, of 300 that a process may have: start";
    assert!(stderr.starts_with(reason), "{stderr}");
    assert!(!place.path("w-1").exists() && !place.log().exists());
}

#[test]
fn a_worker_killed_by_others_is_started_again() {
    let workers =
        format!("[workers.w]\ncommand = \"echo $$; {UNTIL_TERM}\"\nrestart = 'on-failure'");
    let mut run = configured(&workers, &[]);
    let first = run.pids(1)[0];
    support::signal(first, Signal::SIGKILL);
    let second = run.pids(2)[1];
    assert!(first != second && is_alive(second));
    run.process.signal(Signal::SIGTERM);
    assert_eq!(run.end().0, 0);
    assert!(run.place.messages_of("w").contains(&"bye".to_owned()));
}

#[test]
fn a_worker_starts_when_those_are_ready_that_it_waits_for() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let port = free.port();
    let server = format!(
        "import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(1000)"
    );
    let until_go = "echo waits; until [ -e go ]; do sleep 0.01; done";
    let cases = [
        (format!("{until_go}; echo 'db: up'; sleep 1000"), "log = 'up$'".to_owned()),
        (format!("{until_go}; touch up; sleep 1000"), "command = '[ -e up ]'".to_owned()),
        (format!("{until_go}; exec python3 -c \\\"{server}\\\""), format!("tcp = {port}")),
        (format!("{until_go}; exit 0"), "exit = true".to_owned()),
    ];
    for (script, ready) in cases {
        let workers = format!(
            "[workers.web]\ncommand = 'if [ -e go ]; then echo late; else echo early; fi; exit 9'\n\
             after = ['db']\n[workers.db]\ncommand = \"{script}\"\nready = {{ {ready} }}"
        );
        let mut run = configured(&workers, &[]);
        wait_until("the first", || !run.lines_of("db").is_empty());
        run.go();
        let (code, line) = run.end();
        assert_eq!(
            (code, run.place.messages_of("web")),
            (9, vec!["late".into()]),
            "{ready}: {line}"
        );
    }
}

#[test]
fn a_worker_that_does_not_get_ready_has_failed() {
    let cases = [
        ("sleep 1000", "log = 'up', timeout = 1", "db was not ready within 1 s", 1),
        (
            "trap '' TERM; sleep 1; exit 0",
            "command = 'exit 1', timeout = 0",
            "db was not ready within 0 s",
            1,
        ),
        ("echo down", "log = 'up'", "db exited 0 before it was ready", 1),
        ("exit 3", "exit = true", "db exited 3", 3),
    ];
    for (script, ready, reason, code) in cases {
        let workers = format!(
            "[workers.web]\ncommand = 'echo started'\nafter = ['db']\n\
             [workers.db]\ncommand = \"{script}\"\nready = {{ {ready} }}"
        );
        for on_exit in ["--on-exit=fail-fast", "--on-exit=keep"] {
            let mut run = configured(&workers, &[on_exit]);
            let (ended, line) = run.end();
            assert_eq!(ended, code, "{ready}: {line}");
            assert!(line.starts_with(&format!("logboom: {reason}; drained")), "{ready}: {line}");
            assert!(run.place.messages_of("web").is_empty(), "{ready}");
        }
    }
}

#[test]
fn who_waits_for_a_worker_that_has_failed_is_not_started_later() {
    let workers = "[workers.db]\ncommand = 'until [ -e go ]; do sleep 0.01; done; exit 3'\n\
                   [workers.slow]\ncommand = 'until [ -e slow ]; do sleep 0.01; done'\n\
                   ready = { exit = true }\n\
                   [workers.web]\ncommand = 'echo started'\nafter = ['db', 'slow']";
    let mut run = configured(workers, &["--on-exit=keep"]);
    run.go();
    run.wait_for_state("db", WorkerState::Failed);
    fs::write(run.place.path("slow"), "").unwrap();
    let (code, line) = run.end();
    assert_eq!(code, 3, "{line}");
    assert!(run.place.messages_of("web").is_empty());
}

#[test]
fn a_worker_has_to_get_ready_in_each_of_its_lives() {
    let workers = "[workers.db]\nrestart = 'always'\nready = { log = 'up', timeout = 1 }\n\
                   command = '[ -e go ] || echo up; until rm end; do sleep 0.01; done 2>&-'\n\
                   max_restarts = 2";
    let mut run = configured(workers, &["--on-exit=keep"]);
    assert_eq!(run.wait_for_state("db", WorkerState::Ready).restarts, 0);
    run.go();
    fs::write(run.place.path("end"), "").unwrap();
    assert_eq!(run.wait_for_state("db", WorkerState::Starting).restarts, 1);
    let mut said = String::new();
    run.process.0.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
    let said: Vec<_> = said.lines().collect();
    assert_eq!(said[0], "logboom: db exited 0; starting it again in 100 ms");
    assert_eq!(said[1], "logboom: db was not ready within 1 s; starting it again in 200 ms");
    assert!(said[2].starts_with("logboom: db was not ready within 1 s; drained "), "{said:?}");
    assert_eq!(run.end().0, 1);
}

#[test]
fn what_was_printed_last_counts_for_being_ready() {
    let workers = "[workers.db]\ncommand = 'echo up'\nready = { log = 'up' }\n\
                   [workers.web]\ncommand = 'echo started'\nafter = ['db']";
    let mut run = configured(workers, &[]);
    assert_eq!(run.end().0, 0);
    assert_eq!(run.place.messages_of("web"), ["started"]);
}

#[test]
fn workers_stop_in_the_reverse_of_their_order() {
    let worker = |name: &str, after: &str| {
        let bye = format!("trap 'echo {name} >> order; exit 0' TERM; echo {name} >> up");
        format!(
            "[workers.{name}]\ncommand = \"{bye}; while :; do sleep 0.02; done\"\nafter = [{after}]\n"
        )
    };
    let workers = [worker("web", "'api'"), worker("db", ""), worker("api", "'db'")].concat();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut run = configured(&workers, &["-m", "api=2"]);
        let lines = |name: &str| fs::read_to_string(run.place.path(name)).unwrap_or_default();
        wait_until("all", || lines("up").lines().count() == 4);
        run.process.signal(signal);
        let (code, line) = run.end();
        assert_eq!(code, 0, "{line}");
        let order = fs::read_to_string(run.place.path("order")).unwrap();
        assert_eq!(order, "web\napi\napi\ndb\n");
    }
}

#[test]
fn each_worker_is_stopped_by_its_signal_in_its_time() {
    let workers = "[workers.w]\ncommand = \"trap 'echo int; exit 0' INT; trap '' TERM; echo $$; while :; do sleep 0.02; done\"\nstop_signal = 'SIGINT'\n\
                   [workers.v]\ncommand = \"trap '' TERM; echo up; while :; do sleep 0.02; done\"\nstop_timeout = 0\n";
    let mut run = configured(workers, &["--stop-timeout", "100000"]);
    run.pids(1);
    wait_until("v", || !run.lines_of("v").is_empty());
    run.process.signal(Signal::SIGTERM);
    assert_eq!(run.end().0, 0);
    assert!(run.place.messages_of("w").contains(&"int".to_owned()));
}

#[test]
fn a_stop_by_ctl_ends_the_workers_first_and_the_whole_run() {
    let mut run = Run::start(&["-c", &format!("w=echo $$; {UNTIL_TERM}")]);
    let pids = run.pids(1);
    let stop = run.place.run(&["ctl", "stop"]);
    let said = String::from_utf8(stop.stdout).unwrap();
    assert!(stop.status.success() && said.contains(", dropped 0, missing 0"), "{said}");
    let (code, line) = run.end();
    assert_eq!(code, 0, "{line}");
    assert!(line.starts_with("logboom: stopped by request; drained "), "{line}");
    assert!(!is_alive(pids[0]));
    assert!(run.place.messages_of("w").contains(&"bye".to_owned()));
}

#[test]
fn a_signal_to_run_rotates_the_log() {
    let mut run = Run::start(&["-c", &format!("w=echo $$; {UNTIL_TERM}")]);
    run.pids(1);
    run.process.signal(Signal::SIGUSR1);
    wait_until("the rotation", || run.place.path("app.log.1").exists());
    run.process.signal(Signal::SIGTERM);
    assert_eq!(run.end().0, 0);
}

#[test]
fn closed_standard_descriptors_harm_nobody() {
    let place = Place::new();
    let run = command(&place, &["-c", "w=echo out; echo err >&2; cat"]);
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", "exec \"$@\" <&- >&- 2>&-", "sh"]).arg(run.get_program());
    shell.args(run.get_args()).current_dir(place.directory.path());
    shell.env("LOGBOOM_QUEUE", place.queue().path());
    assert_eq!(shell.status().unwrap().code(), Some(0));
    let mut messages = place.messages_of("w");
    messages.sort();
    assert_eq!(messages, ["err", "out"]);
}

#[test]
fn a_hundred_workers_started_and_stopped_twenty_times_leave_nothing_behind() {
    for round in 0..20 {
        let script = "w=(setsid sleep 1000 &); sleep 1000 & echo up; wait";
        let mut run = Run::start(&["-q", "-m", "w=100", "-c", script]);
        wait_until("all", || run.all_lines().len() >= 100);
        run.process.signal(if round % 2 == 0 { Signal::SIGINT } else { Signal::SIGTERM });
        let (code, line) = run.end();
        assert_eq!((code, line.as_str()), (0, ""), "round {round}");
        let place = run.place.directory.path().to_str().unwrap();
        assert_eq!(processes_with(place), Vec::<String>::new(), "round {round}");
    }
}
