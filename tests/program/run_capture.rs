//! What becomes of what workers print under `logboom run`.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::process::Stdio;

use support::Place;

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
fn a_line_with_more_fields_than_a_record_holds_loses_none() {
    let place = Place::new();
    let line = |bytes: usize| format!("{{\"msg\":\"hi\",\"k\":\"{}\"}}", "x".repeat(bytes));
    fs::write(place.path("lines"), format!("{}\n{}\n", line(19_000), line(30_000))).unwrap();
    let lines = lines(&place, &["-c", "w=cat lines"]);
    assert!(lines[0].ends_with(&format!("hi stream=stdout k={}", "x".repeat(19_000))));
    assert!(lines[1].ends_with(&format!("stdout INFO {}", line(30_000))));
}
