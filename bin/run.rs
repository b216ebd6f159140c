//! `logboom run`: the supervisor of a listener and its workers.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use logboom::handler::Color;
use logboom::supervisor::{DEFAULT_STOP_TIMEOUT, OnExit, Outcome, Supervisor, WorkerCommand};
use logboom::{Certainty, Context, Level, QueueDir};

use crate::aside::{Aside, Voice};
use crate::doors::DoorOptions;
use crate::options::{ConfigOptions, ConfigServerOptions, LogOptions, OutputOptions, QueueOptions};
use crate::run_workers::WorkerOptions;
use crate::screen::ScreenForm;
use crate::sockets::SocketOptions;
use crate::{exit, supervise};

/// How long the reason of the end may take into the log, where that takes what is written to it.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

const DETAILS: &str = "\
Examples:
  logboom run                                    the workers of logboom.toml, else of ./Procfile
  logboom run -f Procfile -m web=3,worker=2
  logboom run -c api='./api --port 8000' -c jobs='./jobs.sh'
  logboom run --log logs/app.log --max-bytes 100MB -- python3 -m http.server
  logboom run -q -c a='make test' -c b='make lint' || echo one of them failed

Of the places where workers are described the first that is used counts: -f, -c and -- together, then
[workers] of the configuration, then ./Procfile. A Procfile has a line `NAME: COMMAND` for each; its
workers get PORT as Foreman gives it, and the variables of ./.env where that exists. [workers.NAME] of a
configuration has
  command, count, environment, env_file, directory
  pty              true, as --pty; capture: auto or lines, as --capture
  after            names of workers that have to be ready before
  ready            { log = 'REGEX' }, { command = 'CMD' }, { tcp = '127.0.0.1:5432' } or { exit = true }
                   (it exits 0); with timeout = SECONDS, else 60
  restart          no, on-failure or always; after a pause of 100 ms, doubled each time, 10 s at most
  max_restarts     how often in a row, else 10; a life of a minute that got ready begins it anew
  stop_signal, stop_timeout
Workers end in the reverse of that order, the listener last.

Each record is shown as TIME WORKER | TEXT, in the colour of its worker, from WARNING on in that of
its level; plain where standard output is no terminal, with NO_COLOR and with --color never. What a
terminal misses that stands still is counted; the log has it.

What workers print becomes records: of the logger `stdout`, level INFO, and of `stderr`, level
WARNING. A line that is one JSON object with a message (`message` or `msg`; with a time or a level also
`event`) is lifted: its time, level, logger, exception and the like are those of the record, all else
its fields, beside the field stream=stdout or stderr. A traceback of Python or Java, or a panic of Rust,
is one record of level ERROR, with all its lines as exception; a line that may begin one waits a second
for the next. Any other line, and each with --capture lines, is the message of a record. Escape
sequences of terminals, such as colours, are left out of the log; a coloured screen shows the colours.

Their standard input is /dev/null. LOGBOOM_QUEUE and LOGBOOM_WORKER tell those that use
logboom themselves where to log, and under which name.

LOGBOOM_CONTEXT hands on to all of them and to their children what --context says, what `run` has
inherited itself, and a run_id, random unless given. It is part of each record: see it with
--format json, or in a pattern with %(context)s. Text that looks like a number, or has a comma, a
quote or a backslash, stands in quotes: --context 'note=\"a, b\"'.

The exit code is that of the first worker that failed by itself (128+N for signal N, 127 not found, 126
not executable, 1 not ready in time). Ctrl-C, SIGTERM, SIGHUP and `logboom ctl stop` end all, with code 0
when all records are written. A second signal kills the workers, and all ends within seconds: what a
full disk does not take by then waits in the queue for the next listener (74). SIGUSR1 rotates the log.
What a worker leaves behind in its process group ends with it, what has left its group with the last
worker.";

/// Start a listener and workers, and log what they print
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub(crate) struct Args {
    #[command(flatten)]
    workers: WorkerOptions,
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
    /// A field that goes with every record of this run, such as `build=17`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<Context>,
    /// What the end of a worker is to the others
    #[arg(long, value_name = "WHAT", default_value = "fail-fast")]
    on_exit: OnExitFlag,
    /// What is printed of each record; -q for nothing
    #[arg(long, value_name = "FORM", default_value = "short")]
    screen: ScreenForm,
    /// How long workers may take to end before they are killed, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_STOP_TIMEOUT.as_secs() as u32)]
    stop_timeout: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnExitFlag {
    /// The first that fails ends all
    FailFast,
    /// The first that ends, in whichever way, ends all
    Any,
    /// The others go on
    Keep,
}

impl From<OnExitFlag> for OnExit {
    fn from(flag: OnExitFlag) -> OnExit {
        match flag {
            OnExitFlag::FailFast => OnExit::FailFast,
            OnExitFlag::Any => OnExit::Any,
            OnExitFlag::Keep => OnExit::Keep,
        }
    }
}

pub(crate) fn run(args: Args, output: &OutputOptions) -> anyhow::Result<ExitCode> {
    let (path, config) = args.config.load()?.unzip();
    let workers = args.workers.commands(config.as_ref())?;
    supervise::make_room(workers.len())?;
    let (queue, _) = args.queue.directory_and_source(config.as_ref())?;
    let has_handlers = config.is_some_and(|config| config.has_handlers());
    let log = (args.log.log.is_some() || !has_handlers).then(|| args.log.path(&queue));
    let mut listener =
        supervise::listener(&queue, log.as_deref(), &args.log, path.as_deref(), output)?;
    listener.arg(format!("--supervised={}", args.stop_timeout));
    listener.args(args.config_server.flags());
    listener.args(args.sockets.flags());
    args.doors.doors()?;
    listener.args(args.doors.flags());
    if output.shows_records() {
        listener.arg(args.screen.flag(workers.iter().map(WorkerCommand::name)));
    }
    let stop_timeout = Duration::from_secs(args.stop_timeout.into());
    let aside = Aside::start().context("cannot start a thread")?;
    let tell = supervise::told_by(aside.voice());
    let mut supervisor = Supervisor::new(queue.clone(), listener, stop_timeout, tell);
    supervisor.on_exit(args.on_exit.into());
    supervisor.adopt_orphans();
    if args.screen == ScreenForm::Short && output.shows_records() && is_coloured(output) {
        supervisor.keep_styles();
    }
    args.context.iter().for_each(|context| supervisor.add_context(context));
    supervise::forward_signals(&supervisor)?;
    let outcome = match supervisor.run(workers) {
        Ok(outcome) => outcome,
        Err(error) => {
            drop(supervisor);
            aside.finish();
            return supervise::not_started(error);
        }
    };
    record(&queue, &outcome, supervisor.context());
    let stopped = supervisor.stop();
    let missing = match &stopped {
        Ok(report) => {
            report_end(&outcome, &supervise::totals(report), output, &aside.voice());
            !report.is_complete() || !outcome.written
        }
        Err(error) => {
            report_end(&outcome, error, output, &aside.voice());
            true
        }
    };
    aside.finish();
    Ok(match outcome.exit_code() {
        0 if missing => exit::IO.into(),
        code => code.into(),
    })
}

/// Whether the screen has colours, as its listener finds too.
fn is_coloured(output: &OutputOptions) -> bool {
    output.handler_color(&std::io::stdout()) == Color::Always
}

fn report_end(outcome: &Outcome, totals: &impl Display, output: &OutputOptions, to: &Voice) {
    if outcome.is_failure() || output.shows_records() {
        to.say(&format_args!("{outcome}; {totals}"));
    }
}

/// Says in the log why it ends. Without a listener the line on standard error has to do.
fn record(queue: &QueueDir, outcome: &Outcome, context: &Context) {
    let builder = logboom::builder().queue(queue.clone()).name("run").context(context);
    if let Ok(handler) = builder.pinned_filter("trace").attach() {
        let level = if outcome.is_failure() { Level::ERROR } else { Level::INFO };
        handler.relay(level, "logboom", &outcome.to_string());
        let timeout = if outcome.written { FLUSH_TIMEOUT } else { Duration::ZERO };
        let _pending = handler.flush(Certainty::Written, timeout);
    }
}
