//! The `logboom` program: one file per command, each a thin layer over the library.

mod amounts;
mod aside;
mod bench;
mod completions;
mod config;
mod ctl;
mod ctl_workers;
mod demo;
mod doors;
mod examples;
mod exit;
mod help;
mod level;
mod listen;
mod log;
mod man;
mod options;
mod progress;
mod run;
mod run_status;
mod run_workers;
mod screen;
mod signals;
mod sockets;
mod stats;
mod status;
mod supervise;
mod table;
mod tail;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Merges the log records of many processes into one rotated file.
#[derive(Parser)]
#[command(
    name = "logboom",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  logboom demo                               see what it does
  logboom run -c api=./api -c jobs=./jobs    start programs; what they print and log is one log
  logboom listen --log logs/app.log          take the records of programs that link logboom
  logboom tail -f                            read the log while it is written

Exit codes: 0 well, 1 `ctl` started a worker that did not come up, 2 usage, 65 `verify` found damage
or a filtered log, 69 no listener or run, 73 queue or log held by another listener, or log left by it
in the middle of a write, 74 I/O error, records missing or unconfirmed, workers that did not answer in
time, 78 unusable configuration. `run` also has those of its workers."
)]
struct Cli {
    #[command(flatten)]
    output: options::OutputOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    #[command(hide = true)]
    DemoWorker,
    Run(run::Args),
    Listen(listen::Args),
    Log(log::Args),
    Tail(tail::Args),
    Stats(stats::Args),
    Config(config::Args),
    Ctl(ctl::Args),
    Verify(verify::Args),
    Bench(bench::Args),
    Completions(completions::Args),
    Man(man::Args),
    #[command(hide = true)]
    BenchProducer(bench::ProducerArgs),
}

fn command() -> clap::Command {
    help::unbroken(Cli::command())
}

fn main() -> ExitCode {
    let matches = command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    cli.output.apply();
    let outcome = match cli.command {
        Command::Demo(args) => demo::run(args, &cli.output),
        Command::DemoWorker => demo::work(),
        Command::Run(args) => run::run(args, &cli.output),
        Command::Listen(args) => listen::run(args, &cli.output),
        Command::Log(args) => log::run(args),
        Command::Tail(args) => tail::run(args, &cli.output),
        Command::Stats(args) => stats::run(args),
        Command::Config(args) => config::run(args, &cli.output),
        Command::Ctl(args) => ctl::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Bench(args) => bench::run(args, &cli.output),
        Command::Completions(args) => completions::run(&args, &command()),
        Command::Man(args) => man::run(&args, command()),
        Command::BenchProducer(args) => bench::work(args),
    };
    outcome.unwrap_or_else(|error| exit::report(&error))
}
