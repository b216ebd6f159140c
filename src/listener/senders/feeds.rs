//! The lanes of all senders, and how far each has come whose lane was given up.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::feed::Feed;
use super::table::Table;
use super::{Phase, Shared};
use crate::Process;
use crate::causes::with_causes;
use crate::fault;
use crate::listener::hub::Hub;
use crate::listener::refusal::Refusal;
use crate::queue::QueueDir;
use crate::queue::ring::{Bell, SenderLane};

pub(super) struct Feeds {
    pub(super) shared: Arc<Shared>,
    pub(super) hub: Arc<Hub>,
    pub(super) queue: QueueDir,
    pub(super) bell: Arc<Bell>,
    pub(super) table: Table,
    /// Lanes that were given up and are not drained yet.
    pub(super) left: HashMap<u64, Vec<PathBuf>>,
    pub(super) max_senders: usize,
    pub(super) of_senders: HashMap<u64, Feed>,
    /// A lane or the table could not be written: told once.
    pub(super) is_in_trouble: bool,
}

impl Feeds {
    pub(super) fn get(&self, sender: u64) -> Option<&Feed> {
        self.of_senders.get(&sender)
    }

    pub(super) fn get_mut(&mut self, sender: u64) -> Option<&mut Feed> {
        self.of_senders.get_mut(&sender)
    }

    /// Whether some of what came is not written yet.
    pub(super) fn are_waiting(&self) -> bool {
        self.of_senders.values().any(|feed| !feed.is_written())
    }

    /// The number that the sender has to go on with; `None` where it has to wait for that.
    pub(super) fn admit(
        &mut self,
        sender: u64,
        first_seq: u64,
        process: &Process,
    ) -> Result<Option<u64>, Refusal> {
        if let Some(feed) = self.of_senders.get_mut(&sender) {
            feed.gone_at = None;
            return Ok(Some(feed.next_seq));
        }
        if let Some(left) = self.left.get_mut(&sender) {
            left.retain(|path| path.exists());
            if !left.is_empty() {
                return Ok(None);
            }
            self.left.remove(&sender);
        }
        self.make_room()?;
        let phase = self.shared.lock();
        if *phase != Phase::Open {
            return Ok(None);
        }
        let next_seq = self.table.next_seq(sender).max(first_seq);
        let lane = SenderLane::create(&self.queue, &self.bell, process, sender, next_seq);
        drop(phase);
        match lane {
            Ok(lane) => {
                self.is_in_trouble = false;
                self.of_senders.insert(sender, Feed::new(lane, next_seq));
                Ok(Some(next_seq))
            }
            Err(error) => {
                self.complain(&format!("no lane for records of a sender: {}", with_causes(&error)));
                Err(Refusal::TooMany)
            }
        }
    }

    /// The lane that was left first makes room for another.
    fn make_room(&mut self) -> Result<(), Refusal> {
        if self.of_senders.len() < self.max_senders {
            return Ok(());
        }
        let absent = self.of_senders.iter().filter(|(_, feed)| feed.is_written());
        let absent = absent.filter_map(|(sender, feed)| Some((feed.gone_at?, *sender)));
        let (_, sender) = absent.min().ok_or(Refusal::TooMany)?;
        self.give_up(&[sender]);
        Ok(())
    }

    /// Drops what is kept of a sender that never comes again.
    pub(super) fn forget(&mut self, sender: u64) {
        if self.table.remove(sender) {
            self.save_table();
        }
        self.end_lane(sender);
    }

    /// Ends lanes whose senders have been away for long, and those that nobody reads, whose senders are
    /// returned: they still have what was not written.
    pub(super) fn give_up_idle(&mut self) -> Vec<u64> {
        let idle = self.of_senders.iter().filter(|(_, feed)| feed.is_idle());
        let idle: Vec<_> = idle.map(|(sender, _)| *sender).collect();
        self.give_up(&idle);
        let lost = self.of_senders.iter_mut();
        let lost = lost.filter_map(|(sender, feed)| feed.is_lost().then_some(*sender));
        let lost: Vec<_> = lost.collect();
        for sender in &lost {
            if let Some(feed) = self.of_senders.get(sender) {
                self.table.set(*sender, feed.lane.written());
            }
            self.save_table();
            self.end_lane(*sender);
        }
        lost
    }

    pub(super) fn give_up_all(&mut self) {
        let senders: Vec<_> = self.of_senders.keys().copied().collect();
        self.give_up(&senders);
    }

    /// Keeps how far these senders have come, and ends their lanes.
    fn give_up(&mut self, senders: &[u64]) {
        if senders.is_empty() {
            return;
        }
        for sender in senders {
            if let Some(feed) = self.of_senders.get(sender) {
                self.table.set(*sender, feed.next_seq);
            }
        }
        self.save_table();
        fault::point("after-senders");
        for sender in senders {
            if let Some(lane) = self.end_lane(*sender) {
                self.left.entry(*sender).or_default().push(lane);
            }
        }
    }

    fn end_lane(&mut self, sender: u64) -> Option<PathBuf> {
        self.of_senders.remove(&sender).map(|feed| feed.lane.end())
    }

    fn save_table(&mut self) {
        if let Err(error) = self.table.save() {
            let why = with_causes(&error);
            self.complain(&format!("what senders send again may be doubled: {why}"));
        }
    }

    fn complain(&mut self, text: &str) {
        if !std::mem::replace(&mut self.is_in_trouble, true) {
            self.hub.say(text.to_owned());
        }
    }
}
