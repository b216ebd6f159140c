//! Lines on their way to one destination. No byte is written twice or left out, whatever fails.

use std::io::{self, Write};

use super::HandlerError;
use crate::regular_file::refused;
use crate::rotation::{CurrentFile, Place};

/// How many bytes wait at most; one longer line is let in alone.
///
/// A multiple of a page, and large enough that the system call hardly counts.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

/// Whole lines, of which the first bytes may already be written, then perhaps one on offer.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    bytes: Vec<u8>,
    written: usize,
    taken: usize,
}

impl LineBuffer {
    /// Lets `append` add the text of one line behind the others, and returns its length with the
    /// newline. Unless it is taken, the next offer replaces it.
    pub(super) fn offer(&mut self, append: impl FnOnce(&mut Vec<u8>)) -> u64 {
        self.bytes.truncate(self.taken);
        append(&mut self.bytes);
        self.bytes.push(b'\n');
        (self.bytes.len() - self.taken) as u64
    }

    /// Whether the line on offer needs the lines before it to be written first.
    pub(super) fn is_full(&self) -> bool {
        self.taken > 0 && self.bytes.len() > BUFFER_BYTES
    }

    /// Keeps the line on offer.
    pub(super) fn take(&mut self) {
        self.taken = self.bytes.len();
    }

    /// How many bytes of taken lines are still to be written.
    pub(super) fn pending_bytes(&self) -> u64 {
        (self.taken - self.written) as u64
    }

    /// What of taken lines is still to be written.
    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.written..self.taken]
    }

    /// How many bytes of the lines a failed write has written.
    pub(super) fn written_bytes(&self) -> u64 {
        self.written as u64
    }

    /// Whether a failed write has stopped amid the lines.
    pub(super) fn is_partly_written(&self) -> bool {
        self.written > 0
    }

    /// Starts again with the first line: what was written is lost.
    pub(super) fn rewind(&mut self) {
        self.written = 0;
    }

    /// Writes the taken lines to the file at the path of `file`, which `reopen` opens where `file` was
    /// moved or deleted.
    pub(super) fn write_at_path(
        &mut self,
        file: &mut CurrentFile,
        reopen: impl FnOnce(&mut CurrentFile) -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError> {
        let truncations = file.truncations();
        let place = file.locate()?;
        if file.truncations() > truncations {
            // What a failed write has written of the lines may be gone.
            self.rewind();
        }
        match place {
            Place::AtPath => {}
            Place::Moved => {
                // The line that a failed write has begun is ended where its beginning is.
                if self.is_partly_written() {
                    self.write_to_open_file(file)?;
                }
                reopen(file)?;
            }
            Place::Deleted => {
                self.rewind();
                reopen(file)?;
            }
        }
        self.write_to_open_file(file)
    }

    /// Writes the taken lines to `file`, wherever it is.
    pub(super) fn write_to_open_file(
        &mut self,
        file: &mut CurrentFile,
    ) -> Result<(), HandlerError> {
        file.mend()?;
        let written = self.write_to(file);
        Ok(written.map_err(refused("write", file.path()))?)
    }

    /// Writes the taken lines; the line on offer stays. After an error the next call goes on at
    /// the first unwritten byte.
    pub(super) fn write_to(&mut self, out: &mut impl Write) -> io::Result<()> {
        while self.written < self.taken {
            match out.write(&self.bytes[self.written..self.taken]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.drain(..self.taken);
        (self.written, self.taken) = (0, 0);
        // A vector grows to twice the limit in normal use; only a long line takes it further.
        if self.bytes.capacity() > 2 * BUFFER_BYTES {
            self.bytes.shrink_to(BUFFER_BYTES);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// Accepts as much as the script says, then everything.
    #[derive(Default)]
    struct Scripted {
        answers: VecDeque<Result<usize, io::ErrorKind>>,
        accepted: Vec<u8>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.answers.pop_front().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            self.accepted.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_of_which_others_have_cut_off_the_beginning_are_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut file = CurrentFile::open(&path).unwrap();
        let mut lines = LineBuffer::default();
        offer(&mut lines, "one");
        lines.take();
        lines.write_at_path(&mut file, |_| Ok(())).unwrap();
        offer(&mut lines, "two");
        lines.take();
        lines.written = file.write(b"tw").unwrap();
        std::fs::write(&path, "").unwrap();
        lines.write_at_path(&mut file, |_| Ok(())).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
    }

    fn offer(lines: &mut LineBuffer, text: &str) -> u64 {
        lines.offer(|out| out.extend_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_line_that_was_not_taken_leaves_no_trace() {
        let (mut lines, mut out) = (LineBuffer::default(), Scripted::default());
        assert_eq!(offer(&mut lines, "one"), 4);
        lines.take();
        offer(&mut lines, "refused");
        lines.write_to(&mut out).unwrap();
        offer(&mut lines, "two");
        lines.take();
        lines.write_to(&mut out).unwrap();
        assert_eq!(out.accepted, b"one\ntwo\n");
    }

    #[test]
    fn a_line_longer_than_the_buffer_goes_alone_and_its_memory_is_given_back() {
        let mut lines = LineBuffer::default();
        let long = "x".repeat(10 * BUFFER_BYTES);
        offer(&mut lines, &long);
        assert!(!lines.is_full());
        lines.take();
        offer(&mut lines, "short");
        assert!(lines.is_full());
        lines.write_to(&mut Scripted::default()).unwrap();
        lines.take();
        assert_eq!(lines.pending_bytes(), 6);
        assert!(lines.bytes.capacity() <= 2 * BUFFER_BYTES);
    }

    #[test]
    fn the_buffer_is_full_above_its_limit_and_not_at_it() {
        let mut lines = LineBuffer::default();
        offer(&mut lines, "first");
        lines.take();
        offer(&mut lines, &"x".repeat(BUFFER_BYTES - 7));
        assert!(!lines.is_full());
        offer(&mut lines, &"x".repeat(BUFFER_BYTES - 6));
        assert!(lines.is_full());
    }

    #[test]
    fn a_rewind_writes_the_first_line_whole_again() {
        let mut lines = LineBuffer::default();
        offer(&mut lines, "line");
        lines.take();
        let answers = [Ok(2), Err(io::ErrorKind::StorageFull)].into();
        lines.write_to(&mut Scripted { answers, ..Scripted::default() }).unwrap_err();
        assert!(lines.is_partly_written());
        lines.rewind();
        let mut out = Scripted::default();
        lines.write_to(&mut out).unwrap();
        assert_eq!(out.accepted, b"line\n");
    }

    fn answer() -> impl Strategy<Value = Result<usize, io::ErrorKind>> {
        prop_oneof![
            (0..9_usize).prop_map(Ok),
            Just(Err(io::ErrorKind::Interrupted)),
            Just(Err(io::ErrorKind::StorageFull)),
        ]
    }

    proptest! {
        #[test]
        fn short_writes_and_errors_neither_lose_nor_double_a_byte(
            texts in prop::collection::vec("[a-z]{0,12}", 1..20),
            answers in prop::collection::vec(answer(), 0..60),
        ) {
            let mut lines = LineBuffer::default();
            let mut out = Scripted { answers: answers.into(), ..Scripted::default() };
            for text in &texts {
                offer(&mut lines, text);
                lines.take();
                let _ = lines.write_to(&mut out);
            }
            while lines.write_to(&mut out).is_err() {}
            let expected: String = texts.iter().map(|text| format!("{text}\n")).collect();
            prop_assert_eq!(String::from_utf8(out.accepted), Ok(expected));
        }
    }
}
