//! The frames of a file, as far as its seek table is right about them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use zstd::zstd_safe::{compress_bound, get_frame_content_size};

use super::seek_table::{ENTRY_BYTES, FOOTER_BYTES, MAX_FRAMES, SEEKABLE_MAGIC, SKIPPABLE_MAGIC};

/// The magic number of a skippable frame, and how long the frame is behind that.
const HEADER_BYTES: usize = 8;

/// A checksum stands behind each entry where the descriptor says so.
const HAS_CHECKSUMS: u8 = 0x80;
const CHECKSUM_BYTES: usize = 4;
const RESERVED_BITS: u8 = 0x7c;

/// Longest text of a frame, of which one is kept in memory.
const MAX_TEXT_BYTES: usize = 8 << 20;

/// The longest head of a frame (RFC 8878, 3.1.1).
const FRAME_HEAD_BYTES: usize = 18;

/// One frame that has text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Where it is in the file.
    pub(super) packed_at: u64,
    pub(super) packed_bytes: usize,
    /// Where its text is in that of the file.
    pub(super) text_at: u64,
    pub(super) text_bytes: usize,
}

/// The frames with text in a file, in order. None where the file has no table, or the table and the
/// beginnings of the frames do not agree: then all has to be read.
pub(super) fn frames_of(packed: &File) -> io::Result<Option<Vec<Frame>>> {
    let len = packed.metadata()?.len();
    let Some(table) = read_table(packed, len)? else { return Ok(None) };
    let end = len - table.bytes;
    let (mut frames, mut packed_at, mut text_at) = (Vec::new(), 0, 0);
    for entry in table.entries.chunks_exact(table.entry_bytes) {
        let frame = Frame {
            packed_at,
            packed_bytes: word(&entry[0..]) as usize,
            text_at,
            text_bytes: word(&entry[4..]) as usize,
        };
        packed_at += frame.packed_bytes as u64;
        text_at += frame.text_bytes as u64;
        if packed_at > end || !is_at_its_place(&frame, packed)? {
            return Ok(None);
        }
        if frame.text_bytes > 0 {
            frames.push(frame);
        }
    }
    Ok((packed_at == end).then_some(frames))
}

struct Table {
    /// Of the whole frame.
    bytes: u64,
    entry_bytes: usize,
    entries: Vec<u8>,
}

fn read_table(packed: &File, len: u64) -> io::Result<Option<Table>> {
    let Some(footer_at) = len.checked_sub(FOOTER_BYTES as u64) else { return Ok(None) };
    let mut footer = [0; FOOTER_BYTES];
    packed.read_exact_at(&mut footer, footer_at)?;
    let (count, descriptor) = (word(&footer) as usize, footer[4]);
    if word(&footer[5..]) != SEEKABLE_MAGIC || descriptor & RESERVED_BITS != 0 || count > MAX_FRAMES
    {
        return Ok(None);
    }
    let has_checksums = descriptor & HAS_CHECKSUMS != 0;
    let entry_bytes = ENTRY_BYTES + if has_checksums { CHECKSUM_BYTES } else { 0 };
    let behind_bytes = count * entry_bytes + FOOTER_BYTES;
    let bytes = (HEADER_BYTES + behind_bytes) as u64;
    let Some(at) = len.checked_sub(bytes) else { return Ok(None) };
    let mut table = vec![0; HEADER_BYTES + count * entry_bytes];
    packed.read_exact_at(&mut table, at)?;
    let is_table = word(&table) == SKIPPABLE_MAGIC && word(&table[4..]) as usize == behind_bytes;
    let entries = table.split_off(HEADER_BYTES);
    Ok(is_table.then_some(Table { bytes, entry_bytes, entries }))
}

/// Whether a frame of that size of text begins there.
fn is_at_its_place(frame: &Frame, packed: &File) -> io::Result<bool> {
    if frame.text_bytes > MAX_TEXT_BYTES || frame.packed_bytes > compress_bound(MAX_TEXT_BYTES) {
        return Ok(false);
    }
    let mut head = [0; FRAME_HEAD_BYTES];
    let head = &mut head[..FRAME_HEAD_BYTES.min(frame.packed_bytes)];
    packed.read_exact_at(head, frame.packed_at)?;
    Ok(get_frame_content_size(head).ok().flatten() == Some(frame.text_bytes as u64))
}

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |word| u32::from_le_bytes(*word))
}
