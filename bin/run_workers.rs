//! Which workers `logboom run` starts: by flags, configuration or Procfile.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::error::ErrorKind;
use logboom::config::Config;
use logboom::supervisor::{FormationError, WorkerCommand, formation, read_env_file, read_procfile};
use logboom::worker_settings::{CaptureMode, MAX_COUNT, WorkerSettings};

/// The Procfile, and the file of its variables, where nobody names one.
const DEFAULT_PROCFILE: &str = "Procfile";
const DEFAULT_ENV_FILE: &str = ".env";

/// What the first worker of a Procfile gets as its PORT, and how far the others are apart, as in
/// Foreman.
const DEFAULT_PORT: u16 = 5000;
const PORT_STEP: u16 = 100;

/// A count of this name is for all workers.
const ALL: &str = "all";

const PORT: &str = "PORT";

/// Which workers.
#[derive(clap::Args)]
pub(crate) struct WorkerOptions {
    /// Start the workers of this Procfile
    #[arg(short = 'f', long, value_name = "FILE")]
    procfile: Option<PathBuf>,
    /// A worker: its name and a command for /bin/sh; may be repeated
    #[arg(short = 'c', value_name = "NAME=CMD", value_parser = parse_shell)]
    shells: Vec<(String, WorkerSettings)>,
    /// How many processes of a worker, such as web=3,job=0; NAME-1, NAME-2, … are their names; `all`
    /// means every worker that is not named
    #[arg(short = 'm', long, value_name = "NAME=N", value_delimiter = ',', value_parser = parse_count)]
    count: Vec<(String, u16)>,
    /// A file with environment variables for all workers; may be repeated, the last value counts
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// PORT of the first worker of a Procfile; the next has 100 more [default: PORT, else 5000]
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// What the output of the workers becomes: `auto`, where a JSON object with a message is lifted into
    /// a record and a traceback is one record, or `lines`, where each line is a record as it is [default:
    /// what the configuration says of the worker, else auto]
    #[arg(long, value_name = "MODE")]
    capture: Option<CaptureMode>,
    /// Let the workers print to pseudo-terminals, as programs then write each line at once
    #[arg(long)]
    pty: bool,
    /// One more worker, started without a shell and named after the file of its program
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl WorkerOptions {
    /// What to start.
    pub(crate) fn commands(&self, config: Option<&Config>) -> anyhow::Result<Vec<WorkerCommand>> {
        let (mut workers, is_procfile) = self.settings(config)?;
        self.set_counts(&mut workers)?;
        let variables = self.variables(is_procfile)?;
        if is_procfile {
            set_ports(&mut workers, self.first_port(&variables)?)?;
        }
        for (_, settings) in &mut workers {
            // Those of the worker itself come last and so count.
            let own = std::mem::take(&mut settings.environment);
            settings.environment = variables.iter().cloned().chain(own).collect();
            settings.pty |= self.pty;
            settings.capture = self.capture.unwrap_or(settings.capture);
        }
        let mut commands = formation(&workers).map_err(|error| match error {
            FormationError::File(error) => anyhow::Error::from(error),
            error => usage(&error.to_string()).into(),
        })?;
        if let Some(command) = self.plain_command(variables)? {
            if commands.iter().any(|known| known.name() == command.name()) {
                let error = FormationError::Twice(command.name().to_owned());
                return Err(usage(&error.to_string()).into());
            }
            commands.push(command);
        }
        Ok(commands)
    }

    /// The workers by name, and whether they are those of a Procfile.
    fn settings(
        &self,
        config: Option<&Config>,
    ) -> anyhow::Result<(Vec<(String, WorkerSettings)>, bool)> {
        if let Some(path) = &self.procfile {
            let mut workers = read_procfile(path)?;
            workers.extend(self.shells.iter().cloned());
            return Ok((workers, true));
        }
        if !self.shells.is_empty() || !self.command.is_empty() {
            return Ok((self.shells.clone(), false));
        }
        if let Some(config) = config.filter(|config| !config.workers().is_empty()) {
            return Ok((config.workers().to_vec(), false));
        }
        if Path::new(DEFAULT_PROCFILE).exists() {
            return Ok((read_procfile(Path::new(DEFAULT_PROCFILE))?, true));
        }
        let advice = "there is nothing to run: name a command with -c or --, or write a Procfile";
        Err(usage(advice).into())
    }

    fn set_counts(&self, workers: &mut [(String, WorkerSettings)]) -> anyhow::Result<()> {
        for (_, count) in self.count.iter().filter(|(name, _)| name == ALL) {
            workers.iter_mut().for_each(|(_, settings)| settings.count = *count);
        }
        for (name, count) in self.count.iter().filter(|(name, _)| name != ALL) {
            let found = workers.iter_mut().find(|(known, _)| known == name);
            let missing = || usage(&format!("there is no worker `{name}` to count"));
            found.ok_or_else(missing)?.1.count = *count;
        }
        Ok(())
    }

    /// What files say for all workers.
    fn variables(&self, is_procfile: bool) -> anyhow::Result<Vec<(String, String)>> {
        let mut files = self.env_file.clone();
        if files.is_empty() && is_procfile && Path::new(DEFAULT_ENV_FILE).exists() {
            files.push(DEFAULT_ENV_FILE.into());
        }
        let read = files.iter().map(|path| read_env_file(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(read.concat())
    }

    fn first_port(&self, variables: &[(String, String)]) -> anyhow::Result<u16> {
        if let Some(port) = self.port {
            return Ok(port);
        }
        let of_file = variables.iter().rev().find(|(name, _)| name == PORT);
        let text = of_file.map(|(_, value)| value.clone()).or_else(|| std::env::var(PORT).ok());
        let Some(text) = text else { return Ok(DEFAULT_PORT) };
        let problem = || usage(&format!("{PORT} is `{text}`, which is no port: use -p"));
        Ok(text.parse().map_err(|_| problem())?)
    }

    fn plain_command(
        &self,
        variables: Vec<(String, String)>,
    ) -> anyhow::Result<Option<WorkerCommand>> {
        let [program, args @ ..] = &*self.command else { return Ok(None) };
        let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
        let mut command = Command::new(program);
        command.args(args).envs(variables);
        let worker = WorkerCommand::new(&name, command).map_err(|error| {
            usage(&format!("{error}, as in: -c NAME='exec {}'", program.display()))
        })?;
        let worker = worker.capture(self.capture.unwrap_or_default());
        Ok(Some(if self.pty { worker.pty() } else { worker }))
    }
}

/// Gives each worker ports of its own.
fn set_ports(workers: &mut [(String, WorkerSettings)], first: u16) -> anyhow::Result<()> {
    let mut port = Some(first);
    for (name, settings) in workers {
        let last = port.and_then(|port| port.checked_add(settings.count));
        settings.port = port.filter(|_| last.is_some());
        if settings.port.is_none() {
            return Err(usage(&format!("there is no port left for `{name}`: begin lower")).into());
        }
        port = port.and_then(|port| port.checked_add(PORT_STEP));
    }
    Ok(())
}

fn parse_shell(text: &str) -> Result<(String, WorkerSettings), String> {
    let (name, script) = text.split_once('=').ok_or("write it like -c api='./api --port 80'")?;
    WorkerCommand::new(name, Command::new("/bin/sh")).map_err(|error| error.to_string())?;
    if script.trim().is_empty() {
        return Err(format!("there is no command behind `{name}=`"));
    }
    Ok((name.to_owned(), WorkerSettings::new(script)))
}

fn parse_count(text: &str) -> Result<(String, u16), String> {
    let advice = format!("write it like web=3, with a number up to {MAX_COUNT}");
    let (name, count) = text.split_once('=').ok_or_else(|| advice.clone())?;
    let count = count.parse().ok().filter(|count| *count <= MAX_COUNT).ok_or(advice)?;
    Ok((name.to_owned(), count))
}

fn usage(message: &str) -> clap::Error {
    let mut command =
        <WorkerOptions as clap::Args>::augment_args(clap::Command::new("logboom run"));
    command.error(ErrorKind::ValueValidation, message)
}
