//! Starts worker processes and watches them until they end.
//!
//! A [`Supervisor`] starts a listener process, then the workers, each in a process group of its own;
//! it makes records of what they print, ends what they leave behind, and stops the listener last.
//! [`SupervisorLink`] is the listener's side: should the supervisor be killed, the listener ends the
//! workers.

mod capture;
mod exit;
mod group;
mod lines;
mod link;
mod listener;
mod outcome;
mod run;
mod supervised;
mod worker;

use std::sync::mpsc::SyncSender;
use std::time::Duration;

pub use exit::Exit;
pub use lines::{Lines, MAX_LINE_BYTES};
pub use outcome::{Notice, Outcome, Reason, SuperviseError};
pub use run::{DEFAULT_STOP_TIMEOUT, Supervisor};
pub use supervised::SupervisorLink;
pub use worker::{MAX_NAME_BYTES, WorkerCommand, WorkerNameError};

use self::capture::Captured;
use self::listener::News;

/// Longest time that workers get to end: what an instant can be reckoned with.
const MAX_STOP_TIMEOUT: Duration = Duration::from_hours(365 * 24);

/// What the threads that wait for something tell the supervisor.
enum Event {
    /// A signal was sent to the supervisor.
    Interrupt(i32),
    /// The main process of a worker has ended and is not reaped yet.
    Ended {
        number: usize,
        exit: Exit,
    },
    /// The output of a worker has ended.
    Captured {
        number: usize,
        captured: Captured,
    },
    Listener(News),
}

/// Passes signals to a supervisor, from any thread.
#[derive(Clone)]
pub struct Interrupter(SyncSender<Event>);

impl Interrupter {
    /// Asks to end all workers, because of this signal; asked again while they are ending, the
    /// supervisor kills them. Blocks for a moment where it is asked very often.
    pub fn interrupt(&self, signal: i32) {
        // The other end is gone where the supervisor has done its work.
        let _done = self.0.send(Event::Interrupt(signal));
    }
}
