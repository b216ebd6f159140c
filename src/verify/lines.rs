//! The lines of one file, from its beginning to the end it has when it is reached.

use std::io::{self, BufRead, BufReader, Read};

/// A longer line is not kept in memory and cannot be read. A record is at most 1 MiB, and no byte
/// prints as more than six.
pub(super) const MAX_LINE_BYTES: usize = 8 << 20;

/// How much is read at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// What the end of a file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody writes to the file any more.
    Final,
    /// The last line may be one that is being written.
    MayGrow,
}

/// One line without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawLine<'r> {
    pub(super) text: &'r [u8],
    /// Whether the text is all of it.
    pub(super) whole: bool,
    /// Whether it has a newline.
    pub(super) ended: bool,
}

pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    ended: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn of(reader: R) -> Lines<R> {
        let reader = BufReader::with_capacity(BLOCK_BYTES, reader);
        Lines { reader, line: Vec::new(), ended: true }
    }

    /// The next line; after one without a newline there is none, even if the file has grown.
    pub(super) fn next(&mut self) -> io::Result<Option<RawLine<'_>>> {
        self.line.clear();
        let most = MAX_LINE_BYTES as u64 + 1;
        if !self.ended || self.reader.by_ref().take(most).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.ended = self.line.pop_if(|byte| *byte == b'\n').is_some();
        let whole = self.line.len() <= MAX_LINE_BYTES;
        if !whole {
            self.ended = self.skip_line()?;
        }
        Ok(Some(RawLine { text: &self.line, whole, ended: self.ended }))
    }

    /// Passes over the rest of a line; tells whether it has a newline.
    fn skip_line(&mut self) -> io::Result<bool> {
        loop {
            let block = self.reader.fill_buf()?;
            let newline = block.iter().position(|byte| *byte == b'\n');
            let (read, at_end) = (newline.map_or(block.len(), |at| at + 1), block.is_empty());
            self.reader.consume(read);
            if newline.is_some() || at_end {
                return Ok(newline.is_some());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    fn lines_of(content: &[u8]) -> Vec<(usize, bool, bool)> {
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(content).expect("write");
        file.rewind().expect("rewind");
        let mut lines = Lines::of(file);
        let mut found = Vec::new();
        while let Some(line) = lines.next().expect("read") {
            found.push((line.text.len(), line.whole, line.ended));
        }
        found
    }

    #[test]
    fn lines_are_cut_at_newlines() {
        assert_eq!(lines_of(b""), []);
        assert_eq!(lines_of(b"a\n\nbc\n"), [(1, true, true), (0, true, true), (2, true, true)]);
        assert_eq!(lines_of(b"a\nbc"), [(1, true, true), (2, true, false)]);
    }

    #[test]
    fn a_line_is_kept_up_to_the_limit_and_passed_over_beyond() {
        let line = |len: usize| [vec![b'x'; len], b"\na\n".to_vec()].concat();
        let next = (1, true, true);
        assert_eq!(lines_of(&line(MAX_LINE_BYTES)), [(MAX_LINE_BYTES, true, true), next]);
        for len in [MAX_LINE_BYTES + 1, MAX_LINE_BYTES + 2 * BLOCK_BYTES] {
            assert_eq!(lines_of(&line(len)), [(MAX_LINE_BYTES + 1, false, true), next]);
        }
        let unended = vec![b'x'; MAX_LINE_BYTES + 2];
        assert_eq!(lines_of(&unended), [(MAX_LINE_BYTES + 1, false, false)]);
    }

    #[test]
    fn what_is_added_after_an_unended_line_is_not_read() {
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        file.write_all(b"a\nb").expect("write");
        let mut lines = Lines::of(file.reopen().expect("reopen"));
        lines.next().expect("read").expect("a");
        lines.next().expect("read").expect("b");
        file.write_all(b"c\nd\n").expect("write");
        assert_eq!(lines.next().expect("read"), None);
    }
}
