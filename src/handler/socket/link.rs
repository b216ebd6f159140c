//! The thread that sends: connects, sends what is kept, hears what is written, and begins again when
//! the connection breaks.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::kept::{Impossible, OriginNumbers};
use super::{Shared, State, connect};
use crate::causes::with_causes;
use crate::relay::{
    ANSWER_BYTES, Answer, FrameKind, Greeting, HEARTBEAT, SILENCE, SocketAddress, begin_frame,
    end_frame,
};

pub(super) struct Link {
    pub(super) shared: Arc<Shared>,
    pub(super) address: SocketAddress,
    pub(super) woken: UnixStream,
    pub(super) sender: u64,
    pub(super) process: Arc<[u8]>,
    pub(super) back_off: (Duration, Duration),
}

/// One connection.
struct Session {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    numbers: OriginNumbers,
    is_welcome: bool,
    has_said_bye: bool,
    /// Something was acknowledged.
    has_progress: bool,
    heard_at: Instant,
    told_at: Instant,
}

impl Link {
    /// Sends until all is acknowledged that there will be, or nobody waits for that.
    pub(super) fn run(self) {
        let mut pause = self.back_off.0;
        while self.wait_for_records() {
            let mut has_progress = false;
            match self.send(&mut has_progress) {
                Ok(()) => break,
                Err(error) => self.shared.lock().trouble = Some(with_causes(&error)),
            }
            if has_progress {
                pause = self.back_off.0;
            }
            self.rest(pause);
            pause = (pause * 2).min(self.back_off.1);
        }
        self.shared.lock().has_ended = true;
        self.shared.changed.notify_all();
    }

    /// Waits for something to send; false where nothing comes any more.
    fn wait_for_records(&self) -> bool {
        let is_idle = |state: &mut State| state.kept.is_empty() && !state.is_closed;
        let waited = self.shared.changed.wait_while(self.shared.lock(), is_idle);
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        !state.kept.is_empty() && !state.is_abandoned
    }

    /// Pauses, for the shortest time where this is the end.
    fn rest(&self, pause: Duration) {
        // Without chance all of the pause.
        let percent = getrandom::u64().map_or(100, |random| 50 + (random % 51) as u32);
        let pause = pause * percent / 100;
        let is_open = |state: &mut State| !state.is_closed;
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), pause, is_open);
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if !waited.timed_out() {
            // Somebody waits for the end, and not for long.
            let is_patient = |state: &mut State| !state.is_abandoned;
            drop(self.shared.changed.wait_timeout_while(state, self.back_off.0, is_patient));
        }
    }

    /// Sends over one connection until it breaks, or all is done.
    fn send(&self, has_progress: &mut bool) -> io::Result<()> {
        let mut session = Session::of(connect::open(&self.address)?);
        let outcome = self.serve(&mut session);
        *has_progress = session.has_progress;
        outcome
    }

    fn serve(&self, session: &mut Session) -> io::Result<()> {
        let first_seq = self.shared.lock().kept.first_seq();
        session.greet(Greeting { sender: self.sender, first_seq }, &self.process);
        loop {
            if session.output.is_empty() && !self.fill(session) {
                return Ok(());
            }
            session.write()?;
            if session.has_said_bye && session.output.is_empty() {
                return Ok(());
            }
            self.wait(session)?;
            self.hear(session)?;
            if session.heard_at.elapsed() >= SILENCE {
                let sentence = "the receiver has been silent for too long";
                return Err(io::Error::new(io::ErrorKind::TimedOut, sentence));
            }
        }
    }

    /// Takes what is to be sent next; false where nobody waits for that.
    fn fill(&self, session: &mut Session) -> bool {
        let mut state = self.shared.lock();
        if state.is_abandoned {
            return false;
        }
        if session.is_welcome {
            state.kept.write_frame(&mut session.numbers, &mut session.output);
            if state.is_closed && state.kept.is_empty() {
                session.say(FrameKind::Bye);
                session.has_said_bye = true;
            }
        }
        if session.output.is_empty() && session.told_at.elapsed() >= HEARTBEAT && session.is_welcome
        {
            session.say(FrameKind::Alive);
        }
        // Under the lock: a record that comes from now on wakes us.
        state.is_waiting = session.output.is_empty();
        true
    }

    /// Waits until there is something to read, or to write.
    fn wait(&self, session: &Session) -> io::Result<()> {
        let is_sending = !session.output.is_empty();
        let out = if is_sending { PollFlags::POLLOUT } else { PollFlags::empty() };
        let mut polled = [
            PollFd::new(session.stream.as_fd(), PollFlags::POLLIN | out),
            PollFd::new(self.woken.as_fd(), PollFlags::POLLIN),
        ];
        let timeout = PollTimeout::try_from(HEARTBEAT / 5).unwrap_or(PollTimeout::ZERO);
        match poll(&mut polled, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        if polled[1].any().unwrap_or(false) {
            let _all = (&self.woken).read(&mut [0; 64]);
        }
        Ok(())
    }

    /// Acts on what the receiver has said.
    fn hear(&self, session: &mut Session) -> io::Result<()> {
        session.read()?;
        while let Some((bytes, rest)) = session.input.split_first_chunk::<ANSWER_BYTES>() {
            let answer = Answer::decode(bytes);
            session.input = rest.to_vec();
            session.heard_at = Instant::now();
            let is_possible = match answer {
                Some(Answer::Welcome(next_seq)) if !session.is_welcome => {
                    session.is_welcome = true;
                    let mut state = self.shared.lock();
                    state.trouble = None;
                    state.kept.go_on(next_seq)
                }
                Some(Answer::Written(seq)) if session.is_welcome => self.acknowledge(seq, session),
                Some(Answer::Refused) => {
                    let sentence = "the receiver does not take records from us now";
                    return Err(io::Error::other(sentence));
                }
                _ => Err(Impossible),
            };
            is_possible.map_err(|Impossible| {
                let sentence = "the receiver speaks of records that it cannot know";
                io::Error::new(io::ErrorKind::InvalidData, sentence)
            })?;
        }
        Ok(())
    }

    fn acknowledge(&self, seq: u64, session: &mut Session) -> Result<(), Impossible> {
        let mut state = self.shared.lock();
        if state.kept.acknowledge(seq)? {
            state.acknowledged_at = Instant::now();
            session.has_progress = true;
            self.shared.changed.notify_all();
        }
        Ok(())
    }
}

impl Session {
    fn of(stream: UnixStream) -> Session {
        let now = Instant::now();
        Session {
            stream,
            input: Vec::new(),
            output: Vec::new(),
            numbers: OriginNumbers::default(),
            is_welcome: false,
            has_said_bye: false,
            has_progress: false,
            heard_at: now,
            told_at: now,
        }
    }

    fn greet(&mut self, greeting: Greeting, process: &[u8]) {
        self.output.extend(greeting.encode());
        let begin_at = begin_frame(FrameKind::Process, &mut self.output);
        self.output.extend_from_slice(process);
        end_frame(begin_at, &mut self.output);
    }

    fn say(&mut self, kind: FrameKind) {
        let begin_at = begin_frame(kind, &mut self.output);
        end_frame(begin_at, &mut self.output);
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => {
                    self.output.drain(..count);
                    self.told_at = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        let mut bytes = [0; 64 * ANSWER_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the receiver has closed the connection",
            )),
            Ok(count) => {
                self.input.extend_from_slice(&bytes[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}
