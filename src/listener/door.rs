//! The door: one thread that polls `control.sock` and the sockets of all attached workers.
//!
//! It reads greetings without ever waiting for one, hands greeted peers to a thread of their own,
//! and notices the end of a worker as the end of its stream.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, atomic};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};

use super::handshake::{Greeted, Reception};
use super::hub::Hub;
use super::refusal::Refusal;
use crate::queue::control::{Answer, Greeting, PROTOCOL_VERSION, Role};

/// How long a peer may take for its greeting.
const GREETING_TIMEOUT: Duration = Duration::from_millis(500);

/// Most peers that have not greeted yet; the oldest makes room.
const MAX_UNGREETED: usize = 256;

/// Most peers between greeting and welcome, each with a thread of its own.
const MAX_HANDSHAKES: usize = 64;

/// Most greeted peers that wait for a handshake.
const MAX_WAITING: usize = 1024;

/// How long the door rests when descriptors have run out.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Door {
    pub(super) socket: UnixListener,
    pub(super) wake: UnixStream,
    pub(super) reception: Arc<Reception>,
    pub(super) hub: Arc<Hub>,
    /// Workers whose handshake is complete.
    pub(super) attached: Receiver<Attached>,
    /// Where the lanes of ended workers go.
    pub(super) gone: Sender<u64>,
}

/// A worker that was welcomed; its stream carries one byte for each message it has seen.
pub(super) struct Attached {
    pub(super) lane: u64,
    pub(super) stream: UnixStream,
}

struct Ungreeted {
    stream: UnixStream,
    bytes: [u8; Greeting::BYTES],
    filled: usize,
    since: Instant,
}

/// What became of a stream that was readable.
enum Fate {
    Keep,
    Drop,
}

impl Door {
    /// Polls until the hub has ended.
    pub(super) fn run(mut self) {
        let mut ungreeted: Vec<Ungreeted> = Vec::new();
        let mut workers: Vec<Attached> = Vec::new();
        let mut waiting: VecDeque<Greeted> = VecDeque::new();
        let mut rest_until: Option<Instant> = None;
        while !self.hub.has_ended() {
            rest_until = rest_until.filter(|until| *until > Instant::now());
            let ready = self.wait(&ungreeted, &workers, rest_until);
            let (fixed, rest) = ready.split_at(2);
            let (peers, streams) = rest.split_at(ungreeted.len());
            retain_ready(&mut workers, streams, |worker| self.hear(worker));
            retain_ready(&mut ungreeted, peers, |peer| self.greet(peer, &mut waiting));
            self.drop_silent(&mut ungreeted);
            if fixed[0] && self.accept(&mut ungreeted, &mut waiting).is_err() {
                rest_until = Some(Instant::now() + EXHAUSTED_PAUSE);
            }
            if fixed[1] {
                self.drain_wake();
            }
            self.shake_hands(&mut waiting);
            workers.extend(self.attached.try_iter());
        }
    }

    /// Which of control socket, wake stream, ungreeted peers, workers are readable, in this order.
    fn wait(
        &self,
        ungreeted: &[Ungreeted],
        workers: &[Attached],
        rest: Option<Instant>,
    ) -> Vec<bool> {
        let flags = |wanted: bool| if wanted { PollFlags::POLLIN } else { PollFlags::empty() };
        let fixed = [(self.socket.as_fd(), rest.is_none()), (self.wake.as_fd(), true)];
        let peers = ungreeted.iter().map(|peer| (peer.stream.as_fd(), true));
        let streams = workers.iter().map(|worker| (worker.stream.as_fd(), true));
        let all = fixed.into_iter().chain(peers).chain(streams);
        let mut polled: Vec<PollFd<'_>> = all
            .map(|(fd, wanted): (BorrowedFd<'_>, bool)| PollFd::new(fd, flags(wanted)))
            .collect();
        let next = ungreeted.iter().map(|peer| peer.since + GREETING_TIMEOUT).chain(rest).min();
        let timeout = next.map_or(PollTimeout::NONE, |at| {
            let left = at.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut polled, timeout) {
            Ok(_) => polled.iter().map(|fd| fd.any().unwrap_or(false)).collect(),
            // Interrupted: nothing is known to be ready.
            Err(_) => vec![false; polled.len()],
        }
    }

    /// Takes every waiting connection; an error means that descriptors have run out.
    fn accept(
        &self,
        ungreeted: &mut Vec<Ungreeted>,
        waiting: &mut VecDeque<Greeted>,
    ) -> io::Result<()> {
        loop {
            let stream = match self.socket.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            let mut peer = Ungreeted { stream, bytes: [0; _], filled: 0, since: Instant::now() };
            // Most have greeted by the time they are accepted.
            if let Fate::Drop = self.greet(&mut peer, waiting) {
                continue;
            }
            if ungreeted.len() >= MAX_UNGREETED {
                ungreeted.remove(0);
                self.hub.refuse(Refusal::Silent);
            }
            ungreeted.push(peer);
        }
    }

    /// Reads what has come of a greeting and acts on a whole one.
    fn greet(&self, peer: &mut Ungreeted, waiting: &mut VecDeque<Greeted>) -> Fate {
        match peer.stream.read(&mut peer.bytes[peer.filled..]) {
            Ok(0) => {
                self.hub.refuse(Refusal::NoGreeting);
                return Fate::Drop;
            }
            Ok(count) => peer.filled += count,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => {
                self.hub.refuse(Refusal::NoGreeting);
                return Fate::Drop;
            }
        }
        if peer.filled < Greeting::BYTES {
            return Fate::Keep;
        }
        match self.check(peer, waiting.len()) {
            Ok(greeted) => waiting.push_back(greeted),
            Err(refusal) => self.turn_away(&mut peer.stream, refusal),
        }
        Fate::Drop
    }

    fn check(&self, peer: &Ungreeted, waiting: usize) -> Result<Greeted, Refusal> {
        let greeting = Greeting::decode(&peer.bytes).ok_or(Refusal::NoGreeting)?;
        let credentials =
            getsockopt(&peer.stream, sockopt::PeerCredentials).map_err(|_| Refusal::OtherUser)?;
        let owner = credentials.uid() == nix::unistd::geteuid().as_raw();
        let root_asks = credentials.uid() == 0 && greeting.role == Role::Control;
        if !(owner || root_asks) {
            return Err(Refusal::OtherUser);
        }
        if greeting.version != PROTOCOL_VERSION {
            return Err(Refusal::OtherVersion);
        }
        if greeting.role == Role::Worker && self.hub.is_stopping() {
            return Err(Refusal::Stopping);
        }
        if waiting >= MAX_WAITING {
            return Err(Refusal::TooMany);
        }
        let stream = peer.stream.try_clone().map_err(|_| Refusal::TooMany)?;
        Ok(Greeted { stream, role: greeting.role })
    }

    fn turn_away(&self, stream: &mut UnixStream, refusal: Refusal) {
        self.hub.refuse(refusal);
        let answer = match refusal {
            Refusal::OtherVersion => Answer::Version(PROTOCOL_VERSION),
            refusal => Answer::Refused(refusal.reason().to_owned()),
        };
        // The peer may be gone, or never read.
        let _unsent = stream.write(&answer.encode());
    }

    /// Begins as many handshakes as may be under way; the end of one wakes the door.
    fn shake_hands(&self, waiting: &mut VecDeque<Greeted>) {
        while self.reception.busy.load(atomic::Ordering::Acquire) < MAX_HANDSHAKES
            && let Some(greeted) = waiting.pop_front()
        {
            if self.reception.receive(greeted).is_err() {
                self.hub.refuse(Refusal::TooMany);
            }
        }
    }

    fn drop_silent(&self, ungreeted: &mut Vec<Ungreeted>) {
        let now = Instant::now();
        ungreeted.retain(|peer| {
            let silent = now.duration_since(peer.since) >= GREETING_TIMEOUT;
            if silent {
                self.hub.refuse(Refusal::Silent);
            }
            !silent
        });
    }

    /// Counts acknowledgements; the end of the stream is the end of the worker.
    fn hear(&self, worker: &mut Attached) -> Fate {
        let mut bytes = [0; 16];
        match worker.stream.read(&mut bytes) {
            Ok(count) if count > 0 => {
                self.hub.seen(worker.lane);
                Fate::Keep
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Fate::Keep
            }
            _ => {
                self.hub.mark_gone(worker.lane);
                // The other end is there until the listener itself has ended.
                let _ended = self.gone.send(worker.lane);
                Fate::Drop
            }
        }
    }

    fn drain_wake(&mut self) {
        let mut bytes = [0; 64];
        while matches!(self.wake.read(&mut bytes), Ok(count) if count == bytes.len()) {}
    }
}

/// Calls `act` on the items that are ready and drops those it says.
fn retain_ready<T>(items: &mut Vec<T>, ready: &[bool], mut act: impl FnMut(&mut T) -> Fate) {
    let mut ready = ready.iter();
    items.retain_mut(|item| match ready.next() {
        Some(true) => matches!(act(item), Fate::Keep),
        _ => true,
    });
}
