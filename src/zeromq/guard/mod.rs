//! Between the peers and the crate: what a peer says is [looked at](super::framing) on its way, so that
//! none can make the crate allocate, keep or wait for more than there are limits for.
//!
//! The crate binds a private socket, whichever end of the endpoint is here. Each connection to a peer
//! has one to that socket of its own, and a task that copies both ways.

mod door;
mod peers;

use std::borrow::Cow;
use std::io;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{Backlog, listen};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use zeromq::{Socket, ZmqResult};

pub(super) use self::door::Door;

use self::door::{Connection, NoConnection};
use self::peers::{FULL, Peers, ROOM, TOO_MUCH};
use super::framing::{Framing, Side};
use crate::listener::SourceCounts;

/// Most peers of an endpoint where descriptors suffice: each takes three, and all together no more than
/// three of sixteen.
const MAX_PEERS: usize = 256;

/// What has begun, a greeting or a message, has to be there within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most that one wait for bytes counts of it, if nothing comes: a thread that stands still because
/// the log takes nothing is no fault of a peer.
const TICK: Duration = Duration::from_secs(1);

/// Read of a peer at once.
const READ_BYTES: usize = 16 * 1024;

/// Nobody is let in for so long when descriptors have run out.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Pauses between attempts to connect; each is twice as long as the one before.
const CONNECT_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

const SLOW: &str = "not sent within 10 s: send a greeting, and messages as a whole";
const OTHER_USER: &str = "another user: the socket is its owner's alone";
const CUT_SHORT: &str = "the connection ended within a message";

/// An end of an endpoint, and the private socket of the crate, before they are used.
pub(super) struct Opened {
    door: Door,
    directory: TempDir,
    socket: StdUnixListener,
}

impl Opened {
    /// # Errors
    /// There is no place for the private socket among the temporary files.
    pub(super) fn new(door: Door) -> io::Result<Opened> {
        let directory = tempfile::Builder::new().prefix("logboom-").tempdir()?;
        let socket = StdUnixListener::bind(socket_path(&directory))?;
        // Instead of 128: a connection that is not accepted at once fails.
        listen(&socket, Backlog::MAXCONN)?;
        Ok(Opened { door, directory, socket })
    }

    /// Lets `socket` speak to the peers, by tasks of the runtime in which this is called.
    ///
    /// # Errors
    /// The runtime cannot use the private socket.
    pub(super) async fn attach<S: Socket>(
        self,
        socket: &mut S,
        side: Side,
        counts: Arc<SourceCounts>,
    ) -> ZmqResult<Guard> {
        let path = socket_path(&self.directory);
        socket.bind_listener(self.socket).await?;
        let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
        let max_peers =
            usize::try_from(descriptors / 16).map_or(MAX_PEERS, |of| of.clamp(1, MAX_PEERS));
        let peers = Mutex::new(Peers::new(max_peers));
        let shared = Arc::new(Shared { side, path, peers, counts });
        let door = tokio::spawn(Arc::clone(&shared).serve(self.door));
        Ok(Guard { shared, door, _directory: self.directory })
    }
}

fn socket_path(directory: &TempDir) -> PathBuf {
    directory.path().join("socket")
}

/// Serves the peers of one endpoint as long as it lives.
pub(super) struct Guard {
    shared: Arc<Shared>,
    /// Lets peers in, or connects to one.
    door: JoinHandle<()>,
    _directory: TempDir,
}

struct Shared {
    side: Side,
    /// Of the socket of the crate.
    path: PathBuf,
    peers: Mutex<Peers>,
    counts: Arc<SourceCounts>,
}

impl Guard {
    /// Lets nobody in any more; those who have greeted stay until the crate closes its connections.
    pub(super) fn close(&self) {
        self.door.abort();
        self.shared.peers().send_strangers_away();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.door.abort();
    }
}

impl Shared {
    fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self: Arc<Self>, door: Door) {
        let (shortest, longest) = CONNECT_PAUSES;
        let mut pause = shortest;
        loop {
            match door.connection().await {
                Ok(connection) => {
                    // It goes on when this task is aborted.
                    let spoken = tokio::spawn(Arc::clone(&self).speak(connection));
                    if !door.is_bound() && spoken.await.unwrap_or(false) {
                        pause = shortest;
                    }
                }
                Err(NoConnection::Nobody) => {}
                Err(NoConnection::OtherUser) => self.counts.refuse(OTHER_USER),
                Err(NoConnection::Failed(error)) => {
                    self.counts.refuse(&format!("cannot be let in: {error}"));
                    sleep(EXHAUSTED_PAUSE).await;
                }
            }
            if !door.is_bound() {
                sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }

    /// Serves one peer until one of both ends; whether the peer had greeted.
    async fn speak(self: Arc<Self>, connection: Connection) -> bool {
        let admitted = self.peers().admit();
        let Some(admitted) = admitted else {
            self.counts.refuse(FULL);
            return false;
        };
        if admitted.is_another_sent_away {
            self.counts.refuse(ROOM);
        }
        let mut framing = Framing::new(self.side);
        let end = tokio::select! {
            end = self.copy(connection, admitted.number, &mut framing) => end,
            () = admitted.sent_away.notified() => Ok(()),
        };
        if let Err(reason) = end {
            self.counts.refuse(&reason);
        }
        let mut peers = self.peers();
        peers.leave(admitted.number);
        self.counts.set_peers(peers.ready());
        framing.is_ready()
    }

    async fn copy(
        &self,
        connection: Connection,
        number: u64,
        framing: &mut Framing,
    ) -> Result<(), Cow<'static, str>> {
        let ours = UnixStream::connect(&self.path).await;
        let ours = ours.map_err(|error| format!("cannot be let in: {error}"))?;
        let (from_crate, to_crate) = ours.into_split();
        let (from_peer, to_peer) = split(connection);
        tokio::select! {
            end = self.look(from_peer, to_crate, (number, framing)) => end,
            () = copy_all(from_crate, to_peer) => Ok(()),
        }
    }

    /// Copies what a peer says to the crate, as far as it may be said.
    async fn look(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        (number, framing): (u64, &mut Framing),
    ) -> Result<(), Cow<'static, str>> {
        let (mut input, mut output) = (vec![0; READ_BYTES], Vec::new());
        let mut waited = Duration::ZERO;
        loop {
            let began_at = Instant::now();
            let read = if framing.has_begun() {
                timeout(TICK, from.read(&mut input)).await.ok()
            } else {
                Some(from.read(&mut input).await)
            };
            waited += began_at.elapsed().min(TICK);
            let messages = framing.messages();
            let length = match read {
                Some(Ok(0)) if framing.is_ready() && framing.has_begun() => {
                    return Err(CUT_SHORT.into());
                }
                Some(Ok(0)) => return Ok(()),
                Some(Ok(length)) => length,
                Some(Err(error)) => return Err(format!("cannot be read: {}", error.kind()).into()),
                None => 0,
            };
            let looked = framing.take(&input[..length], &mut output);
            // The crate has closed it, which the other direction tells.
            let _closed = to.write_all(&output).await;
            output.clear();
            looked?;
            if self.note(number, framing) {
                self.counts.refuse(TOO_MUCH);
            }
            if !framing.has_begun() || framing.messages() > messages {
                waited = Duration::ZERO;
            }
            if waited >= PATIENCE {
                return Err(SLOW.into());
            }
        }
    }

    /// Notes how far a peer is; whether one has to go for it.
    fn note(&self, number: u64, framing: &Framing) -> bool {
        let mut peers = self.peers();
        let is_one_sent_away = peers.note(number, framing.is_ready(), framing.begun_bytes());
        self.counts.set_peers(peers.ready());
        is_one_sent_away
    }
}

async fn copy_all(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    // Whoever is gone has no use for the rest.
    let _gone = copy(&mut from, &mut to).await;
    let _gone = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{duplex, sink};

    use super::super::framing::tests::{greeting, ready};
    use super::*;

    type Ended = Result<(), Cow<'static, str>>;

    /// How a peer ends that says the one at once, and the other byte by byte with these pauses; and when.
    async fn ended(first: &[u8], others: &[u8], pause: Duration) -> (Ended, Duration) {
        let shared = Shared {
            side: Side::Pull,
            path: PathBuf::new(),
            peers: Mutex::new(Peers::new(1)),
            counts: Arc::default(),
        };
        let (mut peer, ours) = duplex(READ_BYTES);
        let mut framing = Framing::new(Side::Pull);
        let began_at = Instant::now();
        let saying = async {
            peer.write_all(first).await.unwrap();
            for byte in others {
                // Whoever is not listened to any more says it in vain.
                let _gone = peer.write_all(&[*byte]).await;
                sleep(pause).await;
            }
            std::future::pending().await
        };
        let ended = tokio::select! {
            ended = shared.look(ours, sink(), (0, &mut framing)) => ended,
            () = saying => Ok(()),
            () = sleep(Duration::from_secs(3600)) => Ok(()),
        };
        (ended, began_at.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_begun_is_waited_for_ten_seconds() {
        let slow = (Err(SLOW.into()), PATIENCE);
        let begun = [&greeting()[..], &ready("PUSH"), b"\0\x05a"].concat();
        for first in [b"".as_slice(), &greeting(), &begun] {
            assert_eq!(ended(first, b"", Duration::ZERO).await, slow);
        }
        for pause in [200, 900, 3000].map(Duration::from_millis) {
            let (ended, after) = ended(b"", &greeting(), pause).await;
            assert_eq!(ended, Err(SLOW.into()));
            assert!(after >= PATIENCE && after <= PATIENCE + 2 * TICK, "{after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_begun_nothing_may_be_silent_and_messages_may_follow_each_other_for_long() {
        let hour = (Ok(()), Duration::from_secs(3600));
        let greeted = [greeting(), ready("PUSH")].concat();
        assert_eq!(ended(&greeted, b"", Duration::ZERO).await, hour);
        let messages = b"\x01\x01a\0\x01b".repeat(1000);
        assert_eq!(ended(&greeted, &messages, Duration::from_millis(600)).await, hour);
    }
}
