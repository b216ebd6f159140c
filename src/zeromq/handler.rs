//! A handler that sends records by PUB or PUSH.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::Endpoint;
use super::room::{Message, Room};
use super::sender::{Kind, Sender, runtime};
use crate::Record;
use crate::formatter::Formatter;
use crate::handler::{Handler, HandlerError};

const MAX_RECORDS: usize = 10_000;
const MAX_BYTES: usize = 16 << 20;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the thread may take beyond its timeout to end.
const GRACE: Duration = Duration::from_secs(1);

/// Sends each record as one message of ZeroMQ, on a thread of its own. The cookbook's
/// `ZeroMQSocketHandler`; its `ZeroMQSocketListener` takes what it sends.
///
/// With **PUB** ([`publish`](Self::publish)) every peer gets what it has subscribed to. *PUB drops*:
/// what is sent before a peer has subscribed, while none is there, and what a peer does not take in
/// time is gone, and nobody can count it. With **PUSH** ([`push`](Self::push)) one of the peers gets
/// each record, in turns, and records wait for a peer that is not there yet. At most 128 are on their
/// way at once; of those a peer that goes away takes its own along.
///
/// At most 10 000 records of 16 MiB wait, unless told otherwise, those for a peer that does not read
/// among them: it holds up the others when they are as many. A record that finds no room is an error;
/// a listener drops and counts it. [`flush`](Handler::flush) does not wait,
/// [`close`](Handler::close) does until all is written to the peers, 5 seconds at most unless told
/// otherwise, and so does dropping it.
///
/// ```no_run
/// use logboom::formatter::LogRecordFormatter;
/// use logboom::zeromq::{Endpoint, ZeromqHandler};
///
/// let endpoint = Endpoint::bind("tcp://127.0.0.1:5556")?;
/// let handler = ZeromqHandler::publish(endpoint).open(LogRecordFormatter::new())?;
/// # let _ = handler;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ZeromqHandler {
    formatter: Box<dyn Formatter>,
    endpoint: Endpoint,
    room: Arc<Room>,
    /// None when it is closed.
    messages: Option<UnboundedSender<Message>>,
    closed: Arc<Notify>,
    close_timeout: Duration,
    /// Told when the thread has ended; how many records were not sent, if any.
    ended: Receiver<Option<usize>>,
}

/// The settings of a [`ZeromqHandler`] that is not open yet.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `open`"]
pub struct ZeromqBuilder {
    kind: Kind,
    endpoint: Endpoint,
    topic: Option<String>,
    max_records: usize,
    max_bytes: usize,
    close_timeout: Duration,
}

impl ZeromqHandler {
    /// A PUB socket: for everybody who has subscribed.
    pub fn publish(endpoint: Endpoint) -> ZeromqBuilder {
        ZeromqBuilder::new(Kind::Publish, endpoint)
    }

    /// A PUSH socket: for one of those who pull, in turns.
    pub fn push(endpoint: Endpoint) -> ZeromqBuilder {
        ZeromqBuilder::new(Kind::Push, endpoint)
    }

    /// Where it is; with the port that it got, where that was left to the system.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn end(&mut self) -> Result<(), HandlerError> {
        if self.messages.take().is_none() {
            return Ok(());
        }
        self.closed.notify_one();
        let ended = self.ended.recv_timeout(self.close_timeout.saturating_add(GRACE));
        let unsent = match ended.unwrap_or_else(|_| Some(self.room.records())) {
            None => return Ok(()),
            Some(0) => "some".to_owned(),
            Some(unsent) => unsent.to_string(),
        };
        Err(HandlerError::other(format!(
            "{unsent} records were not sent: nobody at {} has taken them in time",
            self.endpoint
        )))
    }
}

impl ZeromqBuilder {
    fn new(kind: Kind, endpoint: Endpoint) -> ZeromqBuilder {
        ZeromqBuilder {
            kind,
            endpoint,
            topic: None,
            max_records: MAX_RECORDS,
            max_bytes: MAX_BYTES,
            close_timeout: CLOSE_TIMEOUT,
        }
    }

    /// Sends the topic in a frame of its own before each body, for those who subscribe to some topics
    /// only. Default: none, as in the cookbook, whose listener takes no topic.
    pub fn topic(self, topic: impl Into<String>) -> ZeromqBuilder {
        ZeromqBuilder { topic: Some(topic.into()), ..self }
    }

    /// How many records wait at most. Default: 10 000.
    pub fn max_records(self, max_records: usize) -> ZeromqBuilder {
        ZeromqBuilder { max_records, ..self }
    }

    /// How many bytes of records wait at most; one longer record is let in alone. Default: 16 MiB.
    pub fn max_bytes(self, max_bytes: usize) -> ZeromqBuilder {
        ZeromqBuilder { max_bytes, ..self }
    }

    /// How long the end waits for what is still to be sent. Default: 5 seconds.
    pub fn close_timeout(self, close_timeout: Duration) -> ZeromqBuilder {
        ZeromqBuilder { close_timeout, ..self }
    }

    /// Takes the address, where it is to be bound, and starts the thread. Peers may come later.
    ///
    /// # Errors
    /// The address is taken, or the system has no socket or thread to give.
    pub fn open(
        mut self,
        formatter: impl Formatter + 'static,
    ) -> Result<ZeromqHandler, HandlerError> {
        let room = Room::new(self.max_records, self.max_bytes);
        let (messages, queue) = unbounded_channel();
        let (end, ended) = channel();
        let closed = Arc::new(Notify::new());
        let start = |builder: &mut ZeromqBuilder| -> io::Result<()> {
            let runtime = runtime()?;
            let opened = {
                let _entered = runtime.enter();
                builder.endpoint.open()?
            };
            let sender = Sender {
                kind: builder.kind,
                topic: builder.topic.take().map(Bytes::from),
                messages: queue,
                room: Arc::clone(&room),
                closed: Arc::clone(&closed),
                close_timeout: builder.close_timeout,
            };
            thread::Builder::new().name("logboom-zeromq".into()).spawn(move || {
                let unsent = sender.run(opened, &runtime);
                runtime.shutdown_background();
                let _nobody_waits = end.send(unsent);
            })?;
            Ok(())
        };
        start(&mut self).map_err(|source| HandlerError::Io {
            operation: if self.endpoint.is_bound() { "bind" } else { "connect to" },
            path: self.endpoint.address().into(),
            source,
        })?;
        let (endpoint, close_timeout) = (self.endpoint, self.close_timeout);
        let formatter = Box::new(formatter);
        let messages = Some(messages);
        Ok(ZeromqHandler { formatter, endpoint, room, messages, closed, close_timeout, ended })
    }
}

impl Handler for ZeromqHandler {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        let mut body = Vec::new();
        self.formatter.format(record, &mut body);
        let message = self.room.admit(body).ok_or_else(|| {
            let sentence = "wait already: who is there does not take them fast enough";
            HandlerError::other(format!("{} records {sentence}", self.room.records()))
        })?;
        let sent = self.messages.as_ref().map(|messages| messages.send(message));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(HandlerError::other(format!("{} is closed", self.endpoint))),
        }
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), HandlerError> {
        self.end()
    }
}

impl Drop for ZeromqHandler {
    fn drop(&mut self) {
        let _unsent = self.end();
    }
}
