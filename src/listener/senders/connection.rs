//! One connection of a sender: what has come of it, and what it still has to be told.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::feed::Feed;
use crate::Process;
use crate::listener::refusal::Refusal;
use crate::relay::{
    Answer, FRAME_HEADER_BYTES, Frame, FrameKind, FrameReader, GREETING_BYTES, Greeting, HEARTBEAT,
    MAX_FRAME_BYTES, NoGreeting, Origin, SILENCE, Untaken,
};

/// How long a sender may take to say who it is.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// Read at once.
const READ_BYTES: usize = 64 * 1024;

/// How far a sender has come.
pub(super) enum Stage {
    Arriving,
    Greeted(Greeting),
    /// It is welcomed as soon as nothing is left of its lane of before.
    Waiting(Greeting, Box<Process>),
    Sending {
        sender: u64,
    },
}

/// What is to become of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    /// It ended, or another one took its place.
    Drop,
    Refuse(Refusal),
    /// The sender never comes again.
    Bye,
}

pub(super) struct Connection {
    stream: UnixStream,
    /// Where it came in.
    pub(super) place: usize,
    pub(super) stage: Stage,
    input: Vec<u8>,
    output: Vec<u8>,
    reader: FrameReader,
    /// When it came, and when its last whole frame did.
    heard_at: Instant,
    told_at: Instant,
    told_seq: u64,
    pub(super) is_blocked: bool,
    /// Nothing more comes; what has come is still taken.
    pub(super) has_ended: bool,
    pub(super) is_over: bool,
}

impl Connection {
    pub(super) fn new(stream: UnixStream, place: usize) -> Connection {
        let now = Instant::now();
        Connection {
            stream,
            place,
            stage: Stage::Arriving,
            input: Vec::new(),
            output: Vec::new(),
            reader: FrameReader::default(),
            heard_at: now,
            told_at: now,
            told_seq: 0,
            is_blocked: false,
            has_ended: false,
            is_over: false,
        }
    }

    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    pub(super) fn sender(&self) -> Option<u64> {
        match self.stage {
            Stage::Sending { sender } => Some(sender),
            _ => None,
        }
    }

    /// Whether what comes may be read.
    pub(super) fn is_reading(&self) -> bool {
        !self.is_blocked && self.input.len() < MAX_FRAME_BYTES
    }

    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// When it is closed unless it says something.
    pub(super) fn deadline(&self) -> Instant {
        let patience = match self.stage {
            Stage::Arriving | Stage::Greeted(_) => GREETING_TIMEOUT,
            _ => SILENCE,
        };
        self.heard_at + patience
    }

    pub(super) fn is_silent(&self) -> bool {
        Instant::now() >= self.deadline()
    }

    /// Takes in what has come, no more than one frame beyond what was taken.
    pub(super) fn read(&mut self) -> Fate {
        while self.input.len() < MAX_FRAME_BYTES && !self.has_ended {
            let filled = self.input.len();
            let room = READ_BYTES.min(MAX_FRAME_BYTES - filled);
            self.input.resize(filled + room, 0);
            let read = self.stream.read(&mut self.input[filled..]);
            self.input.truncate(filled + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => {
                    self.has_ended = true;
                    break;
                }
                Ok(count) if count < room => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Fate::Drop,
            }
        }
        Fate::Keep
    }

    /// Reads who the sender is, until it waits to be welcomed.
    pub(super) fn greet(&mut self) -> Fate {
        if let Stage::Arriving = self.stage {
            let Some(bytes) = self.input.first_chunk::<GREETING_BYTES>() else {
                let may_come = Greeting::is_begun_by(&self.input);
                return if may_come { Fate::Keep } else { Fate::Refuse(Refusal::NoGreeting) };
            };
            self.stage = match Greeting::decode(bytes) {
                Ok(greeting) => Stage::Greeted(greeting),
                Err(NoGreeting::Foreign) => return Fate::Refuse(Refusal::NoGreeting),
                Err(NoGreeting::OtherVersion) => return Fate::Refuse(Refusal::OtherVersion),
            };
            self.input.drain(..GREETING_BYTES);
        }
        if let Stage::Greeted(greeting) = self.stage {
            let (kind, content) = match Frame::first(&self.input) {
                Frame::Part => return Fate::Keep,
                Frame::Damaged => return Fate::Refuse(Refusal::DamagedBatch),
                Frame::Whole { kind, content } => (kind, content),
            };
            let origin = Some(content).filter(|_| kind == FrameKind::Process);
            let Some(origin) = origin.and_then(Origin::read) else {
                return Fate::Refuse(Refusal::BadHello);
            };
            let frame_bytes = FRAME_HEADER_BYTES + content.len();
            self.input.drain(..frame_bytes);
            self.heard_at = Instant::now();
            self.stage = Stage::Waiting(greeting, Box::new(origin.process));
        }
        Fate::Keep
    }

    /// Lets the sender begin with the record `next_seq`.
    pub(super) fn welcome(&mut self, sender: u64, next_seq: u64) {
        self.stage = Stage::Sending { sender };
        self.heard_at = Instant::now();
        self.tell(Answer::Welcome(next_seq));
    }

    /// Puts the records that have come into the lane of their sender, as far as there is room.
    pub(super) fn take_frames(&mut self, feed: &mut Feed) -> Fate {
        let mut done_bytes = 0;
        self.is_blocked = false;
        let fate = loop {
            let (kind, content) = match Frame::first(&self.input[done_bytes..]) {
                Frame::Part => break Fate::Keep,
                Frame::Damaged => break Fate::Refuse(Refusal::DamagedBatch),
                Frame::Whole { kind, content } => (kind, content),
            };
            self.heard_at = Instant::now();
            let taken = match kind {
                FrameKind::Records => self.reader.take(content, feed),
                FrameKind::Alive => Ok(()),
                FrameKind::Bye => break Fate::Bye,
                FrameKind::Process => Err(Untaken::Damaged),
            };
            match taken {
                Ok(()) => done_bytes += FRAME_HEADER_BYTES + content.len(),
                Err(Untaken::Full) => {
                    self.is_blocked = true;
                    break Fate::Keep;
                }
                Err(Untaken::Damaged) => break Fate::Refuse(Refusal::DamagedBatch),
            }
        };
        self.input.drain(..done_bytes);
        fate
    }

    /// Tells how far its records are written, where that has changed or was long ago.
    pub(super) fn acknowledge(&mut self, written: u64) {
        if self.output.is_empty()
            && (written != self.told_seq || self.told_at.elapsed() >= HEARTBEAT)
        {
            self.told_seq = written;
            self.tell(Answer::Written(written));
        }
    }

    pub(super) fn refuse(&mut self) {
        self.tell(Answer::Refused);
    }

    fn tell(&mut self, answer: Answer) {
        self.told_at = Instant::now();
        self.output.extend(answer.encode());
        let _seen_when_read = self.write();
    }

    /// Sends what there is to say, as far as the socket takes it.
    pub(super) fn write(&mut self) -> Fate {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Fate::Drop,
            }
        }
        Fate::Keep
    }
}
