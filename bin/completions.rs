//! `logboom completions`: what shells complete, from the definitions of the commands.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Command;
use clap_complete::Shell;

use crate::exit;

/// Print what a shell completes
#[derive(clap::Args)]
#[command(after_help = "Examples:
  logboom completions bash >~/.local/share/bash-completion/completions/logboom
  logboom completions zsh >~/.zfunc/_logboom
  logboom completions fish >~/.config/fish/completions/logboom.fish

zsh looks into the directories of its `fpath`. elvish and powershell take it in their rc.elv and profile.")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, command: &Command) -> anyhow::Result<ExitCode> {
    let (mut command, mut text) = (without_hidden(command), Vec::new());
    clap_complete::generate(args.shell, &mut command, command_name(), &mut text);
    let mut stdout = io::stdout().lock();
    let printed = stdout.write_all(&text).and_then(|()| stdout.flush());
    exit::printed(printed).context("cannot print the completions")?;
    Ok(ExitCode::SUCCESS)
}

fn command_name() -> &'static str {
    env!("CARGO_BIN_NAME")
}

/// The same commands without those that are for this program itself: shells would offer them.
fn without_hidden(command: &Command) -> Command {
    let args = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .args(args)
        .subcommands(commands.map(without_hidden))
}
