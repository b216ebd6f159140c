//! Who gives records to a listener that no lane of its queue carries.

use std::io;

use super::Inlet;

/// Takes records by a transport of its own and gives them to a listener: what a subclass of Python's
/// `QueueListener` is that takes them from elsewhere. [`source`](crate::ListenerBuilder::source) adds
/// one to a listener, which runs it on a thread of its own.
///
/// Its records count from when they are [given](Inlet::give), and are in memory only until they are
/// written. One that panics has ended; `ctl status` says so, and nobody else notices.
///
/// ```
/// use std::sync::mpsc::{Receiver, RecvTimeoutError};
/// use std::time::Duration;
///
/// use logboom::{Inlet, Level, Process, Record, RecordSource};
///
/// struct Messages(Receiver<String>);
///
/// impl RecordSource for Messages {
///     fn name(&self) -> String {
///         "messages".to_owned()
///     }
///
///     fn run(&mut self, inlet: &Inlet) {
///         let Ok(mut lane) = inlet.lane(Process::default()) else { return };
///         loop {
///             // Also when it is to end, what has come by then is taken.
///             match self.0.recv_timeout(Duration::from_millis(100)) {
///                 Ok(text) => inlet.give(&mut lane, Record::new(0, Level::INFO, "app", text)),
///                 Err(RecvTimeoutError::Timeout) if !inlet.is_closing() => continue,
///                 Err(_) => return,
///             };
///         }
///     }
/// }
/// ```
pub trait RecordSource: Send {
    /// Opens what others reach it by. Called once by [`bind`](crate::ListenerBuilder::bind), which
    /// fails where it fails. Default: there is nothing to open.
    ///
    /// # Errors
    /// It cannot be opened.
    fn open(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// What it is, for `ctl status` and for messages; where it is as well once it is open.
    fn name(&self) -> String;

    /// Gives what comes to `inlet` and returns when that [is closing](Inlet::is_closing): then it
    /// takes what has come by that time and nothing more. May block, as long as it looks at
    /// `is_closing` now and then: a stop waits for it until the drain timeout, and leaves it behind.
    /// It is dropped when its last record is written.
    fn run(&mut self, inlet: &Inlet);
}
