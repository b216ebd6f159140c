//! The text of a file of zstd frames, read at any place without what stands before.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::frame_index::{Frame, frames_of};

/// A file whose frames are known. The one that was read last is in memory.
#[derive(Debug)]
pub(crate) struct Frames {
    packed: File,
    frames: Arc<[Frame]>,
    /// Which frame the text is that of.
    current: Option<usize>,
    text: Vec<u8>,
    /// The frame as it is in the file.
    packed_frame: Vec<u8>,
}

impl Frames {
    /// None where the file does not tell its frames, or not rightly.
    pub(crate) fn open(packed: &File) -> io::Result<Option<Frames>> {
        let Some(frames) = frames_of(packed)? else { return Ok(None) };
        Ok(Some(Frames::new(packed.try_clone()?, frames.into())))
    }

    fn new(packed: File, frames: Arc<[Frame]>) -> Frames {
        let (text, packed_frame) = (Vec::new(), Vec::new());
        Frames { packed, frames, current: None, text, packed_frame }
    }

    #[cfg(feature = "tail")]
    pub(crate) fn try_clone(&self) -> io::Result<Frames> {
        Ok(Frames::new(self.packed.try_clone()?, Arc::clone(&self.frames)))
    }

    /// Length of the whole text.
    pub(crate) fn text_bytes(&self) -> u64 {
        self.frames.last().map_or(0, |last| last.text_at + last.text_bytes as u64)
    }

    /// Reads the text at a place, at most to the end of a frame; nothing behind the end.
    pub(crate) fn read_at(&mut self, out: &mut [u8], at: u64) -> io::Result<usize> {
        let number = self.frames.partition_point(|frame| frame.text_at <= at).checked_sub(1);
        let Some(number) = number else { return Ok(0) };
        let frame = self.frames[number];
        let start = at - frame.text_at;
        if start >= frame.text_bytes as u64 {
            return Ok(0);
        }
        if self.current != Some(number) {
            self.decompress(frame)?;
            self.current = Some(number);
        }
        let text = &self.text[start as usize..];
        let count = text.len().min(out.len());
        out[..count].copy_from_slice(&text[..count]);
        Ok(count)
    }

    fn decompress(&mut self, frame: Frame) -> io::Result<()> {
        self.current = None;
        self.packed_frame.resize(frame.packed_bytes, 0);
        self.packed.read_exact_at(&mut self.packed_frame, frame.packed_at)?;
        self.text.resize(frame.text_bytes, 0);
        let bytes = zstd::bulk::decompress_to_buffer(&self.packed_frame, &mut self.text)?;
        if bytes == frame.text_bytes {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is not as long as it says"))
        }
    }
}

#[cfg(test)]
#[cfg(feature = "listener")]
mod tests {
    use proptest::prelude::*;

    use super::super::compress;
    use super::super::write::BLOCK_BYTES;
    use super::*;
    use crate::backups::{Compression, Origin};

    fn text_of(bytes: usize) -> Vec<u8> {
        let lines = (0..).flat_map(|number: usize| format!("line {number}\n").into_bytes());
        lines.take(bytes).collect()
    }

    fn file_of(content: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(content, 0).unwrap();
        file
    }

    /// The bytes of a compressed file.
    fn packed(text: &[u8]) -> Vec<u8> {
        let (source, mut out) = (file_of(text), tempfile::tempfile().unwrap());
        let origin = Origin::of(&source.metadata().unwrap());
        compress(&source, origin, Compression::Zstd, &mut out, || false).unwrap();
        let mut packed = vec![0; out.metadata().unwrap().len() as usize];
        out.read_exact_at(&mut packed, 0).unwrap();
        packed
    }

    fn open(packed: &[u8]) -> Option<Frames> {
        Frames::open(&file_of(packed)).unwrap()
    }

    /// All the text, or what was wrong.
    fn read(frames: &mut Frames) -> io::Result<Vec<u8>> {
        let (mut text, mut block) = (Vec::new(), vec![0; 300_000]);
        loop {
            match frames.read_at(&mut block, text.len() as u64)? {
                0 => return Ok(text),
                count => text.extend_from_slice(&block[..count]),
            }
        }
    }

    #[test]
    fn the_text_is_whole_whatever_its_length() {
        for bytes in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 77] {
            let text = text_of(bytes);
            let mut frames = open(&packed(&text)).unwrap();
            assert_eq!(frames.text_bytes(), bytes as u64);
            assert!(read(&mut frames).unwrap() == text, "{bytes}");
        }
    }

    #[test]
    fn a_file_without_a_table_is_no_file_of_frames() {
        let whole = zstd::bulk::compress(&text_of(BLOCK_BYTES), 1).unwrap();
        let packed = packed(&text_of(2 * BLOCK_BYTES));
        for content in [&[][..], b"text", &whole, &packed[..packed.len() - 1]] {
            assert!(open(content).is_none(), "{} bytes", content.len());
        }
    }

    #[test]
    fn a_damaged_table_is_not_believed() {
        let text = text_of(2 * BLOCK_BYTES);
        let packed = packed(&text);
        // The mark of the origin, two frames of text, and what stands around them.
        let table_bytes = 8 + 3 * 8 + 9;
        for at in packed.len() - table_bytes..packed.len() {
            for bit in 0..8 {
                let mut damaged = packed.clone();
                damaged[at] ^= 1 << bit;
                // Some bits mean nothing.
                if let Some(mut frames) = open(&damaged) {
                    assert!(read(&mut frames).unwrap() == text, "byte {at}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_damaged_frame_is_told() {
        let packed = packed(&text_of(2 * BLOCK_BYTES));
        let mut damaged = packed.clone();
        damaged[packed.len() / 2] ^= 1;
        let read = open(&damaged).map(|mut frames| read(&mut frames));
        assert!(read.is_none_or(|read| read.is_err()));
    }

    /// A table that says of these frames what it likes, each in its place.
    fn with_table(packed: &[u8], count: u32, entries: &[(u32, u32)]) -> Vec<u8> {
        let words: Vec<u8> = entries
            .iter()
            .flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()])
            .flatten()
            .collect();
        let bytes = (words.len() as u32 + 9).to_le_bytes();
        let magic = [0x184D_2A5E_u32, 0x8F92_EAB1].map(u32::to_le_bytes);
        [packed, &magic[0], &bytes, &words, &count.to_le_bytes(), &[0], &magic[1]].concat()
    }

    #[test]
    fn numbers_of_a_table_are_checked_before_they_are_used() {
        let frame = zstd::bulk::compress(&text_of(1000), 1).unwrap();
        let bytes = frame.len() as u32;
        assert!(open(&with_table(&frame, 1, &[(bytes, 1000)])).is_some());
        for (count, entries) in [
            (u32::MAX, &[(bytes, 1000)][..]),
            (1 << 20, &[(bytes, 1000)]),
            (2, &[(bytes, 1000)]),
            (1, &[(bytes, u32::MAX)]),
            (1, &[(u32::MAX, 1000)]),
            (1, &[(bytes - 1, 1000)]),
            (1, &[(bytes, 999)]),
            (2, &[(bytes, 1000), (0, 1000)]),
            (2, &[(0, 0), (bytes, 1000)]),
        ] {
            assert!(open(&with_table(&frame, count, entries)).is_none(), "{count} {entries:?}");
        }
        // One entry for two frames: the second is missing in the sizes of the text.
        let two = [&frame[..], &frame].concat();
        let mut frames = open(&with_table(&two, 1, &[(2 * bytes, 1000)])).unwrap();
        read(&mut frames).expect_err("more text than the table says");
    }

    proptest! {
        #[test]
        fn any_place_is_read_as_it_is(
            reads in prop::collection::vec((0..4 * BLOCK_BYTES, 1..2 * BLOCK_BYTES), 1..20),
        ) {
            let text = text_of(3 * BLOCK_BYTES + 77);
            let mut frames = open(&packed(&text)).unwrap();
            for (at, most) in reads {
                let mut out = vec![0; most];
                let count = frames.read_at(&mut out, at as u64).unwrap();
                let rest = text.get(at..).unwrap_or_default();
                prop_assert!(out[..count] == rest[..count]);
                prop_assert_eq!(count == 0, rest.is_empty());
            }
        }

        #[test]
        fn no_bytes_are_too_strange(content in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(open(&with_table(&content, 1, &[(content.len() as u32, 7)])).is_none());
        }
    }
}
