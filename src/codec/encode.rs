//! Writing entries, with `rmp`, into a buffer that the caller reuses.

use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::draft::{Draft, write_attributes};
use super::{
    Drops, KIND_DROPS, KIND_RECORD, KIND_THREAD, MAX_EXCEPTION_BYTES, MAX_NAME_BYTES,
    MAX_RECORD_BYTES, RESERVE_BYTES,
};

/// Where [`set_seq`] finds the eight bytes of the sequence number.
const SEQ_AT: usize = 3;

/// Appends `draft` with sequence number 0. The message comes last: it may use all that is left.
pub(crate) fn encode_record(draft: &Draft<'_>, out: &mut Vec<u8>) {
    let begin_at = out.len();
    out.extend([0x9b, KIND_RECORD]);
    out.push(0xcf);
    out.extend([0; 8]);
    out.push(0xd3);
    out.extend(draft.time_ns.to_be_bytes());
    write_uint(out, u64::from(draft.level.number()));
    Text::write(out, MAX_NAME_BYTES, format_args!("{}", draft.logger));
    write_optional(out, MAX_NAME_BYTES, draft.file.as_ref().map(|file| file as &dyn fmt::Display));
    match draft.line {
        Some(line) => write_uint(out, u64::from(line)),
        None => out.push(NIL),
    }
    write_attributes(draft.attributes, out);
    write_optional(out, MAX_EXCEPTION_BYTES, draft.exception);
    let used = out.len() - begin_at;
    Text::write(out, MAX_RECORD_BYTES - RESERVE_BYTES - used, draft.message);
}

/// Sets the sequence number of a record that stands alone in `record`.
pub(crate) fn set_seq(record: &mut [u8], seq: u64) {
    record[SEQ_AT..SEQ_AT + 8].copy_from_slice(&seq.to_be_bytes());
}

/// Appends the mark that the thread `id` makes the calls that follow.
pub(crate) fn encode_thread(id: u64, name: &str, out: &mut Vec<u8>) {
    out.extend([0x93, KIND_THREAD]);
    write_uint(out, id);
    Text::write(out, MAX_NAME_BYTES, format_args!("{name}"));
}

/// Appends the mark of dropped calls.
pub(crate) fn encode_drops(drops: &Drops, out: &mut Vec<u8>) {
    out.extend([0x95, KIND_DROPS]);
    write_uint(out, drops.first_seq);
    write_sint(out, drops.first_ns);
    write_sint(out, drops.last_ns);
    write_map_header(out, out.len(), drops.counts.len() as u32);
    for (level, count) in &drops.counts {
        write_uint(out, u64::from(level.number()));
        write_uint(out, *count);
    }
}

const NIL: u8 = 0xc0;

fn write_optional(out: &mut Vec<u8>, room: usize, text: Option<&dyn fmt::Display>) {
    match text {
        Some(text) => Text::write(out, room, format_args!("{text}")),
        None => out.push(NIL),
    }
}

fn write_uint(out: &mut Vec<u8>, number: u64) {
    let _infallible = rmp::encode::write_uint(out, number);
}

fn write_sint(out: &mut Vec<u8>, number: i64) {
    let _infallible = rmp::encode::write_sint(out, number);
}

/// Writes (at the end) or patches (before it) a map header of fixed width.
pub(super) fn write_map_header(out: &mut Vec<u8>, at: usize, pairs: u32) {
    if at == out.len() {
        out.extend([0xdf, 0, 0, 0, 0]);
    }
    out[at + 1..at + 5].copy_from_slice(&pairs.to_be_bytes());
}

/// Writes formatted text as a MessagePack string whose length is patched in afterwards.
pub(super) struct Text<'a> {
    out: &'a mut Vec<u8>,
    end_at: usize,
    cut_bytes: usize,
}

impl Text<'_> {
    /// Writes `text`; what exceeds `room` bytes is cut on a character boundary and counted in a
    /// mark of its own, within [`RESERVE_BYTES`]. A `Display` that panics ends the text.
    pub(super) fn write(out: &mut Vec<u8>, room: usize, text: fmt::Arguments<'_>) {
        let header_at = out.len();
        out.extend([0xdb, 0, 0, 0, 0]);
        let end_at = out.len() + room;
        let mut writer = Text { out, end_at, cut_bytes: 0 };
        if let Some(text) = text.as_str() {
            writer.push(text);
        } else {
            let formatted = catch_unwind(AssertUnwindSafe(|| writer.write_fmt(text)));
            if !matches!(formatted, Ok(Ok(()))) {
                writer.out.extend("…[formatting panicked]".as_bytes());
            }
        }
        writer.finish(header_at);
    }

    fn push(&mut self, text: &str) {
        let room = self.end_at.saturating_sub(self.out.len());
        let kept = if self.cut_bytes > 0 { 0 } else { text.floor_char_boundary(room) };
        self.out.extend_from_slice(&text.as_bytes()[..kept]);
        self.cut_bytes += text.len() - kept;
    }

    fn finish(self, header_at: usize) {
        let Text { out, cut_bytes, .. } = self;
        if cut_bytes > 0 {
            let mark = format!("…[truncated {cut_bytes} bytes]");
            out.extend_from_slice(mark.as_bytes());
        }
        let length = (out.len() - header_at - 5) as u32;
        out[header_at + 1..header_at + 5].copy_from_slice(&length.to_be_bytes());
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}
