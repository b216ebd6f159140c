//! Memory that a file and other processes share with us.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// Bytes of the page in front of a ring: a multiple of every page size that x86-64 and most others
/// use; where pages are larger, mapping is refused by the system.
pub(super) const PAGE_BYTES: usize = 4096;

/// A page of words, and behind it a ring that is mapped twice back to back: whatever begins in its
/// first copy is contiguous.
pub(super) struct Mapping {
    base: NonNull<u8>,
    /// Bytes of the ring; 0 where there is only the page.
    ring_bytes: usize,
}

// SAFETY: words are atomics; who copies into or out of the ring states that no one else of this
// process touches the same bytes meanwhile.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the page and the ring of `file`, which is `PAGE_BYTES + ring_bytes` long.
    pub(super) fn of(file: &File, ring_bytes: usize) -> io::Result<Mapping> {
        let all_bytes = PAGE_BYTES + 2 * ring_bytes;
        // SAFETY: a new mapping at an address that the system chooses.
        let base = unsafe {
            mmap_anonymous(None, non_zero(all_bytes)?, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)
        }?;
        // From here on dropping it unmaps what there is.
        let mapping = Mapping { base: base.cast(), ring_bytes };
        mapping.place(file, 0, PAGE_BYTES + ring_bytes, 0)?;
        if ring_bytes > 0 {
            mapping.place(file, PAGE_BYTES + ring_bytes, ring_bytes, PAGE_BYTES)?;
        }
        Ok(mapping)
    }

    /// Maps `bytes` of `file` from `from` over the reservation at `at`.
    fn place(&self, file: &File, at: usize, bytes: usize, from: usize) -> io::Result<()> {
        assert!(at + bytes <= self.all_bytes(), "outside of the reservation");
        let address = NonZeroUsize::new(self.base.as_ptr() as usize + at);
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // Populated, so that no log call pays for the first touch of a page.
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED | MapFlags::MAP_POPULATE;
        let from = libc::off_t::try_from(from).map_err(io::Error::other)?;
        // SAFETY: it replaces a part of our own reservation, which nobody has a pointer into yet.
        unsafe { mmap(address, non_zero(bytes)?, access, flags, file, from) }?;
        Ok(())
    }

    fn all_bytes(&self) -> usize {
        PAGE_BYTES + 2 * self.ring_bytes
    }

    /// The word at `at` of the page.
    pub(super) fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= PAGE_BYTES, "not a word of the page");
        // SAFETY: inside the page, which is mapped as long as `self` lives, and aligned because the
        // base is; words are only ever accessed as atomics.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(at).cast()) }
    }

    /// Copies `bytes` into the ring from `position` on.
    ///
    /// # Safety
    /// No other thread of this process writes or reads these bytes through this mapping meanwhile.
    pub(super) unsafe fn write(&self, position: u64, bytes: &[u8]) {
        let target = self.ring_at(position, bytes.len());
        // SAFETY: `ring_at` has checked the range; `bytes` is memory of this process, never of the
        // mapping, because no slice of the mapping is ever made.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) }
    }

    /// Appends `length` bytes of the ring from `position` on to `out`.
    ///
    /// # Safety
    /// No thread of this process writes these bytes through this mapping meanwhile.
    pub(super) unsafe fn read(&self, position: u64, length: usize, out: &mut Vec<u8>) {
        let source = self.ring_at(position, length);
        out.reserve(length);
        // SAFETY: `ring_at` has checked the range, and `out` has room for it; they do not overlap
        // because `out` owns its memory.
        unsafe {
            ptr::copy_nonoverlapping(source, out.as_mut_ptr().add(out.len()), length);
            out.set_len(out.len() + length);
        }
    }

    /// Where `length` bytes from `position` on are, as long as the mapping lives.
    pub(super) fn ring_at(&self, position: u64, length: usize) -> *mut u8 {
        assert!(length <= self.ring_bytes, "longer than the ring");
        // The capacity is a power of two, and the first copy ends where the second begins: an
        // offset inside the first plus at most one capacity is inside both together.
        let offset = position as usize & self.ring_bytes.wrapping_sub(1);
        // SAFETY: PAGE_BYTES + offset + length <= PAGE_BYTES + 2 * ring_bytes, the mapping's size.
        unsafe { self.base.as_ptr().add(PAGE_BYTES + offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is ours, and references into it borrow `self`. Unmapping whole mappings
        // does not fail.
        let _unmapped = unsafe { munmap(self.base.cast(), self.all_bytes()) };
    }
}

fn non_zero(bytes: usize) -> io::Result<NonZeroUsize> {
    NonZeroUsize::new(bytes).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING_BYTES: usize = 8192;

    fn mapping() -> Mapping {
        let file = tempfile::tempfile().expect("a file");
        file.set_len((PAGE_BYTES + RING_BYTES) as u64).expect("room");
        Mapping::of(&file, RING_BYTES).expect("mapped")
    }

    #[test]
    fn bytes_across_the_end_of_the_ring_are_contiguous() {
        let mapping = mapping();
        let position = 5 * RING_BYTES as u64 - 3;
        let mut out = Vec::new();
        // SAFETY: the mapping is this thread's alone.
        unsafe {
            mapping.write(position, b"abcdef");
            mapping.read(position, 6, &mut out);
            mapping.read(0, 3, &mut out);
        }
        assert_eq!(out, b"abcdefdef");
    }

    #[test]
    #[should_panic(expected = "longer than the ring")]
    fn what_is_longer_than_the_ring_is_not_touched() {
        // SAFETY: the mapping is this thread's alone.
        unsafe { mapping().write(0, &[0; RING_BYTES + 1]) }
    }

    #[test]
    #[should_panic(expected = "not a word of the page")]
    fn words_are_in_the_page_only() {
        mapping().word(PAGE_BYTES);
    }
}
