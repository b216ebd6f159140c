//! MessagePack, where lengths that are not known yet are patched in.

use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::output::{Output, Writer};
use super::{NUMBER, TEXT, WORD_BYTES};

pub(super) fn write_uint(out: &mut impl Output, number: u64) {
    let _infallible = rmp::encode::write_uint(&mut Writer(out), number);
}

/// Appends binary with its length.
#[cfg(feature = "listener")]
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let _infallible = rmp::encode::write_bin(out, bytes);
}

pub(super) fn write_sint(out: &mut impl Output, number: i64) {
    let _infallible = rmp::encode::write_sint(&mut Writer(out), number);
}

/// Appends a map header of fixed width, so that the number of pairs can be patched.
pub(super) fn write_map_header(out: &mut (impl Output + ?Sized), pairs: u32) {
    out.put(&[0xdf]);
    out.put(&pairs.to_be_bytes());
}

/// Writes text as a MessagePack string whose length is patched in afterwards.
pub(super) struct Text<'a, O: Output + ?Sized> {
    out: &'a mut O,
    header_at: usize,
    /// Bytes that may still be written; none once something was cut.
    room: usize,
    cut_bytes: usize,
}

impl<'a, O: Output + ?Sized> Text<'a, O> {
    /// Writes what `text` formats to; what exceeds `room` bytes is cut on a character boundary and
    /// counted in a mark of its own, within [`RESERVE_BYTES`]. A `Display` that panics ends the text.
    pub(super) fn write(out: &'a mut O, room: usize, text: fmt::Arguments<'_>) {
        if let Some(text) = text.as_str() {
            return Text::write_str(out, room, text);
        }
        let mut writer = Text::begin(out, room);
        let formatted = catch_unwind(AssertUnwindSafe(|| writer.write_fmt(text)));
        if !matches!(formatted, Ok(Ok(()))) {
            writer.out.put("…[formatting panicked]".as_bytes());
        }
        writer.finish();
    }

    /// Writes `text` in the same way.
    pub(super) fn write_str(out: &'a mut O, room: usize, text: &str) {
        if text.len() <= room {
            return out.put_all(&[&header(text.len()), text.as_bytes()]);
        }
        let mut writer = Text::begin(out, room);
        writer.push(text);
        writer.finish();
    }

    fn begin(out: &'a mut O, room: usize) -> Text<'a, O> {
        let header_at = out.position();
        out.put(&header(0));
        Text { out, header_at, room, cut_bytes: 0 }
    }

    #[inline]
    fn push(&mut self, text: &str) {
        if text.len() > self.room {
            return self.cut(text);
        }
        self.room -= text.len();
        self.out.put(text.as_bytes());
    }

    #[cold]
    fn cut(&mut self, text: &str) {
        let kept = text.floor_char_boundary(self.room);
        self.out.put(&text.as_bytes()[..kept]);
        self.cut_bytes += text.len() - kept;
        self.room = 0;
    }

    fn finish(self) {
        let Text { out, header_at, cut_bytes, .. } = self;
        if cut_bytes > 0 {
            out.put(format!("…[truncated {cut_bytes} bytes]").as_bytes());
        }
        let length = (out.position() - header_at - WORD_BYTES) as u32;
        out.patch(header_at + 1, length.to_be_bytes());
    }
}

impl<O: Output + ?Sized> fmt::Write for Text<'_, O> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// A text of `bytes` is preceded by this.
pub(super) fn header(bytes: usize) -> [u8; WORD_BYTES] {
    word(TEXT, bytes as u32)
}

pub(super) fn number(number: u32) -> [u8; WORD_BYTES] {
    word(NUMBER, number)
}

fn word(marker: u8, value: u32) -> [u8; WORD_BYTES] {
    let [a, b, c, d] = value.to_be_bytes();
    [marker, a, b, c, d]
}
