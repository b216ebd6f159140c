//! Workers of a run that are started, stopped and restarted by `logboom ctl`, and what it shows of them.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;

use logboom::supervisor::{RunStatus, WorkerState, run_status};
use nix::sys::signal::Signal;
use support::run::{Run, command, configured};
use support::{Place, is_alive, signal, wait_for, wait_until};

const FOREVER: &str = "while :; do sleep 0.02; done";

/// Runs `logboom ctl ARGS`; its exit code, and what it says, with N for the number of a process.
fn ctl(place: &Place, args: &str) -> (i32, String) {
    let args: Vec<_> = ["ctl"].into_iter().chain(args.split(' ')).collect();
    let output = place.run(&args);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let without_pid = |line: &str| match line.split_once(", process ") {
        Some((state, pid)) => {
            assert!(is_alive(pid.parse().unwrap()), "{line}");
            format!("{state}, process N\n")
        }
        None => format!("{line}\n"),
    };
    (output.status.code().unwrap(), said.lines().map(without_pid).collect())
}

#[track_caller]
fn check(run: &Run, args: &str, code: i32, said: &str) {
    assert_eq!(ctl(&run.place, args), (code, said.to_owned()), "ctl {args}");
}

fn status(run: &Run) -> RunStatus {
    run_status(&run.place.queue()).unwrap()
}

/// Ends the run, which has to end with this code.
#[track_caller]
fn finish(mut run: Run, code: i32) {
    run.process.signal(Signal::SIGTERM);
    let (ended, line) = run.end();
    assert_eq!(ended, code, "{line}");
}

#[test]
fn each_command_does_what_it_says_whatever_the_worker_is_doing() {
    let workers = format!(
        "[workers.db]\ncommand = 'echo up; {FOREVER}'\nready = {{ log = 'up' }}\nrestart = 'always'\n\
         [workers.web]\ncommand = '{FOREVER}'\ncount = 2\nafter = ['db']\n\
         [workers.once]\ncommand = 'true'\nready = {{ exit = true }}"
    );
    let run = configured(&workers, &[]);
    run.wait_for_state("web-2", WorkerState::Running);
    run.wait_for_state("once", WorkerState::Ended);
    let web = "web-1 running, process N\nweb-2 running, process N\n";
    let steps = [
        ("stop web", 0, "web-1 stopped\nweb-2 stopped\n"),
        ("stop web-1", 0, "web-1 stopped\n"),
        ("start web-1", 0, "web-1 running, process N\n"),
        ("start web", 0, web),
        ("restart web-2 web-2", 0, "web-2 running, process N\n"),
        ("start db", 0, "db ready, process N\n"),
        ("restart db", 0, "db ready, process N\n"),
        ("stop db", 0, "db stopped\n"),
        ("start web", 0, web),
        (
            "restart web",
            74,
            "logboom: web-1 starts after db, which does not run: start both, as in \
             `logboom ctl start db web-1`\n",
        ),
        ("restart web db", 0, &format!("db ready, process N\n{web}")),
        ("stop once", 0, "once ended\n"),
        ("start once", 0, "once ended\n"),
        (
            "stop nobody",
            2,
            "logboom: there is no worker `nobody`; there are db, web-1, web-2, once\n",
        ),
        (
            "restart web-3 db",
            2,
            "logboom: there is no worker `web-3`; there are db, web-1, web-2, once\n",
        ),
    ];
    for (args, code, said) in steps {
        check(&run, args, code, said);
    }
    assert!(
        status(&run).workers.iter().all(|worker| worker.restarts == 0 && worker.failure.is_none())
    );
    finish(run, 0);
}

#[test]
fn a_running_worker_stays_what_it_is_and_a_restarted_one_has_its_name_and_port() {
    let place = Place::new();
    fs::write(place.path("Procfile"), format!("web: echo $LOGBOOM_WORKER $PORT; {FOREVER}"))
        .unwrap();
    let mut command = command(&place, &["-m", "web=2"]);
    command.env_remove("PORT");
    let run = Run::by(place, command);
    wait_until("both", || run.lines_of("web-1").len() + run.lines_of("web-2").len() == 2);
    let (first, second) = (run.worker("web-1"), run.worker("web-2"));
    check(&run, "start web-2", 0, "web-2 running, process N\n");
    check(&run, "restart web-2", 0, "web-2 running, process N\n");
    assert_eq!(run.worker("web-1").pid, first.pid);
    let restarted = run.worker("web-2");
    assert!(restarted.pid != second.pid && !is_alive(second.pid.unwrap() as i32));
    wait_until("its line", || run.lines_of("web-2").len() == 2);
    assert_eq!(run.lines_of("web-2"), ["web-2 5001", "web-2 5001"]);
    finish(run, 0);
}

/// How often a worker was started that says `up`; of its child's end the shell may say something too.
fn lives(run: &Run, name: &str) -> usize {
    run.lines_of(name).iter().filter(|line| *line == "up").count()
}

#[test]
fn a_run_whose_workers_are_all_stopped_goes_on_and_none_has_failed() {
    for on_exit in ["--on-exit=fail-fast", "--on-exit=any", "--on-exit=keep"] {
        let workers = format!(
            "[workers.a]\ncommand = \"trap 'exit 7' TERM; echo up; {FOREVER}\"\nrestart = 'always'\n\
             [workers.b]\ncommand = \"trap 'exit 8' TERM; echo up; {FOREVER}\""
        );
        let mut run = configured(&workers, &[on_exit]);
        wait_until("both", || lives(&run, "a") + lives(&run, "b") == 2);
        check(&run, "stop a b", 0, "a stopped\nb stopped\n");
        assert!(!status(&run).stopping);
        check(&run, "start a", 0, "a running, process N\n");
        wait_until("its line", || lives(&run, "a") == 2);
        let (code, said) = ctl(&run.place, "stop");
        assert_eq!(code, 0, "{said}");
        let (code, line) = run.end();
        assert_eq!(code, 0, "{line}");
        assert!(line.starts_with("logboom: stopped by request; drained "), "{line}");
        assert_eq!([lives(&run, "a"), lives(&run, "b")], [2, 1], "{on_exit}");
    }
}

#[test]
fn a_worker_that_does_not_come_up_is_told_with_its_reason() {
    let workers = format!(
        "[workers.w]\ncommand = '[ -e bad ] && exit 3; echo up; {FOREVER}'\n\
         ready = {{ log = 'up' }}\nrestart = 'on-failure'\nmax_restarts = 1\n\
         [workers.late]\ncommand = '{FOREVER}'\nready = {{ command = 'exit 1', timeout = 0 }}\n\
         [workers.other]\ncommand = '{FOREVER}'"
    );
    let run = configured(&workers, &["--on-exit=keep"]);
    run.wait_for_state("w", WorkerState::Ready);
    let why = "late was not ready within 0 s";
    run.wait_for_state("late", WorkerState::Failed);
    check(&run, "restart late", 1, &format!("late failed\nlogboom: {why}\n"));
    fs::write(run.place.path("bad"), "").unwrap();
    check(&run, "restart w", 1, "w failed\nlogboom: w exited 3\n");
    let failed = run.worker("w");
    assert_eq!((failed.failure.as_deref(), failed.restarts), (Some("w exited 3"), 1));
    assert_eq!((failed.state, failed.pid, failed.memory_bytes), (WorkerState::Failed, None, None));
    fs::remove_file(run.place.path("bad")).unwrap();
    check(&run, "start w", 0, "w ready, process N\n");
    assert_eq!(run.worker("w").failure, None);
    finish(run, 0);
}

#[test]
fn a_worker_that_is_to_be_started_again_shows_why_it_has_failed() {
    let workers = "[workers.w]\ncommand = 'exit 3'\nrestart = 'always'\n\
                   [workers.well]\ncommand = 'exit 0'\nrestart = 'always'\n\
                   [workers.none]\ncommand = 'true'\ndirectory = 'none'\nrestart = 'always'";
    let run = configured(workers, &[]);
    let why = |name: &str| run.wait_for_state(name, WorkerState::BackingOff).failure;
    assert_eq!(why("w").as_deref(), Some("w exited 3"));
    assert_eq!(why("well"), None);
    let not_started = why("none").unwrap();
    assert!(
        not_started.starts_with("cannot start none: there is no directory none"),
        "{not_started}"
    );
    check(&run, "stop w", 0, "w stopped\n");
    assert_eq!(run.worker("w").failure, None);
    finish(run, 0);
}

#[test]
fn workers_stop_in_the_reverse_of_their_order_and_start_in_it() {
    let worker = |name: &str, after: &str| {
        let end = format!("echo -{name} >> order; rm {name}; exit 0");
        let begin = format!("echo +{name} >> order; touch {name}");
        format!(
            "[workers.{name}]\ncommand = \"trap '{end}' TERM; {begin}; {FOREVER}\"\n\
             after = [{after}]\nready = {{ command = '[ -e {name} ]' }}\n"
        )
    };
    let workers = [worker("web", "'api'"), worker("db", ""), worker("api", "'db'")].concat();
    let run = configured(&workers, &[]);
    let order = || fs::read_to_string(run.place.path("order")).unwrap().replace('\n', "");
    run.wait_for_state("web", WorkerState::Ready);
    check(&run, "stop db web api", 0, "web stopped\ndb stopped\napi stopped\n");
    assert_eq!(order(), "+db+api+web-web-api-db");
    check(
        &run,
        "start db web",
        74,
        "logboom: web starts after api, which does not run: start both, as in \
         `logboom ctl start api web`\n",
    );
    assert_eq!(ctl(&run.place, "start api web db").0, 0);
    assert_eq!(ctl(&run.place, "restart web db api").0, 0);
    assert_eq!(order()[22..], *"+db+api+web-web-api-db+db+api+web");
    finish(run, 0);
}

#[test]
fn a_worker_whose_turn_has_not_come_is_stopped_and_started_as_well() {
    let workers = format!(
        "[workers.db]\ncommand = 'until [ -e go ]; do sleep 0.01; done; echo up; {FOREVER}'\n\
         ready = {{ log = 'up' }}\n[workers.web]\ncommand = '{FOREVER}'\nafter = ['db']\n\
         [workers.flaky]\ncommand = '[ -e go ] || exit 4; {FOREVER}'\nrestart = 'always'\n\
         max_restarts = 1000000"
    );
    let run = configured(&workers, &[]);
    run.wait_for_state("db", WorkerState::Starting);
    run.wait_for_state("web", WorkerState::Waiting);
    run.wait_for_state("flaky", WorkerState::BackingOff);
    check(&run, "stop web flaky", 0, "web stopped\nflaky stopped\n");
    run.go();
    run.wait_for_state("db", WorkerState::Ready);
    assert_eq!(run.worker("web").state, WorkerState::Stopped);
    check(&run, "start flaky web", 0, "web running, process N\nflaky running, process N\n");
    finish(run, 0);
}

#[test]
fn what_takes_too_long_goes_on_and_whoever_waits_is_answered() {
    let deaf = |name: &str| format!("{name}=trap '' TERM; echo up; {FOREVER}");
    let args = ["--stop-timeout", "100000", "-c", &deaf("v"), "-c", &deaf("w")];
    let mut run = Run::start(&args);
    wait_until("both", || run.lines_of("v").len() + run.lines_of("w").len() == 2);
    let late = "logboom: not done within 1 s, and goes on: see `logboom ctl status`\n";
    check(&run, "stop --timeout 1 w", 74, late);
    check(&run, "stop --timeout 1 w", 74, late);
    assert_eq!(run.worker("w").state, WorkerState::Stopping);
    let twice = "logboom: w is being stopped by another request: try again\n";
    check(&run, "restart w v", 74, twice);
    thread::scope(|scope| {
        let place = &run.place;
        let waiting = scope.spawn(|| ctl(place, "restart v"));
        run.wait_for_state("v", WorkerState::Stopping);
        run.process.signal(Signal::SIGINT);
        wait_until("the end", || status(&run).stopping);
        check(&run, "start v", 74, "logboom: the run is ending: nothing is started\n");
        run.process.signal(Signal::SIGINT);
        let said = "v ended\nlogboom: v was not started: the run is ending\n";
        assert_eq!(waiting.join().unwrap(), (1, said.to_owned()));
    });
    let (code, line) = run.end();
    assert_eq!(code, 0, "{line}");
}

#[test]
fn nothing_is_started_while_a_run_ends_what_workers_have_left_behind() {
    // What it leaves does not hear, and has no worker's name.
    let left =
        "env -u LOGBOOM_WORKER setsid sh -c \"trap '' TERM; echo > left; sleep 1000\" >&- 2>&-";
    let worker = format!("w={left} & until [ -e left ]; do sleep 0.01; done");
    let mut run = Run::start(&["--stop-timeout", "100000", "-c", &worker]);
    run.wait_for_file("left");
    run.wait_for_state("w", WorkerState::Ended);
    check(&run, "start w --timeout 5", 74, "logboom: the run is ending: nothing is started\n");
    run.process.signal(Signal::SIGINT);
    wait_until("the interrupt", || run_status(&run.place.queue()).unwrap().stopping);
    assert_eq!(run.process.0.try_wait().unwrap(), None, "one ends it in peace");
    run.process.signal(Signal::SIGINT);
    let (code, line) = run.end();
    assert_eq!(code, 0, "{line}");
}

#[test]
fn workers_are_restarted_while_there_is_no_listener() {
    let run = Run::start(&["-c", &format!("w=echo $$; {FOREVER}")]);
    let first = run.pids(1)[0];
    signal(run.place.status().pid as i32, Signal::SIGKILL);
    check(&run, "restart w", 0, "w running, process N\n");
    assert!(!is_alive(first));
    run.pids(2);
    finish(run, 0);
}

#[test]
fn a_queue_directory_that_was_made_again_has_the_socket_too() {
    let run = Run::start(&["-c", &format!("w=echo $$; {FOREVER}")]);
    run.pids(1);
    fs::remove_dir_all(run.place.queue().path()).unwrap();
    wait_until("the socket", || run_status(&run.place.queue()).is_ok());
    check(&run, "restart w", 0, "w running, process N\n");
    finish(run, 0);
}

#[test]
fn the_next_run_takes_over_the_socket_of_a_killed_one() {
    let worker = format!("w=echo $$; {FOREVER}");
    let mut first = Run::start(&["-c", &worker]);
    first.pids(1);
    let listener = first.place.status().pid as i32;
    first.process.signal(Signal::SIGKILL);
    first.process.wait();
    wait_until("the end of its listener", || !is_alive(listener));
    let socket = first.place.queue().path().join("run.sock");
    assert!(socket.exists());
    let path = first.place.queue().path().display().to_string();
    let none = format!("logboom: there is no run on queue {path}: start one with `logboom run`\n");
    check(&first, "stop w", 69, &none);
    let Run { place, .. } = first;
    let next = command(&place, &["-c", &worker]);
    let next = Run::by(place, next);
    wait_until("it", || run_status(&next.place.queue()).is_ok());
    check(&next, "restart w", 0, "w running, process N\n");
    finish(next, 0);
}

#[test]
fn a_listener_alone_has_no_run() {
    let place = Place::new();
    let listener = place.listen(&[]);
    let (code, said) = ctl(&place, "restart w");
    assert_eq!(code, 69, "{said}");
    let text = String::from_utf8(place.run(&["ctl", "status"]).stdout).unwrap();
    assert!(!text.contains("\nrun "), "{text}");
    listener.stop();
}

#[test]
fn garbage_and_silence_harm_nobody() {
    let run = Run::start(&["-c", &format!("w=echo $$; {FOREVER}")]);
    run.pids(1);
    let connect = || UnixStream::connect(run.place.queue().path().join("run.sock")).unwrap();
    let long = format!("\"{}\"\n", "x".repeat(600_000));
    for text in ["\n", "stop w\n", "{}\n", "{\"request\":\"halt\"}\n", &long] {
        let mut stream = connect();
        // The answer may come before the end of the request.
        let _refused = stream.write_all(text.as_bytes());
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        assert!(
            answer.starts_with("{\"answer\":\"refused\",\"reason\":\"this is no request"),
            "{answer}"
        );
    }
    let silent: Vec<_> = (0..16).map(|_| connect()).collect();
    let mut answer = String::new();
    BufReader::new(connect()).read_line(&mut answer).unwrap();
    assert!(answer.contains("too many ask at once"), "{answer}");
    drop(silent);
    wait_until("room", || run_status(&run.place.queue()).is_ok());
    finish(run, 0);
}

#[test]
fn the_status_shows_each_worker_with_its_records_and_memory() {
    let workers = format!(
        "[workers.w]\ncommand = 'echo one; echo two; echo three; {FOREVER}'\nready = {{ log = 'one' }}\n\
         [workers.down]\ncommand = '{FOREVER}'"
    );
    let run = configured(&workers, &[]);
    wait_until("its lines", || run.lines_of("w").len() == 3);
    check(&run, "stop down", 0, "down stopped\n");
    let json = wait_for("the counts", || {
        let output = run.place.run(&["ctl", "status", "--json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (json["run"]["workers"][0]["records"] == 3).then_some(json)
    });
    let shown = &json["run"];
    assert_eq!((&shown["pid"], &shown["stopping"]), (&run.process.pid().into(), &false.into()));
    let (w, down) = (&shown["workers"][0], &shown["workers"][1]);
    assert_eq!((&w["name"], &w["state"], &w["dropped"]), (&"w".into(), &"ready".into(), &0.into()));
    assert!(is_alive(w["pid"].as_i64().unwrap() as i32));
    assert!(w["memory_bytes"].as_u64().unwrap() > 100_000, "{w}");
    assert_eq!((&down["state"], &down["pid"]), (&"stopped".into(), &serde_json::Value::Null));
    let help = String::from_utf8(run.place.run(&["ctl", "status", "--help"]).stdout).unwrap();
    for key in [&json, shown, w].into_iter().flat_map(|object| object.as_object().unwrap().keys()) {
        assert!(help.contains(key.as_str()), "`ctl status --help` does not say what {key} is");
    }

    let text = String::from_utf8(run.place.run(&["ctl", "status"]).stdout).unwrap();
    let lines: Vec<_> = text.lines().skip_while(|line| !line.starts_with("WORKER")).collect();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let row = words(lines[1]);
    assert_eq!([&row[0], &row[2], &row[4], &row[5]], ["w", "ready", "0", "3"], "{text}");
    assert!(
        row[3].ends_with('s') && row[6].ends_with("/s") && row[9] == "MiB" || row[9] == "KiB",
        "{text}"
    );
    assert_eq!(words(lines[2]), ["down", "-", "stopped", "-", "0", "-", "-", "-", "-"], "{text}");
    let place_of = |title: &str| lines[0].find(title).unwrap() + title.len();
    assert_eq!(&lines[1][place_of("PID") - 1..place_of("PID")], &row[1][row[1].len() - 1..]);
    finish(run, 0);
}
