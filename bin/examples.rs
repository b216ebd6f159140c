//! Each command shows how it is used, and what it shows is understood.
#![cfg(test)]
#![allow(clippy::unwrap_used)]

use std::process::Command as Process;

use clap::{Command, CommandFactory, Parser};

use crate::Cli;

/// All commands that are shown, with those below them.
fn shown(command: &Command) -> Vec<Command> {
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    let below = below.filter(|command| command.get_name() != "help").flat_map(shown);
    [command.clone()].into_iter().chain(below).collect()
}

/// The lines below `Examples:`, without what is said about them.
fn examples(command: &Command) -> Vec<String> {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = text.lines().skip_while(|line| *line != "Examples:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    lines.map(|line| line.trim().split("   ").next().unwrap_or_default().to_owned()).collect()
}

/// The arguments of `logboom` in a line for a shell.
fn arguments(line: &str) -> Vec<String> {
    let start = line.find("logboom ").unwrap_or_default();
    let ends = [" | ", " || ", " >"].iter().filter_map(|end| line[start..].find(end));
    let command = &line[start..start + ends.min().unwrap_or(line.len() - start)];
    let script = format!("logboom() {{ printf '%s\\0' logboom \"$@\"; }}\n{command}");
    let printed = Process::new("sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn each_command_has_examples_and_they_are_understood() {
    let mut command = Cli::command();
    command.build();
    for command in shown(&command) {
        let name = command.get_name();
        let examples = examples(&command);
        assert!(!examples.is_empty(), "{name} has no examples");
        for line in examples {
            assert!(line.contains(name), "{name}: {line}");
            let parsed = Cli::try_parse_from(arguments(&line)).map(drop);
            parsed.unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}
