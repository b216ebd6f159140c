//! `logboom listen`: the listener as a process of its own.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use logboom::handler::{Color, HandlerError, StreamHandler};
use logboom::receiver::{Door, DoorForm, DoorPlace};
use logboom::supervisor::SupervisorLink;
use logboom::{QueueListener, Reloader, Rotate};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};

use crate::doors::DoorOptions;
use crate::options::{
    ConfigOptions, ConfigServerOptions, LogOptions, OutputOptions, QueueOptions, complain,
};
use crate::screen::ScreenFormatter;
use crate::sockets::SocketOptions;
use crate::{exit, signals};

/// Receive the records of all workers of a queue and write them to one rotated file
#[derive(clap::Args)]
#[command(after_help = "Examples:
  logboom listen --log logs/app.log --max-bytes 100MB --backup-count 5
  logboom listen --queue jobs --format json
  logboom listen --logboom-socket ./central.sock --logboom-tcp 127.0.0.1:9021
  logboom listen --rotate-at midnight --backup-names date --keep-age 30d
  logboom listen --python-tcp 127.0.0.1:9020 --syslog-socket ./log.sock
  ./service 2>&1 | logboom listen --json-stdin --log logs/service.log
  logboom listen --route 'logs/{worker}.log' --route 'logs/by-level/{level}.log'

SIGUSR1 rotates the log files, as `logboom ctl rotate` does. SIGHUP loads the configuration again and
reopens log files that others have moved, as logrotate does; without it they are reopened within a second.")]
pub(crate) struct Args {
    #[command(flatten)]
    queue: QueueOptions,
    #[command(flatten)]
    log: LogOptions,
    #[command(flatten)]
    config: ConfigOptions,
    #[command(flatten)]
    config_server: ConfigServerOptions,
    #[command(flatten)]
    sockets: SocketOptions,
    #[command(flatten)]
    doors: DoorOptions,
    /// Take JSON objects, one on a line, from standard input; other lines become messages. Its end stops
    /// the listener
    #[arg(long, help_heading = "Records from other programs")]
    json_stdin: bool,
    /// Print every record to standard output as well
    #[arg(long)]
    console: bool,
    /// Print every record as `logboom run` shows it; these are its workers
    #[arg(long, value_name = "NAMES", value_delimiter = ',', hide = true)]
    screen: Option<Vec<String>>,
    /// How long a stop waits for workers and for the log file, in seconds [default: 5]
    #[arg(long, value_name = "SECONDS")]
    drain_timeout: Option<u32>,
    /// Standard input is the link to a supervisor; when it vanishes, its workers get this many
    /// seconds to end
    #[arg(long, value_name = "SECONDS", hide = true, conflicts_with = "json_stdin")]
    supervised: Option<u32>,
}

pub(crate) fn run(args: Args, output: &OutputOptions) -> anyhow::Result<ExitCode> {
    let (config_path, config) = args.config.load()?.unzip();
    let (queue, _) = args.queue.directory_and_source(config.as_ref())?;
    let mut builder = QueueListener::builder(queue.clone()).own_process().accept_configs();
    if let Some(config) = &config {
        builder = builder.config(config)?;
    }
    if args.log.log.is_some() {
        builder = builder.file(args.log.open(&queue)?);
    } else {
        let format = args.log.format.clone();
        builder = builder.fallback_file(args.log.builder(&queue), move || {
            format.formatter().map_err(HandlerError::other)
        });
    }
    for address in args.sockets.addresses() {
        builder = builder.socket(address);
    }
    for route in args.log.routes()? {
        builder = builder.route(route);
    }
    if let Some(sync) = args.log.sync {
        builder = builder.sync(sync);
    }
    if let Some(seconds) = args.drain_timeout {
        builder = builder.drain_timeout(Duration::from_secs(seconds.into()));
    }
    if args.log.force {
        builder = builder.force();
    }
    let color = output.handler_color(&std::io::stdout());
    if args.console {
        let console = StreamHandler::stdout(args.log.format.formatter()?).color(color);
        builder = builder.handler("console", console);
    }
    if let Some(workers) = &args.screen {
        // The formatter has colours of its own.
        let screen = StreamHandler::stdout(ScreenFormatter::new(workers, color)?);
        builder = builder.handler("screen", screen.color(Color::Never));
    }
    if let Some(level) = args.log.level {
        builder = builder.level("root", level);
    }
    for door in args.doors.doors()? {
        builder = builder.door(door);
    }
    if args.json_stdin {
        let door = Door::new(DoorForm::Json, DoorPlace::Stdin)?;
        builder = builder.door(args.doors.set(door));
    }
    let listener = builder.bind()?;
    let _servers = args.config_server.start(&listener.reloader())?;
    reload_on_hang_up(listener.reloader(), config_path)?;
    let rotate = listener.rotate_handle();
    let link = match args.supervised {
        None => {
            let stop = listener.stop_handle();
            on_signals(rotate, move || stop.request())?;
            None
        }
        Some(seconds) => {
            let stop_timeout = Duration::from_secs(seconds.into());
            let link = SupervisorLink::from_stdin(&listener, stop_timeout);
            // A signal that everybody gets is for the supervisor to act on: its workers still log.
            on_signals(rotate, || ())?;
            Some(link.context("cannot watch the link to the supervisor")?)
        }
    };
    let report = listener.run()?;
    match link {
        Some(link) => link.report(report),
        None => output.say(&report),
    }
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { exit::IO.into() })
}

/// Calls `act` on Ctrl-C and termination, and rotates on SIGUSR1. A write beyond a limit of the size of
/// files is an error like any other where its signal does not kill.
fn on_signals(rotate: Rotate, act: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let watched =
        signals::watch(&[SIGTERM, SIGINT, SIGUSR1, SIGXFSZ], move |signal| match signal {
            SIGTERM | SIGINT => act(),
            SIGUSR1 => rotate.request(),
            _ => {}
        });
    watched.context("cannot watch signals")
}

/// A hang-up lets the listener load its configuration again, and then reopen its log files, whatever
/// has become of that: it is also what logrotate sends. On a thread of its own, because a termination
/// must not wait for it.
fn reload_on_hang_up(reloader: Reloader, config: Option<PathBuf>) -> anyhow::Result<()> {
    let watched = signals::watch(&[SIGHUP], move |_| {
        if let Some(Err(error)) = config.as_ref().map(|path| reloader.load_file(path)) {
            complain(&format_args!("{:#}", anyhow::Error::from(error)));
        }
        if let Err(error) = reloader.reopen() {
            complain(&format_args!("{:#}", anyhow::Error::from(error)));
        }
    });
    watched.context("cannot watch signals")
}
