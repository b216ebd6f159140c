//! The Channel transport: a bounded queue in the worker, emptied by one thread that sends batches.
//!
//! The log call never meets ipc-channel, whose `send` blocks while the listener does not read; only
//! the sender thread does, and nobody joins it.

mod sender;
mod state;

use std::cell::RefCell;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipc_channel::ipc::IpcBytesSender;

use self::state::{Asked, State};
use super::control::Update;
use super::{Certainty, FlushReport, Overflow, QueueStats, Transport};
use crate::Level;
use crate::codec::{Draft, MAX_RECORD_BYTES, encode_record};

/// Smallest capacity: a record of the largest size fits twice.
pub(crate) const MIN_CAPACITY_BYTES: usize = 2 * MAX_RECORD_BYTES;

/// Capacity of the queue where none is set.
pub(crate) const DEFAULT_CAPACITY_BYTES: usize = 1024 * 1024;

/// A scratch buffer that grew beyond this for one record is given back.
const SCRATCH_KEPT_BYTES: usize = 16 * 1024;

/// One lane of one worker over ipc-channel.
#[derive(Clone)]
pub(crate) struct Channel {
    shared: Arc<Shared>,
}

struct Shared {
    lane: u64,
    overflow: Overflow,
    state: Mutex<State>,
    /// The sender thread waits here for something to send.
    work: Condvar,
    /// Log calls wait here for room.
    room: Condvar,
    /// Flushes wait here for news from the listener.
    news: Condvar,
}

/// An attached listener, as the sender thread needs it.
pub(crate) struct Link {
    pub(crate) data: IpcBytesSender,
    /// Shut down when the lane ends, so that the listener knows.
    pub(crate) stream: UnixStream,
}

impl Channel {
    /// A lane with an empty queue and no listener yet; starts its sender thread.
    pub(crate) fn start(
        lane: u64,
        overflow: Overflow,
        capacity_bytes: usize,
    ) -> io::Result<Channel> {
        let shared = Arc::new(Shared {
            lane,
            overflow,
            state: Mutex::new(State::new(capacity_bytes.max(MIN_CAPACITY_BYTES))),
            work: Condvar::new(),
            room: Condvar::new(),
            news: Condvar::new(),
        });
        let sender = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("logboom-sender".into());
        thread.spawn(move || sender.run())?;
        Ok(Channel { shared })
    }

    /// Sends to this listener from now on. A lane that has ended lets the listener know.
    pub(crate) fn link(&self, link: Link) {
        let mut state = self.shared.lock();
        if state.has_ended() {
            // An error means that the listener has closed it before.
            let _closed = link.stream.shutdown(Shutdown::Both);
            return;
        }
        state.link = Some(Arc::new(link));
        drop(state);
        self.shared.work.notify_one();
    }

    /// The listener is gone; what it did not confirm counts as unconfirmed.
    pub(crate) fn unlink(&self) {
        self.shared.lock().unlink();
        self.shared.news.notify_all();
    }

    /// Takes what the listener says.
    pub(crate) fn update(&self, update: &Update) {
        let mut state = self.shared.lock();
        state.confirm(update);
        if update.flush > 0 {
            state.asked = Some(Asked { number: update.flush, at: state.next_seq });
        }
        if update.stop {
            state.pause_at = Some(state.next_seq);
        }
        self.shared.work.notify_one();
        drop(state);
        self.shared.news.notify_all();
    }

    /// Sequence number of the first call that a listener attached now will see, and how many
    /// records before it were handed to an earlier one and not confirmed.
    pub(crate) fn resume_at(&self) -> (u64, u64) {
        let state = self.shared.lock();
        (state.sent_seq, state.unreported)
    }

    /// Waits until the lane has ended or `timeout` has passed; true when it has ended.
    pub(crate) fn wait_ended(&self, timeout: Duration) -> bool {
        let state = self.shared.lock();
        let waited =
            self.shared.news.wait_timeout_while(state, timeout, |state| !state.has_ended());
        waited.unwrap_or_else(PoisonError::into_inner).0.has_ended()
    }
}

impl Transport for Channel {
    fn send(&self, draft: &Draft<'_>) {
        thread_local! {
            static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let in_scratch = SCRATCH.try_with(|scratch| {
            let Ok(mut entry) = scratch.try_borrow_mut() else {
                return false;
            };
            entry.clear();
            encode_record(draft, 0, &mut *entry);
            self.shared.offer(draft, &mut entry);
            entry.shrink_to(SCRATCH_KEPT_BYTES);
            true
        });
        // A Display that logs inside a log call, or a thread-local destructor: rare, so it allocates.
        if !in_scratch.unwrap_or(false) {
            let mut entry = Vec::new();
            encode_record(draft, 0, &mut entry);
            self.shared.offer(draft, &mut entry);
        }
    }

    fn flush(&self, certainty: Certainty, timeout: Duration) -> FlushReport {
        if certainty == Certainty::Queued {
            return FlushReport { pending_records: 0 };
        }
        let mut state = self.shared.lock();
        let target = state.next_seq;
        state.urgent = true;
        if certainty == Certainty::Synced {
            state.sync_at = Some(target);
        }
        self.shared.work.notify_one();
        let told_lost = state.told_lost;
        let waited = self.shared.news.wait_timeout_while(state, timeout, |state| {
            state.confirmed(certainty) < target && !state.has_ended()
        });
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let pending = target.saturating_sub(state.confirmed(certainty));
        let lost = state.lost - told_lost;
        state.told_lost = state.lost;
        // What is lost counts as written, so that nobody waits for it, and never as synced.
        let pending_records = match certainty {
            Certainty::Synced => pending.max(lost),
            _ => pending + lost,
        };
        FlushReport { pending_records }
    }

    fn close(&self) {
        self.shared.lock().closing_since.get_or_insert_with(Instant::now);
        self.shared.work.notify_all();
        self.shared.room.notify_all();
        self.shared.news.notify_all();
    }

    fn stats(&self) -> QueueStats {
        let state = self.shared.lock();
        QueueStats { records: state.next_seq, dropped: state.dropped }
    }
}

impl Shared {
    /// The state; a panic elsewhere leaves it consistent, so poison is no reason to stop logging.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, draft: &Draft<'_>, entry: &mut [u8]) {
        let mut state = self.lock();
        let reserve_bytes = match self.overflow {
            Overflow::DropBelow(bound) if draft.level < bound => state.capacity_bytes() / 8,
            _ => 0,
        };
        let needed_bytes = entry.len() + reserve_bytes;
        if !state.has_room(needed_bytes) {
            state = self.wait_for_room(state, needed_bytes);
            if !state.has_room(needed_bytes) {
                return state.count_drop(draft.level, draft.time_ns);
            }
        }
        state.push_record(entry, &draft.thread);
        if state.wakes_sender(draft.level >= Level::WARNING) {
            self.work.notify_one();
        }
    }

    fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        needed_bytes: usize,
    ) -> MutexGuard<'a, State> {
        let deadline = match self.overflow {
            Overflow::DropNewest | Overflow::DropBelow(_) => return state,
            Overflow::BlockFor(_) if state.outage => return state,
            Overflow::BlockFor(timeout) => Instant::now().checked_add(timeout),
            Overflow::Block => None,
        };
        state.waits = state.waits.saturating_add(1);
        while !state.has_room(needed_bytes) && !state.is_closing() && !state.outage {
            let Some(deadline) = deadline else {
                state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.outage = true;
                self.room.notify_all();
            } else {
                state =
                    self.room.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        state
    }
}

#[cfg(all(test, feature = "listener"))]
mod tests {
    use ipc_channel::ipc::{self, IpcBytesReceiver};

    use super::*;
    use crate::queue::batch::Entries;
    use crate::queue::contract::{self, Bench, PATIENCE};

    struct ChannelBench {
        channel: Channel,
        batches: Mutex<IpcBytesReceiver>,
        _stream: UnixStream,
    }

    impl Bench for ChannelBench {
        fn start(overflow: Overflow) -> ChannelBench {
            let channel = Channel::start(7, overflow, 0).expect("a thread");
            let (data, batches) = ipc::bytes_channel().expect("a channel");
            let (ours, stream) = UnixStream::pair().expect("a pair");
            channel.link(Link { data, stream });
            ChannelBench { channel, batches: Mutex::new(batches), _stream: ours }
        }

        fn transport(&self) -> &dyn Transport {
            &self.channel
        }

        fn receive(&self) -> Vec<Vec<u8>> {
            let batches = self.batches.lock().expect("no panic");
            let deadline = std::time::Instant::now() + PATIENCE;
            let batch = loop {
                match batches.try_recv() {
                    Ok(batch) => break batch,
                    Err(_) => std::thread::yield_now(),
                }
                assert!(std::time::Instant::now() < deadline, "waited in vain");
            };
            Entries::of(&batch).map(|entry| entry.expect("whole").to_vec()).collect()
        }

        fn confirm(&self, seq: u64) {
            self.channel.update(&Update { written_seq: seq, ..Update::default() });
        }
    }

    impl Drop for ChannelBench {
        fn drop(&mut self) {
            self.channel.close();
        }
    }

    #[test]
    fn the_channel_keeps_the_contract_of_a_transport() {
        contract::check::<ChannelBench>();
    }

    #[test]
    fn what_a_lost_listener_did_not_confirm_is_told_to_the_flush_and_to_the_next() {
        let bench = ChannelBench::start(Overflow::Block);
        for _ in 0..5 {
            bench.channel.send(&Draft::new(1, Level::INFO, "l", format_args!("x")));
        }
        let received =
            Entries::of(&bench.batches.lock().expect("no panic").recv().expect("a batch")).count();
        assert_eq!(received, 6, "five records and the mark of their thread");
        // The sender thread has sent; it may not have counted it yet.
        while bench.channel.resume_at().0 < 5 {
            std::thread::yield_now();
        }
        bench.confirm(2);
        bench.channel.unlink();
        assert_eq!(bench.channel.resume_at(), (5, 3));
        let report = bench.channel.flush(Certainty::Written, Duration::ZERO);
        assert_eq!(report.pending_records, 3);
        assert!(bench.channel.flush(Certainty::Written, Duration::ZERO).is_complete());
        let unsynced = bench.channel.flush(Certainty::Synced, Duration::ZERO);
        assert_eq!(unsynced.pending_records, 5);
    }
}
