//! A ring of shared memory with one writer and one reader: words of 64 bits, some for each record.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{slice, thread};

use anyhow::Context;
use memmap2::MmapRaw;

/// As large as one of logboom's lanes.
const RING_BYTES: usize = 256 * 1024;

const RING_WORDS: usize = RING_BYTES / 8;

/// The words before those of the records, each in cache lines of its own.
const TAIL: usize = 0;
const HEAD: usize = 16;
const CLOSED: usize = 32;
const FIRST: usize = 48;

const WORDS: usize = FIRST + RING_WORDS;

/// How long the one waits for the other, where yielding has not helped.
const PAUSE: Duration = Duration::from_micros(50);

pub(crate) struct Ring {
    map: MmapRaw,
    /// The side's own position.
    own: u64,
    /// What it last saw of the other's.
    other: u64,
}

impl Ring {
    /// Makes the file of a new ring.
    pub(crate) fn create(path: &Path) -> anyhow::Result<()> {
        let making = || format!("cannot make {}", path.display());
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        file.and_then(|file| file.set_len((WORDS * 8) as u64)).with_context(making)
    }

    pub(crate) fn open(path: &Path) -> anyhow::Result<Ring> {
        let opening = || format!("cannot map {}", path.display());
        let file = OpenOptions::new().read(true).write(true).open(path).with_context(opening)?;
        anyhow::ensure!(
            file.metadata()?.len() == (WORDS * 8) as u64,
            "{} is no ring",
            path.display()
        );
        let map = MmapRaw::map_raw(&file).with_context(opening)?;
        Ok(Ring { map, own: 0, other: 0 })
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, has this many words, as `open` has checked, and lives
        // as long as `self`; all processes use its words as atomics only.
        unsafe { slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), WORDS) }
    }

    /// The word at a position, which only grows.
    fn word(&self, position: u64) -> &AtomicU64 {
        &self.words()[FIRST + position as usize % RING_WORDS]
    }

    /// Adds a record; waits for room.
    pub(crate) fn push(&mut self, record: &[u64]) {
        let end = self.own + record.len() as u64;
        let mut tries = 0;
        while end - self.other > RING_WORDS as u64 {
            self.other = self.words()[HEAD].load(Ordering::Acquire);
            wait(&mut tries);
        }
        for (position, value) in (self.own..end).zip(record) {
            self.word(position).store(*value, Ordering::Relaxed);
        }
        self.own = end;
        self.words()[TAIL].store(end, Ordering::Release);
    }

    /// No record follows.
    pub(crate) fn close(&self) {
        self.words()[CLOSED].store(1, Ordering::Release);
    }

    /// Lets `take` have one record after the other, all that are there; tells whether there were any.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(&mut Unread<'_>)) -> bool {
        let tail = self.words()[TAIL].load(Ordering::Acquire);
        let mut unread = Unread { ring: self, position: self.own };
        while unread.position < tail {
            take(&mut unread);
        }
        let had_any = self.own < tail;
        self.own = tail;
        self.words()[HEAD].store(tail, Ordering::Release);
        had_any
    }

    /// Whether all was taken and nothing more can come.
    pub(crate) fn is_over(&self) -> bool {
        self.words()[CLOSED].load(Ordering::Acquire) == 1
            && self.words()[TAIL].load(Ordering::Acquire) == self.own
    }
}

/// The words that were not read yet.
pub(crate) struct Unread<'a> {
    ring: &'a Ring,
    position: u64,
}

impl Unread<'_> {
    pub(crate) fn next(&mut self) -> u64 {
        let word = self.ring.word(self.position).load(Ordering::Relaxed);
        self.position += 1;
        word
    }
}

/// Gives the processor away, soon for longer.
pub(crate) fn wait(tries: &mut u32) {
    *tries += 1;
    if *tries < 20 { thread::yield_now() } else { thread::sleep(PAUSE) }
}
