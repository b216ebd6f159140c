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
    /// How many bytes may follow the written ones there: none once they go on in `spill`.
    left_bytes: usize,
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
        let left_bytes = room_bytes;
        Slot { mapping, position, room, left_bytes, written_bytes: 0, generation, spill }
    }

    /// Whether `bytes` more find room in the lane, and the lane is ours.
    #[inline]
    fn has_room(&self, bytes: usize) -> bool {
        bytes <= self.left_bytes && self.generation == fork::generation()
    }

    /// # Safety
    /// The lane [has room](Self::has_room) for `bytes`.
    #[inline]
    unsafe fn append(&mut self, bytes: &[u8]) {
        // SAFETY: the bytes that are left behind the written ones are mapped as long as `mapping` is
        // borrowed, and ours, as said in `open`. `bytes` is never in the mapping, because no slice of
        // it is ever made.
        unsafe {
            let target = self.room.add(self.written_bytes);
            ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len());
        }
        self.left_bytes -= bytes.len();
        self.written_bytes += bytes.len();
    }

    /// How many bytes stand in the lane; `None` where they are in `spill`.
    pub(super) fn finish(mut self) -> Option<usize> {
        if self.spill.is_empty() && self.has_room(0) {
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
        self.left_bytes = 0;
    }
}

impl Output for Slot<'_> {
    #[inline]
    fn position(&self) -> usize {
        if self.spill.is_empty() { self.written_bytes } else { self.spill.len() }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if !self.has_room(bytes.len()) {
            return self.spill(bytes);
        }
        // SAFETY: there is room, as was just seen.
        unsafe { self.append(bytes) }
    }

    #[inline]
    fn put_all(&mut self, pieces: &[&[u8]]) {
        let mut all_bytes = 0;
        for piece in pieces {
            all_bytes += piece.len();
        }
        if !self.has_room(all_bytes) {
            return pieces.iter().for_each(|piece| self.spill(piece));
        }
        for piece in pieces {
            // SAFETY: there is room for all pieces, as was just seen, so also for each behind those
            // before it.
            unsafe { self.append(piece) }
        }
    }

    fn patch(&mut self, at: usize, bytes: [u8; 4]) {
        if !self.spill.is_empty() || !self.has_room(0) {
            self.spill(&[]);
            return self.spill.patch(at, bytes);
        }
        assert!(at + 4 <= self.written_bytes, "patched before it was written");
        // SAFETY: inside the room that is ours, as said in `open`.
        unsafe { self.mapping.write(self.position + at as u64, &bytes) }
    }
}
