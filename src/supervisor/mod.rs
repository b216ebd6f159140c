//! Starts worker processes and watches them until they end.
//!
//! A [`Supervisor`] starts a listener process, then the workers, each in a process group of its own;
//! it makes records of what they print, ends what they leave behind, and stops the listener last.
//! [`SupervisorLink`] is the listener's side: should the supervisor be killed, the listener ends the
//! workers.

mod capture;
mod children;
mod command;
mod control;
mod env_file;
mod exit;
mod formation;
mod group;
mod life;
mod link;
mod listener;
mod memory;
mod order;
mod outcome;
mod procfile;
mod ready;
mod requests;
mod restart;
mod run;
mod schedule;
mod supervised;
mod worker;

use std::sync::mpsc::SyncSender;
use std::time::Duration;

pub use capture::{Lines, MAX_LINE_BYTES};
pub use command::{MAX_NAME_BYTES, WorkerCommand, WorkerNameError};
pub use control::{
    Action, Changed, ControlError, RunStatus, RunWorker, WorkerState, change_workers, run_status,
};
pub use env_file::read_env_file;
pub use exit::Exit;
pub use formation::{FormationError, MAX_WORKERS, formation};
pub use order::OrderError;
pub use outcome::{Notice, Outcome, Reason, SuperviseError};
pub use procfile::{WorkerFileError, read_procfile};
pub use run::{DEFAULT_STOP_TIMEOUT, OnExit, Supervisor};
pub use supervised::SupervisorLink;

use self::capture::Captured;
use self::control::Asked;
use self::listener::News;

/// Longest time that workers get for anything: what an instant can be reckoned with.
const MAX_TIMEOUT: Duration = Duration::from_hours(365 * 24);

/// What the threads that wait for something tell the supervisor.
enum Event {
    /// A signal was sent to the supervisor.
    Interrupt(i32),
    /// The log is to be rotated.
    Rotate,
    /// The main process of a worker has ended and is not reaped yet.
    Ended(LifeId, Exit),
    /// The output of a worker has ended.
    Captured(LifeId, Captured),
    /// A worker is ready.
    Ready(LifeId),
    Listener(News),
    /// Somebody asks at the control socket.
    Asked(Asked),
}

/// One life of one worker: events of an earlier one may come late.
#[derive(Clone, Copy, PartialEq, Eq)]
struct LifeId {
    /// Which worker, in the order in which they were given.
    worker: usize,
    life: u64,
}

/// Passes signals to a supervisor, from any thread.
#[derive(Clone)]
pub struct Interrupter(SyncSender<Event>);

impl Interrupter {
    /// Asks to end all workers, because of this signal; asked again while they are ending, the
    /// supervisor kills them, and gives what they printed, and the listener, a few seconds. Blocks for a moment where it is asked very often.
    pub fn interrupt(&self, signal: i32) {
        // The other end is gone where the supervisor has done its work.
        let _done = self.0.send(Event::Interrupt(signal));
    }

    /// Asks the listener to rotate its log files.
    pub fn rotate(&self) {
        let _done = self.0.send(Event::Rotate);
    }
}
