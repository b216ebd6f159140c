//! The threads beside the drain: door, receiver, marker, notifier.

use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use ipc_channel::ipc;

use super::Stop;
use super::door::Door;
use super::handshake::Reception;
use super::hub::{Hub, StatusBase};
use super::receive::{Event, start_marker, start_receiver};
use super::reload::Reloader;
use super::room::Room;
use crate::queue::control::ToWorker;

/// They end, and all workers are let go, when it is dropped.
pub(super) struct Threads {
    hub: Arc<Hub>,
    door: Option<JoinHandle<()>>,
    wake: UnixStream,
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.hub.end();
        // A full pipe of wake bytes wakes as well.
        let _full = (&self.wake).write(&[1]);
        let _panicked = self.door.take().map(JoinHandle::join);
    }
}

impl Threads {
    pub(super) fn start(
        hub: &Arc<Hub>,
        socket: UnixListener,
        events: SyncSender<Event>,
        stop: &Stop,
        reloader: Reloader,
        status: StatusBase,
        room: Room,
    ) -> io::Result<Threads> {
        let (data, batches) = ipc::bytes_channel()?;
        let (gone, ended) = mpsc::channel();
        let (attach, attached) = mpsc::channel();
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        start_receiver(batches, events, Arc::clone(hub))?;
        start_marker(ended, data.clone())?;
        let notifier = Arc::clone(hub);
        thread::Builder::new().name("logboom-notify".into()).spawn(move || {
            while let Some((worker, update)) = notifier.next_message() {
                // A worker that is gone is noticed at its stream.
                let _gone = worker.send(ToWorker::Update(update));
            }
        })?;
        let reception = Reception {
            hub: Arc::clone(hub),
            stop: stop.clone(),
            status,
            data: Mutex::new(data),
            reloader,
            attached: Mutex::new(attach),
            wake: wake.try_clone()?,
            busy: AtomicUsize::new(0),
        };
        let reception = Arc::new(reception);
        let door =
            Door { socket, wake: woken, reception, hub: Arc::clone(hub), room, attached, gone };
        let door = thread::Builder::new().name("logboom-door".into()).spawn(move || door.run())?;
        Ok(Threads { hub: Arc::clone(hub), door: Some(door), wake })
    }
}
