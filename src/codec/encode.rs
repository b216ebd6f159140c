//! Writing entries, with `rmp`, to where they are to stand.

use super::draft::{Draft, write_attributes};
use super::head::Head;
use super::output::Output;
use super::pieces::{Text, header, number, write_map_header, write_sint, write_uint};
use super::{
    Drops, KIND_DROPS, KIND_THREAD, MAX_EXCEPTION_BYTES, MAX_NAME_BYTES, MAX_RECORD_BYTES, NIL,
    NO_ATTRIBUTES, RESERVE_BYTES,
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
