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
use super::room::Room;
use crate::queue::control::{Answer, Greeting, PROTOCOL_VERSION, Role};

/// How long a peer may take for its greeting.
const GREETING_TIMEOUT: Duration = Duration::from_millis(500);

/// Most connections that are accepted before others are looked at.
const MAX_ACCEPTS: usize = 256;

/// Most greeted peers that wait for a handshake.
const MAX_WAITING: usize = 1024;

/// How long the door of a listener that has ended goes on for those who have connected before.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the door rests when descriptors have run out.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Door {
    pub(super) socket: UnixListener,
    pub(super) wake: UnixStream,
    pub(super) reception: Arc<Reception>,
    pub(super) hub: Arc<Hub>,
    pub(super) room: Room,
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

/// Whoever is connected.
#[derive(Default)]
struct Peers {
    ungreeted: Vec<Ungreeted>,
    /// Greeted peers that wait for a handshake.
    waiting: VecDeque<Greeted>,
    workers: Vec<Attached>,
    /// Nobody is accepted before.
    rest_until: Option<Instant>,
}

impl Door {
    /// Polls until the hub has ended and nobody who has connected before still wants something.
    pub(super) fn run(mut self) {
        let mut peers = Peers::default();
        while !self.hub.has_ended() {
            self.serve(&mut peers, None);
        }
        // Let go, so that they look for a successor.
        peers.workers.clear();
        let deadline = Instant::now() + CLOSING_TIMEOUT;
        while Instant::now() < deadline && !self.is_idle(&mut peers) {
            self.serve(&mut peers, Some(deadline));
            peers.workers.clear();
        }
    }

    /// Whether nobody is connected who has not got an answer. Call it when nobody can connect.
    fn is_idle(&self, peers: &mut Peers) -> bool {
        let accepted = self.accept(&mut peers.ungreeted, &mut peers.waiting);
        let busy = self.reception.busy.load(atomic::Ordering::Acquire);
        accepted.is_ok() && peers.ungreeted.is_empty() && peers.waiting.is_empty() && busy == 0
    }

    /// Waits for whatever comes next, at most until `deadline`, and acts on it.
    fn serve(&mut self, peers: &mut Peers, deadline: Option<Instant>) {
        let Peers { ungreeted, waiting, workers, rest_until } = peers;
        *rest_until = rest_until.filter(|until| *until > Instant::now());
        let ready = self.wait(ungreeted, workers, *rest_until, deadline);
        let (fixed, rest) = ready.split_at(2);
        let (greeting, streams) = rest.split_at(ungreeted.len());
        retain_ready(workers, streams, |worker| self.hear(worker));
        retain_ready(ungreeted, greeting, |peer| self.greet(peer, waiting));
        self.drop_silent(ungreeted);
        if fixed[0] && self.accept(ungreeted, waiting).is_err() {
            *rest_until = Some(Instant::now() + EXHAUSTED_PAUSE);
        }
        if fixed[1] {
            self.drain_wake();
        }
        self.shake_hands(waiting);
        workers.extend(self.attached.try_iter());
    }

    /// Which of control socket, wake stream, ungreeted peers, workers are readable, in this order.
    fn wait(
        &self,
        ungreeted: &[Ungreeted],
        workers: &[Attached],
        rest: Option<Instant>,
        deadline: Option<Instant>,
    ) -> Vec<bool> {
        let flags = |wanted: bool| if wanted { PollFlags::POLLIN } else { PollFlags::empty() };
        let fixed = [(self.socket.as_fd(), rest.is_none()), (self.wake.as_fd(), true)];
        let peers = ungreeted.iter().map(|peer| (peer.stream.as_fd(), true));
        let streams = workers.iter().map(|worker| (worker.stream.as_fd(), true));
        let all = fixed.into_iter().chain(peers).chain(streams);
        let mut polled: Vec<PollFd<'_>> = all
            .map(|(fd, wanted): (BorrowedFd<'_>, bool)| PollFd::new(fd, flags(wanted)))
            .collect();
        let next = ungreeted.iter().map(|peer| peer.since + GREETING_TIMEOUT);
        let next = next.chain(rest).chain(deadline).min();
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

    /// Takes the waiting connections; an error means that descriptors have run out.
    fn accept(
        &self,
        ungreeted: &mut Vec<Ungreeted>,
        waiting: &mut VecDeque<Greeted>,
    ) -> io::Result<()> {
        for _ in 0..MAX_ACCEPTS {
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
            // The oldest makes room.
            if ungreeted.len() >= self.room.ungreeted {
                ungreeted.remove(0);
                self.hub.refuse(Refusal::Silent);
            }
            ungreeted.push(peer);
        }
        Ok(())
    }

    /// Reads what has come of a greeting and acts on a whole one.
    fn greet(&self, peer: &mut Ungreeted, waiting: &mut VecDeque<Greeted>) -> Fate {
        match peer.stream.read(&mut peer.bytes[peer.filled..]) {
            Ok(0) => {
                self.hub.refuse(Refusal::NoGreeting);
                return Fate::Drop;
            }
            Ok(count) => peer.filled += count,
            Err(error) if is_nothing_yet(&error) => {}
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
        let on_their_way = waiting + self.reception.busy.load(atomic::Ordering::Acquire);
        if greeting.role == Role::Worker
            && self.hub.worker_count() + on_their_way >= self.room.workers
        {
            return Err(Refusal::NoDescriptors);
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
        while self.reception.busy.load(atomic::Ordering::Acquire) < self.room.handshakes
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
            Err(error) if is_nothing_yet(&error) => Fate::Keep,
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

fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Calls `act` on the items that are ready and drops those it says.
fn retain_ready<T>(items: &mut Vec<T>, ready: &[bool], mut act: impl FnMut(&mut T) -> Fate) {
    let mut ready = ready.iter();
    items.retain_mut(|item| match ready.next() {
        Some(true) => matches!(act(item), Fate::Keep),
        _ => true,
    });
}
