//! How far senders have come whose lanes are gone: a small file in the queue directory, so that what
//! they send again after a pause is known.
//!
//! ```text
//! b"LBsenders" version u8   { sender u64   next number u64   last seen i64 }*    little-endian
//! ```
//!
//! While a sender has a lane, that says how far it has come. So the file is written before a lane ends,
//! and at the start for the lanes that a killed listener has left.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::record::now_ns;

const NAME: &str = "senders";
const HEADER: &[u8; 10] = b"LBsenders\x01";
const ENTRY_BYTES: usize = 24;

/// Most senders that are remembered; the one that was seen first makes room.
const MAX_SENDERS: usize = 1024;

pub(super) struct Table {
    path: PathBuf,
    senders: HashMap<u64, Known>,
}

#[derive(Clone, Copy)]
struct Known {
    next_seq: u64,
    seen_ns: i64,
}

impl Table {
    /// Reads the table of the queue directory `queue`.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(super) fn open(queue: &Path) -> io::Result<Table> {
        let path = queue.join(NAME);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => HEADER.to_vec(),
            read => read?,
        };
        let senders = decode(&bytes).ok_or_else(|| {
            let path = path.display();
            io::Error::other(format!("{path} is damaged or of another release: remove it"))
        })?;
        Ok(Table { path, senders })
    }

    /// The number of the record that is expected next of `sender`; 0 where it is not known.
    pub(super) fn next_seq(&self, sender: u64) -> u64 {
        self.senders.get(&sender).map_or(0, |known| known.next_seq)
    }

    /// Takes note of a sender; call [`save`](Self::save) before its lane ends.
    pub(super) fn set(&mut self, sender: u64, next_seq: u64) {
        let oldest = || {
            let seen = |(_, known): &(&u64, &Known)| known.seen_ns;
            self.senders.iter().min_by_key(seen).map(|(sender, _)| *sender)
        };
        if self.senders.len() >= MAX_SENDERS
            && !self.senders.contains_key(&sender)
            && let Some(oldest) = oldest()
        {
            self.senders.remove(&oldest);
        }
        self.senders.insert(sender, Known { next_seq, seen_ns: now_ns() });
    }

    /// Forgets a sender that never comes again; whether it was known.
    pub(super) fn remove(&mut self, sender: u64) -> bool {
        self.senders.remove(&sender).is_some()
    }

    /// Writes the table, whole or not at all.
    ///
    /// # Errors
    /// The system refused.
    pub(super) fn save(&self) -> io::Result<()> {
        if self.senders.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let unfinished = self.path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&unfinished)?.write_all(&self.encode())?;
        fs::rename(&unfinished, &self.path)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        for (sender, Known { next_seq, seen_ns }) in &self.senders {
            bytes.extend(sender.to_le_bytes());
            bytes.extend(next_seq.to_le_bytes());
            bytes.extend(seen_ns.to_le_bytes());
        }
        bytes
    }
}

fn decode(bytes: &[u8]) -> Option<HashMap<u64, Known>> {
    let (entries, rest) = bytes.strip_prefix(HEADER)?.as_chunks::<ENTRY_BYTES>();
    let word = |entry: &[u8; ENTRY_BYTES], at: usize| {
        entry[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    };
    let known = |entry: &[u8; ENTRY_BYTES]| {
        let seen_ns = word(entry, 16)? as i64;
        Some((word(entry, 0)?, Known { next_seq: word(entry, 8)?, seen_ns }))
    };
    let is_whole = rest.is_empty() && entries.len() <= MAX_SENDERS;
    entries.iter().map(known).collect::<Option<_>>().filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_there_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut table = Table::open(directory.path()).unwrap();
        table.set(7, 70);
        table.set(u64::MAX, u64::MAX);
        table.save().unwrap();
        let mut table = Table::open(directory.path()).unwrap();
        assert_eq!([7, u64::MAX, 8].map(|sender| table.next_seq(sender)), [70, u64::MAX, 0]);
        assert!(table.remove(7) && table.remove(u64::MAX) && !table.remove(8));
        table.save().unwrap();
        table.save().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_one_that_was_seen_first_makes_room() {
        let directory = tempfile::tempdir().unwrap();
        let mut table = Table::open(directory.path()).unwrap();
        for sender in 1..=MAX_SENDERS as u64 + 10 {
            table.set(sender, sender);
            table.senders.get_mut(&sender).unwrap().seen_ns = sender as i64;
        }
        assert_eq!(
            (table.senders.len(), table.next_seq(10), table.next_seq(11)),
            (MAX_SENDERS, 0, 11)
        );
    }

    #[test]
    fn what_is_no_table_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        for bytes in [&b"LBsenders\x02"[..], b"LBsenders\x01123", b""] {
            fs::write(directory.path().join(NAME), bytes).unwrap();
            let error = Table::open(directory.path()).err().unwrap().to_string();
            assert!(
                error.ends_with("/senders is damaged or of another release: remove it"),
                "{error}"
            );
        }
    }
}
