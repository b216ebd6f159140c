//! The workers of a run in `ctl status`: what its supervisor says of them, and what the listener has
//! received from them.

use std::io::{self, Write};

use logboom::control::{Status, WorkerStatus};
use logboom::supervisor::{RunStatus, RunWorker, WorkerState};
use serde::Serialize;

use crate::table::{self, Column};
use crate::{amounts, options::plain};

/// Status and run in one object.
#[derive(Serialize)]
pub(crate) struct Shown<'s> {
    #[serde(flatten)]
    status: &'s Status,
    run: Option<Run<'s>>,
}

#[derive(Serialize)]
struct Run<'s> {
    pid: u32,
    uptime_s: u64,
    stopping: bool,
    workers: Vec<Worker<'s>>,
}

#[derive(Serialize)]
struct Worker<'s> {
    #[serde(flatten)]
    worker: &'s RunWorker,
    records: u64,
    records_per_s: f64,
    dropped: u64,
}

impl<'s> Shown<'s> {
    pub(crate) fn new(status: &'s Status, run: Option<&'s RunStatus>) -> Shown<'s> {
        Shown { status, run: run.map(|run| Run::new(run, &status.workers)) }
    }
}

impl<'s> Run<'s> {
    fn new(run: &'s RunStatus, attached: &[WorkerStatus]) -> Run<'s> {
        let RunStatus { pid, uptime_s, stopping, workers, .. } = run;
        let workers = workers.iter().map(|worker| Worker::new(worker, attached)).collect();
        Run { pid: *pid, uptime_s: *uptime_s, stopping: *stopping, workers }
    }
}

impl<'s> Worker<'s> {
    /// What it prints is attached as its process, what it logs itself perhaps as another with its name.
    fn new(worker: &'s RunWorker, attached: &[WorkerStatus]) -> Worker<'s> {
        let mut shown = Worker { worker, records: 0, records_per_s: 0.0, dropped: 0 };
        let is_of_it =
            |other: &&WorkerStatus| worker.name == other.name || worker.pid == Some(other.pid);
        for other in attached.iter().filter(is_of_it) {
            shown.records += other.records;
            shown.records_per_s += other.records_per_s;
            shown.dropped += other.dropped;
        }
        shown
    }

    fn cells(&self) -> Vec<String> {
        let RunWorker { name, state, pid, uptime_s, restarts, memory_bytes, .. } = self.worker;
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let is_gone = matches!(
            state,
            WorkerState::Waiting | WorkerState::Stopped | WorkerState::Ended | WorkerState::Failed
        );
        let of_living = |text: String| or_none(Some(text).filter(|_| !is_gone));
        vec![
            plain(name),
            or_none(pid.map(|pid| pid.to_string())),
            state.to_string(),
            or_none(uptime_s.map(amounts::time)),
            restarts.to_string(),
            of_living(self.records.to_string()),
            of_living(amounts::rate(self.records_per_s)),
            of_living(self.dropped.to_string()),
            or_none(memory_bytes.map(amounts::bytes)),
            plain(&self.worker.failure.as_deref().unwrap_or_default()),
        ]
    }
}

/// Prints the workers as a table.
pub(crate) fn print(
    run: &RunStatus,
    attached: &[WorkerStatus],
    out: &mut impl Write,
) -> io::Result<()> {
    let stopping = if run.stopping { ", stopping" } else { "" };
    let uptime = amounts::time(run.uptime_s);
    writeln!(out, "\nrun       {} (up {uptime}){stopping}\n", run.pid)?;
    let columns = [
        Column::Text("WORKER"),
        Column::Number("PID"),
        Column::Text("STATE"),
        Column::Number("UPTIME"),
        Column::Number("RESTARTS"),
        Column::Number("RECORDS"),
        Column::Number("RATE"),
        Column::Number("DROPPED"),
        Column::Number("MEMORY"),
        Column::Text("FAILURE"),
    ];
    let workers = Run::new(run, attached).workers;
    let rows: Vec<_> = workers.iter().map(Worker::cells).collect();
    table::print(&columns, &rows, out)
}
