//! The supervisor's end of `run.sock`: a thread that lets peers in, and one for each that asks.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{self, getsockopt, sockopt};

use super::line::{self, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES};
use super::messages::{Answer, Request};
use crate::socket_file::{self, SocketFile};
use crate::supervisor::Event;
use crate::supervisor::memory::add_memory;

/// Most peers at once; one more is told so.
const MAX_PEERS: usize = 16;

/// How long a peer may take to say what it wants, and to take the answer.
const PEER_TIMEOUT: Duration = Duration::from_secs(2);

/// How often is looked whether a peer still waits for its answer.
const PEER_TICK: Duration = Duration::from_secs(1);

/// How long nobody is let in after an error.
const PAUSE: Duration = Duration::from_millis(100);

/// A request, and whom to answer.
pub(in crate::supervisor) struct Asked {
    pub(in crate::supervisor) request: Request,
    pub(in crate::supervisor) reply: SyncSender<Answer>,
}

/// Serves `run.sock` until it is dropped.
pub(in crate::supervisor) struct ControlServer {
    socket: UnixListener,
    file: SocketFile,
}

impl ControlServer {
    /// Serves the socket `path` (0600), for processes of this user and root: each request becomes an
    /// event. A socket that a killed supervisor has left is replaced.
    ///
    /// # Errors
    /// Somebody serves it, something else is there, or the system refuses.
    pub(in crate::supervisor) fn start(
        path: &Path,
        events: SyncSender<Event>,
    ) -> io::Result<ControlServer> {
        let (socket, file) = socket_file::listen(path, 0o600)?;
        socket.set_nonblocking(false)?;
        let server = Server { socket: socket.try_clone()?, events };
        thread::Builder::new().name("logboom-control".into()).spawn(move || server.run())?;
        Ok(ControlServer { socket, file })
    }

    /// Whether its socket is still at its path.
    pub(in crate::supervisor) fn is_there(&self) -> bool {
        self.file.is_there()
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // Wakes the thread, which then ends.
        let _ended = socket::shutdown(self.socket.as_raw_fd(), socket::Shutdown::Both);
    }
}

struct Server {
    socket: UnixListener,
    events: SyncSender<Event>,
}

impl Server {
    fn run(self) {
        let peers = Arc::new(());
        loop {
            match self.socket.accept() {
                Ok((stream, _)) => self.receive(stream, &peers),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It was shut down.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
                // Descriptors have run out, or the peer has gone.
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// Serves one peer on a thread of its own, unless there are too many.
    fn receive(&self, stream: UnixStream, peers: &Arc<()>) {
        let peer = Peer { stream, events: self.events.clone(), _place: Arc::clone(peers) };
        if Arc::strong_count(peers) - 1 > MAX_PEERS {
            peer.refuse("too many ask at once: try again");
            return;
        }
        let thread = thread::Builder::new().name("logboom-control".into());
        // Without a thread its connection ends, which tells enough.
        let _no_thread = thread.spawn(move || peer.serve());
    }
}

/// Somebody who asks.
struct Peer {
    stream: UnixStream,
    events: SyncSender<Event>,
    _place: Arc<()>,
}

impl Peer {
    fn serve(mut self) {
        let uid = getsockopt(&self.stream, sockopt::PeerCredentials).map(|peer| peer.uid());
        if !uid.is_ok_and(socket_file::is_own_or_root) {
            self.refuse("workers are started and stopped by their own user and root only");
            return;
        }
        let deadline = Instant::now() + PEER_TIMEOUT;
        match line::receive(&mut self.stream, MAX_REQUEST_BYTES, deadline) {
            Ok(request) => self.ask(request),
            Err(error) => self.refuse(&format!("this is no request: {error}")),
        }
    }

    /// Waits for the answer as long as the peer does.
    fn ask(mut self, request: Request) {
        let (reply, answers) = sync_channel(1);
        if self.events.send(Event::Asked(Asked { request, reply })).is_err() {
            self.refuse(ENDING);
            return;
        }
        loop {
            match answers.recv_timeout(PEER_TICK) {
                Ok(mut answer) => {
                    add_memory(&mut answer);
                    return self.answer(&answer);
                }
                Err(RecvTimeoutError::Disconnected) => return self.refuse(ENDING),
                Err(RecvTimeoutError::Timeout) if self.has_gone() => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn has_gone(&mut self) -> bool {
        let looked = self.stream.set_nonblocking(true).and_then(|()| self.stream.read(&mut [0]));
        let restored = self.stream.set_nonblocking(false);
        !matches!(looked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            || restored.is_err()
    }

    fn refuse(mut self, reason: &str) {
        self.answer(&Answer::Refused { reason: reason.to_owned() });
    }

    fn answer(&mut self, answer: &Answer) {
        let deadline = Instant::now() + PEER_TIMEOUT;
        // A peer that has gone does not care.
        let _gone = line::send(&mut self.stream, answer, MAX_ANSWER_BYTES, deadline);
        let _ended = self.stream.shutdown(Shutdown::Both);
    }
}

const ENDING: &str = "the run is ending";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_server_ends_its_thread_and_takes_its_socket_along() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.sock");
        let (sender, events) = sync_channel(1);
        let server = ControlServer::start(&path, sender).unwrap();
        assert!(server.is_there());
        drop(server);
        assert!(!path.exists());
        // The thread has had the last sender.
        let ended = events.recv_timeout(Duration::from_secs(30)).err();
        assert_eq!(ended, Some(RecvTimeoutError::Disconnected));
    }
}
