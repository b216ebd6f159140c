//! The control thread: keeps a worker attached, hears what the listener says, finds its successor.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use ipc_channel::ipc::IpcReceiver;

use super::levels::Levels;
use crate::queue::QueueDir;
use crate::queue::channel::{Channel, Link};
use crate::queue::control::{ToWorker, WorkerFacts};
use crate::queue::rendezvous::{AttachError, Attachment, attach, receive};

/// Shortest and longest pause between two attempts to find a listener.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Attaches `channel` to the listener in `dir` and keeps it attached in the background.
///
/// # Errors
/// The first attempt failed; there is no second.
pub(super) fn keep_attached(
    dir: QueueDir,
    facts: WorkerFacts,
    channel: Channel,
    levels: Arc<Levels>,
) -> Result<(), AttachError> {
    let attachment = attach(&dir, facts.clone())?;
    let path = dir.path().to_owned();
    let io = |source| AttachError::Io { operation: "start the control thread", path, source };
    let control = ControlThread { dir, facts, channel, levels };
    let start = || {
        // Linked here and now: a handler that is dropped at once must find where to send to.
        let first = control.link(attachment)?;
        let thread = std::thread::Builder::new().name("logboom-control".into());
        thread.spawn(move || control.run(first))
    };
    start().map(drop).map_err(io)
}

struct ControlThread {
    dir: QueueDir,
    facts: WorkerFacts,
    channel: Channel,
    levels: Arc<Levels>,
}

/// What is heard from a listener while it lives.
struct Linked {
    seen: UnixStream,
    updates: IpcReceiver<ToWorker>,
}

impl ControlThread {
    fn run(self, first: Linked) {
        let mut linked = Some(first);
        while let Some(current) = linked {
            self.serve(current);
            self.channel.unlink();
            linked = self.find_successor();
        }
    }

    /// Takes the listener's levels and sends to it from now on.
    fn link(&self, attachment: Attachment) -> io::Result<Linked> {
        let Attachment { stream, updates, data, levels } = attachment;
        if let Some(table) = &levels {
            take_levels(&self.levels, table);
        }
        let seen = stream.try_clone()?;
        self.channel.link(Link { data, stream });
        Ok(Linked { seen, updates })
    }

    /// Hears one listener until it is gone.
    fn serve(&self, linked: Linked) {
        let Linked { mut seen, updates } = linked;
        while seen.write_all(&[1]).is_ok()
            && let Some(ToWorker::Update(update)) = receive(&updates)
        {
            if let Some(table) = &update.levels {
                take_levels(&self.levels, table);
            }
            self.channel.update(&update);
        }
    }

    /// Looks for a listener until there is one, or the lane has ended.
    fn find_successor(&self) -> Option<Linked> {
        let mut pause = BACK_OFF.0;
        while !self.channel.wait_closed(pause) {
            let (first_seq, unconfirmed) = self.channel.resume_at();
            let facts = WorkerFacts { first_seq, unconfirmed, ..self.facts.clone() };
            if let Ok(attachment) = attach(&self.dir, facts)
                && let Ok(linked) = self.link(attachment)
            {
                return Some(linked);
            }
            pause = (pause * 2).min(BACK_OFF.1);
        }
        None
    }
}

fn take_levels(levels: &Levels, table: &str) {
    if levels.push(table) {
        log::set_max_level(levels.max());
        #[cfg(feature = "tracing")]
        tracing_core::callsite::rebuild_interest_cache();
    }
}
