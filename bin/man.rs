//! `logboom man`: manual pages, from the definitions of the commands.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::exit;

/// Holds the place of a date in the title: what follows would be taken for it.
const NO_DATE: &str = "\"\"";

/// What a page is about.
const PROGRAM: &str = concat!("logboom ", env!("CARGO_PKG_VERSION"));

/// What the text behind the options of a command begins with.
const EXAMPLES: &str = "Examples:";

/// Print the manual page, or write those of all commands
#[derive(clap::Args)]
#[command(after_help = "Examples:
  logboom man | man -l -
  logboom man ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// Write a page for each command into this directory, which is made where there is none
    directory: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, mut command: Command) -> anyhow::Result<ExitCode> {
    command = command.disable_help_subcommand(true);
    command.build();
    match &args.directory {
        Some(directory) => {
            let cannot = || format!("cannot make the directory {}", directory.display());
            fs::create_dir_all(directory).with_context(cannot)?;
            write_pages(&command, directory)?;
        }
        None => {
            let (page, mut stdout) = (page(&command), io::stdout().lock());
            let printed = stdout.write_all(&page).and_then(|()| stdout.flush());
            exit::printed(printed).context("cannot print the page")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command, and those of all below it.
fn write_pages(command: &Command, directory: &Path) -> anyhow::Result<()> {
    let path = directory.join(Man::new(command.clone()).get_filename());
    fs::write(&path, page(command)).with_context(|| format!("cannot write {}", path.display()))?;
    let mut shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.try_for_each(|command| write_pages(command, directory))
}

fn page(command: &Command) -> Vec<u8> {
    let mut page = Vec::new();
    render(command, &mut page).expect("invariant: writing to memory does not fail");
    page
}

fn render(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone()).date(NO_DATE).source(PROGRAM).manual("Logboom Manual");
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if command.get_subcommands().any(|command| !command.is_hide_set()) {
        man.render_subcommands_section(page)?;
    }
    let further = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    further_sections(&further).to_writer(page)
}

/// The text behind the options: examples, as they stand there, then paragraphs, and lists as they stand.
fn further_sections(text: &str) -> Roff {
    let mut roff = Roff::new();
    let (examples, notes) = match text.strip_prefix(EXAMPLES) {
        Some(rest) => rest.split_once("\n\n").unwrap_or((rest, "")),
        None => ("", text),
    };
    for (title, text) in [("EXAMPLES", examples), ("NOTES", notes)] {
        if !text.is_empty() {
            roff.control("SH", [title]);
            text.split("\n\n").for_each(|paragraph| push_paragraph(paragraph, &mut roff));
        }
    }
    roff
}

fn push_paragraph(text: &str, roff: &mut Roff) {
    roff.control("PP", []);
    let mut is_list = false;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if line.starts_with(' ') != is_list {
            is_list = !is_list;
            roff.control(if is_list { "nf" } else { "fi" }, []);
        }
        roff.text([roman(line)]);
    }
    if is_list {
        roff.control("fi", []);
    }
}
