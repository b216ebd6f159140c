//! The sender thread: takes chunks from the queue and sends them, one batch at a time.

use std::net::Shutdown;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::state::{Chunk, SenderPhase};
use super::{Link, Shared};
use crate::queue::batch::BatchHeader;

/// How long a record below WARNING waits for company.
const LINGER: Duration = Duration::from_millis(2);

/// How often a closing lane without a listener looks whether it has waited long enough for one.
const CLOSING_TICK: Duration = Duration::from_millis(100);

impl Shared {
    /// Sends until the lane is closed and empty, or has waited for a listener in vain.
    pub(super) fn run(&self) {
        while let Some((mut chunk, header, link)) = self.next_batch() {
            header.write(&mut chunk.bytes);
            let sent = link.data.send(&chunk.bytes).is_ok();
            self.after_send(chunk, header, &link, sent);
        }
    }

    fn next_batch(&self) -> Option<(Chunk, BatchHeader, Arc<Link>)> {
        let mut state = self.lock();
        loop {
            let output = state.has_output();
            match state.link.clone() {
                Some(link) if output => {
                    if !state.is_worth_sending() {
                        state.sender = SenderPhase::Lingering;
                        let waited = self
                            .work
                            .wait_timeout_while(state, LINGER, |state| !state.is_worth_sending());
                        state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    }
                    state.sender = SenderPhase::Busy;
                    let chunk = state.take_chunk();
                    let header = BatchHeader {
                        lane: self.lane,
                        end_seq: chunk.end_seq,
                        sync: state.sync_at.take_if(|at| *at <= chunk.end_seq).is_some(),
                        pause: state.pause_at.take_if(|at| *at <= chunk.end_seq).is_some(),
                        answer: state
                            .asked
                            .take_if(|asked| asked.at <= chunk.end_seq)
                            .map_or(0, |asked| asked.number),
                        waits: std::mem::take(&mut state.waits),
                        gone: false,
                    };
                    return Some((chunk, header, link));
                }
                link if state.is_closing() && (!output || state.waited_for_listener()) => {
                    state.link = None;
                    state.sender = SenderPhase::Ended;
                    // An error means that the listener has closed it before.
                    let _closed = link.map(|link| link.stream.shutdown(Shutdown::Both));
                    self.news.notify_all();
                    return None;
                }
                _ => {
                    state.sender = SenderPhase::Asleep;
                    state = if state.is_closing() {
                        let waited = self.work.wait_timeout(state, CLOSING_TICK);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    } else {
                        self.work.wait(state).unwrap_or_else(PoisonError::into_inner)
                    };
                }
            }
        }
    }

    fn after_send(&self, chunk: Chunk, header: BatchHeader, link: &Arc<Link>, sent: bool) {
        let mut state = self.lock();
        let current = state.link.as_ref().is_some_and(|now| Arc::ptr_eq(now, link));
        if sent {
            state.sent(chunk);
            self.room.notify_all();
            if !current {
                state.count_lost();
            }
        } else {
            if header.sync {
                state.sync_at = Some(state.next_seq);
            }
            state.put_back(chunk);
        }
        if current && (header.pause || !sent) {
            state.link = None;
        }
    }
}
