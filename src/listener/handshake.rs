//! From a greeting to a welcome: one short-lived thread for each peer.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use ipc_channel::ipc::{IpcBytesSender, IpcOneShotServer, IpcSender};

use super::door::Attached;
use super::hub::{Hub, StatusBase};
use super::refusal::Refusal;
use super::reload::Reloader;
use super::stop::Stop;
use crate::queue::control::{
    Answer, Hello, HelloBody, MAX_CONFIG_BYTES, PROTOCOL_VERSION, Reply, Request, Role, ToWorker,
    WorkerFacts,
};
use crate::queue::rendezvous::read_until;

/// How long a peer may take for each step after its greeting.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the text of a configuration may take.
const TEXT_TIMEOUT: Duration = Duration::from_secs(10);

/// A peer whose greeting was read and accepted.
pub(super) struct Greeted {
    pub(super) stream: UnixStream,
    pub(super) role: Role,
}

/// What a handshake needs.
pub(super) struct Reception {
    pub(super) hub: Arc<Hub>,
    pub(super) stop: Stop,
    pub(super) status: StatusBase,
    pub(super) data: Mutex<IpcBytesSender>,
    pub(super) reloader: Reloader,
    pub(super) attached: Mutex<Sender<Attached>>,
    pub(super) wake: UnixStream,
    /// Handshakes under way.
    pub(super) busy: AtomicUsize,
}

impl Reception {
    /// Receives one peer on a thread of its own.
    pub(super) fn receive(self: &Arc<Reception>, peer: Greeted) -> io::Result<()> {
        let reception = Arc::clone(self);
        self.busy.fetch_add(1, Ordering::Relaxed);
        let thread = thread::Builder::new().name("logboom-attach".into()).spawn(move || {
            // ipc-channel trusts what it decodes; a peer that lies must not take the listener along.
            let outcome = catch_unwind(AssertUnwindSafe(|| reception.handshake(peer)));
            if let Err(refusal) = outcome.unwrap_or(Err(Refusal::BadHello)) {
                reception.hub.refuse(refusal);
            }
            reception.busy.fetch_sub(1, Ordering::Release);
            reception.wake_door();
        });
        if thread.is_err() {
            self.busy.fetch_sub(1, Ordering::Relaxed);
        }
        thread.map(drop)
    }

    fn handshake(&self, peer: Greeted) -> Result<(), Refusal> {
        let Greeted { mut stream, role } = peer;
        let hello = exchange(&mut stream).map_err(|error| reason_of(&error))?;
        match (hello.body, role) {
            _ if hello.version != PROTOCOL_VERSION => Err(Refusal::OtherVersion),
            (HelloBody::Worker { facts, reply }, Role::Worker) => {
                self.welcome(stream, &facts, reply)
            }
            (HelloBody::Control { request, reply }, Role::Control) => {
                self.answer(stream, request, reply)
            }
            _ => Err(Refusal::BadHello),
        }
    }

    fn welcome(
        &self,
        stream: UnixStream,
        facts: &WorkerFacts,
        reply: IpcSender<ToWorker>,
    ) -> Result<(), Refusal> {
        let levels = self.hub.register(facts, reply.clone())?;
        let data = self.data.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A worker that is gone already is noticed at its stream, like any other.
        let _gone = reply.send(ToWorker::Welcome { data, levels });
        let attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
        // The door is gone only when the listener has ended.
        let _ended = attached.send(Attached { lane: facts.lane, stream });
        drop(attached);
        // The drain has something to say where records were lost.
        self.stop.wake();
        Ok(())
    }

    /// Lets the door look for workers that were welcomed, and for room for other peers.
    fn wake_door(&self) {
        // A full pipe of wake bytes wakes as well.
        let _full = (&self.wake).write(&[1]);
    }

    fn answer(
        &self,
        stream: UnixStream,
        request: Request,
        reply: IpcSender<Reply>,
    ) -> Result<(), Refusal> {
        match request {
            Request::Status => {
                // Whoever asked may be gone.
                let _gone = reply.send(Reply::Status(Box::new(self.hub.status(&self.status))));
            }
            Request::Flush { sync, timeout_ms } => {
                self.hub.begin_flush(sync, Duration::from_millis(timeout_ms), reply);
                self.stop.wake();
            }
            Request::SetLevel(setting) => self.hub.set_level(setting, reply),
            Request::Rotate => {
                self.hub.ask_rotation(reply);
                self.stop.wake();
            }
            Request::Stop => {
                self.hub.reply_when_stopped(reply);
                self.stop.ask();
            }
            Request::PushConfig { name, bytes } => {
                let text = receive_text(stream, bytes).map_err(|error| reason_of(&error))?;
                let taken = self.reloader.take(&name, text);
                // Whoever asked may be gone.
                let _gone = reply.send(Reply::Config(taken));
            }
        }
        Ok(())
    }
}

/// Opens a one-shot server for the peer and receives its hello.
fn exchange(stream: &mut UnixStream) -> io::Result<Hello> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
    stream.set_write_timeout(Some(STEP_TIMEOUT))?;
    let (server, name) = IpcOneShotServer::<Hello>::new()?;
    // ipc-channel leaves the mode of its directory to the umask.
    let directory = Path::new(&name).parent().unwrap_or(Path::new(&name));
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    stream.write_all(&Answer::Connect(name.clone()).encode())?;
    stream.read_exact(&mut [0])?;
    // `accept` has no deadline. A connection of our own behind the peer's, closed at once, is what
    // it finds when the peer has lied and never connected.
    drop(IpcSender::<Hello>::connect(name)?);
    let (_, hello) = server.accept().map_err(io::Error::other)?;
    stream.set_nonblocking(true)?;
    Ok(hello)
}

/// Receives the text of a configuration, which follows the hello.
fn receive_text(mut stream: UnixStream, bytes: u32) -> io::Result<Vec<u8>> {
    let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= MAX_CONFIG_BYTES);
    let mut text = vec![0; bytes.ok_or(io::ErrorKind::InvalidData)?];
    stream.set_nonblocking(false)?;
    read_until(Instant::now().checked_add(TEXT_TIMEOUT), &mut stream, &mut text)?;
    Ok(text)
}

fn reason_of(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Refusal::Silent,
        _ => Refusal::BadHello,
    }
}
