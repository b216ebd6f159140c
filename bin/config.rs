//! `logboom config`: look at a configuration without using it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use logboom::config::Config;

use crate::exit;
use crate::options::{ConfigOptions, OutputOptions, QueueOptions};

/// Every setting with its default; each line is a comment or is one behind its first sign.
const SAMPLE: &str = include_str!("config/logboom.toml");

/// Check a configuration, show what it comes to, or begin one
#[derive(clap::Args)]
#[command(after_help = "Examples:
  logboom config sample >logboom.toml
  logboom config check logboom.toml
  logboom config show dict.json

A configuration has the schema of Python's logging.config.dictConfig, in TOML, or in JSON where its
name ends so, and the tables `levels` (names of one's own), `queue` (name or directory) and `listener`
(sync, drain_timeout, doors). Where its name ends in .ini, .conf or .cfg, it has the form of fileConfig,
with literal arguments only.")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Print a configuration with every setting and its default, all of them commented out
    #[command(after_help = "Examples:
  logboom config sample >logboom.toml")]
    Sample,
    /// Say what is wrong with a configuration, if anything; nothing is opened
    #[command(after_help = "Examples:
  logboom config check logboom.toml")]
    Check {
        /// The configuration
        file: PathBuf,
    },
    /// Print all values that are in effect, and where each is from
    #[command(after_help = "Examples:
  logboom config show
  logboom config show dict.json | grep -v default")]
    Show {
        /// The configuration [default: LOGBOOM_CONFIG, else ./logboom.toml]
        file: Option<PathBuf>,
        #[command(flatten)]
        queue: QueueOptions,
    },
}

pub(crate) fn run(args: Args, output: &OutputOptions) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Check { file } => {
            Config::read(&file)?;
            output.say(&format_args!("{} can be used", file.display()));
        }
        Action::Show { file, queue } => show(file, &queue)?,
        Action::Sample => print(SAMPLE)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(file: Option<PathBuf>, queue: &QueueOptions) -> anyhow::Result<()> {
    let Some((path, config)) = ConfigOptions::named(file).load()? else {
        bail!("there is no ./logboom.toml: name a configuration");
    };
    let mut lines = vec![queue_line(queue, &config, &path)?];
    lines.extend(config.settings().into_iter().map(|setting| {
        let source = setting.source.as_deref().unwrap_or("default");
        format!("{} = {}  # {source}", setting.key, setting.value)
    }));
    let mut text = lines.join("\n");
    text.push('\n');
    print(&text)
}

fn print(text: &str) -> anyhow::Result<()> {
    exit::printed(std::io::stdout().write_all(text.as_bytes())).context("cannot print")
}

fn queue_line(queue: &QueueOptions, config: &Config, path: &Path) -> anyhow::Result<String> {
    let (directory, source) = queue.directory_and_source(Some(config))?;
    let source = source.map_or_else(|| path.display().to_string(), str::to_owned);
    Ok(format!("queue.directory = {:?}  # {source}", directory.path()))
}
