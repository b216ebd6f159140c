//! A source that takes records by SUB or PULL.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::timeout;
use zeromq::{PullSocket, Socket, SocketRecv, SubSocket, ZmqMessage, ZmqResult};

use super::Endpoint;
use super::framing::Side;
use super::guard::Opened;
use super::sender::runtime;
use crate::receiver::decode_json;
use crate::{Field, Inlet, InletLane, Process, RecordSource};

/// How often a source to which nothing comes looks whether it is to end.
const TICK: Duration = Duration::from_millis(100);

/// A source that is to end has had what came before when nothing comes for so long.
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// A stopping listener takes no more of peers that go on sending.
const MAX_LAST_MESSAGES: usize = 10_000;

/// Gives a listener the records that come by ZeroMQ: the cookbook's `ZeroMQSocketListener`, which takes
/// what its `ZeroMQSocketHandler` sends.
///
/// With **SUB** ([`subscribe`](Self::subscribe)) it takes what peers publish; PUB drops what comes
/// before the subscription, and nobody can count it. With **PULL** ([`pull`](Self::pull)) it takes its
/// turns of what peers push, and makes them wait when the log takes nothing more.
///
/// A body is [JSON](crate::receiver::decode_json). What is none is counted by its reason, and the next
/// is taken. All peers of a source have one lane, in the order in which their records come; `context`
/// of a record has `peer`, the endpoint.
pub struct ZeromqSource {
    kind: Kind,
    endpoint: Endpoint,
    opened: Option<(Runtime, Opened)>,
}

enum Kind {
    Subscribe { topics: Vec<String> },
    Pull,
}

impl ZeromqSource {
    /// A SUB socket that takes everything, unless it has [topics](Self::topic).
    pub fn subscribe(endpoint: Endpoint) -> ZeromqSource {
        ZeromqSource { kind: Kind::Subscribe { topics: Vec::new() }, endpoint, opened: None }
    }

    /// A PULL socket.
    pub fn pull(endpoint: Endpoint) -> ZeromqSource {
        ZeromqSource { kind: Kind::Pull, endpoint, opened: None }
    }

    /// Takes messages that begin with this topic, and with others that are given so. For SUB; PULL
    /// takes everything. Default: all.
    pub fn topic(mut self, topic: impl Into<String>) -> ZeromqSource {
        if let Kind::Subscribe { topics } = &mut self.kind {
            topics.push(topic.into());
        }
        self
    }
}

impl RecordSource for ZeromqSource {
    fn open(&mut self) -> io::Result<()> {
        let runtime = runtime()?;
        let opened = {
            let _entered = runtime.enter();
            self.endpoint.open()?
        };
        self.opened = Some((runtime, opened));
        Ok(())
    }

    /// `zeromq bind tcp://127.0.0.1:5556`
    fn name(&self) -> String {
        format!("zeromq {}", self.endpoint)
    }

    fn run(&mut self, inlet: &Inlet) {
        let Some((runtime, opened)) = self.opened.take() else { return };
        let served = runtime.block_on(async {
            let taker = Taker::new(inlet, &self.endpoint)?;
            match &self.kind {
                Kind::Subscribe { topics } => {
                    taker.take_all(subscriber(topics).await?, (opened, Side::Subscribe)).await
                }
                Kind::Pull => taker.take_all(PullSocket::new(), (opened, Side::Pull)).await,
            }
        });
        if let Err(error) = served {
            inlet.refuse(&format!("the source cannot be served: {error}"));
        }
        runtime.shutdown_background();
    }
}

async fn subscriber(topics: &[String]) -> ZmqResult<SubSocket> {
    let mut socket = SubSocket::new();
    if topics.is_empty() {
        socket.subscribe("").await?;
    }
    for topic in topics {
        socket.subscribe(topic).await?;
    }
    Ok(socket)
}

/// Takes messages until the source is to end.
struct Taker<'i> {
    inlet: &'i Inlet,
    lane: InletLane,
}

impl<'i> Taker<'i> {
    fn new(inlet: &'i Inlet, endpoint: &Endpoint) -> io::Result<Taker<'i>> {
        let peer = endpoint.to_string();
        let context = [Field { key: "peer".into(), value: peer.clone().into() }].into();
        let process = Process { name: peer.into(), context, ..Process::default() };
        Ok(Taker { inlet, lane: inlet.lane(process)? })
    }

    async fn take_all<S: Socket + SocketRecv>(
        mut self,
        mut socket: S,
        (opened, side): (Opened, Side),
    ) -> ZmqResult<()> {
        let _guard = opened.attach(&mut socket, side, Arc::clone(self.inlet.counts())).await?;
        while !self.inlet.is_closing() {
            // An error is the end of a connection, which the guard has seen, and counted if need be.
            if let Ok(Ok(message)) = timeout(TICK, socket.recv()).await {
                self.take(message);
            }
        }
        for _ in 0..MAX_LAST_MESSAGES {
            match timeout(LAST_PAUSE, socket.recv()).await {
                Ok(Ok(message)) => self.take(message),
                Ok(Err(_)) => {}
                Err(_nothing) => break,
            }
        }
        Ok(())
    }

    /// Takes one message: a body, or a topic and a body.
    fn take(&mut self, message: ZmqMessage) {
        let frames = message.into_vec();
        let ([body] | [_, body]) = &*frames else {
            let reason = format!("{} frames in a message: send a topic and a body", frames.len());
            return self.inlet.refuse(&reason);
        };
        match decode_json(body) {
            Ok(record) => {
                let mut record = record.into_owned();
                record.process.to_mut().context = self.lane.process().context.clone();
                self.inlet.give(&mut self.lane, record);
            }
            Err(error) => self.inlet.refuse(&error.to_string()),
        }
    }
}
