//! Writing entries, with `rmp`, to where they are to stand.

use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::draft::{Draft, write_attributes};
use super::head::Head;
use super::output::{Output, Writer};
use super::{
    Drops, KIND_DROPS, KIND_THREAD, MAX_EXCEPTION_BYTES, MAX_NAME_BYTES, MAX_RECORD_BYTES, NIL,
    NO_ATTRIBUTES, NUMBER, RESERVE_BYTES, TEXT, WORD_BYTES,
};

/// Appends `draft` as call `seq`. The message comes last: it may use all that is left.
pub(crate) fn encode_record(draft: &Draft<'_>, seq: u64, out: &mut impl Output) {
    let begin_at = out.position();
    let Draft { time_ns, level, logger, .. } = *draft;
    let head = Head { seq, time_ns, level }.encode();
    match *draft {
        Draft { file: Some(file), line: Some(line), attributes: None, exception: None, .. }
            if logger.len().max(file.len()) <= MAX_NAME_BYTES =>
        {
            let (logger_header, file_header) = (header(logger.len()), header(file.len()));
            let (logger, file, line) = (logger.as_bytes(), file.as_bytes(), number(line));
            let pieces: [&[u8]; 8] =
                [&head, &logger_header, logger, &file_header, file, &line, &NO_ATTRIBUTES, &[NIL]];
            out.put_all(&pieces);
        }
        _ => write_parts(&head, draft, out),
    }
    let used = out.position() - begin_at;
    Text::write(out, MAX_RECORD_BYTES - RESERVE_BYTES - used, draft.message);
}

/// Appends a record that was read from an entry. Its message is cut only where it is longer than one
/// that was cut before and says so.
#[cfg(feature = "listener")]
pub(crate) fn encode_record_again(draft: &Draft<'_>, seq: u64, out: &mut Vec<u8>) {
    let begin_at = out.position();
    let Draft { time_ns, level, .. } = *draft;
    write_parts(&Head { seq, time_ns, level }.encode(), draft, out);
    let used = out.position() - begin_at;
    Text::write(out, MAX_RECORD_BYTES - used, draft.message);
}

/// Appends all but the message one by one: any may be absent, or too long.
fn write_parts(head: &[u8], draft: &Draft<'_>, out: &mut impl Output) {
    out.put(head);
    Text::write_str(out, MAX_NAME_BYTES, draft.logger);
    match draft.file {
        Some(file) => Text::write_str(out, MAX_NAME_BYTES, file),
        None => out.put(&[NIL]),
    }
    match draft.line {
        Some(line) => out.put(&number(line)),
        None => out.put(&[NIL]),
    }
    write_attributes(draft.attributes, out);
    match draft.exception {
        Some(text) => Text::write(out, MAX_EXCEPTION_BYTES, format_args!("{text}")),
        None => out.put(&[NIL]),
    }
}

/// Appends the mark that the thread `id` makes the calls that follow.
pub(crate) fn encode_thread(id: u64, name: &str, out: &mut impl Output) {
    out.put(&[0x93, KIND_THREAD]);
    write_uint(out, id);
    Text::write_str(out, MAX_NAME_BYTES, name);
}

/// Appends the mark of dropped calls.
pub(crate) fn encode_drops(drops: &Drops, out: &mut impl Output) {
    out.put(&[0x95, KIND_DROPS]);
    write_uint(out, drops.first_seq);
    write_sint(out, drops.first_ns);
    write_sint(out, drops.last_ns);
    write_map_header(out, drops.counts.len() as u32);
    for (level, count) in &drops.counts {
        write_uint(out, u64::from(level.number()));
        write_uint(out, *count);
    }
}

pub(super) fn write_uint(out: &mut impl Output, number: u64) {
    let _infallible = rmp::encode::write_uint(&mut Writer(out), number);
}

/// Appends binary with its length.
#[cfg(feature = "listener")]
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let _infallible = rmp::encode::write_bin(out, bytes);
}

fn write_sint(out: &mut impl Output, number: i64) {
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
fn header(bytes: usize) -> [u8; WORD_BYTES] {
    word(TEXT, bytes as u32)
}

fn number(number: u32) -> [u8; WORD_BYTES] {
    word(NUMBER, number)
}

fn word(marker: u8, value: u32) -> [u8; WORD_BYTES] {
    let [a, b, c, d] = value.to_be_bytes();
    [marker, a, b, c, d]
}
