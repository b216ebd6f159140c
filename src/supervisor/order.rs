//! Which worker is started after which. Pure: knows nothing of processes.

use super::command::WorkerCommand;

/// Why workers cannot be brought into an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// A worker waits for one that there is not.
    #[error("worker `{name}` is to start after `{other}`, which is no worker")]
    Unknown {
        /// The worker.
        name: String,
        /// The name it waits for.
        other: String,
    },
    /// Workers wait for each other.
    #[error("these workers wait for each other: {}", .names.join(", "))]
    Cycle {
        /// All that could never be started.
        names: Vec<String>,
    },
}

/// For each worker those that it is started after, by their numbers.
///
/// # Errors
/// One of them is unknown, or would have to wait for itself.
pub(super) fn order(workers: &[WorkerCommand]) -> Result<Vec<Vec<usize>>, OrderError> {
    let number_of = |worker: &WorkerCommand, other: &String| {
        let found = workers.iter().position(|known| known.name == *other);
        found.ok_or_else(|| OrderError::Unknown { name: worker.name.clone(), other: other.clone() })
    };
    let numbers_of = |worker: &WorkerCommand| {
        worker.lifecycle.after.iter().map(|other| number_of(worker, other)).collect()
    };
    let after = workers.iter().map(numbers_of).collect::<Result<Vec<Vec<usize>>, _>>()?;
    let mut startable = vec![false; workers.len()];
    loop {
        let next: Vec<_> = (0..workers.len())
            .filter(|number| !startable[*number])
            .filter(|number| after[*number].iter().all(|other| startable[*other]))
            .collect();
        if next.is_empty() {
            break;
        }
        next.into_iter().for_each(|number| startable[number] = true);
    }
    let waiting = workers.iter().zip(&startable).filter(|(_, startable)| !**startable);
    match waiting.map(|(worker, _)| worker.name.clone()).collect::<Vec<_>>() {
        names if names.is_empty() => Ok(after),
        names => Err(OrderError::Cycle { names }),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::worker_settings::Lifecycle;

    fn ordered(workers: &[(&str, &[&str])]) -> Result<Vec<Vec<usize>>, OrderError> {
        let command = |(name, after): &(&str, &[&str])| {
            let after = after.iter().map(|name| (*name).to_owned()).collect();
            let command = WorkerCommand::new(name, Command::new("true")).unwrap();
            command.lifecycle(Lifecycle { after, ..Lifecycle::default() })
        };
        order(&workers.iter().map(command).collect::<Vec<_>>())
    }

    #[test]
    fn each_worker_knows_whom_it_waits_for() {
        let workers: [(&str, &[&str]); 3] =
            [("web", &["db", "cache"]), ("cache", &["db"]), ("db", &[])];
        assert_eq!(ordered(&workers), Ok(vec![vec![2, 1], vec![2], vec![]]));
    }

    #[test]
    fn what_can_never_be_started_is_refused() {
        let text = |workers: &[(&str, &[&str])]| ordered(workers).unwrap_err().to_string();
        let unknown = "worker `web` is to start after `db`, which is no worker";
        assert_eq!(text(&[("web", &["db"])]), unknown);
        assert_eq!(text(&[("a", &["a"])]), "these workers wait for each other: a");
        let cycle: [(&str, &[&str]); 4] = [("a", &["b"]), ("b", &["a"]), ("c", &["b"]), ("d", &[])];
        assert_eq!(text(&cycle), "these workers wait for each other: a, b, c");
    }
}
