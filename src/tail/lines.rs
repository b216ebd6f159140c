//! Whole lines of one open file, forwards, while somebody writes to its end.
//!
//! Text without a newline may be cut back by its writer and written again, so nothing of a line is
//! returned before its newline is in the file, unless it is known that nobody goes on with it. Memory stays
//! at one block however long a line is: the end of a long line is searched first, then the line is read
//! again in pieces.

use std::io;

use super::ending;
use crate::log_files::{LogFile, ReadBytes, Text};

/// Most bytes that one call reads.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;

/// How much of the beginning of a file is compared to see whether it is still the same text.
const HEAD_BYTES: u64 = 256;

/// Reads a file from an offset on, each line once.
#[derive(Debug)]
pub(super) struct LineReader {
    file: LogFile,
    text: Text,
    /// Everything before it was returned.
    offset: u64,
    /// There is no newline between `offset` and here.
    searched: u64,
    /// Everything between `offset` and here belongs to whole lines.
    whole_to: u64,
    /// What lies before `whole_to` lacks its newline.
    unended: bool,
    /// First bytes of the file.
    head: Vec<u8>,
}

/// How far one call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Something was read or searched, and there may be more.
    More,
    /// All whole lines were returned.
    End,
}

impl LineReader {
    /// A reader of the `text` of `file` that starts at `offset`, the start of a line.
    pub(super) fn new(file: LogFile, text: Text, offset: u64) -> io::Result<LineReader> {
        let head = Vec::new();
        let mut reader =
            LineReader { file, text, offset, searched: 0, whole_to: 0, unended: false, head };
        reader.move_to(offset)?;
        Ok(reader)
    }

    pub(super) fn file(&self) -> &LogFile {
        &self.file
    }

    /// Another reader at the same place.
    pub(super) fn try_clone(&self) -> io::Result<LineReader> {
        let (file, text) = (self.file.try_clone()?, self.text.try_clone()?);
        let LineReader { offset, searched, whole_to, unended, .. } = *self;
        let head = self.head.clone();
        Ok(LineReader { file, text, offset, searched, whole_to, unended, head })
    }

    /// How much of the file was read.
    pub(super) fn read_bytes(&self) -> io::Result<ReadBytes> {
        self.file.share(self.offset, self.text.len()?)
    }

    /// Size of the file; nothing where that cannot be told.
    pub(super) fn file_bytes(&self) -> u64 {
        self.file.share(0, 0).map_or(0, |share| share.total)
    }

    pub(super) fn into_file(self) -> LogFile {
        self.file
    }

    /// Appends at most one block to `out`.
    pub(super) fn read(&mut self, out: &mut Vec<u8>) -> io::Result<Read> {
        if self.offset < self.whole_to {
            return self.read_known(out);
        }
        let start = out.len();
        let read = append_block(&mut self.text, self.searched, BLOCK_BYTES as u64, out)?;
        // Behind the read: another text may be longer than the one before by now.
        if read > 0 && !self.begins_as_before()? {
            out.truncate(start);
            self.restart_at(0)?;
            return Ok(Read::More);
        }
        let newline = memchr::memrchr(b'\n', &out[start..]);
        match newline {
            Some(last) if self.searched == self.offset => {
                out.truncate(start + last + 1);
                self.move_to(self.offset + last as u64 + 1)?;
                return Ok(Read::More);
            }
            Some(last) => self.whole_to = self.searched + last as u64 + 1,
            None if read == BLOCK_BYTES as u64 => self.searched += read,
            None => {
                out.truncate(start);
                return self.follow_cut();
            }
        }
        out.truncate(start);
        Ok(Read::More)
    }

    /// Makes the text after the last newline a line: for a file that nobody writes to any more.
    pub(super) fn end_last_line(&mut self) -> io::Result<Read> {
        let len = self.text.len()?;
        self.end_last_line_at(len)
    }

    /// Makes it a line where the file is still so long: nobody goes on with it.
    pub(super) fn end_last_line_at(&mut self, len: u64) -> io::Result<Read> {
        if len <= self.offset || len != self.text.len()? {
            return Ok(Read::End);
        }
        self.whole_to = len;
        self.unended = true;
        Ok(Read::More)
    }

    fn read_known(&mut self, out: &mut Vec<u8>) -> io::Result<Read> {
        let most = (self.whole_to - self.offset).min(BLOCK_BYTES as u64);
        let read = append_block(&mut self.text, self.offset, most, out)?;
        if read == 0 {
            return self.follow_cut();
        }
        self.offset += read;
        if self.offset == self.whole_to {
            if self.unended {
                out.push(b'\n');
            }
            self.move_to(self.offset)?;
        }
        Ok(Read::More)
    }

    /// Goes back where the file became shorter than what was read of it.
    fn follow_cut(&mut self) -> io::Result<Read> {
        let len = self.text.len()?;
        if len >= self.searched.max(self.whole_to) {
            return Ok(Read::End);
        }
        if len >= self.offset {
            self.move_to(self.offset)?;
        } else if self.begins_as_before()? {
            let end = ending::last_line_end(&mut self.text, len)?;
            self.restart_at(end)?;
        } else {
            self.restart_at(0)?;
        }
        Ok(Read::More)
    }

    /// Whether the text was not replaced by another (as by `copytruncate`); it may have been cut at its
    /// end.
    fn begins_as_before(&mut self) -> io::Result<bool> {
        if !self.text.may_change() {
            return Ok(true);
        }
        let mut now = Vec::new();
        append_block(&mut self.text, 0, self.head.len() as u64, &mut now)?;
        Ok(now.iter().zip(&self.head).all(|(now, before)| now == before))
    }

    fn restart_at(&mut self, offset: u64) -> io::Result<()> {
        self.head.clear();
        self.move_to(offset)
    }

    fn move_to(&mut self, offset: u64) -> io::Result<()> {
        self.offset = offset;
        self.searched = offset;
        self.whole_to = offset;
        self.unended = false;
        if (self.head.len() as u64) < offset.min(HEAD_BYTES) {
            self.head.clear();
            append_block(&mut self.text, 0, offset.min(HEAD_BYTES), &mut self.head)?;
        }
        Ok(())
    }
}

/// Appends what the file has at `offset`, at most `max_bytes` of it, and tells how much that was.
pub(super) fn append_block(
    text: &mut Text,
    offset: u64,
    max_bytes: u64,
    out: &mut Vec<u8>,
) -> io::Result<u64> {
    let start = out.len();
    out.resize(start + max_bytes as usize, 0);
    let read = read_to_end(text, offset, &mut out[start..]);
    out.truncate(start + read.as_ref().map_or(0, |read| *read));
    read.map(|read| read as u64)
}

fn read_to_end(text: &mut Text, offset: u64, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match text.read_at(&mut block[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use super::*;

    /// A file that is written to and read at the same time.
    fn pair() -> (File, LineReader) {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let text = file.reopen().expect("reopen");
        let again = text.try_clone().expect("clone");
        let reader = LineReader::new(again.into(), text.into(), 0).expect("reader");
        (file.into_file(), reader)
    }

    fn drain(reader: &mut LineReader) -> Vec<u8> {
        let mut out = Vec::new();
        while reader.read(&mut out).expect("read") == Read::More {}
        out
    }

    #[test]
    fn a_line_is_returned_when_its_newline_is_there() {
        let (mut file, mut reader) = pair();
        file.write_all(b"one\ntw").expect("write");
        assert_eq!(drain(&mut reader), b"one\n");
        file.write_all(b"o\n").expect("write");
        assert_eq!(drain(&mut reader), b"two\n");
    }

    #[test]
    fn a_torn_line_that_is_cut_back_is_never_seen() {
        let (mut file, mut reader) = pair();
        file.write_all(b"one\ntorn").expect("write");
        assert_eq!(drain(&mut reader), b"one\n");
        file.set_len(4).expect("cut");
        assert_eq!(drain(&mut reader), b"");
        file.write_at(b"two\n", 4).expect("write");
        assert_eq!(drain(&mut reader), b"two\n");
    }

    #[test]
    fn after_a_cut_below_what_was_read_reading_goes_on_at_the_new_end() {
        let (mut file, mut reader) = pair();
        file.write_all(b"one\ntwo\nthree\n").expect("write");
        drain(&mut reader);
        file.set_len(8).expect("cut");
        assert_eq!(drain(&mut reader), b"");
        file.write_at(b"four\n", 8).expect("write");
        assert_eq!(drain(&mut reader), b"four\n");
    }

    #[test]
    fn other_text_in_a_truncated_file_is_read_from_its_beginning() {
        let (mut file, mut reader) = pair();
        file.write_all(b"one\ntwo\nthree\n").expect("write");
        drain(&mut reader);
        file.set_len(0).expect("cut");
        file.write_at(b"1\n2\n", 0).expect("write");
        assert_eq!(drain(&mut reader), b"1\n2\n");
    }

    #[test]
    fn longer_text_in_a_truncated_file_is_read_from_its_beginning_too() {
        let (mut file, mut reader) = pair();
        file.write_all(b"one\ntwo\n").expect("write");
        drain(&mut reader);
        file.set_len(0).expect("cut");
        file.write_at(b"1\n2\n3\n4\n5\n", 0).expect("write");
        assert_eq!(drain(&mut reader), b"1\n2\n3\n4\n5\n");
    }

    #[test]
    fn a_long_line_comes_whole_in_pieces_of_bounded_size() {
        let (mut file, mut reader) = pair();
        let mut line = vec![b'x'; 10_000_000];
        file.write_all(&line).expect("write");
        assert_eq!(drain(&mut reader), b"");
        file.write_all(b"\nshort\n").expect("write");
        line.extend_from_slice(b"\nshort\n");

        let (mut all, mut piece) = (Vec::new(), Vec::new());
        while reader.read(&mut piece).expect("read") == Read::More {
            assert!(piece.len() <= BLOCK_BYTES);
            all.append(&mut piece);
        }
        assert!(all == line, "{} of {} bytes", all.len(), line.len());
    }

    #[test]
    fn a_long_torn_line_that_is_cut_back_is_never_seen() {
        let (mut file, mut reader) = pair();
        file.write_all(b"one\n").expect("write");
        file.write_all(&vec![b'x'; 3 * BLOCK_BYTES]).expect("write");
        assert_eq!(drain(&mut reader), b"one\n");
        file.set_len(4).expect("cut");
        file.write_at(b"two\n", 4).expect("write");
        assert_eq!(drain(&mut reader), b"two\n");
    }

    #[test]
    fn the_rest_of_a_finished_file_is_a_line() {
        let (mut file, mut reader) = pair();
        file.write_all(b"one\nrest").expect("write");
        assert_eq!(drain(&mut reader), b"one\n");
        assert_eq!(reader.end_last_line().expect("end"), Read::More);
        assert_eq!(drain(&mut reader), b"rest\n");
        assert_eq!(reader.end_last_line().expect("end"), Read::End);
    }
}
