//! A door for streams: one thread for all its connections.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{getsockopt, sockopt};

use super::Door;
use super::connection::{Connection, End, Heard, is_nothing_yet};
use super::peer::{Identity, Peer};
use super::waiting::{TICK, wait_for_last_room, wait_for_room};
use crate::listener::Inlet;

/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;

/// Most connections that are accepted before others are looked at.
const MAX_ACCEPTS: usize = 256;

/// Most connections that are looked at in one turn.
const MAX_EVENTS: usize = 256;

/// Most bytes of all records that have begun.
const MAX_BEGUN_BYTES: usize = 64 << 20;

/// How long a record may take from its first byte to its last.
const RECORD_TIMEOUT: Duration = Duration::from_secs(10);

/// Nobody is accepted for so long when descriptors have run out.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// How often a door looks for peers whose rest is over.
const REST_TICK: Duration = Duration::from_millis(50);

/// A stopping door takes so much of each connection that has more and more.
const MAX_LAST_READS: usize = 256;

/// What the epoll calls socket, wake and the first connection.
const SOCKET: u64 = 0;
const WAKE: u64 = 1;
const FIRST_CONNECTION: u64 = 2;

const SLOW: &str = "a record was not whole within 10 s of its first byte";
const IDLE: &str = "nothing came for the idle time of this door";
const MADE_ROOM: &str = "too many connections: one that had sent no record made room";
const TOO_MANY: &str = "too many connections: raise the limit of this door, or of descriptors";
const NO_DESCRIPTORS: &str = "descriptors have run out: raise their limit (ulimit -Hn)";
const TOO_MUCH: &str = "records that have begun took more than 64 MiB: this was the oldest";
pub(super) const OTHER_USER: &str = "another user: the rights of the socket let nobody else send";

/// Where peers connect.
pub(super) enum StreamSocket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl StreamSocket {
    fn accept(&self) -> io::Result<(OwnedFd, Identity)> {
        match self {
            StreamSocket::Unix(socket) => {
                let (stream, _) = socket.accept()?;
                stream.set_nonblocking(true)?;
                let peer = getsockopt(&stream, sockopt::PeerCredentials)?;
                let id = u32::try_from(peer.pid()).unwrap_or(0);
                Ok((stream.into(), Identity::Process { id, user: peer.uid() }))
            }
            StreamSocket::Tcp(socket) => {
                let (stream, address) = socket.accept()?;
                stream.set_nonblocking(true)?;
                Ok((stream.into(), Identity::Address(address)))
            }
        }
    }
}

impl AsFd for StreamSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            StreamSocket::Unix(socket) => socket.as_fd(),
            StreamSocket::Tcp(socket) => socket.as_fd(),
        }
    }
}

/// An open door for streams.
pub(super) struct Streams<'d> {
    door: &'d Door,
    inlet: &'d Inlet,
    socket: StreamSocket,
    epoll: Epoll,
    connections: HashMap<u64, Connection>,
    /// Connections that had something to read, and that are looked at before others are asked for.
    /// So each has its turn also where there is room for few.
    ready: VecDeque<u64>,
    next_number: u64,
    /// Connections that had sent no record when they were seen last, in the order in which they came.
    unheard: VecDeque<u64>,
    /// Connections that are not read before.
    resting: Vec<(Instant, u64)>,
    /// Nobody is accepted before.
    accepts_from: Option<Instant>,
    begun_bytes: usize,
    looked_at: Instant,
    scratch: Vec<u8>,
}

impl<'d> Streams<'d> {
    /// # Errors
    /// The system has no epoll.
    pub(super) fn new(
        door: &'d Door,
        inlet: &'d Inlet,
        socket: StreamSocket,
    ) -> io::Result<Streams<'d>> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, SOCKET))?;
        epoll.add(inlet.wake(), EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        Ok(Streams {
            door,
            inlet,
            socket,
            epoll,
            connections: HashMap::new(),
            ready: VecDeque::new(),
            next_number: FIRST_CONNECTION,
            unheard: VecDeque::new(),
            resting: Vec::new(),
            accepts_from: None,
            begun_bytes: 0,
            looked_at: Instant::now(),
            scratch: vec![0; READ_BYTES],
        })
    }

    /// Serves until the listener stops.
    pub(super) fn run(mut self) {
        let mut events = [EpollEvent::empty(); MAX_EVENTS];
        while !self.inlet.is_closing() {
            if !self.inlet.has_room() {
                wait_for_room(self.inlet);
                let now = Instant::now();
                self.connections.values_mut().for_each(|connection| connection.excuse(now));
                continue;
            }
            match self.ready.pop_front() {
                Some(number) => {
                    self.hear(number);
                }
                None => {
                    self.look(Instant::now());
                    self.wait(&mut events);
                }
            }
        }
        self.finish();
    }

    fn wait(&mut self, events: &mut [EpollEvent]) {
        // Interrupted: nothing is known to be ready.
        let count = self.epoll.wait(events, self.patience()).unwrap_or(0);
        for event in &events[..count] {
            match event.data() {
                SOCKET => self.accept(),
                WAKE => self.inlet.clear_wake(),
                number => self.ready.push_back(number),
            }
        }
    }

    fn patience(&self) -> EpollTimeout {
        let is_short = !self.resting.is_empty() || self.accepts_from.is_some();
        let patience = if is_short { REST_TICK } else { TICK };
        EpollTimeout::try_from(patience).unwrap_or(EpollTimeout::ZERO)
    }

    /// Lets in those who have connected.
    fn accept(&mut self) {
        for _ in 0..MAX_ACCEPTS {
            match self.socket.accept() {
                Ok((stream, identity)) => self.admit(stream, identity),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_nothing_yet(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    self.inlet.counts().refuse(NO_DESCRIPTORS);
                    if self.epoll.delete(&self.socket).is_ok() {
                        self.accepts_from = Some(Instant::now() + EXHAUSTED_PAUSE);
                    }
                    return;
                }
            }
        }
    }

    fn admit(&mut self, stream: OwnedFd, identity: Identity) {
        if !self.door.admits(identity) {
            return self.inlet.counts().refuse(OTHER_USER);
        }
        let has_room = self.has_room() || self.make_room() && self.has_room();
        if !has_room {
            return self.inlet.counts().refuse(TOO_MANY);
        }
        let number = self.next_number;
        let peer = Peer::new(identity, self.door, Instant::now());
        let watched = self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, number));
        let (Ok(peer), Ok(())) = (peer, watched) else {
            self.inlet.disconnect(1);
            return self.inlet.counts().refuse(NO_DESCRIPTORS);
        };
        self.next_number += 1;
        self.connections.insert(number, Connection::new(stream, peer));
        self.unheard.push_back(number);
        self.inlet.counts().set_peers(self.connections.len());
    }

    /// Takes room for one more connection.
    fn has_room(&self) -> bool {
        self.connections.len() < self.door.max_connections && self.inlet.connect()
    }

    /// Closes the connection that has been there longest without a record; whether there was one.
    fn make_room(&mut self) -> bool {
        while let Some(number) = self.unheard.pop_front() {
            if self.is_unheard(number) {
                self.close(number, &End::Refused(MADE_ROOM.into()));
                return true;
            }
        }
        false
    }

    fn is_unheard(&self, number: u64) -> bool {
        self.connections.get(&number).is_some_and(|connection| !connection.has_sent)
    }

    /// Reads once from a connection; whether it may have more.
    fn hear(&mut self, number: u64) -> bool {
        let Some(connection) = self.connections.get_mut(&number) else { return false };
        let now = Instant::now();
        self.begun_bytes -= connection.begun_bytes();
        let Heard { records, is_any, end } = connection.read(&mut self.scratch, self.door, now);
        self.begun_bytes += connection.begun_bytes();
        let rest_until = connection.peer.rate.rest_after(records.len(), now);
        self.inlet.push(&mut connection.peer.lane, records);
        if let Some(end) = &end {
            self.close(number, end);
        } else if let Some(until) = rest_until {
            self.let_rest(number, until);
        }
        self.bound_begun();
        is_any && end.is_none()
    }

    fn let_rest(&mut self, number: u64, until: Instant) {
        let Some(connection) = self.connections.get(&number) else { return };
        // One that a hang-up could wake would do so all the time.
        if self.epoll.delete(connection).is_ok() {
            self.resting.push((until, number));
            self.inlet.counts().add_pause();
        }
    }

    /// Gives up the oldest of the records that have begun where they take too much.
    fn bound_begun(&mut self) {
        while self.begun_bytes > MAX_BEGUN_BYTES {
            let begun = self.connections.iter().filter(|(_, peer)| peer.begun_at.is_some());
            let oldest = begun.min_by_key(|(_, peer)| peer.begun_at).map(|(number, _)| *number);
            let Some(oldest) = oldest else { return };
            self.close(oldest, &End::Refused(TOO_MUCH.into()));
        }
    }

    fn close(&mut self, number: u64, end: &End) {
        if let End::Refused(reason) = end {
            self.inlet.counts().refuse(reason);
        }
        if let Some(connection) = self.connections.remove(&number) {
            self.begun_bytes -= connection.begun_bytes();
            self.inlet.disconnect(1);
        }
        self.inlet.counts().set_peers(self.connections.len());
    }

    /// Looks at what time has brought.
    fn look(&mut self, now: Instant) {
        if self.accepts_from.is_some_and(|from| from <= now) {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, SOCKET);
            if self.epoll.add(&self.socket, event).is_ok() {
                self.accepts_from = None;
            }
        }
        self.end_rests(now);
        if now.saturating_duration_since(self.looked_at) < TICK {
            return;
        }
        self.looked_at = now;
        self.close_late(now);
        let connections = &self.connections;
        self.unheard.retain(|number| connections.get(number).is_some_and(|peer| !peer.has_sent));
    }

    fn end_rests(&mut self, now: Instant) {
        let rested: Vec<_> = self.resting.extract_if(.., |(until, _)| *until <= now).collect();
        for (_, number) in rested {
            if let Some(connection) = self.connections.get_mut(&number) {
                connection.excuse(now);
                let event = EpollEvent::new(EpollFlags::EPOLLIN, number);
                if self.epoll.add(&*connection, event).is_err() {
                    self.close(number, &End::Refused(NO_DESCRIPTORS.into()));
                }
            }
        }
    }

    /// Closes connections that let others wait.
    fn close_late(&mut self, now: Instant) {
        let is_over = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        let why_late = |connection: &Connection| {
            let is_slow = connection.begun_at.is_some_and(|at| is_over(at, RECORD_TIMEOUT));
            let limit = self.door.idle_timeout;
            let is_idle = limit.is_some_and(|limit| is_over(connection.peer.heard_at, limit));
            if is_slow { Some(SLOW) } else { is_idle.then_some(IDLE) }
        };
        let rests = |number: u64| self.resting.iter().any(|(_, resting)| *resting == number);
        let late = self.connections.iter().filter_map(|(number, connection)| {
            let reason = why_late(connection)?;
            (!rests(*number)).then_some((*number, reason))
        });
        for (number, reason) in late.collect::<Vec<_>>() {
            self.close(number, &End::Refused(Cow::Borrowed(reason)));
        }
    }

    /// Takes what was sent before the stop, also by those who are not let in yet.
    fn finish(&mut self) {
        self.accept();
        let numbers: Vec<_> = self.connections.keys().copied().collect();
        for number in numbers {
            for _ in 0..MAX_LAST_READS {
                if !(wait_for_last_room(self.inlet) && self.hear(number)) {
                    break;
                }
            }
        }
        self.inlet.disconnect(self.connections.len());
        self.connections.clear();
        self.inlet.counts().set_peers(0);
    }
}
