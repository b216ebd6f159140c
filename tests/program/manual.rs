//! `logboom completions` and `logboom man`: what they print is what shells and `man` take.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::process::{Command, Output, Stdio};

use support::Place;

const COMMANDS: &str = "bench completions config ctl demo listen log man run stats tail verify";

fn text(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What bash offers behind the words of a command line, the last of which is begun; none where there is no
/// bash.
fn offered(completions: &str, words: &[&str]) -> Option<String> {
    let script = "eval \"$1\"; shift; complete -p logboom >&2; COMP_WORDS=(\"$@\"); \
                  COMP_CWORD=$(($# - 1)); _logboom logboom \"${*: -1}\" \"${*: -2:1}\"; \
                  printf '%s ' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", script, "bash", completions]).args(words);
    let Ok(output) = bash.output() else {
        eprintln!("skipped: there is no bash");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("complete ") && said.contains(" -F _logboom logboom\n"), "{said}");
    Some(text(output))
}

#[test]
fn bash_completes_commands_flags_and_words_but_none_that_are_hidden() {
    let place = Place::new();
    let completions = text(place.run(&["completions", "bash"]));
    let Some(commands) = offered(&completions, &["logboom", ""]) else { return };
    for command in COMMANDS.split(' ') {
        assert!(commands.split(' ').any(|offered| offered == command), "{command}: {commands}");
    }
    assert!(!commands.contains("demo-worker") && !commands.contains("bench-producer"));
    let flags = offered(&completions, &["logboom", "listen", "--s"]).unwrap();
    assert!(flags.contains("--sync ") && !flags.contains("--supervised"), "{flags}");
    for (flag, words) in [
        ("--compress", "zstd gzip"),
        ("--backup-names", "number date unique"),
        ("--at-disk-limit", "hold-back delete-oldest"),
    ] {
        let offered = offered(&completions, &["logboom", "listen", flag, ""]).unwrap();
        assert_eq!(offered.trim(), words, "{flag}");
    }
    let requests = offered(&completions, &["logboom", "ctl", "sta"]).unwrap();
    assert_eq!(requests.trim(), "status start");
}

#[test]
fn each_shell_has_its_completions() {
    let place = Place::new();
    for (shell, expected) in [
        ("zsh", "#compdef logboom"),
        ("fish", "complete -c logboom"),
        ("elvish", "edit:completion:arg-completer[logboom]"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let completions = text(place.run(&["completions", shell]));
        assert!(completions.contains(expected), "{shell}: {completions}");
    }
    assert_eq!(place.run(&["completions", "ksh"]).status.code(), Some(2));
}

#[test]
fn there_is_a_page_for_each_command_and_man_has_nothing_against_it() {
    let place = Place::new();
    text(place.run(&["man", "share/man1"]));
    let pages = fs::read_dir(place.path("share/man1")).unwrap();
    let mut names: Vec<_> =
        pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    for command in COMMANDS.split(' ').chain(["ctl-status", "ctl-config-push", "config-check"]) {
        assert!(names.contains(&format!("logboom-{command}.1")), "{command}: {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("help") || name.contains("producer")));
    let main = fs::read_to_string(place.path("share/man1/logboom.1")).unwrap();
    assert_eq!(main, text(place.run(&["man"])));
    let program = concat!("logboom ", env!("CARGO_PKG_VERSION"));
    let title = format!(".TH logboom 1 \"\" \"{program}\" \"Logboom Manual\"\n");
    assert!(main.contains(&title), "{main}");
    for name in names {
        let mut man = Command::new("man");
        man.args(["--warnings=all", "-E", "UTF-8", "-l"]).arg(place.path("share/man1").join(&name));
        let Ok(output) = man.env("MANWIDTH", "80").output() else {
            eprintln!("skipped: there is no man");
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let page = text(output);
        assert!(page.contains("EXAMPLES") && said.is_empty(), "{name}: {said}");
    }
}

#[test]
fn what_cannot_be_written_is_told_in_one_line() {
    let place = Place::new();
    fs::write(place.path("file"), "").unwrap();
    let told = |output: Output| {
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(output.status.code(), Some(74), "{said}");
        said
    };
    for args in [&["completions", "bash"][..], &["man"]] {
        let mut command = place.logboom(args);
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        assert!(told(command.output().unwrap()).starts_with("logboom: cannot print the "));
    }
    let said = told(place.run(&["man", "file/man1"]));
    assert!(said.starts_with("logboom: cannot make the directory file/man1: "), "{said}");
    fs::create_dir_all(place.path("taken/logboom.1")).unwrap();
    let said = told(place.run(&["man", "taken"]));
    assert!(said.starts_with("logboom: cannot write taken/logboom.1: "), "{said}");
}

#[test]
fn a_reader_that_goes_is_no_failure() {
    let place = Place::new();
    for args in [&["completions", "bash"][..], &["man"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = place.logboom(args).stdout(Stdio::from(writer)).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
    }
}
