//! Signals, heard on a thread of their own: no work is done in a signal handler.

use std::io;
use std::thread;

use signal_hook::iterator::Signals;

/// Catches these signals and calls `act` with each that comes.
pub(crate) fn watch(signals: &[i32], mut act: impl FnMut(i32) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new(signals)?;
    let thread = thread::Builder::new().name("logboom-signals".into());
    thread.spawn(move || signals.forever().for_each(&mut act)).map(drop)
}
