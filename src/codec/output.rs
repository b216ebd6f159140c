//! Where the encoder writes: private memory, or the place in a lane where the entry will stand.

use std::io;

/// Bytes that grow at the end, and whose lengths are patched when they are known.
pub(crate) trait Output {
    /// How many bytes were written so far.
    fn position(&self) -> usize;

    /// Writes `bytes` at the end.
    fn put(&mut self, bytes: &[u8]);

    /// Writes all of `pieces` at the end, in their order.
    #[inline]
    fn put_all(&mut self, pieces: &[&[u8]]) {
        pieces.iter().for_each(|piece| self.put(piece));
    }

    /// Overwrites the four bytes written at `at`.
    fn patch(&mut self, at: usize, bytes: [u8; 4]);
}

impl Output for Vec<u8> {
    fn position(&self) -> usize {
        self.len()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn patch(&mut self, at: usize, bytes: [u8; 4]) {
        self[at..at + 4].copy_from_slice(&bytes);
    }
}

/// An output as `rmp` wants it.
pub(super) struct Writer<'a, O: Output + ?Sized>(pub(super) &'a mut O);

impl<O: Output + ?Sized> io::Write for Writer<'_, O> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
