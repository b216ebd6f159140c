//! What becomes of what workers print under `logboom run`.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::run::Run;
use support::{Place, is_alive, pythons, role, wait_until, worker_script};

/// What a worker printed, and which of it are records that say so themselves.
const PATTERN: &str = "--format=%(processName)s %(process)d %(name)s %(levelname)s \
                       %(message)s%(fields)s";

/// Runs `logboom run ARGS` in the place to its end; the lines of its log.
fn lines(place: &Place, args: &[&str]) -> Vec<String> {
    let mut command = place.logboom(&["run", "-q", PATTERN, "--log"]);
    command.arg(place.log()).args(args).stdin(Stdio::null());
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    let mut lines = place.lines();
    lines.retain(|line| !line.starts_with("run "));
    lines
}

/// The same of one worker `w`, without its name and process.
fn printed(args: &[&str]) -> Vec<String> {
    let lines = lines(&Place::new(), args);
    let rest = |line: &String| Some(line.strip_prefix("w ")?.split_once(' ')?.1.to_owned());
    lines.iter().map(|line| rest(line).unwrap_or_else(|| panic!("{line:?}"))).collect()
}

const JSON: &str =
    r#"w=echo plain; echo '{"level":"error","logger":"a.b","msg":"hi","n":7}'; echo '{"n":7}'"#;

#[test]
fn a_json_line_with_a_message_is_lifted_and_the_others_stay() {
    assert_eq!(
        printed(&["-c", JSON]),
        ["stdout INFO plain", "a.b ERROR hi stream=stdout n=7", "stdout INFO {\"n\":7}"]
    );
    let of_stderr = r#"w=echo '{"message":"hi","thread":"t","pid":1}' >&2"#;
    assert_eq!(printed(&["-c", of_stderr]), ["stderr WARNING hi stream=stderr pid=1"]);
}

#[test]
fn lines_stay_as_they_are_where_that_is_said() {
    let expected = [
        "stdout INFO plain",
        "stdout INFO {\"level\":\"error\",\"logger\":\"a.b\",\"msg\":\"hi\",\"n\":7}",
        "stdout INFO {\"n\":7}",
    ];
    assert_eq!(printed(&["--capture=lines", "-c", JSON]), expected);
    let place = Place::new();
    let worker = r#"command = '''echo '{"msg":"hi"}' '''"#;
    let config =
        format!("version = 1\n[workers.a]\n{worker}\n[workers.b]\n{worker}\ncapture = 'lines'");
    fs::write(place.path("logboom.toml"), config).unwrap();
    let mut lines = lines(&place, &[]);
    lines.sort();
    assert!(lines[0].starts_with("a ") && lines[0].ends_with(" stdout INFO hi stream=stdout"));
    assert!(lines[1].starts_with("b ") && lines[1].ends_with(" stdout INFO {\"msg\":\"hi\"}"));
}

#[test]
fn a_lifted_record_is_of_its_worker_and_of_its_own_time() {
    let place = Place::new();
    let line = r#"{"ts":"2026-01-02T03:04:05.678Z","msg":"then","worker":"other","thread":"t"}"#;
    let mut command = place.logboom(&["run", "-q", "--format=json", "--log"]);
    command.arg(place.log()).args(["-c", &format!("w=echo '{line}'")]);
    assert!(command.stdin(Stdio::null()).output().unwrap().status.success());
    let lines = place.lines();
    let line = lines.iter().find(|line| line.contains("then")).unwrap();
    for part in [
        r#""time":"2026-01-02T03:04:05.678000000Z""#,
        r#""worker":"w","#,
        r#""thread":"t""#,
        r#""fields":{"stream":"stdout","processName":"other"}"#,
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let verified = place.run(&["verify", place.log().to_str().unwrap()]);
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn escape_sequences_are_left_out_and_what_is_none_stays_visible() {
    let script = r#"w=printf '\033[1;31mred\033[0m\n\033]0;title\007\033[2Kup\n\377\033\n'; \
                    printf '{"msg":"\\u001b[32mgreen\\u001b[0m"}\n'"#;
    let expected = [
        "stdout INFO red",
        "stdout INFO up",
        "stdout INFO \\xff\\x1b",
        "stdout INFO green stream=stdout",
    ];
    assert_eq!(printed(&["-c", script]), expected);
    assert_eq!(printed(&["--capture=lines", "-c", script])[..2], expected[..2]);
}

#[test]
fn a_line_with_more_fields_than_a_record_holds_loses_none() {
    let place = Place::new();
    let line = |bytes: usize| format!("{{\"msg\":\"hi\",\"k\":\"{}\"}}", "x".repeat(bytes));
    fs::write(place.path("lines"), format!("{}\n{}\n", line(19_000), line(30_000))).unwrap();
    let lines = lines(&place, &["-c", "w=cat lines"]);
    assert!(lines[0].ends_with(&format!("hi stream=stdout k={}", "x".repeat(19_000))));
    assert!(lines[1].ends_with(&format!("stdout INFO {}", line(30_000))));
}

/// Runs shell commands as workers, and by themselves; the records of what each printed to standard
/// error, and that.
fn failures_of(place: &Place, commands: &[String]) -> Vec<(Vec<Value>, String)> {
    let mut run = place.logboom(&["run", "-q", "--on-exit=keep", "--format=json", "--log"]);
    run.arg(place.log()).stdin(Stdio::null());
    for (number, command) in commands.iter().enumerate() {
        run.arg("-c").arg(format!("w{number}={command}"));
    }
    assert!(!run.output().unwrap().status.success(), "no worker has failed");
    let records: Vec<Value> =
        place.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failure = |(number, command): (usize, &String)| {
        let worker = format!("w{number}");
        let is_printed =
            |record: &&Value| record["worker"] == worker.as_str() && record["logger"] == "stderr";
        let printed = records.iter().filter(is_printed).cloned().collect();
        let mut alone = Command::new("/bin/sh");
        alone.arg("-c").arg(command).current_dir(place.directory.path());
        (printed, String::from_utf8(alone.output().unwrap().stderr).unwrap())
    };
    commands.iter().enumerate().map(failure).collect()
}

/// Asserts that all that a command prints is one record that says this.
fn assert_is_one((records, stderr): &(Vec<Value>, String), message: &str) {
    assert_eq!(records.len(), 1, "{records:#?}");
    let record = &records[0];
    assert_eq!((&record["level"], &record["message"]), (&"ERROR".into(), &message.into()));
    assert_eq!(record["exception"], stderr.trim_end());
}

#[test]
fn a_traceback_of_python_is_one_record() {
    let place = Place::new();
    let script = "def f():\n try: 1/0\n except Exception as e: raise OSError(7) from e\n\
                  try: f()\nexcept OSError: {}['k']\n";
    fs::write(place.path("a.py"), script).unwrap();
    fs::write(place.path("b.py"), "f(:\n").unwrap();
    let pythons = pythons();
    let commands = ["a.py", "b.py"]
        .map(|script| pythons.iter().map(move |python| format!("'{}' {script}", python.display())));
    let failures = failures_of(&place, &commands.into_iter().flatten().collect::<Vec<_>>());
    let (chains, syntax_errors) = failures.split_at(pythons.len());
    chains.iter().for_each(|failure| assert_is_one(failure, "KeyError: 'k'"));
    for failure in syntax_errors {
        let last = failure.1.lines().last().unwrap();
        assert!(last.starts_with("SyntaxError: "), "{last}");
        assert_is_one(failure, last);
    }
}

#[test]
fn a_traceback_of_java_is_one_record() {
    if Command::new("java").arg("-version").output().is_err() {
        return eprintln!("skipped: there is no java (package default-jdk-headless)");
    }
    let place = Place::new();
    let source = "class A { static void f() { throw new IllegalStateException(\"in\"); }
        public static void main(String[] a) {
            try { f(); } catch (Exception e) { throw new RuntimeException(\"out\", e); } } }";
    fs::write(place.path("A.java"), source).unwrap();
    let message = "Exception in thread \"main\" java.lang.RuntimeException: out";
    assert_is_one(&failures_of(&place, &["java A.java".to_owned()])[0], message);
}

/// What this program does when it is started as a worker.
#[test]
fn worker_process() {
    match role().as_deref() {
        Some([what]) if what == "panic" => {
            // Not by this thread, whose name is that of the test.
            let thread = std::thread::Builder::new().name("left".into());
            let _panicked = thread.spawn(|| assert_eq!(1, 2)).unwrap().join();
        }
        Some([what]) if what == "both" => {
            let _guard = logboom::init().unwrap();
            for number in 0..LINES {
                log::info!("logged {number}");
                eprintln!("printed {number}");
            }
        }
        _ => {}
    }
}

/// What a worker logs, and as many lines it prints.
const LINES: usize = 2000;

#[test]
fn a_worker_that_logs_and_prints_has_both_in_their_order() {
    let script = worker_script(&["both"]);
    for args in [&[][..], &["--pty"]] {
        let place = Place::new();
        let worker = format!("w=exec {script}");
        let lines = lines(&place, &[args, &["-c", &worker]].concat());
        for (origin, what) in [("run_capture INFO", "logged"), ("stderr WARNING", "printed")] {
            let of_origin = lines.iter().filter(|line| line.contains(&format!(" {origin} ")));
            let messages = of_origin.map(|line| line.split_once(&format!(" {origin} ")).unwrap());
            let expected = (0..LINES).map(|number| format!("{what} {number}"));
            assert!(messages.clone().map(|(_, message)| message.to_owned()).eq(expected), "{what}");
            let mut workers: Vec<_> = messages.map(|(worker, _)| worker).collect();
            workers.dedup();
            assert!(workers.len() == 1 && workers[0].starts_with("w "), "{workers:?}");
        }
    }
}

#[test]
fn what_was_printed_is_logged_though_somebody_keeps_the_stream_open() {
    for args in [&[][..], &["--pty"]] {
        let place = Place::new();
        let child = "trap '' TERM; echo $$ > up.new; mv up.new up; while :; do sleep 0.05; done";
        fs::write(place.path("child.sh"), child).unwrap();
        let begun = "echo 'Traceback (most recent call last):'; printf 'no end'";
        let worker =
            format!("w=setsid sh child.sh & until [ -e up ]; do sleep 0.01; done; {begun}");
        let other = "other=until [ -e go ]; do sleep 0.01; done";
        let args = [args, &["--stop-timeout=1", "-c", &worker, "-c", other]].concat();
        let command = support::run::command(&place, &args);
        let mut run = Run::by(place, command);
        let expected = ["Traceback (most recent call last):", "no end"];
        wait_until("the lines", || run.lines_of("w") == expected);
        let child = fs::read_to_string(run.place.path("up")).unwrap().trim().parse().unwrap();
        assert!(is_alive(child), "it keeps nothing open any more");
        run.go();
        assert_eq!(run.end().0, 0);
        assert!(!is_alive(child) && run.lines_of("w") == expected);
    }
}

#[test]
fn a_panic_of_rust_is_one_record_with_its_backtrace() {
    for backtrace in ["0", "1", "full"] {
        let place = Place::new();
        let command =
            format!("RUST_BACKTRACE={backtrace} {} >&2; exit 1", worker_script(&["panic"]));
        let (mut records, stderr) = failures_of(&place, &[command]).remove(0);
        records.retain(|record| record["level"] == "ERROR");
        assert_eq!(records.len(), 1, "{stderr}");
        let message = records[0]["message"].as_str().unwrap();
        let exception = records[0]["exception"].as_str().unwrap();
        assert!(message.starts_with("thread 'left' ") && message.contains("left == right"));
        assert!(exception.contains("  left: 1\n right: 2"), "{exception}");
        assert_eq!(exception.contains("stack backtrace:\n   0: "), backtrace != "0");
        // What the test harness prints before and after is none of it.
        assert!(!exception.contains("test "), "{exception}");
    }
}

#[test]
fn what_waits_for_a_continuation_in_vain_is_logged_all_the_same() {
    let begun = "echo 'Traceback (most recent call last):'";
    let script = format!("w={begun}; until [ -e go ]; do sleep 0.01; done; echo on; {begun}");
    let mut run = Run::start(&["-c", &script]);
    wait_until("the line", || run.lines_of("w").len() == 1);
    run.go();
    assert_eq!(run.end().0, 0);
    let line = "Traceback (most recent call last):";
    assert_eq!(run.lines_of("w"), [line, "on", line]);
}

/// Python prints by blocks to anything but a terminal.
const PRINTS: &str = "import os, sys, time; fds = 0, 1, 2
print(*map(os.isatty, fds), *os.get_terminal_size(1))
print('oops', file=sys.stderr)
while not os.path.exists('go'): time.sleep(0.01)";

#[test]
fn at_a_terminal_each_line_is_printed_at_once() {
    let place = Place::new();
    fs::write(place.path("prints.py"), PRINTS).unwrap();
    let command = support::run::command(&place, &["--pty", "-c", "w=exec python3 prints.py"]);
    let mut run = Run::by(place, command);
    wait_until("the lines", || run.lines_of("w").len() == 2);
    let mut lines = run.lines_of("w");
    lines.sort();
    assert_eq!(lines, ["False True True 200 50", "oops"]);
    let descriptors = fs::read_dir(format!("/proc/{}/fd", run.process.pid())).unwrap();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let targets: Vec<_> = targets.map(|path| path.display().to_string()).collect();
    let ours = targets.iter().filter(|path| path.ends_with("ptmx")).count();
    let theirs = targets.iter().filter(|path| is_side_of_a_program(path)).count();
    assert_eq!((ours, theirs), (2, 0), "{targets:?}");
    run.go();
    assert_eq!(run.end().0, 0);
}

/// Whether this is what a program has of a terminal: `/dev/pts/7`.
fn is_side_of_a_program(path: &str) -> bool {
    path.strip_prefix("/dev/pts/").is_some_and(|name| name.parse::<u32>().is_ok())
}

#[test]
fn a_terminal_changes_no_byte_and_loses_no_line() {
    let script = r"w=printf 'a\r\nb\tc\377\n'; seq 20000; printf 'no end'; printf 'e\n' >&2";
    let mut lines = printed(&["--pty", "-c", script]);
    let is_error = |line: &String| line.starts_with("stderr");
    let errors: Vec<_> = lines.extract_if(.., |line| is_error(line)).collect();
    assert_eq!(errors, ["stderr WARNING e"]);
    let seq = (1..=20_000).map(|number| number.to_string());
    let expected = ["a".to_owned(), "b\tc\\xff".to_owned()].into_iter().chain(seq);
    let expected = expected.chain(["no end".to_owned()]).map(|line| format!("stdout INFO {line}"));
    assert!(lines.into_iter().eq(expected));
}

#[test]
fn a_terminal_is_said_by_the_configuration_too() {
    let place = Place::new();
    let worker = "command = '[ -t 1 ] && echo yes || echo no'";
    let config = format!("version = 1\n[workers.a]\n{worker}\n[workers.b]\n{worker}\npty = true");
    fs::write(place.path("logboom.toml"), config).unwrap();
    let mut lines = lines(&place, &[]);
    lines.sort();
    assert!(lines[0].starts_with("a ") && lines[0].ends_with(" no"), "{lines:?}");
    assert!(lines[1].starts_with("b ") && lines[1].ends_with(" yes"), "{lines:?}");
}
