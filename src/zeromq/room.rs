//! What a handler may have in memory: each message counts until it is written to its last peer, or
//! dropped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};

pub(super) struct Room {
    max_records: usize,
    max_bytes: usize,
    state: Mutex<State>,
    /// Nothing waits any more.
    emptied: Notify,
}

#[derive(Default)]
struct State {
    records: usize,
    bytes: usize,
}

impl Room {
    pub(super) fn new(max_records: usize, max_bytes: usize) -> Arc<Room> {
        Arc::new(Room { max_records, max_bytes, state: Mutex::default(), emptied: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that wait.
    pub(super) fn records(&self) -> usize {
        self.lock().records
    }

    /// Lets a message wait; none where there is no room. One alone may be longer than the room.
    pub(super) fn admit(self: &Arc<Self>, body: Vec<u8>) -> Option<Message> {
        let mut state = self.lock();
        let fits = state.records < self.max_records && state.bytes + body.len() <= self.max_bytes;
        if !fits && state.records > 0 {
            return None;
        }
        state.records += 1;
        state.bytes += body.len();
        drop(state);
        Some(Message { body, room: Arc::clone(self), under_way: None })
    }

    pub(super) async fn wait_until_empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.records() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// The body of a message, with its place in the room.
pub(super) struct Message {
    body: Vec<u8>,
    room: Arc<Room>,
    under_way: Option<OwnedSemaphorePermit>,
}

impl Message {
    /// The body as the crate takes it. It gives back its place, and `permit`, when the last who has it
    /// lets it go.
    pub(super) fn into_bytes(mut self, permit: Option<OwnedSemaphorePermit>) -> Bytes {
        self.under_way = permit;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.under_way = None;
        let mut state = self.room.lock();
        state.records -= 1;
        state.bytes -= self.body.len();
        if state.records == 0 {
            self.room.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_place_until_the_last_copy_is_gone() {
        let room = Room::new(2, 10);
        let first = room.admit(vec![0; 20]).expect("one alone").into_bytes(None);
        assert!(room.admit(vec![0; 1]).is_none());
        let copy = first.clone();
        drop(first);
        assert_eq!(room.records(), 1);
        drop(copy);
        let kept = [room.admit(vec![0; 5]), room.admit(vec![0; 5])];
        assert!(kept.iter().all(Option::is_some) && room.admit(Vec::new()).is_none());
        drop(kept);
        assert_eq!(room.records(), 0);
    }
}
