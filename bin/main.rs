//! The `logboom` program.

mod tail;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "logboom")]
enum Cli {
    Tail(tail::Args),
}

fn main() -> ExitCode {
    let Cli::Tail(args) = Cli::parse();
    tail::run(args).unwrap_or_else(|error| {
        eprintln!("logboom: {error:#}");
        ExitCode::from(74)
    })
}
