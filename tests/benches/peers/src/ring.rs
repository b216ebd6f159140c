//! A ring of shared memory with one writer and one reader: words of 64 bits, four for each record.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{slice, thread};

use anyhow::Context;
use memmap2::MmapRaw;

/// As large as one of logboom's lanes.
const RING_BYTES: usize = 256 * 1024;

pub(crate) const SLOT_WORDS: usize = 4;
const SLOTS: u64 = (RING_BYTES / 8 / SLOT_WORDS) as u64;

/// The words before the slots, each in cache lines of its own.
const TAIL: usize = 0;
const HEAD: usize = 16;
const CLOSED: usize = 32;
const FIRST_SLOT: usize = 48;

const WORDS: usize = FIRST_SLOT + RING_BYTES / 8;

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

    fn slot(&self, position: u64) -> &[AtomicU64] {
        let first = FIRST_SLOT + (position % SLOTS) as usize * SLOT_WORDS;
        &self.words()[first..first + SLOT_WORDS]
    }

    /// Adds a record; waits for room.
    pub(crate) fn push(&mut self, record: [u64; SLOT_WORDS]) {
        let mut tries = 0;
        while self.own - self.other == SLOTS {
            self.other = self.words()[HEAD].load(Ordering::Acquire);
            wait(&mut tries);
        }
        for (word, value) in self.slot(self.own).iter().zip(record) {
            word.store(value, Ordering::Relaxed);
        }
        self.own += 1;
        self.words()[TAIL].store(self.own, Ordering::Release);
    }

    /// No record follows.
    pub(crate) fn close(&self) {
        self.words()[CLOSED].store(1, Ordering::Release);
    }

    /// Takes all records that are there, and tells how many.
    pub(crate) fn drain(&mut self, mut take: impl FnMut([u64; SLOT_WORDS])) -> u64 {
        let tail = self.words()[TAIL].load(Ordering::Acquire);
        let count = tail - self.own;
        for position in self.own..tail {
            let slot = self.slot(position);
            take(std::array::from_fn(|word| slot[word].load(Ordering::Relaxed)));
        }
        self.own = tail;
        self.words()[HEAD].store(tail, Ordering::Release);
        count
    }

    /// Whether all was taken and nothing more can come.
    pub(crate) fn is_over(&self) -> bool {
        self.words()[CLOSED].load(Ordering::Acquire) == 1
            && self.words()[TAIL].load(Ordering::Acquire) == self.own
    }
}

/// Gives the processor away, soon for longer.
pub(crate) fn wait(tries: &mut u32) {
    *tries += 1;
    if *tries < 20 { thread::yield_now() } else { thread::sleep(PAUSE) }
}
