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
    let io = |operation| move |source| AttachError::Io { operation, path, source };
    let control = ControlThread { dir, facts, channel, levels };
    // Linked before anybody can end the lane, so that its first records find their way.
    let serving = control.take(attachment).map_err(io.clone()("share a socket"))?;
    let thread = std::thread::Builder::new().name("logboom-control".into());
    thread.spawn(move || control.run(serving)).map_err(io("start the control thread"))?;
    Ok(())
}

/// A listener that the lane sends to.
struct Serving {
    updates: IpcReceiver<ToWorker>,
    /// Takes one byte for each message seen.
    seen: UnixStream,
}

struct ControlThread {
    dir: QueueDir,
    facts: WorkerFacts,
    channel: Channel,
    levels: Arc<Levels>,
}

impl ControlThread {
    fn run(self, first: Serving) {
        let mut serving = Some(first);
        while let Some(current) = serving {
            self.hear(current);
            self.channel.unlink();
            serving = self.find_successor();
        }
    }

    /// Sends to this listener from now on.
    fn take(&self, attachment: Attachment) -> io::Result<Serving> {
        let Attachment { stream, updates, data, levels } = attachment;
        let seen = stream.try_clone()?;
        if let Some(table) = &levels {
            self.levels.push(table);
        }
        self.channel.link(Link { data, stream });
        Ok(Serving { updates, seen })
    }

    /// Hears one listener until it is gone.
    fn hear(&self, serving: Serving) {
        let Serving { updates, mut seen } = serving;
        while seen.write_all(&[1]).is_ok()
            && let Some(ToWorker::Update(update)) = receive(&updates)
        {
            if let Some(table) = &update.levels {
                self.levels.push(table);
            }
            self.channel.update(&update);
        }
    }

    /// Looks for a listener until there is one, or the lane has ended.
    fn find_successor(&self) -> Option<Serving> {
        let mut pause = BACK_OFF.0;
        while !self.channel.wait_ended(pause) {
            let (first_seq, unconfirmed) = self.channel.resume_at();
            let facts = WorkerFacts { first_seq, unconfirmed, ..self.facts.clone() };
            let found = attach(&self.dir, facts).ok();
            if let Some(serving) = found.and_then(|attachment| self.take(attachment).ok()) {
                return Some(serving);
            }
            pause = (pause * 2).min(BACK_OFF.1);
        }
        None
    }
}
