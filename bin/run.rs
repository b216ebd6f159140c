//! `logboom run`: the supervisor of a listener and its workers.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::error::ErrorKind;
use logboom::supervisor::{Outcome, Supervisor, WorkerCommand};
use logboom::{Certainty, Context, Level, QueueDir};

use crate::doors::DoorOptions;
use crate::options::{
    ConfigOptions, ConfigServerOptions, LogOptions, OutputOptions, QueueOptions, complain,
};
use crate::sockets::SocketOptions;
use crate::{exit, supervise};

/// How long the reason of the end may take into the log.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

const DETAILS: &str = "\
Examples:
  logboom run -c api='./api --port 8000' -c jobs='./jobs.sh'
  logboom run --log logs/app.log --max-bytes 100MB -- python3 -m http.server
  logboom run -q -c a='make test' -c b='make lint' || echo one of them failed

What workers print becomes records: of the logger `stdout`, level INFO, and of `stderr`, level
WARNING. Their standard input is /dev/null. LOGBOOM_QUEUE and LOGBOOM_WORKER tell those that use
logboom themselves where to log, and under which name.

LOGBOOM_CONTEXT hands on to all of them and to their children what --context says, what `run` has
inherited itself, and a run_id, random unless given. It is part of each record: see it with
--format json, or in a pattern with %(context)s. Text that looks like a number, or has a comma, a
quote or a backslash, stands in quotes: --context 'note=\"a, b\"'.

The first worker that fails ends the others, and its exit code is that of `run` (128+N for signal N,
127 not found, 126 not executable). Ctrl-C, SIGTERM and SIGHUP end all, with code 0 when all records
are written; the second one kills. What a worker leaves behind in its process group ends with it.";

/// Start a listener and workers, and log what they print
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub(crate) struct Args {
    /// A worker: its name and a command for /bin/sh; may be repeated
    #[arg(short = 'c', value_name = "NAME=CMD", value_parser = parse_shell)]
    #[arg(required_unless_present = "command")]
    shells: Vec<Shell>,
    /// One more worker, started without a shell and named after the file of its program
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
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
    /// How long workers may take to end before they are killed, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    stop_timeout: u32,
}

#[derive(Clone, Debug)]
struct Shell {
    name: String,
    script: String,
}

pub(crate) fn run(args: Args, output: &OutputOptions) -> anyhow::Result<ExitCode> {
    let workers = args.workers()?;
    let (path, config) = args.config.load()?.unzip();
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
        listener.arg("--console");
    }
    let stop_timeout = Duration::from_secs(args.stop_timeout.into());
    let mut supervisor = Supervisor::new(queue.clone(), listener, stop_timeout, supervise::tell);
    args.context.iter().for_each(|context| supervisor.add_context(context));
    supervise::forward_signals(supervisor.interrupter())?;
    let outcome = match supervisor.run(workers) {
        Ok(outcome) => outcome,
        Err(error) => return supervise::not_started(error),
    };
    record(&queue, &outcome, supervisor.context());
    let stopped = supervisor.stop();
    let missing = match &stopped {
        Ok(report) => {
            report_end(&outcome, &supervise::totals(report), output);
            !report.is_complete() || !outcome.written
        }
        Err(error) => {
            report_end(&outcome, error, output);
            true
        }
    };
    Ok(match outcome.exit_code() {
        0 if missing => exit::IO.into(),
        code => code.into(),
    })
}

impl Args {
    fn workers(&self) -> anyhow::Result<Vec<WorkerCommand>> {
        let mut workers = Vec::new();
        for Shell { name, script } in &self.shells {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(script);
            workers.push(WorkerCommand::new(name, command)?);
        }
        if let [program, args @ ..] = &*self.command {
            let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
            let mut command = Command::new(program);
            command.args(args);
            let worker = WorkerCommand::new(&name, command).map_err(|error| {
                usage(&format!("{error}, as in: -c NAME='exec {}'", program.display()))
            })?;
            workers.push(worker);
        }
        let mut names = HashSet::new();
        match workers.iter().find(|worker| !names.insert(worker.name())) {
            Some(twice) => {
                Err(usage(&format!("two workers have the name `{}`", twice.name())).into())
            }
            None => Ok(workers),
        }
    }
}

fn parse_shell(text: &str) -> Result<Shell, String> {
    let (name, script) = text.split_once('=').ok_or("write it like -c api='./api --port 80'")?;
    WorkerCommand::new(name, Command::new("/bin/sh")).map_err(|error| error.to_string())?;
    Ok(Shell { name: name.to_owned(), script: script.to_owned() })
}

fn usage(message: &str) -> clap::Error {
    let mut command = <Args as clap::Args>::augment_args(clap::Command::new("logboom run"));
    command.error(ErrorKind::ValueValidation, message)
}

fn report_end(outcome: &Outcome, totals: &impl std::fmt::Display, output: &OutputOptions) {
    let line = format_args!("{outcome}; {totals}");
    if outcome.is_failure() { complain(&line) } else { output.say(&line) }
}

/// Says in the log why it ends. Without a listener the line on standard error has to do.
fn record(queue: &QueueDir, outcome: &Outcome, context: &Context) {
    let builder = logboom::builder().queue(queue.clone()).name("run").context(context);
    if let Ok(handler) = builder.pinned_filter("trace").attach() {
        let level = if outcome.is_failure() { Level::ERROR } else { Level::INFO };
        handler.relay(level, "logboom", &outcome.to_string());
        let _pending = handler.flush(Certainty::Written, FLUSH_TIMEOUT);
    }
}
