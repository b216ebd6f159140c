//! The control thread: keeps a worker attached, hears what the listener says, finds its successor.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

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
    if let Some(table) = &attachment.levels {
        take_levels(&levels, table);
    }
    let path = dir.path().to_owned();
    let control = ControlThread { dir, facts, channel, levels };
    let thread = std::thread::Builder::new().name("logboom-control".into());
    thread.spawn(move || control.run(attachment)).map_err(|source| AttachError::Io {
        operation: "start the control thread",
        path,
        source,
    })?;
    Ok(())
}

struct ControlThread {
    dir: QueueDir,
    facts: WorkerFacts,
    channel: Channel,
    levels: Arc<Levels>,
}

impl ControlThread {
    fn run(self, first: Attachment) {
        let mut attachment = Some(first);
        while let Some(current) = attachment {
            self.serve(current);
            self.channel.unlink();
            attachment = self.find_successor();
        }
    }

    /// Hears one listener until it is gone.
    fn serve(&self, attachment: Attachment) {
        let Attachment { stream, updates, data, levels } = attachment;
        if let Some(table) = &levels {
            take_levels(&self.levels, table);
        }
        let Ok(mut seen) = stream.try_clone() else {
            return;
        };
        self.channel.link(Link { data, stream });
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
    fn find_successor(&self) -> Option<Attachment> {
        let mut pause = BACK_OFF.0;
        while !self.channel.wait_closed(pause) {
            let (first_seq, unconfirmed) = self.channel.resume_at();
            let facts = WorkerFacts { first_seq, unconfirmed, ..self.facts.clone() };
            if let Ok(attachment) = attach(&self.dir, facts) {
                return Some(attachment);
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
