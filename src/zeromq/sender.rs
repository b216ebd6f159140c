//! The thread of a handler: from what waits to its socket.

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

use super::endpoint::{self, Opened};
use super::room::{Message, Room};

/// Pauses before another attempt where a connection was made and failed at once.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(100);

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

/// A thread's runtime.
///
/// # Errors
/// The system has no descriptors for it.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(1).build()
}

/// What sends on a thread of its own until the queue of messages ends.
pub(super) struct Sender {
    pub(super) kind: Kind,
    pub(super) opened: Opened,
    pub(super) topic: Option<Bytes>,
    pub(super) messages: UnboundedReceiver<Message>,
    pub(super) room: Arc<Room>,
    /// The handler is closed: what waits has so much time.
    pub(super) closed: Arc<Notify>,
    pub(super) close_timeout: Duration,
}

/// Why a socket is used no longer.
enum End {
    /// All messages have been given to it.
    Done,
    /// Its peer has gone, perhaps with a message that is still to be sent.
    Lost(Option<ZmqMessage>),
}

impl Sender {
    /// Sends until the end, or until the time for that is up; how many records are not sent then.
    pub(super) fn run(mut self, runtime: &Runtime) -> usize {
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
                Kind::Publish => self.send_all::<PubSocket>().await,
                Kind::Push => self.send_all::<PushSocket>().await,
            }
        };
        runtime.block_on(async {
            tokio::select! {
                () = all_sent => 0,
                unsent = deadline => unsent,
            }
        })
    }

    async fn send_all<S: Socket + SocketSend>(&mut self) {
        let mut left = None;
        loop {
            let mut socket = endpoint::socket::<S>();
            let mut events = socket.monitor();
            if self.opened.attach(&mut socket).await.is_err() {
                if self.is_bound() {
                    return;
                }
                sleep(RETRY_PAUSE).await;
                continue;
            }
            match self.serve(&mut socket, &mut events, left.take()).await {
                End::Done => {
                    self.room.wait_until_empty().await;
                    drop((socket, events));
                    return wait_for_tasks().await;
                }
                End::Lost(message) => {
                    left = message;
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Sends until all is sent, or the peer that was connected to is gone.
    async fn serve<S: Socket + SocketSend>(
        &mut self,
        socket: &mut S,
        events: &mut (impl futures_util::Stream<Item = SocketEvent> + Unpin),
        mut left: Option<ZmqMessage>,
    ) -> End {
        let under_way = Arc::new(Semaphore::new(MAX_UNDER_WAY));
        loop {
            let message = match left.take() {
                Some(message) => message,
                None => tokio::select! {
                    biased;
                    event = events.next() => {
                        if !self.is_bound() && matches!(event, Some(SocketEvent::Disconnected(_))) {
                            return End::Lost(None);
                        }
                        continue;
                    }
                    message = self.next(&under_way) => match message {
                        Some(message) => message,
                        None => return End::Done,
                    },
                },
            };
            match socket.send(message).await {
                Ok(()) => {}
                Err(ZmqError::ReturnToSender { message, .. }) if self.is_bound() => {
                    left = Some(message);
                    // Until somebody is there who takes it.
                    let _event = timeout(RETRY_PAUSE, events.next()).await;
                }
                Err(ZmqError::ReturnToSender { message, .. }) => return End::Lost(Some(message)),
                Err(_) if self.is_bound() => {}
                Err(_) => return End::Lost(None),
            }
        }
    }

    fn is_bound(&self) -> bool {
        self.opened.is_bound()
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

/// Waits until the tasks of a dropped socket have written what they had.
async fn wait_for_tasks() {
    while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
        sleep(TICK).await;
    }
}
