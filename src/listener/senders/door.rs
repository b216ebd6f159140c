//! The thread that receives: polls sockets and connections, and looks how far lanes are written.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::connection::{Connection, Fate, Stage};
use super::feeds::Feeds;
use super::places::Place;
use super::{Phase, Shared};
use crate::fault;
use crate::listener::refusal::Refusal;
use crate::listener::source_counts::SourceCounts;

/// Most connections of one socket that are accepted before others are looked at.
const MAX_ACCEPTS: usize = 64;

/// How often it is looked how far lanes are written, at first and after a while.
const LOOK_INTERVAL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));

/// So many looks are short.
const SHORT_LOOKS: u32 = 100;

/// How often it is looked for what has become of senders while nothing happens.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// How long nobody is let in when descriptors have run out.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Door {
    pub(super) places: Vec<Place>,
    /// What the status shows of each.
    pub(super) counts: Vec<Arc<SourceCounts>>,
    pub(super) woken: UnixStream,
    pub(super) shared: Arc<Shared>,
    pub(super) feeds: Feeds,
    pub(super) max_arriving: usize,
    pub(super) connections: Vec<Connection>,
    /// Nobody is accepted before.
    pub(super) rest_until: Option<Instant>,
    /// Looks at lanes since something has come.
    pub(super) looks: u32,
}

impl Door {
    /// Receives until the drain has ended, or all is acknowledged that came before it was to stop.
    pub(super) fn run(mut self) {
        loop {
            let phase = *self.shared.lock();
            match phase {
                Phase::Open => self.serve(),
                Phase::Closing if self.close() => {}
                _ => break,
            }
        }
        self.end();
    }

    fn serve(&mut self) {
        let ready = self.wait();
        let (places, connections) = ready.split_at(self.places.len());
        for (at, is_ready) in connections.iter().enumerate() {
            if *is_ready {
                let fate = self.connections[at].read();
                self.dispose(at, fate);
            }
        }
        self.feed_lanes();
        for (at, _) in places.iter().enumerate().filter(|(_, is_ready)| **is_ready) {
            self.accept(at);
        }
        self.welcome_waiting();
        self.acknowledge();
        self.drop_silent();
        for sender in self.feeds.give_up_idle() {
            self.end_others(sender);
        }
        self.connections.retain(|connection| !connection.is_over);
        for (at, counts) in self.counts.iter().enumerate() {
            let peers = self.connections.iter().filter(|connection| connection.place == at);
            counts.set_peers(peers.count());
        }
    }

    /// Waits for whatever comes next; which of sockets and connections are readable.
    fn wait(&mut self) -> Vec<bool> {
        self.rest_until = self.rest_until.filter(|until| *until > Instant::now());
        let timeout = self.patience();
        let flags = |wanted: bool| if wanted { PollFlags::POLLIN } else { PollFlags::empty() };
        let is_open = self.rest_until.is_none();
        let places = self.places.iter().map(|place| PollFd::new(place.as_fd(), flags(is_open)));
        let connections = self.connections.iter().map(|connection| {
            let out = if connection.has_output() { PollFlags::POLLOUT } else { PollFlags::empty() };
            // The end of a stream is told again and again: it is known.
            match connection.has_ended {
                true => PollFd::new(self.woken.as_fd(), PollFlags::empty()),
                false => {
                    PollFd::new(connection.stream().as_fd(), flags(connection.is_reading()) | out)
                }
            }
        });
        let woken = [PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
        let mut polled: Vec<_> = places.chain(connections).chain(woken).collect();
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        // Interrupted: nothing is known to be ready.
        let is_known = poll(&mut polled, timeout).is_ok();
        let mut ready: Vec<_> =
            polled.iter().map(|fd| is_known && fd.any().unwrap_or(false)).collect();
        if ready.pop() == Some(true) {
            let _all = self.woken.read(&mut [0; 64]);
        }
        if ready.contains(&true) {
            self.looks = 0;
        }
        ready
    }

    /// How long nothing needs to be looked at.
    fn patience(&mut self) -> Duration {
        let is_waiting = |connection: &Connection| matches!(connection.stage, Stage::Waiting(..));
        let must_look = self.feeds.are_waiting()
            || self.connections.iter().any(|c| c.is_blocked || is_waiting(c));
        if must_look {
            self.looks = self.looks.saturating_add(1);
            return if self.looks < SHORT_LOOKS { LOOK_INTERVAL.0 } else { LOOK_INTERVAL.1 };
        }
        let deadlines = self.connections.iter().map(Connection::deadline).chain(self.rest_until);
        let next = deadlines.min().map(|at| at.saturating_duration_since(Instant::now()));
        next.map_or(IDLE_INTERVAL, |left| left.min(IDLE_INTERVAL)) + Duration::from_millis(1)
    }

    fn accept(&mut self, place: usize) {
        for _ in 0..MAX_ACCEPTS {
            let stream = match self.places[place].accept() {
                Ok(Ok(stream)) => stream,
                Ok(Err(refusal)) => {
                    self.counts[place].refuse(refusal.reason());
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(_) => {
                    self.rest_until = Instant::now().checked_add(EXHAUSTED_PAUSE);
                    return;
                }
            };
            self.make_room();
            self.connections.push(Connection::new(stream, place));
        }
    }

    /// The oldest of those on their way in makes room for one more.
    fn make_room(&mut self) {
        let is_arriving = |c: &Connection| !c.is_over && c.sender().is_none();
        if self.connections.iter().filter(|c| is_arriving(c)).count() >= self.max_arriving
            && let Some(oldest) = self.connections.iter().position(is_arriving)
        {
            let refused = self.connections.remove(oldest);
            self.counts[refused.place].refuse(Refusal::TooMany.reason());
        }
    }

    /// Puts what has come into lanes, unless a stop has begun meanwhile.
    fn feed_lanes(&mut self) {
        for at in 0..self.connections.len() {
            let connection = &mut self.connections[at];
            if connection.is_over {
                continue;
            }
            let fate = match connection.sender().and_then(|sender| self.feeds.get_mut(sender)) {
                None => connection.greet(),
                Some(feed) => {
                    let phase = self.shared.lock();
                    if *phase != Phase::Open {
                        return;
                    }
                    let before = feed.next_seq;
                    let fate = connection.take_frames(feed);
                    drop(phase);
                    if feed.next_seq != before {
                        fault::point("after-receive");
                        feed.lane.ring();
                        let records = usize::try_from(feed.next_seq - before);
                        self.counts[connection.place].add_records(records.unwrap_or(usize::MAX));
                    }
                    fate
                }
            };
            let is_done = connection.has_ended && !connection.is_blocked;
            let fate = if is_done && fate == Fate::Keep { Fate::Drop } else { fate };
            self.dispose(at, fate);
        }
    }

    fn dispose(&mut self, at: usize, fate: Fate) {
        let connection = &mut self.connections[at];
        if fate == Fate::Keep || std::mem::replace(&mut connection.is_over, true) {
            return;
        }
        let sender = connection.sender();
        if let Fate::Refuse(refusal) = fate {
            connection.refuse();
            self.counts[connection.place].refuse(refusal.reason());
        }
        let Some(sender) = sender else { return };
        if let Some(feed) = self.feeds.get_mut(sender) {
            feed.gone_at = Some(Instant::now());
            if fate == Fate::Bye && feed.is_written() {
                self.feeds.forget(sender);
            }
        }
    }

    /// Welcomes those of whom no lane of before is left: a record must not overtake one that is there.
    fn welcome_waiting(&mut self) {
        for at in 0..self.connections.len() {
            let connection = &self.connections[at];
            let Stage::Waiting(greeting, process) = &connection.stage else { continue };
            if connection.is_over {
                continue;
            }
            let (sender, first_seq, process) =
                (greeting.sender, greeting.first_seq, process.clone());
            match self.feeds.admit(sender, first_seq, &process) {
                Ok(Some(next_seq)) => {
                    self.end_others(sender);
                    self.connections[at].welcome(sender, next_seq);
                }
                Ok(None) => {}
                Err(refusal) => self.dispose(at, Fate::Refuse(refusal)),
            }
        }
    }

    /// A connection that the sender has given up may not be seen to have ended yet.
    fn end_others(&mut self, sender: u64) {
        let others = self.connections.iter_mut().filter(|c| c.sender() == Some(sender));
        others.for_each(|connection| connection.is_over = true);
    }

    fn acknowledge(&mut self) {
        for at in 0..self.connections.len() {
            let connection = &mut self.connections[at];
            let mut fate = connection.write();
            if let Some(feed) = connection.sender().and_then(|sender| self.feeds.get(sender)) {
                connection.acknowledge(feed.lane.written());
            }
            if connection.is_over {
                fate = Fate::Keep;
            }
            self.dispose(at, fate);
        }
    }

    fn drop_silent(&mut self) {
        for at in 0..self.connections.len() {
            if !self.connections[at].is_over && self.connections[at].is_silent() {
                self.dispose(at, Fate::Refuse(Refusal::Silent));
            }
        }
    }

    /// Acknowledges what is written by now; true while there is more to wait for.
    fn close(&mut self) -> bool {
        self.acknowledge();
        let is_waiting = self.feeds.are_waiting();
        if is_waiting {
            let mut woken = [PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(LOOK_INTERVAL.0).unwrap_or(PollTimeout::ZERO);
            let _interrupted = poll(&mut woken, timeout);
            let _all = self.woken.read(&mut [0; 64]);
        }
        is_waiting
    }

    /// Lets all senders go. What is not written stays in its lane for the next listener.
    fn end(mut self) {
        self.feeds.give_up_all();
        self.acknowledge();
        let mut phase = self.shared.lock();
        if *phase == Phase::Closing {
            *phase = Phase::Done;
        }
    }
}
