//! Which thread speaks in a lane, for the next listener.
//!
//! The mark that names the thread is given up with the entries that are written, so the listener
//! keeps what it said in the page of the lane, in one of two slots in turn:
//!
//! ```text
//! 0 position u64, from which on this thread speaks   8 thread u64   16 name length u64   24 name [256]
//! ```
//!
//! In force is the slot with the last position that is not behind the head. The other one is written
//! before the head reaches its position, so a kill at any instant leaves one that is right.

use super::mapping::Mapping;
use super::sync::{AtomicU64, Ordering, fence};
use crate::Thread;

const SLOTS_AT: [usize; 2] = [2048, 2560];
const WORD_BYTES: usize = 8;

/// A longer name is cut for the next listener.
const MAX_NAME_BYTES: usize = 256;

/// The position of a slot that is being written.
const NOWHERE: u64 = u64::MAX;

/// The thread that speaks at `head`, as far as a listener before us knew. What cannot be a name is
/// none.
pub(super) fn read(mapping: &Mapping, head: u64) -> Thread<'static> {
    let Some(slot) = in_force(mapping, head) else {
        return Thread::default();
    };
    let word = |number| slot_word(mapping, slot, number).load(Ordering::Relaxed);
    let length = usize::try_from(word(2)).ok().filter(|length| *length <= MAX_NAME_BYTES);
    let mut name: Vec<u8> =
        (3..3 + MAX_NAME_BYTES / WORD_BYTES).flat_map(|at| word(at).to_ne_bytes()).collect();
    name.truncate(length.unwrap_or(0));
    Thread { id: word(1), name: String::from_utf8(name).unwrap_or_default().into() }
}

/// Says that `thread` speaks from `position` on, to which the head, now `head`, is about to go.
pub(super) fn write(mapping: &Mapping, head: u64, position: u64, thread: &Thread<'_>) {
    let slot = in_force(mapping, head).map_or(0, |in_force| 1 - in_force);
    let word = |number| slot_word(mapping, slot, number);
    word(0).store(NOWHERE, Ordering::Relaxed);
    fence(Ordering::Release);
    let name = &thread.name[..thread.name.floor_char_boundary(MAX_NAME_BYTES)];
    word(1).store(thread.id, Ordering::Relaxed);
    word(2).store(name.len() as u64, Ordering::Relaxed);
    for (number, bytes) in name.as_bytes().chunks(WORD_BYTES).enumerate() {
        let mut padded = [0; WORD_BYTES];
        padded[..bytes.len()].copy_from_slice(bytes);
        word(3 + number).store(u64::from_ne_bytes(padded), Ordering::Relaxed);
    }
    word(0).store(position, Ordering::Release);
}

fn in_force(mapping: &Mapping, head: u64) -> Option<usize> {
    let position = |slot: &usize| slot_word(mapping, *slot, 0).load(Ordering::Acquire);
    (0..SLOTS_AT.len()).filter(|slot| position(slot) <= head).max_by_key(position)
}

fn slot_word(mapping: &Mapping, slot: usize, number: usize) -> &AtomicU64 {
    mapping.word(SLOTS_AT[slot] + number * WORD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::super::mapping::PAGE_BYTES;
    use super::*;

    fn page() -> Mapping {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(PAGE_BYTES as u64).expect("room");
        Mapping::of(&file, 0).expect("mapped")
    }

    fn thread(id: u64, name: &str) -> Thread<'static> {
        Thread { id, name: name.to_owned().into() }
    }

    #[test]
    fn the_thread_is_that_of_the_head_whenever_the_head_is_moved() {
        let page = page();
        assert_eq!(read(&page, 0), Thread::default());
        let mut before = Thread::default();
        for turn in 1..10 {
            let next = thread(turn, &"ü".repeat(turn as usize));
            write(&page, 8 * (turn - 1), 8 * turn, &next);
            assert_eq!(read(&page, 8 * (turn - 1)), before);
            assert_eq!(read(&page, 8 * turn), next);
            assert_eq!(read(&page, 8 * turn + 800), next);
            before = next;
        }
    }

    #[test]
    fn a_slot_that_was_not_finished_does_not_count() {
        let page = page();
        write(&page, 0, 8, &thread(1, "first"));
        write(&page, 8, 16, &thread(2, "second"));
        slot_word(&page, 0, 0).store(NOWHERE, Ordering::Relaxed);
        slot_word(&page, 0, 2).store(99, Ordering::Relaxed);
        assert_eq!(read(&page, 16), thread(2, "second"));
        // Written over again by the listener that follows.
        write(&page, 16, 24, &thread(3, "third"));
        assert_eq!(read(&page, 24), thread(3, "third"));
    }

    #[test]
    fn whatever_stands_there_is_a_thread_within_limits() {
        let page = page();
        for length in [0, 255, 256, 257, u64::MAX] {
            slot_word(&page, 0, 1).store(7, Ordering::Relaxed);
            slot_word(&page, 0, 2).store(length, Ordering::Relaxed);
            for number in 3..3 + MAX_NAME_BYTES / WORD_BYTES {
                slot_word(&page, 0, number).store(u64::MAX, Ordering::Relaxed);
            }
            slot_word(&page, 0, 0).store(8, Ordering::Relaxed);
            assert_eq!(read(&page, 8), thread(7, ""));
        }
        let long = thread(1, &"ü".repeat(500));
        write(&page, 8, 16, &long);
        assert_eq!(read(&page, 16).name, "ü".repeat(128));
    }
}
