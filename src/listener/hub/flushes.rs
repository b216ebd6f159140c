//! The flushes that `ctl` asks for: whose answers are awaited, and until when.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ipc_channel::ipc::IpcSender;

use super::{Hub, MAX_WAITING_PEERS, State, refuse_peer};
use crate::queue::control::Reply;
use crate::queue::status::Flushed;

/// Longest time that a flush waits for silent workers.
const MAX_FLUSH_TIMEOUT: Duration = Duration::from_secs(3600);

/// A `ctl flush` in progress.
pub(super) struct Flush {
    number: u64,
    /// Lanes whose answer is awaited.
    lanes: Vec<u64>,
    sync: bool,
    deadline: Instant,
    reply: IpcSender<Reply>,
}

/// A `ctl flush` for which nobody is awaited any more.
pub(in crate::listener) struct FinishedFlush {
    pub(in crate::listener) silent_workers: u64,
    /// All lanes are written as far as it wants them.
    pub(in crate::listener) is_written: bool,
    pub(in crate::listener) sync: bool,
    pub(in crate::listener) reply: IpcSender<Reply>,
}

impl Hub {
    /// Begins a `ctl flush`: every attached worker is asked to send what it has. After the end it
    /// gives up the reply, which tells whoever asked.
    pub(in crate::listener) fn begin_flush(
        &self,
        sync: bool,
        timeout: Duration,
        reply: IpcSender<Reply>,
    ) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        if state.flushes.len() >= MAX_WAITING_PEERS {
            return refuse_peer(&mut state);
        }
        state.last_flush += 1;
        let number = state.last_flush;
        let mut lanes = Vec::new();
        for (lane, worker) in state.workers.iter_mut().filter(|(_, worker)| worker.may_send()) {
            // The last batches of a gone worker may still be on their way.
            if !worker.gone {
                worker.pending.get_or_insert_default().flush = number;
            }
            lanes.push(*lane);
        }
        let deadline = Instant::now() + timeout.min(MAX_FLUSH_TIMEOUT);
        state.flushes.push(Flush { number, lanes, sync, deadline, reply });
        drop(state);
        self.outbox.notify_one();
    }

    /// Takes the flushes for which no worker is awaited any more, given the answers of a round by
    /// lane; a worker that answers a later flush has answered the earlier ones. The lanes in shared
    /// memory have been written as far as flush `passed` wants it.
    pub(in crate::listener) fn finished_flushes(
        &self,
        answers: &HashMap<u64, u64>,
        passed: u64,
    ) -> Vec<FinishedFlush> {
        let mut state = self.lock();
        let State { flushes, workers, .. } = &mut *state;
        for flush in flushes.iter_mut() {
            let answered =
                |lane: &u64| answers.get(lane).is_some_and(|number| *number >= flush.number);
            flush.lanes.retain(|lane| workers.contains_key(lane) && !answered(lane));
        }
        let now = Instant::now();
        let finished = flushes.extract_if(.., |flush| {
            (flush.lanes.is_empty() && flush.number <= passed) || flush.deadline <= now
        });
        let finished = finished.map(|flush| FinishedFlush {
            silent_workers: flush.lanes.len() as u64,
            is_written: flush.lanes.is_empty() && flush.number <= passed,
            sync: flush.sync,
            reply: flush.reply,
        });
        finished.collect()
    }

    /// Answers the flushes whose time is up while the log files cannot be written.
    pub(in crate::listener) fn fail_late_flushes(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        let late: Vec<_> = state.flushes.extract_if(.., |flush| flush.deadline <= now).collect();
        drop(state);
        for Flush { lanes, reply, .. } in late {
            let silent_workers = lanes.len() as u64;
            let flushed = Flushed { silent_workers, written: false, synced: false };
            // Whoever asked may be gone.
            let _gone = reply.send(Reply::Flushed(flushed));
        }
    }

    /// Number of the last flush that was asked for.
    pub(in crate::listener) fn last_flush(&self) -> u64 {
        self.lock().last_flush
    }

    /// How long until a flush gives up its silent workers.
    pub(in crate::listener) fn next_flush_deadline(&self) -> Option<Duration> {
        let next = self.lock().flushes.iter().map(|flush| flush.deadline).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }
}
