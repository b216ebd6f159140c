//! Changes to commands before they are started.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Lets a command's process run under another soft limit of open files.
pub fn with_descriptor_limit(command: &Command, soft: u32) -> Command {
    with_limit(command, &format!("-Sn {soft}"))
}

/// Lets a command's process run under another limit of open files, soft and hard.
pub fn with_hard_descriptor_limit(command: &Command, hard: u32) -> Command {
    with_limit(command, &format!("-n {hard}"))
}

/// Lets a command's process run under a limit, as `ulimit` takes it.
pub fn with_limit(command: &Command, limit: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("ulimit {limit} && exec \"$@\""))
        .arg("sh")
        .arg(command.get_program());
    shell.args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Lets a worker take the Channel transport.
pub fn by_channel(command: &mut Command) {
    command.env("LOGBOOM_TRANSPORT", "channel");
}

/// Copies a program. By another process: a child that another test starts in the middle of a copy of
/// ours would hold the file open for writing, and then it cannot be executed.
pub fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// Lets a command run as an unprivileged user when the test is root.
pub fn unprivileged(command: &mut Command) {
    if nix::unistd::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
}
