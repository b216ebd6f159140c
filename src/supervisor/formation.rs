//! From settings of workers to what is started: how many of each, and under which names.

use std::collections::HashMap;
use std::process::Command;

use super::command::{WorkerCommand, WorkerNameError};
use super::env_file::read_env_file;
use super::procfile::WorkerFileError;
use crate::worker_settings::WorkerSettings;

/// Most processes of one supervisor: each takes some threads and descriptors.
pub const MAX_WORKERS: usize = 4096;

/// Why settings do not make workers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormationError {
    /// A name cannot be used.
    #[error(transparent)]
    Name(#[from] WorkerNameError),
    /// A file of variables cannot be used.
    #[error(transparent)]
    File(#[from] WorkerFileError),
    /// Two would have the same name.
    #[error("two workers have the name `{0}`: give one of them another")]
    Twice(String),
    /// There would be more processes than one supervisor has.
    #[error("more than {MAX_WORKERS} workers: start fewer")]
    TooMany,
}

/// What to start for these workers. Where there are several processes of one, they are called `NAME-1`,
/// `NAME-2`, …; to start after `NAME` is to start after all of them, or at once where there are none.
/// Reads their files of variables.
///
/// # Errors
/// A file or a name cannot be used, or there are too many.
pub fn formation(
    workers: &[(String, WorkerSettings)],
) -> Result<Vec<WorkerCommand>, FormationError> {
    let processes: usize = workers.iter().map(|(_, settings)| usize::from(settings.count)).sum();
    if processes > MAX_WORKERS {
        return Err(FormationError::TooMany);
    }
    let mut names: HashMap<&str, Vec<String>> = HashMap::new();
    for (name, settings) in workers {
        if names.insert(name, names_of(name, settings)).is_some() {
            return Err(FormationError::Twice(name.clone()));
        }
    }
    let mut commands: Vec<WorkerCommand> = Vec::with_capacity(processes);
    for (name, settings) in workers {
        let mut lifecycle = settings.lifecycle.clone();
        let others = lifecycle.after.iter();
        lifecycle.after = others.flat_map(|name| all_of(&names, name)).collect();
        let file = settings.env_file.as_deref().map(read_env_file).transpose()?;
        for (own_name, number) in names[name.as_str()].iter().zip(0..) {
            let mut command = command(settings, file.as_deref().unwrap_or_default());
            if let Some(port) = settings.port {
                command.env("PORT", port.saturating_add(number).to_string());
            }
            let command = WorkerCommand::new(own_name, command)?.capture(settings.capture);
            let command = if settings.pty { command.pty() } else { command };
            let mut command = command.lifecycle(lifecycle.clone());
            command.family = Some(name.clone());
            commands.push(command);
        }
    }
    let mut seen = std::collections::HashSet::new();
    match commands.iter().find(|command| !seen.insert(command.name())) {
        Some(twice) => Err(FormationError::Twice(twice.name().to_owned())),
        None => Ok(commands),
    }
}

fn names_of(name: &str, settings: &WorkerSettings) -> Vec<String> {
    match settings.count {
        1 => vec![name.to_owned()],
        count => (1..=count).map(|number| format!("{name}-{number}")).collect(),
    }
}

/// All processes of this name; one that is unknown is left for the supervisor to refuse.
fn all_of(names: &HashMap<&str, Vec<String>>, name: &str) -> Vec<String> {
    names.get(name).cloned().unwrap_or_else(|| vec![name.to_owned()])
}

fn command(settings: &WorkerSettings, file: &[(String, String)]) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(&settings.command);
    let variables = file.iter().chain(&settings.environment);
    command.envs(variables.map(|(name, value)| (name, value)));
    if let Some(directory) = &settings.directory {
        command.current_dir(directory);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(count: u16, after: &[&str]) -> WorkerSettings {
        let mut settings = WorkerSettings::new("true");
        settings.count = count;
        settings.lifecycle.after = after.iter().map(|name| (*name).to_owned()).collect();
        settings
    }

    fn formed(workers: &[(&str, WorkerSettings)]) -> Result<Vec<(String, Vec<String>)>, String> {
        let workers: Vec<_> =
            workers.iter().map(|(name, settings)| ((*name).to_owned(), settings.clone())).collect();
        let after = |command: WorkerCommand| (command.name, command.lifecycle.after);
        let commands = formation(&workers).map_err(|error| error.to_string())?;
        Ok(commands.into_iter().map(after).collect())
    }

    #[test]
    fn processes_of_one_worker_are_numbered_and_waited_for_together() {
        let workers = [
            ("db", settings(1, &[])),
            ("none", settings(0, &[])),
            ("api", settings(2, &["db", "none"])),
            ("web", settings(1, &["api"])),
        ];
        let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let expected: [(String, Vec<String>); 4] = [
            ("db".into(), vec![]),
            ("api-1".into(), strings(&["db"])),
            ("api-2".into(), strings(&["db"])),
            ("web".into(), strings(&["api-1", "api-2"])),
        ];
        assert_eq!(formed(&workers).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        let one = || settings(1, &[]);
        let twice = |name| format!("two workers have the name `{name}`: give one of them another");
        assert_eq!(formed(&[("a", one()), ("a", one())]), Err(twice("a")));
        assert_eq!(formed(&[("a", settings(2, &[])), ("a-2", one())]), Err(twice("a-2")));
        let many: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| (name, settings(1000, &[]))).into();
        assert_eq!(formed(&many), Err("more than 4096 workers: start fewer".to_owned()));
    }
}
