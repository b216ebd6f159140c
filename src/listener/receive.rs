//! The receiving threads: batches from the data channel to the drain, in the order they were sent.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender};

use super::hub::Hub;
use super::stop::Stop;
use crate::queue::ring::Bell;
use crate::queue::{BatchHeader, HEADER_BYTES};

/// Batches that wait for the drain. ipc-channel allocates 212 kB for each.
pub(super) const MAX_WAITING_BATCHES: usize = 32;

/// What wakes the drain.
pub(super) enum Event {
    Batch(Vec<u8>),
    /// A source has brought records, where none had been waiting.
    Arrived,
    /// Something other than a batch has changed.
    Wake,
}

/// Starts the thread that receives batches, until the drain has ended.
pub(super) fn start_receiver(
    data: IpcBytesReceiver,
    events: SyncSender<Event>,
    hub: Arc<Hub>,
) -> io::Result<()> {
    thread::Builder::new().name("logboom-receive".into()).spawn(move || {
        loop {
            match data.recv() {
                Ok(batch) => {
                    if events.send(Event::Batch(batch)).is_err() {
                        return;
                    }
                }
                Err(ipc_channel::IpcError::Io(error))
                    if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if hub.has_ended() => return,
                // Never an end: the listener holds a sender itself. A peer that was killed within a
                // message of the wrong size looks like one. Asking again at once could only repeat it.
                Err(_) => thread::sleep(RECEIVE_PAUSE),
            }
        }
    })?;
    Ok(())
}

/// Pause after an error on the data channel.
const RECEIVE_PAUSE: Duration = Duration::from_millis(10);

/// Starts the thread that puts a mark behind the last batch of each ended worker. The mark goes
/// through the data channel itself, so nothing of the worker can come after it. A thread of its
/// own, because sending blocks while the drain stands still.
pub(super) fn start_marker(gone: Receiver<u64>, data: IpcBytesSender) -> io::Result<()> {
    thread::Builder::new().name("logboom-gone".into()).spawn(move || {
        for lane in gone {
            send_mark(&data, lane);
        }
        // The listener has ended: wakes the receiving thread, so that it ends too.
        send_mark(&data, 0);
    })?;
    Ok(())
}

fn send_mark(data: &IpcBytesSender, lane: u64) {
    let mut batch = [0; HEADER_BYTES];
    BatchHeader { lane, gone: true, ..BatchHeader::default() }.write(&mut batch);
    // Fails only when the receiving thread has ended.
    let _ended = data.send(&batch);
}

/// Starts the thread that hears workers with lanes in shared memory ring, and wakes the drain. What
/// is missed between two waits is seen at the drain's next look.
pub(super) fn start_bell(bell: Arc<Bell>, stop: Stop, hub: Arc<Hub>) -> io::Result<()> {
    thread::Builder::new().name("logboom-bell".into()).spawn(move || {
        while !hub.has_ended() {
            if bell.sleep(BELL_INTERVAL, || false) {
                stop.wake();
                // A worker whose lane stays half full would ring with every record.
                thread::sleep(BELL_PAUSE);
            }
        }
    })?;
    Ok(())
}

/// The bell is heard at most this often.
const BELL_PAUSE: Duration = Duration::from_millis(1);

/// How often the bell's thread looks whether the listener has ended.
const BELL_INTERVAL: Duration = Duration::from_secs(1);
