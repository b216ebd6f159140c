//! Who is at an endpoint, and who has to go so that others have room.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

/// What messages that have begun may take of all peers together.
const MAX_BEGUN_BYTES: u64 = 64 << 20;

pub(super) const ROOM: &str = "too many peers: this one has not greeted yet";
pub(super) const FULL: &str = "too many peers: close those that are not needed";
pub(super) const TOO_MUCH: &str = "messages that have begun take more than 64 MiB";

/// One that was let in.
pub(super) struct Admitted {
    pub(super) number: u64,
    /// Notified when it has to go.
    pub(super) sent_away: Arc<Notify>,
    /// Another one had to go for it.
    pub(super) is_another_sent_away: bool,
}

/// By number, in the order in which they came.
#[derive(Default)]
pub(super) struct Peers {
    next: u64,
    peers: BTreeMap<u64, Peer>,
    max_peers: usize,
    begun_bytes: u64,
}

pub(super) struct Peer {
    /// Notified when it has to go.
    sent_away: Arc<Notify>,
    is_ready: bool,
    begun_bytes: u64,
    begun_at: Option<Instant>,
}

impl Peers {
    pub(super) fn new(max_peers: usize) -> Peers {
        Peers { max_peers, ..Peers::default() }
    }

    /// How many have greeted.
    pub(super) fn ready(&self) -> usize {
        self.peers.values().filter(|peer| peer.is_ready).count()
    }

    /// Lets one in. Where there is no room, the first goes that has not greeted yet.
    pub(super) fn admit(&mut self) -> Option<Admitted> {
        let mut is_another_sent_away = false;
        if self.peers.len() >= self.max_peers {
            let (number, _) = self.peers.iter().find(|(_, peer)| !peer.is_ready)?;
            self.send_away(*number);
            is_another_sent_away = true;
        }
        let (number, sent_away) = (self.next, Arc::new(Notify::new()));
        self.next += 1;
        let peer = Peer {
            sent_away: Arc::clone(&sent_away),
            is_ready: false,
            begun_bytes: 0,
            begun_at: None,
        };
        self.peers.insert(number, peer);
        Some(Admitted { number, sent_away, is_another_sent_away })
    }

    /// What has become of a peer. Of all that have begun a message, the first goes where they take too
    /// much; whether one does.
    pub(super) fn note(&mut self, number: u64, is_ready: bool, begun_bytes: u64) -> bool {
        let Some(peer) = self.peers.get_mut(&number) else { return false };
        peer.is_ready = is_ready;
        self.begun_bytes = self.begun_bytes - peer.begun_bytes + begun_bytes;
        peer.begun_bytes = begun_bytes;
        peer.begun_at = (begun_bytes > 0).then(|| peer.begun_at.unwrap_or_else(Instant::now));
        if self.begun_bytes <= MAX_BEGUN_BYTES {
            return false;
        }
        let begun = self.peers.iter().filter_map(|(number, peer)| Some((peer.begun_at?, *number)));
        let Some((_, first)) = begun.min() else { return false };
        self.send_away(first);
        true
    }

    /// All that have not greeted go.
    pub(super) fn send_strangers_away(&mut self) {
        let strangers = self.peers.iter().filter(|(_, peer)| !peer.is_ready);
        for number in strangers.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.send_away(number);
        }
    }

    fn send_away(&mut self, number: u64) {
        if let Some(peer) = self.leave(number) {
            peer.sent_away.notify_one();
        }
    }

    /// One has gone.
    pub(super) fn leave(&mut self, number: u64) -> Option<Peer> {
        let peer = self.peers.remove(&number)?;
        self.begun_bytes -= peer.begun_bytes;
        Some(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(peers: &Peers) -> Vec<u64> {
        peers.peers.keys().copied().collect()
    }

    #[test]
    fn those_who_have_not_greeted_make_room_in_their_order() {
        let mut peers = Peers::new(3);
        let first = [(); 3].map(|()| peers.admit().unwrap());
        peers.note(first[0].number, true, 0);
        assert!(peers.admit().unwrap().is_another_sent_away);
        assert_eq!((numbers(&peers), peers.ready()), (vec![0, 2, 3], 1));
        for number in [2, 3] {
            peers.note(number, true, 0);
        }
        assert!(peers.admit().is_none());
        peers.leave(0);
        assert!(!peers.admit().unwrap().is_another_sent_away);
        peers.send_strangers_away();
        assert_eq!(numbers(&peers), [2, 3]);
    }

    #[test]
    fn where_what_has_begun_takes_too_much_the_first_goes() {
        let mut peers = Peers::new(9);
        let admitted = [(); 3].map(|()| peers.admit().unwrap().number);
        let [first, second, third] = admitted;
        let half = MAX_BEGUN_BYTES / 2;
        assert!(!peers.note(second, true, half) && !peers.note(first, true, half));
        assert!(peers.note(third, true, 1));
        assert_eq!((numbers(&peers), peers.begun_bytes), (vec![first, third], half + 1));
        // One whose message is whole has begun none.
        peers.note(first, true, 0);
        assert!(
            !peers.note(third, true, MAX_BEGUN_BYTES)
                && peers.note(third, true, MAX_BEGUN_BYTES + 1)
        );
        assert_eq!((numbers(&peers), peers.begun_bytes), (vec![first], 0));
    }
}
