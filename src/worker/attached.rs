//! The control thread: keeps a worker attached, hears what the listener says, finds its successor.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ipc_channel::ipc::IpcReceiver;

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
    let path = dir.path().to_owned();
    let control = ControlThread { dir, facts, transport: channel, levels };
    // Linked before anybody can end the lane, so that its first records find their way.
    let serving = control.take(attachment);
    let io = |source| AttachError::Io { operation: "share a socket", path, source };
    let serving = serving.map_err(io)?;
    control.spawn(|control| control.run(Some(serving)))
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
        let serving = control.find();
        // Nobody may be waiting any more.
        let _late = tried.send(());
        control.run(serving);
    })?;
    let _tried = first_attempt.recv_timeout(FIRST_ATTEMPT_TIMEOUT);
    Ok(())
}

/// A transport, as the control thread sees it.
trait Attachable: Send + 'static {
    /// There is a listener now. A transport that has ended lets it know.
    fn link(&self, link: Link);

    /// It is gone.
    fn unlink(&self);

    /// Takes what the listener says.
    fn update(&self, update: &Update);

    /// Completes what the next listener has to know.
    fn resume(&self, facts: WorkerFacts) -> WorkerFacts;

    /// Waits until the transport has ended or `timeout` has passed; true when it has ended.
    fn wait_ended(&self, timeout: Duration) -> bool;
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

    fn wait_ended(&self, timeout: Duration) -> bool {
        Channel::wait_ended(self, timeout)
    }
}

/// Its records need no listener, so it has little to say to one.
impl Attachable for Ring {
    fn link(&self, link: Link) {
        self.attached(link.stream);
    }

    fn unlink(&self) {
        self.detached();
    }

    fn update(&self, _update: &Update) {}

    fn resume(&self, facts: WorkerFacts) -> WorkerFacts {
        facts
    }

    fn wait_ended(&self, timeout: Duration) -> bool {
        std::thread::sleep(timeout);
        self.leave_deleted_lanes();
        self.is_closed()
    }
}

/// A listener that the lane sends to.
struct Serving {
    updates: IpcReceiver<ToWorker>,
    /// Takes one byte for each message seen.
    seen: UnixStream,
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

    /// Hears `first`, or whoever comes, and all that follow.
    fn run(self, first: Option<Serving>) {
        let mut next = first.or_else(|| self.find_successor());
        while let Some(serving) = next {
            self.hear(serving);
            self.transport.unlink();
            next = self.find_successor();
        }
    }

    /// Sends to this listener from now on.
    fn take(&self, attachment: Attachment) -> io::Result<Serving> {
        let Attachment { stream, updates, data, levels } = attachment;
        let seen = stream.try_clone()?;
        self.levels.push(levels);
        self.transport.link(Link { data, stream });
        Ok(Serving { updates, seen })
    }

    /// Hears one listener until it is gone.
    fn hear(&self, serving: Serving) {
        let Serving { updates, mut seen } = serving;
        while seen.write_all(&[1]).is_ok()
            && let Some(ToWorker::Update(mut update)) = receive(&updates)
        {
            // Before it is acknowledged: then every later call obeys.
            if let Some(table) = update.levels.take() {
                self.levels.push(table);
            }
            self.transport.update(&update);
        }
    }

    /// Looks for a listener until there is one, or the lane has ended.
    fn find_successor(&self) -> Option<Serving> {
        let mut pause = BACK_OFF.0;
        while !self.transport.wait_ended(pause) {
            let found = self.find();
            if found.is_some() {
                return found;
            }
            pause = (pause * 2).min(BACK_OFF.1);
        }
        None
    }

    /// A listener that is there now.
    fn find(&self) -> Option<Serving> {
        let facts = self.transport.resume(self.facts.clone());
        let attachment = attach(&self.dir, facts).ok()?;
        self.take(attachment).ok()
    }
}
