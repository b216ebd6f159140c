//! The messages between workers, listener and `ctl`, and the greeting that comes before them.
//!
//! A peer greets on `control.sock` with 12 bytes and is answered there; all else are ipc-channel
//! messages. The version is in the greeting because ipc-channel decodes whatever type it is asked
//! for: two releases must not meet there.

use ipc_channel::ipc::{IpcBytesSender, IpcSender};
use serde::{Deserialize, Serialize};

use super::Overflow;
use super::status::{Flushed, LevelReport, Rotated, Status, StopReport};
#[cfg(feature = "listener")]
use crate::Context;
use crate::level_table::LevelTable;
use crate::{Level, Process, context};

/// Version of the greeting, the messages and the schema of the entries.
pub(crate) const PROTOCOL_VERSION: u16 = 4;

/// Most bytes of a configuration that are sent.
pub(crate) const MAX_CONFIG_BYTES: usize = 1 << 20;

/// Who greets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Worker = 1,
    Control = 2,
}

/// The first bytes a peer sends: `b"logboom\n"`, version u16 LE, role u8, zero u8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) version: u16,
    pub(crate) role: Role,
}

impl Greeting {
    pub(crate) const BYTES: usize = 12;
    const MAGIC: &'static [u8; 8] = b"logboom\n";

    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(Self::MAGIC);
        bytes[8..10].copy_from_slice(&self.version.to_le_bytes());
        bytes[10] = self.role as u8;
        bytes
    }

    /// Reads a greeting; `None` where it is none.
    #[cfg(feature = "listener")]
    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Option<Greeting> {
        let role = match bytes[10] {
            1 => Role::Worker,
            2 => Role::Control,
            _ => return None,
        };
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        (&bytes[..8] == Self::MAGIC).then_some(Greeting { version, role })
    }
}

/// What the listener answers to a greeting: status u8, version u16 LE, length u16 LE, text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Connect to the one-shot server of this name.
    Connect(String),
    /// No, for this reason.
    Refused(String),
    /// The listener speaks another version of the protocol.
    Version(u16),
}

impl Answer {
    pub(crate) const HEAD_BYTES: usize = 5;
    /// Longest text: the name of a socket, or a sentence.
    pub(crate) const MAX_TEXT_BYTES: usize = 256;

    #[cfg(feature = "listener")]
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (status, text) = match self {
            Answer::Connect(name) => (1, name.as_str()),
            Answer::Refused(reason) => (2, reason.as_str()),
            Answer::Version(_) => (3, ""),
        };
        let text = &text[..text.floor_char_boundary(Self::MAX_TEXT_BYTES)];
        let mut bytes = vec![status];
        bytes.extend(PROTOCOL_VERSION.to_le_bytes());
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }

    /// Length of the text that follows this head.
    pub(crate) fn text_bytes(head: &[u8; Self::HEAD_BYTES]) -> usize {
        usize::from(u16::from_le_bytes([head[3], head[4]])).min(Self::MAX_TEXT_BYTES)
    }

    /// Reads an answer; `None` where it is none.
    pub(crate) fn decode(head: &[u8; Self::HEAD_BYTES], text: Vec<u8>) -> Option<Answer> {
        let text = String::from_utf8(text).ok()?;
        match head[0] {
            1 => Some(Answer::Connect(text)),
            2 => Some(Answer::Refused(text)),
            3 => Some(Answer::Version(u16::from_le_bytes([head[1], head[2]]))),
            _ => None,
        }
    }
}

/// The first message over ipc-channel, from worker or `ctl` to the listener.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) magic: Magic,
    pub(crate) version: u16,
    pub(crate) body: HelloBody,
}

impl Hello {
    pub(crate) fn new(body: HelloBody) -> Hello {
        Hello { magic: Magic, version: PROTOCOL_VERSION, body }
    }
}

/// Eight bytes that are checked before anything behind them is decoded.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "[u8; 8]", into = "[u8; 8]")]
#[derive(Clone, Default)]
pub(crate) struct Magic;

impl TryFrom<[u8; 8]> for Magic {
    type Error = &'static str;

    fn try_from(bytes: [u8; 8]) -> Result<Magic, Self::Error> {
        if &bytes == Greeting::MAGIC { Ok(Magic) } else { Err("not a message of logboom") }
    }
}

impl From<Magic> for [u8; 8] {
    fn from(_: Magic) -> [u8; 8] {
        *Greeting::MAGIC
    }
}

/// Who says hello, and where the answers go.
#[derive(Serialize, Deserialize)]
pub(crate) enum HelloBody {
    Worker { facts: WorkerFacts, reply: IpcSender<ToWorker> },
    Control { request: Request, reply: IpcSender<Reply> },
}

/// What a worker tells of itself when it attaches.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WorkerFacts {
    pub(crate) transport: TransportKind,
    pub(crate) lane: u64,
    /// Sequence number of the first call this listener will see.
    pub(crate) first_seq: u64,
    /// Records handed to a listener that ended before it said they were written.
    pub(crate) unconfirmed: u64,
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) program: String,
    pub(crate) started_ns: i64,
    /// The context of its process, as text.
    pub(crate) context: String,
    /// What its log calls do when the queue is full, for people.
    pub(crate) overflow: String,
    /// It takes no levels of a listener.
    pub(crate) is_pinned: bool,
}

impl WorkerFacts {
    /// Longest of its texts.
    #[cfg(feature = "listener")]
    pub(crate) const MAX_NAME_BYTES: usize = 256;

    #[cfg(feature = "listener")]
    pub(crate) fn process(&self) -> Process {
        let cut = |text| cut(text).into();
        Process {
            name: cut(&self.name),
            id: self.pid,
            program: cut(&self.program),
            started_ns: self.started_ns,
            // A worker hands on what can be read.
            context: self.context.parse().unwrap_or_else(|_| Context::default()).into(),
        }
    }

    /// What it does when its queue is full.
    #[cfg(feature = "listener")]
    pub(crate) fn overflow(&self) -> &str {
        cut(&self.overflow)
    }

    pub(crate) fn new(
        transport: TransportKind,
        lane: u64,
        process: &Process,
        overflow: Overflow,
    ) -> WorkerFacts {
        WorkerFacts {
            transport,
            lane,
            first_seq: 0,
            unconfirmed: 0,
            name: process.name.to_string(),
            pid: process.id,
            program: process.program.to_string(),
            started_ns: process.started_ns,
            context: context::to_text(&process.context),
            overflow: overflow.to_string(),
            is_pinned: false,
        }
    }
}

/// A text of a worker, as long as one may be.
#[cfg(feature = "listener")]
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(WorkerFacts::MAX_NAME_BYTES)]
}

/// How a worker's records travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TransportKind {
    Channel,
    Ring,
}

impl TransportKind {
    /// As `LOGBOOM_TRANSPORT` has it.
    #[cfg(feature = "listener")]
    pub(crate) fn name(self) -> &'static str {
        match self {
            TransportKind::Channel => "channel",
            TransportKind::Ring => "ring",
        }
    }
}

/// From the listener to one worker. Each message is acknowledged with one byte on the control
/// socket, and there is at most one unacknowledged.
#[derive(Serialize, Deserialize)]
pub(crate) enum ToWorker {
    Welcome { data: IpcBytesSender, levels: LevelTable },
    Update(Update),
}

/// What a worker has to know; a later update replaces an earlier one that was not sent yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Update {
    /// Calls before this one are in the log file.
    pub(crate) written_seq: u64,
    /// Calls before this one are on the disk.
    pub(crate) synced_seq: u64,
    /// Send what is queued, with this number; 0: nothing is asked.
    pub(crate) flush: u64,
    /// The listener stops: send what is queued, then nothing more.
    pub(crate) stop: bool,
    /// Obey these levels from now on.
    pub(crate) levels: Option<LevelTable>,
}

/// From `ctl` to the listener.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Status,
    Flush {
        sync: bool,
        timeout_ms: u64,
    },
    Stop,
    SetLevel(SetLevel),
    /// A configuration, whose text follows on the control socket because a message may be too small
    /// for it. Its name says in which form it is, and stands in errors.
    PushConfig {
        name: String,
        bytes: u32,
    },
    Rotate,
}

/// What `ctl level` asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SetLevel {
    pub(crate) logger: String,
    pub(crate) level: Level,
    /// Until when; `None`: until the listener ends.
    pub(crate) for_ms: Option<u64>,
    /// How long to wait for the workers.
    pub(crate) timeout_ms: u64,
}

/// From the listener to `ctl`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Status(Box<Status>),
    Flushed(Flushed),
    Stopped(StopReport),
    LevelSet(LevelReport),
    /// No, for this reason.
    Refused(String),
    /// Whether the configuration is in effect; why not, for people.
    Config(Result<(), String>),
    Rotated(Rotated),
}

#[cfg(all(test, feature = "listener"))]
mod tests {
    use super::*;

    #[test]
    fn greetings_round_trip_and_others_are_none() {
        let greeting = Greeting { version: 0x0102, role: Role::Control };
        let bytes = greeting.encode();
        assert_eq!(Greeting::decode(&bytes), Some(greeting));
        for at in (0..8).chain([10]) {
            let mut other = bytes;
            other[at] ^= 0x40;
            assert_eq!(Greeting::decode(&other), None);
        }
    }

    #[test]
    fn answers_round_trip_and_have_a_bound() {
        for answer in [Answer::Connect("/x/socket".into()), Answer::Refused("no".into())] {
            let bytes = answer.encode();
            let (head, text) = bytes.split_first_chunk().expect("a head");
            assert_eq!(Answer::text_bytes(head), text.len());
            assert_eq!(Answer::decode(head, text.to_vec()), Some(answer));
        }
        let long = Answer::Refused("ü".repeat(1000)).encode();
        assert!(long.len() <= Answer::HEAD_BYTES + Answer::MAX_TEXT_BYTES);
    }
}
