//! Gives a worker its transport.

use std::sync::Arc;

use super::attached::{follow_listener, keep_attached};
use super::choice::TransportChoice;
use super::handler::{Origin, QueueHandler};
use super::levels::Levels;
use crate::Process;
use crate::causes::with_causes;
use crate::queue::channel::Channel;
use crate::queue::control::{TransportKind, WorkerFacts};
use crate::queue::rendezvous::AttachError;
use crate::queue::ring::{LaneError, MAX_LANES_PER_PROCESS, Ring};
use crate::queue::{Overflow, QueueDir};

/// What a worker wants of its queue.
pub(super) struct Wish {
    pub(super) queue: QueueDir,
    pub(super) process: Process,
    pub(super) overflow: Overflow,
    /// Of the Channel transport.
    pub(super) capacity_bytes: usize,
}

/// A handler, and what its user has to know of it.
pub(super) struct Connected {
    pub(super) handler: QueueHandler,
    pub(super) notice: Option<String>,
}

/// Connects a worker by the transport of its choice.
pub(super) fn connect(
    wish: Wish,
    choice: TransportChoice,
    levels: Arc<Levels>,
) -> Result<Connected, AttachError> {
    if choice == TransportChoice::Channel {
        return Ok(Connected { handler: by_channel(wish, levels)?, notice: None });
    }
    let Wish { queue, process, overflow, .. } = &wish;
    match Ring::start(queue.clone(), process.clone(), *overflow, MAX_LANES_PER_PROCESS) {
        Ok(ring) => Ok(Connected { handler: by_ring(wish, ring, levels)?, notice: None }),
        Err(error) if choice == TransportChoice::Auto && error.is_lack_of_room() => {
            let notice = format!("records take the Channel transport: {}", with_causes(&error));
            Ok(Connected { handler: by_channel(wish, levels)?, notice: Some(notice) })
        }
        Err(LaneError::Directory(error)) => Err(error.into()),
        Err(error) => Err(AttachError::Lane { source: Box::new(error) }),
    }
}

impl Wish {
    fn origin(&self) -> Origin {
        let context = Arc::clone(&self.process.context).into();
        Origin { queue: Some(self.queue.clone()), context }
    }
}

fn by_ring(wish: Wish, ring: Ring, levels: Arc<Levels>) -> Result<QueueHandler, AttachError> {
    let facts =
        WorkerFacts::new(TransportKind::Ring, ring.first_lane(), &wish.process, wish.overflow);
    let facts = WorkerFacts { is_pinned: levels.is_pinned(), ..facts };
    let handler = QueueHandler::new(Box::new(ring.clone()), Arc::clone(&levels), wish.origin());
    follow_listener(wish.queue, facts, ring, levels)?;
    Ok(handler)
}

fn by_channel(wish: Wish, levels: Arc<Levels>) -> Result<QueueHandler, AttachError> {
    let origin = wish.origin();
    let Wish { queue, process, overflow, capacity_bytes, .. } = wish;
    let io = |operation| {
        let path = queue.path().to_owned();
        move |source| AttachError::Io { operation, path, source }
    };
    let lane = getrandom::u64().map_err(|error| io("name a lane")(error.into()))?;
    let channel =
        Channel::start(lane, overflow, capacity_bytes).map_err(io("start the sender thread"))?;
    let facts = WorkerFacts::new(TransportKind::Channel, lane, &process, overflow);
    let facts = WorkerFacts { is_pinned: levels.is_pinned(), ..facts };
    // Dropped on failure, it ends the sender thread.
    let handler = QueueHandler::new(Box::new(channel.clone()), Arc::clone(&levels), origin);
    keep_attached(queue, facts, channel, levels)?;
    Ok(handler)
}
