//! `logboom verify`: prove a log whole.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use logboom::verify::{Form, verify_with};

use crate::exit;
use crate::options::{self, Format};
use crate::progress::Progress;

/// Prove an unfiltered log whole: nothing missing, doubled, out of order or torn
#[derive(clap::Args)]
#[command(after_help = "Examples:
  logboom verify logs/app.log
  logboom verify --format '%(lane)s %(seq)s %(name)s %(message)s' logs/app.log

Reads the backups too, oldest first. Exit codes: 0 whole, 65 damaged or filtered, 74 unreadable file,
78 lines without lane and sequence number.")]
pub(crate) struct Args {
    /// The current file of the log
    path: PathBuf,
    /// Form of its lines: `json`, or the pattern they were logged with [default: json if they are]
    #[arg(long, value_name = "FORM", value_parser = parse_form)]
    format: Option<Form>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut progress = Progress::new();
    let report = verify_with(args.path, &args.format.unwrap_or_default(), |bytes| {
        if progress.is_due() {
            progress.tell(bytes.read, bytes.total);
        }
    });
    drop(progress);
    let report = report?;
    let text = if args.json { serde_json::to_string(&report)? } else { report.to_string() };
    exit::printed(writeln!(anstream::stdout(), "{text}")).context("cannot print the report")?;
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { exit::DAMAGED.into() })
}

fn parse_form(text: &str) -> Result<Form, String> {
    match options::parse_format(text)? {
        Format::Json => Ok(Form::Json),
        Format::Pattern(pattern) => Ok(Form::Pattern(pattern)),
        Format::Logfmt => {
            Err("lines of logfmt do not tell their lane: log with `json` or a pattern".to_owned())
        }
    }
}
