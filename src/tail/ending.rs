//! Finds where the last lines of a file begin, reading backwards from its end.

use std::io;

use super::lines::{BLOCK_BYTES, append_block};
use crate::log_files::Text;

/// Where to begin in one file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// Start of the first line wanted, or of the file if it has too few.
    pub(super) offset: u64,
    /// How many of the lines wanted the file does not have.
    pub(super) missing_lines: u64,
}

/// What text after the last newline of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// A line that is still being written; it does not count.
    Unfinished,
    /// The last line; its newline was forgotten.
    Line,
}

/// Finds the start of the last `lines` lines. Reads no further back than it has to.
pub(super) fn last_lines(text: &mut Text, lines: u64, rest: Rest) -> io::Result<Start> {
    let len = text.len()?;
    let rest_lines = u64::from(rest == Rest::Line && last_line_end(text, len)? < len);
    let lines = lines.saturating_sub(rest_lines);
    Ok(match newline_from_end(text, len, lines.saturating_add(1))? {
        Newline::At(offset) => Start { offset: offset + 1, missing_lines: 0 },
        Newline::Fewer(found) => Start { offset: 0, missing_lines: lines - found },
    })
}

/// End of the last whole line in the first `len` bytes.
pub(super) fn last_line_end(text: &mut Text, len: u64) -> io::Result<u64> {
    match newline_from_end(text, len, 1)? {
        Newline::At(offset) => Ok(offset + 1),
        Newline::Fewer(_) => Ok(0),
    }
}

enum Newline {
    At(u64),
    Fewer(u64),
}

/// Finds the `nth` newline, counted backwards from `end`, the last one being the first.
fn newline_from_end(text: &mut Text, mut end: u64, nth: u64) -> io::Result<Newline> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut found = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES as u64);
        block.clear();
        append_block(text, start, end - start, &mut block)?;
        for at in memchr::memrchr_iter(b'\n', &block) {
            found += 1;
            if found == nth {
                return Ok(Newline::At(start + at as u64));
            }
        }
        end = start;
    }
    Ok(Newline::Fewer(found))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text_of(content: &[u8]) -> Text {
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(content).expect("write");
        file.into()
    }

    #[track_caller]
    fn check(content: &str, lines: u64, rest: Rest, offset: u64, missing_lines: u64) {
        let start = last_lines(&mut text_of(content.as_bytes()), lines, rest).expect("search");
        assert_eq!(start, Start { offset, missing_lines }, "last {lines} of {content:?}");
    }

    #[test]
    fn the_last_lines_begin_after_the_newline_before_them() {
        check("a\nb\nc\n", 0, Rest::Unfinished, 6, 0);
        check("a\nb\nc\n", 1, Rest::Unfinished, 4, 0);
        check("a\nb\nc\n", 2, Rest::Line, 2, 0);
    }

    #[test]
    fn a_file_with_too_few_lines_tells_how_many_are_missing() {
        check("a\nb\n", 2, Rest::Unfinished, 0, 0);
        check("a\nb\n", 5, Rest::Unfinished, 0, 3);
        check("", 3, Rest::Unfinished, 0, 3);
        check("", 0, Rest::Line, 0, 0);
    }

    #[test]
    fn text_without_a_newline_counts_only_where_it_is_finished() {
        check("a\nb\nrest", 1, Rest::Unfinished, 2, 0);
        check("a\nb\nrest", 1, Rest::Line, 4, 0);
        check("a\nb\nrest", 4, Rest::Line, 0, 1);
        check("rest", 1, Rest::Unfinished, 0, 1);
        check("rest", 0, Rest::Unfinished, 0, 0);
    }

    #[test]
    fn lines_longer_than_a_block_are_counted_once() {
        let mut content = vec![b'x'; 3 * BLOCK_BYTES];
        content[BLOCK_BYTES - 1] = b'\n';
        content.push(b'\n');
        let start = last_lines(&mut text_of(&content), 1, Rest::Unfinished).expect("search");
        assert_eq!(start, Start { offset: BLOCK_BYTES as u64, missing_lines: 0 });
    }

    #[test]
    fn all_lines_can_be_asked_for() {
        let start = last_lines(&mut text_of(b"a\nb\n"), u64::MAX, Rest::Line).expect("search");
        assert_eq!(start, Start { offset: 0, missing_lines: u64::MAX - 2 });
    }
}
