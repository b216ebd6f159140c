//! Lines for people, printed by a thread of their own: a terminal that stands still holds up nobody
//! who has something to say.

use std::fmt::Display;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering};
use std::time::Duration;
use std::{io, thread};

use crate::options::complain;

/// Most lines that wait; what comes beyond them is counted.
const MAX_LINES: usize = 256;

/// How long the end waits for a terminal that stands still.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Prints lines on standard error.
pub(crate) struct Aside {
    voice: Voice,
    ended: Receiver<()>,
}

/// Has something to say; cheap to clone.
#[derive(Clone)]
pub(crate) struct Voice {
    lines: SyncSender<String>,
    omitted: Arc<AtomicU64>,
}

impl Aside {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Aside> {
        let (lines, waiting) = sync_channel::<String>(MAX_LINES);
        let (end, ended) = sync_channel(0);
        let voice = Voice { lines, omitted: Arc::default() };
        let omitted = Arc::clone(&voice.omitted);
        thread::Builder::new().name("logboom-aside".into()).spawn(move || {
            for line in waiting {
                complain(&line);
                match omitted.swap(0, Ordering::Relaxed) {
                    0 => {}
                    lines => complain(&format_args!("{lines} more lines were left out")),
                }
            }
            drop(end);
        })?;
        Ok(Aside { voice, ended })
    }

    /// For whoever has something to say.
    pub(crate) fn voice(&self) -> Voice {
        self.voice.clone()
    }

    /// Waits until all is printed, for a second at most. All voices have to be gone.
    pub(crate) fn finish(self) {
        drop(self.voice);
        let _stands_still = self.ended.recv_timeout(END_TIMEOUT);
    }
}

impl Voice {
    /// Prints a line, soon. Never blocks.
    pub(crate) fn say(&self, line: &impl Display) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line.to_string()) {
            self.omitted.fetch_add(1, Ordering::Relaxed);
        }
    }
}
