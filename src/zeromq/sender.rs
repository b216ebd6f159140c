//! The thread of a handler: from what waits to its socket.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use zeromq::{PubSocket, PushSocket, Socket, SocketEvent, SocketSend, ZmqError, ZmqMessage};

use super::framing::Side;
use super::guard::Opened;
use super::room::{Message, Room};

/// How long a message that nobody takes waits for another attempt, unless somebody comes.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How often tasks that end are looked at.
const TICK: Duration = Duration::from_millis(5);

/// Messages by PUSH that the crate has at once: those of a peer that goes away are lost. As many as it
/// writes together.
const MAX_UNDER_WAY: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Publish,
    Push,
}

/// The runtime of a thread.
///
/// # Errors
/// The system has no descriptors for it.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(1).build()
}

/// What sends on a thread of its own until the queue of messages ends.
pub(super) struct Sender {
    pub(super) kind: Kind,
    pub(super) topic: Option<Bytes>,
    pub(super) messages: UnboundedReceiver<Message>,
    pub(super) room: Arc<Room>,
    /// The handler is closed: what waits has so much time.
    pub(super) closed: Arc<Notify>,
    pub(super) close_timeout: Duration,
}

impl Sender {
    /// Sends until the end, or until the time for that is up: then so many records are not with the
    /// crate yet, and some perhaps not with the peers.
    pub(super) fn run(mut self, opened: Opened, runtime: &Runtime) -> Option<usize> {
        let (closed, close_timeout) = (Arc::clone(&self.closed), self.close_timeout);
        let room = Arc::clone(&self.room);
        let deadline = async {
            closed.notified().await;
            sleep(close_timeout).await;
            // Before what waits is dropped.
            room.records()
        };
        let all_sent = async {
            match self.kind {
                Kind::Publish => self.send_all(PubSocket::new(), (opened, Side::Publish)).await,
                Kind::Push => self.send_all(PushSocket::new(), (opened, Side::Push)).await,
            }
        };
        runtime.block_on(async {
            tokio::select! {
                () = all_sent => None,
                unsent = deadline => Some(unsent),
            }
        })
    }

    async fn send_all<S: Socket + SocketSend>(
        &mut self,
        mut socket: S,
        (opened, side): (Opened, Side),
    ) {
        let mut events = socket.monitor();
        let Ok(guard) = opened.attach(&mut socket, side, Arc::default()).await else {
            // What waits is said to be unsent in the end.
            return pending().await;
        };
        self.serve(&mut socket, &mut events).await;
        self.room.wait_until_empty().await;
        guard.close();
        drop((socket, events));
        wait_for_tasks().await;
    }

    /// Gives the socket what there is to send.
    async fn serve<S: Socket + SocketSend>(
        &mut self,
        socket: &mut S,
        events: &mut (impl futures_util::Stream<Item = SocketEvent> + Unpin),
    ) {
        let under_way = Arc::new(Semaphore::new(MAX_UNDER_WAY));
        while let Some(mut message) = self.next(&under_way).await {
            while let Err(ZmqError::ReturnToSender { message: returned, .. }) =
                socket.send(message).await
            {
                message = returned;
                // Until somebody is there who takes it.
                let _event = timeout(RETRY_PAUSE, events.next()).await;
            }
        }
    }

    /// The next message, as soon as the socket may have it; none at the end.
    async fn next(&mut self, under_way: &Arc<Semaphore>) -> Option<ZmqMessage> {
        let permit = self.permit(under_way).await;
        let body = self.messages.recv().await?.into_bytes(permit);
        let mut message = ZmqMessage::from(body);
        if let Some(topic) = &self.topic {
            message.push_front(topic.clone());
        }
        Some(message)
    }

    async fn permit(&self, under_way: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        match self.kind {
            // It drops what a peer does not take, and waits for none.
            Kind::Publish => None,
            Kind::Push => Arc::clone(under_way).acquire_owned().await.ok(),
        }
    }
}

/// Waits until the tasks of a dropped socket, and those between it and its peers, have written what
/// they had.
async fn wait_for_tasks() {
    while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
        sleep(TICK).await;
    }
}
