//! The free space of a lane while a record is encoded into it.

use std::ptr;

use super::fork;
use super::mapping::Mapping;
use crate::codec::Output;

/// Bytes that stand in the lane from `position` on, or in private memory once they outgrow the room
/// there, or once a `Display` has forked and the lane is the parent's; so a `Display` runs once
/// whatever comes of it.
pub(super) struct Slot<'a> {
    mapping: &'a Mapping,
    position: u64,
    /// Where `position` is in memory, asked once because a record is put in many pieces.
    room: *mut u8,
    room_bytes: usize,
    written_bytes: usize,
    generation: u64,
    /// Where the bytes go on when the room is too small; not used yet while it is empty.
    spill: &'a mut Vec<u8>,
}

impl<'a> Slot<'a> {
    /// # Safety
    /// As long as the slot lives, nobody else in this process touches the `room_bytes` of the ring
    /// from `position` on.
    pub(super) unsafe fn open(
        mapping: &'a Mapping,
        position: u64,
        room_bytes: usize,
        spill: &'a mut Vec<u8>,
    ) -> Slot<'a> {
        spill.clear();
        let generation = fork::generation();
        let room = mapping.ring_at(position, room_bytes);
        Slot { mapping, position, room, room_bytes, written_bytes: 0, generation, spill }
    }

    /// Whether the bytes stand in the lane, and the lane is ours.
    #[inline]
    fn is_in_lane(&self) -> bool {
        self.spill.is_empty() && self.generation == fork::generation()
    }

    /// How many bytes stand in the lane; `None` where they are in `spill`.
    pub(super) fn finish(mut self) -> Option<usize> {
        if self.is_in_lane() {
            return Some(self.written_bytes);
        }
        self.spill(&[]);
        None
    }

    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        if self.spill.is_empty() {
            // SAFETY: these bytes are ours, as said in `open`, and `self` is borrowed for writing.
            unsafe { self.mapping.read(self.position, self.written_bytes, self.spill) }
        }
        self.spill.extend_from_slice(bytes);
    }
}

impl Output for Slot<'_> {
    #[inline]
    fn position(&self) -> usize {
        if self.spill.is_empty() { self.written_bytes } else { self.spill.len() }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let fits = bytes.len() <= self.room_bytes - self.written_bytes;
        if !fits || !self.is_in_lane() {
            return self.spill(bytes);
        }
        // SAFETY: the `room_bytes` from `room` on are mapped as long as `mapping` is borrowed, and
        // ours, as said in `open`; these are inside. `bytes` is never in the mapping, because no
        // slice of it is ever made.
        unsafe {
            let target = self.room.add(self.written_bytes);
            ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len());
        }
        self.written_bytes += bytes.len();
    }

    fn patch(&mut self, at: usize, bytes: [u8; 4]) {
        if !self.is_in_lane() {
            self.spill(&[]);
            return self.spill.patch(at, bytes);
        }
        assert!(at + 4 <= self.written_bytes, "patched before it was written");
        // SAFETY: inside the room that is ours, as said in `open`.
        unsafe { self.mapping.write(self.position + at as u64, &bytes) }
    }
}
