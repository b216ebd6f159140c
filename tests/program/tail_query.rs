//! `logboom tail` with each of its questions, on logs whose every record is known.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Output, Stdio};

use support::Place;

const LEVELS: [&str; 4] = ["DEBUG", "INFO", "WARNING", "ERROR"];

/// A log of two backups and the current file: a record each second from 04:00:00 on.
fn place_with_log() -> Place {
    let place = Place::new();
    for (file, numbers) in [("app.log.2", 0..10), ("app.log.1", 10..20), ("app.log", 20..30)] {
        let records: String = numbers.map(record).collect();
        fs::write(place.path(file), records).unwrap();
    }
    place
}

fn record(number: usize) -> String {
    let (level, worker) = (LEVELS[number % 4], number % 3);
    let logger = if number.is_multiple_of(2) { "web" } else { "web.access" };
    let further = if number % 10 == 7 { "\tTraceback\n\t  at x\n" } else { "" };
    format!(
        "2026-11-22 04:00:{number:02},000 api-{worker}      {logger} {level:8} served it \
         number={number} path=\"/a b\"\n{further}"
    )
}

fn records(numbers: impl IntoIterator<Item = usize>) -> String {
    numbers.into_iter().map(record).collect()
}

fn tail(place: &Place, args: &[&str]) -> Command {
    let mut command = place.logboom(&[&["tail"], args].concat());
    command.env("TZ", "UTC").env_remove("PAGER").stdin(Stdio::null());
    command
}

#[track_caller]
fn printed(place: &Place, args: &[&str]) -> String {
    let output = tail(place, args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn check(place: &Place, args: &[&str], is_wanted: impl Fn(usize) -> bool) {
    let all = [args, &["app.log"]].concat();
    assert_eq!(printed(place, &all), records((0..30).filter(|n| is_wanted(*n))), "{args:?}");
}

#[test]
fn each_question_is_answered_from_all_files() {
    let place = place_with_log();
    check(&place, &["-n", "all"], |_| true);
    check(&place, &[], |n| n >= 20);
    check(&place, &["-n", "3"], |n| n >= 27);
    check(&place, &["-l", "warning"], |n| n % 4 >= 2);
    check(&place, &["-l", "40"], |n| n % 4 == 3);
    check(&place, &["-w", "api-1"], |n| n % 3 == 1);
    check(&place, &["-w", "api-1", "--worker", "api-2"], |n| n % 3 > 0);
    check(&place, &["-w", "api-*"], |_| true);
    check(&place, &["-t", "web"], |_| true);
    check(&place, &["-t", "web.access"], |n| n % 2 == 1);
    check(&place, &["-t", "we"], |_| false);
    check(&place, &["-F", "number=7"], |n| n == 7);
    check(&place, &["-F", "number!=7", "-F", "number~^.$"], |n| n < 10 && n != 7);
    check(&place, &["-F", "path=/a b", "-F", "worker=api-0"], |n| n % 3 == 0);
    check(&place, &["-g", "Trace.*k$"], |n| n % 10 == 7);
    check(&place, &["-g", "=3 ", "-g", "=4 "], |n| n == 3 || n == 4);
    check(&place, &["-v", "Traceback", "-v", "number=1"], |n| {
        n % 10 != 7 && n != 1 && !(10..20).contains(&n)
    });
    check(&place, &["-l", "error", "-n", "2"], |n| n == 23 || n == 27);
}

#[test]
fn ranges_of_time_are_named_in_many_ways() {
    let place = place_with_log();
    let date = "2026-11-22";
    check(&place, &["--since", "2026-11-22 04:00:25"], |n| n >= 25);
    check(&place, &["--until", "2026-11-22T04:00:05"], |n| n <= 5);
    let (since, until) = (format!("{date} 04:00:08"), format!("{date} 04:00:12.5"));
    check(&place, &["--since", &since, "--until", &until], |n| (8..=12).contains(&n));
    check(&place, &["--since", &since, "-n", "2"], |n| n >= 28);
    check(&place, &["--since", &since, "-l", "error"], |n| n >= 8 && n % 4 == 3);
    check(&place, &["--since", "2026-11-22T05:00:20+01:00"], |n| n >= 20);
    check(&place, &["--since", "2999-01-01"], |_| false);
    check(&place, &["--since", "-100000w"], |_| true);
    let berlin = ["tail", "--zone", "Europe/Berlin", "--since", "2026-11-22T03:00:20Z", "app.log"];
    if fs::exists("/usr/share/zoneinfo/Europe/Berlin").unwrap() {
        let output = place.run(&berlin);
        assert_eq!(String::from_utf8_lossy(&output.stdout), records(20..30));
    }
}

#[test]
fn records_around_those_that_are_found_are_printed_in_groups() {
    let place = place_with_log();
    let found = ["-F", "number~^(7|9|20)$"];
    let printed = |args: &[&str]| printed(&place, &[&found, args, &["app.log"]].concat());
    assert_eq!(printed(&["-C", "1"]), records(6..11) + "--\n" + &records(19..22));
    assert_eq!(printed(&["-A", "1"]), records(7..11) + "--\n" + &records(20..22));
    assert_eq!(printed(&["-B", "2"]), records(5..10) + "--\n" + &records(18..21));
    assert_eq!(printed(&["-C", "1", "-B", "0", "-n", "1"]), records(20..22));
    assert_eq!(printed(&["-B", "11", "-n", "1"]), records(9..21));
}

#[test]
fn a_record_that_is_cut_around_another_still_ends_its_line() {
    let place = place_with_log();
    let long = record(1).replace("served it", &"x".repeat(9 << 20));
    fs::write(place.path("long.log"), format!("{long}{}", record(2))).unwrap();
    let text = printed(&place, &["-F", "number=2", "-B", "1", "long.log"]);
    let (cut, rest) = text.split_once('\n').unwrap();
    assert!(cut.len() >= 8 << 20 && long.starts_with(cut));
    assert_eq!(rest, record(2));
}

#[test]
fn records_are_printed_in_the_form_that_is_asked_for() {
    let place = place_with_log();
    let printed = |form: &str| printed(&place, &["-F", "number=7", "-o", form, "app.log"]);
    assert_eq!(printed("raw"), record(7));
    assert_eq!(printed("text"), record(7));
    assert_eq!(
        printed("json"),
        concat!(
            r#"{"time":"2026-11-22T04:00:07.000000000Z","level":"ERROR","levelno":40,"#,
            r#""logger":"web.access","message":"served it number=7 path=\"/a b\"\nTraceback\n  at x","#,
            r#""worker":"api-1","pid":0,"lane":"0000000000000000","seq":0}"#,
            "\n"
        )
        .replace(r#" number=7 path=\"/a b\"\nTrace"#, r#"\nTrace"#)
        .replace(r#""pid":0,"#, r#""pid":0,"fields":{"number":7,"path":"/a b"},"#)
    );
    assert_eq!(
        printed("logfmt"),
        "time=2026-11-22T04:00:07.000000000Z level=ERROR logger=web.access \
         message=\"served it\\nTraceback\\n  at x\" worker=api-1 number=7 path=\"/a b\"\n"
    );
    assert_eq!(printed("%(levelname)s %(fields.number)s"), "ERROR 7\n");
}

#[test]
fn json_and_logfmt_are_asked_in_the_same_way_and_read_as_text() {
    let place = place_with_log();
    for form in ["json", "logfmt"] {
        let log = printed(&place, &["-n", "all", "-o", form, "app.log"]);
        let name = format!("{form}.log");
        fs::write(place.path(&name), &log).unwrap();
        let lines: Vec<_> = log.lines().collect();
        let found = printed(&place, &["-l", "error", "-F", "number!=7", &name]);
        let numbers = (0..30).filter(|n| n % 4 == 3 && *n != 7);
        let expected: String = numbers.map(|n| format!("{}\n", lines[n])).collect();
        assert_eq!(found, expected, "{form}");
        let text = printed(&place, &["-n", "all", "-o", "text", &name]);
        let all = printed(&place, &["-n", "all", "app.log"]);
        // The pattern prints fields behind the last line of a message.
        assert_eq!(text.lines().count(), all.lines().count(), "{form}");
        assert_eq!(text.lines().next(), all.lines().next(), "{form}");
    }
}

#[test]
fn logs_are_merged_by_time_also_from_directories_and_compressed_backups() {
    let place = place_with_log();
    let logs = place.path("logs");
    fs::create_dir(&logs).unwrap();
    let (even, odd): (Vec<_>, Vec<_>) = (0..30).partition(|n| n % 2 == 0);
    fs::write(logs.join("even.log"), records(even)).unwrap();
    fs::write(logs.join("odd.log.1"), records(odd)).unwrap();
    fs::write(logs.join("notes.txt"), "no log").unwrap();
    fs::write(logs.join(".even.log.lock"), "1\n").unwrap();
    assert_eq!(printed(&place, &["-n", "all", "logs"]), records(0..30));
    assert_eq!(printed(&place, &["-n", "5", "logs"]), records(25..30));
    assert_eq!(printed(&place, &["-l", "error", "-n", "2", "logs/even.log", "logs/odd.log"]), {
        records([23, 27])
    });
    symlink("even.log", logs.join("aside.log")).unwrap();
    for again in ["logs/../logs", "logs/odd.log.1", "logs/aside.log"] {
        assert_eq!(printed(&place, &["-n", "all", again, "logs"]), records(0..30), "{again}");
    }
    let twice: String = (20..30).map(|n| record(n).repeat(2)).collect();
    let since = ["--since", "2026-11-22 04:00:20", "logs", "app.log", "logs/odd.log"];
    assert_eq!(printed(&place, &since), twice);
}

#[test]
fn a_last_line_without_newline_is_a_line() {
    let place = place_with_log();
    let pattern = "%(asctime)s - %(levelname)s - %(message)s";
    for (form, args) in [
        ("raw", &["-o", "raw"][..]),
        ("raw", &["-o", "text", "-n", "1"]),
        ("raw", &["-o", "json", "-n", "1"]),
        ("raw", &["-o", "logfmt", "-n", "3"]),
        ("raw", &["-o", "%(message)s", "-l", "info", "-n", "1"]),
        ("json", &["-n", "1"]),
        ("json", &["-o", "text", "-n", "2"]),
        ("logfmt", &["-o", "json", "-n", "all"]),
        (pattern, &["-o", "logfmt", "-n", "1"]),
    ] {
        let log = printed(&place, &["-n", "all", "-o", form, "app.log"]);
        fs::write(place.path("whole.log"), &log).unwrap();
        fs::write(place.path("cut.log"), log.trim_end()).unwrap();
        let printed = |log| printed(&place, &[args, &[log]].concat());
        assert_eq!(printed("cut.log"), printed("whole.log"), "{form} {args:?}");
    }
    let cut = record(29);
    fs::write(place.path("app.log"), records(20..29) + cut.trim_end()).unwrap();
    check(&place, &["-F", "number=28", "-C", "2"], |n| n >= 26);
    check(&place, &["-F", "number=29", "-B", "2"], |n| n >= 27);
    check(&place, &["--since", "2026-11-22 04:00:29"], |n| n == 29);
    fs::write(place.path("late.log"), record(30).trim_end()).unwrap();
    let merged = printed(&place, &["-n", "3", "app.log", "late.log"]);
    assert_eq!(merged, records(28..31));
    let stats = place.run(&["stats", "--json", "app.log", "late.log"]);
    let stats: serde_json::Value = serde_json::from_slice(&stats.stdout).unwrap();
    assert_eq!(stats["records"], 31);
}

#[test]
fn text_without_any_newline_is_a_record() {
    let place = Place::new();
    fs::write(place.path("app.log"), "no newline").unwrap();
    assert_eq!(printed(&place, &["app.log"]), "no newline\n");
    assert_eq!(printed(&place, &["-n", "0", "app.log"]), "");
    fs::rename(place.path("app.log"), place.path("app.log.1")).unwrap();
    assert_eq!(printed(&place, &["app.log"]), "no newline\n");
    fs::write(place.path("app.log"), "current\nrest").unwrap();
    assert_eq!(printed(&place, &["app.log"]), "no newline\ncurrent\nrest\n");
}

#[track_caller]
fn check_refused(output: Output, code: i32, word: &str) {
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(output.stdout.is_empty() && errors.contains(word), "{errors}");
}

#[test]
fn what_cannot_be_asked_is_refused_with_advice() {
    let place = place_with_log();
    fs::write(place.path("foreign.log"), "some\ntext\n").unwrap();
    fs::create_dir(place.path("empty")).unwrap();
    for (args, code, word) in [
        (&["--since", "soon", "app.log"][..], 2, "write `04:48`"),
        (&["--zone", "Nowhere", "app.log"], 2, "no time zone"),
        (&["-F", "number", "app.log"], 2, "key=value"),
        (&["-g", "(", "app.log"], 2, "no regular expression"),
        (&["-C", "1001", "app.log"], 2, "1000"),
        (&["-n", "+3", "app.log"], 2, "without a sign"),
        (&["--until", "+2h", "app.log"], 2, "`-2h`"),
        (&["-o", "nonsense", "app.log"], 2, "`raw`"),
        (&["-l", "error", "foreign.log"], 78, "--format"),
        (&["--format", "json", "-l", "info", "app.log"], 78, "no line of"),
        (&["--format", "%(levelname)s: %(message)s", "-l", "info", "app.log"], 78, "no line of"),
        (&["--format", "%(levelname)s", "app.log"], 78, "%(message)s"),
        (&["--format", "%(asctime)s %(message)s", "-l", "info", "app.log"], 2, "`%(levelname)s`"),
        (
            &["--format", "%(levelname)s %(message)s", "--since", "-2h", "app.log"],
            2,
            "`%(asctime)s`",
        ),
        (&["--format", "%(name)s %(message)s", "-w", "api-1", "app.log"], 2, "`%(processName)s`"),
        (&["--format", "%(name)s %(message)s", "-F", "number=7", "app.log"], 2, "`%(fields)s`"),
        (&["--format", "%(message)s%(fields)s", "-t", "web", "app.log"], 2, "`%(name)s`"),
        (&["empty"], 74, "no log in"),
    ] {
        check_refused(tail(&place, args).output().unwrap(), code, word);
    }
    for form in ["json", "%(levelname)s: %(message)s"] {
        assert_eq!(printed(&place, &["--format", form, "-n", "1", "foreign.log"]), "text\n");
    }
    assert_eq!(printed(&place, &["-g", "t", "foreign.log"]), "text\n");
    assert_eq!(printed(&place, &["foreign.log"]), "some\ntext\n");
}

#[test]
fn a_log_that_cannot_be_asked_is_told_and_the_others_are_printed() {
    let place = place_with_log();
    fs::write(place.path("foreign.log"), "some\ntext\n").unwrap();
    fs::write(place.path("empty.log"), "").unwrap();
    for format in [&[][..], &["--format", "%(asctime)s %(name)s %(levelname)s %(message)s"]] {
        let asked = ["-l", "error", "foreign.log", "empty.log", "app.log"];
        let output = tail(&place, &[format, &asked].concat()).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{errors}");
        assert!(errors.lines().count() == 1 && errors.contains("foreign.log"), "{errors}");
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(found, records((0..30).filter(|n| n % 4 == 3)));
        assert_eq!(printed(&place, &[format, &["-l", "error", "empty.log"]].concat()), "");
    }
}

#[test]
fn a_named_form_may_begin_far_behind_text_of_none() {
    let place = Place::new();
    let line = "{\"time\":\"2026-11-22T04:00:00Z\",\"level\":\"ERROR\",\"message\":\"x\"}\n";
    fs::write(place.path("app.log"), "no such line\n".repeat(100_000) + line).unwrap();
    let asked = ["--format", "json", "-l", "error", "app.log"];
    assert_eq!(printed(&place, &asked), line);
    assert_eq!(printed(&place, &[&["-n", "1"], &asked[..]].concat()), line);
    fs::write(place.path("app.log"), line.to_owned() + &"no such line\n".repeat(5000)).unwrap();
    let text = printed(&place, &[&["-n", "1"], &asked[..]].concat());
    assert!(text.starts_with(line));
}
