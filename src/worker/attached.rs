//! The control thread: keeps a worker attached, hears what the listener says, finds its successor.

use std::io::Write;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::levels::Levels;
use crate::queue::QueueDir;
use crate::queue::channel::{Channel, Link};
use crate::queue::control::{ToWorker, Update, WorkerFacts};
use crate::queue::rendezvous::{AttachError, Attachment, attach, receive};
use crate::queue::ring::Ring;

/// Shortest and longest pause between two attempts to find a listener.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How long a worker that needs no listener waits for one to tell its level table.
const FIRST_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(250);

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
    let control = ControlThread { dir, facts, transport: channel, levels };
    control.spawn(move |control| control.run(Some(attachment)))
}

/// Looks for the listener in `dir`, and for each that follows, in the background. Waits a moment for
/// the first attempt, so that the listener's level table holds from the first record on.
///
/// # Errors
/// There can be no thread for it.
pub(super) fn follow_listener(
    dir: QueueDir,
    facts: WorkerFacts,
    ring: Ring,
    levels: Arc<Levels>,
) -> Result<(), AttachError> {
    let (tried, first_attempt) = mpsc::sync_channel(1);
    let control = ControlThread { dir, facts, transport: ring, levels };
    control.spawn(move |control| {
        let attachment = attach(&control.dir, control.facts.clone()).ok();
        if let Some(table) = attachment.as_ref().and_then(|attachment| attachment.levels.as_ref()) {
            take_levels(&control.levels, table);
        }
        // Nobody may be waiting any more.
        let _late = tried.send(());
        control.run(attachment);
    })?;
    let _tried = first_attempt.recv_timeout(FIRST_ATTEMPT_TIMEOUT);
    Ok(())
}

/// A transport, as the control thread sees it.
trait Attachable: Send + 'static {
    /// There is a listener now.
    fn link(&self, link: Link);

    /// It is gone.
    fn unlink(&self);

    /// Takes what the listener says.
    fn update(&self, update: &Update);

    /// Completes what the next listener has to know.
    fn resume(&self, facts: WorkerFacts) -> WorkerFacts;

    /// Waits until the transport is closed or `timeout` has passed; true when closed.
    fn wait_closed(&self, timeout: Duration) -> bool;
}

impl Attachable for Channel {
    fn link(&self, link: Link) {
        Channel::link(self, link);
    }

    fn unlink(&self) {
        Channel::unlink(self);
    }

    fn update(&self, update: &Update) {
        Channel::update(self, update);
    }

    fn resume(&self, facts: WorkerFacts) -> WorkerFacts {
        let (first_seq, unconfirmed) = self.resume_at();
        WorkerFacts { first_seq, unconfirmed, ..facts }
    }

    fn wait_closed(&self, timeout: Duration) -> bool {
        Channel::wait_closed(self, timeout)
    }
}

/// Its records need no listener, so it has little to say to one.
impl Attachable for Ring {
    fn link(&self, link: Link) {
        self.attached(link.stream);
    }

    fn unlink(&self) {}

    fn update(&self, _update: &Update) {}

    fn resume(&self, facts: WorkerFacts) -> WorkerFacts {
        facts
    }

    fn wait_closed(&self, timeout: Duration) -> bool {
        std::thread::sleep(timeout);
        self.leave_deleted_lanes();
        self.is_closed()
    }
}

struct ControlThread<T> {
    dir: QueueDir,
    facts: WorkerFacts,
    transport: T,
    levels: Arc<Levels>,
}

impl<T: Attachable> ControlThread<T> {
    fn spawn(self, run: impl FnOnce(Self) + Send + 'static) -> Result<(), AttachError> {
        let path = self.dir.path().to_owned();
        let thread = std::thread::Builder::new().name("logboom-control".into());
        let spawned = thread.spawn(move || run(self));
        spawned.map(drop).map_err(|source| AttachError::Io {
            operation: "start the control thread",
            path,
            source,
        })
    }

    fn run(self, mut attachment: Option<Attachment>) {
        loop {
            if let Some(current) = attachment {
                self.serve(current);
                self.transport.unlink();
            }
            attachment = self.find_successor();
            if attachment.is_none() {
                return;
            }
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
        self.transport.link(Link { data, stream });
        while seen.write_all(&[1]).is_ok()
            && let Some(ToWorker::Update(update)) = receive(&updates)
        {
            if let Some(table) = &update.levels {
                take_levels(&self.levels, table);
            }
            self.transport.update(&update);
        }
    }

    /// Looks for a listener until there is one, or the transport is closed.
    fn find_successor(&self) -> Option<Attachment> {
        let mut pause = BACK_OFF.0;
        while !self.transport.wait_closed(pause) {
            let facts = self.transport.resume(self.facts.clone());
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
