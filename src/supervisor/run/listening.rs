//! The listener of a run: started before all workers, and stopped behind them.

use std::time::{Duration, Instant};

use super::Supervisor;
use crate::control::StopReport;
use crate::supervisor::listener::READY_TIMEOUT;
use crate::supervisor::{Event, Reason, SuperviseError};

/// How long the listener may take to drain and stop: twice and more what it gives itself.
const LISTENER_STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// The same after a second interrupt: longer than a listener in a hurry gives itself.
const LISTENER_HURRY_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a listener that starts may take to get ready after an interrupt: one that is can stop as it
/// should.
const INTERRUPTED_TIMEOUT: Duration = Duration::from_secs(1);

impl Supervisor {
    pub(super) fn start_listener(&mut self) -> Result<(), SuperviseError> {
        self.listener.start().map_err(|source| SuperviseError::Spawn { source })?;
        let mut deadline = Instant::now() + READY_TIMEOUT;
        while !self.listener.is_ready() {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::Listener(news)) => {
                    if let Some(exit) = self.listener.take(news) {
                        return Err(SuperviseError::ListenerDied { exit });
                    }
                }
                Ok(event @ Event::Interrupt(_)) => {
                    self.take(event);
                    // Asked again it waits no more.
                    let patience =
                        self.hurries_since.map_or(INTERRUPTED_TIMEOUT, |_| Duration::ZERO);
                    deadline = deadline.min(Instant::now() + patience);
                }
                Ok(event) => self.take(event),
                Err(_) => {
                    self.listener.kill();
                    return Err(match self.reason {
                        Some(Reason::Interrupted { signal }) => {
                            SuperviseError::Interrupted { signal }
                        }
                        _ => SuperviseError::ListenerStuck,
                    });
                }
            }
        }
        Ok(())
    }

    /// Stops the listener, which drains first. Blocks for at most some seconds, and for less when it is
    /// interrupted: the listener then writes what it can within a second, and what else is in shared
    /// memory stays there for the next one.
    ///
    /// # Errors
    /// It died, or had to be killed.
    pub fn stop(mut self) -> Result<StopReport, SuperviseError> {
        self.listener.ask_to_stop();
        let mut deadline = Instant::now() + LISTENER_STOP_TIMEOUT;
        let mut is_in_a_hurry = false;
        while self.listener.is_up() {
            if self.hurries_since.is_some() && !is_in_a_hurry {
                self.listener.hurry();
                deadline = deadline.min(Instant::now() + LISTENER_HURRY_TIMEOUT);
                is_in_a_hurry = true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::Listener(news)) => {
                    if let Some(exit) = self.listener.take(news) {
                        let report = self.listener.report();
                        return report.ok_or(SuperviseError::ListenerDied { exit });
                    }
                }
                Ok(Event::Interrupt(_)) => self.hurry(),
                Ok(_) => {}
                Err(_) => {
                    self.listener.kill();
                    return Err(SuperviseError::ListenerStuck);
                }
            }
        }
        Err(SuperviseError::ListenerDown)
    }
}
