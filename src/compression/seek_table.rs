//! Where the frames of a file are: the seek table of zstd's seekable format (`contrib/seekable_format` of
//! zstd), a frame at the end of the file that decompressors skip.

pub(super) const SKIPPABLE_MAGIC: u32 = 0x184D_2A5E;
pub(super) const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;

/// Number of frames, descriptor, magic number.
pub(super) const FOOTER_BYTES: usize = 9;

/// Size in the file and size of the text.
pub(super) const ENTRY_BYTES: usize = 8;

/// More frames are not indexed: a terabyte of text has as many.
pub(super) const MAX_FRAMES: usize = 1 << 20;

/// The table of a file that is written.
#[cfg(feature = "listener")]
#[derive(Debug, Default)]
pub(super) struct SeekTable {
    entries: Vec<u8>,
}

#[cfg(feature = "listener")]
impl SeekTable {
    /// Notes the next frame, which may have no text.
    pub(super) fn push(&mut self, packed_bytes: usize, text_bytes: usize) {
        for bytes in [packed_bytes, text_bytes] {
            let bytes = u32::try_from(bytes).expect("invariant: a frame is a block, compressed");
            self.entries.extend_from_slice(&bytes.to_le_bytes());
        }
    }

    /// What the file has to end in; nothing where there are too many frames.
    pub(super) fn into_frame(self) -> Vec<u8> {
        let count = self.entries.len() / ENTRY_BYTES;
        if count > MAX_FRAMES {
            return Vec::new();
        }
        let behind_bytes = self.entries.len() + FOOTER_BYTES;
        let words = [SKIPPABLE_MAGIC, behind_bytes as u32].map(u32::to_le_bytes);
        let (count, magic) = ((count as u32).to_le_bytes(), SEEKABLE_MAGIC.to_le_bytes());
        [words.as_flattened(), &self.entries, &count, &[0], &magic].concat()
    }
}
