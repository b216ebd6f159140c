//! Bytes of a log file that are about to be written, and what became of them.

use super::CurrentFile;
use crate::checksum::checksum;
use crate::fault;
use crate::regular_file::FileError;

/// By how many of its first bytes a segment is known again.
const HEAD_BYTES: usize = 128;

/// Bytes of a file that are about to be written, as the journal notes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// Inode numbers are reused at once; with the time of birth they are not. Zero where the file
    /// system does not know it: then an inode number that is used again misleads.
    pub(crate) birth_ns: u64,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// Of its first bytes.
    pub(crate) head: u32,
}

/// What became of a segment whose writer was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// All of it is there.
    Complete,
    /// Nothing of it is there, or not any more.
    Absent,
}

impl CurrentFile {
    /// Where the next `bytes` will be.
    pub(crate) fn segment(&self, bytes: &[u8]) -> Segment {
        let (device, inode) = self.id().parts();
        Segment {
            device,
            inode,
            birth_ns: self.birth_ns,
            offset: self.size_bytes(),
            length: bytes.len() as u64,
            head: checksum(&bytes[..bytes.len().min(HEAD_BYTES)]) as u32,
        }
    }

    /// Whether `segment` is about this file.
    pub(crate) fn has(&self, segment: &Segment) -> bool {
        let (device, inode) = self.id().parts();
        (segment.device, segment.inode, segment.birth_ns) == (device, inode, self.birth_ns)
    }

    /// How much of `segment` is in this file; `None` where it is about another file.
    pub(super) fn resolve(&mut self, segment: &Segment) -> Result<Option<Resolution>, FileError> {
        if !self.has(segment) {
            return Ok(None);
        }
        self.measure()?;
        if self.size_bytes() >= segment.offset.saturating_add(segment.length) {
            return Ok(Some(Resolution::Complete));
        }
        let Some(begin) = self.begin_of(segment)? else { return Ok(Some(Resolution::Absent)) };
        if self.size_bytes() - begin >= segment.length {
            return Ok(Some(Resolution::Complete));
        }
        // What is behind is the beginning of the segment and nobody else's.
        if self.size_bytes() > begin {
            self.cut_to(begin)?;
            fault::point("after-cut");
        }
        Ok(Some(Resolution::Absent))
    }

    /// Where that begins what there is of `segment`, if anything: at its offset, or at the beginning of
    /// a file that others have emptied between note and write. The latter is believed only where another
    /// beginning stands at the offset, or nothing.
    fn begin_of(&self, segment: &Segment) -> Result<Option<u64>, FileError> {
        if self.size_bytes() >= segment.offset
            && self.has_head_at(segment, segment.offset)? != Some(false)
        {
            return Ok(Some(segment.offset));
        }
        Ok((self.has_head_at(segment, 0)? == Some(true)).then_some(0))
    }

    /// Whether the first bytes of `segment` are at `offset`; `None` where the file ends before.
    fn has_head_at(&self, segment: &Segment, offset: u64) -> Result<Option<bool>, FileError> {
        let mut head = [0; HEAD_BYTES];
        let length = segment.length.min(HEAD_BYTES as u64);
        let head = &mut head[..length as usize];
        if self.size_bytes().saturating_sub(offset) < length {
            return Ok(None);
        }
        self.read_at(head, offset)?;
        Ok(Some(checksum(head) as u32 == segment.head))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_segment_is_complete_or_cut_back_to_its_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, "before\n").unwrap();
        let segment = CurrentFile::open(&path).unwrap().segment(b"line\n");
        for (text, resolution, left) in [
            ("before\nline\n", Resolution::Complete, "before\nline\n"),
            ("before\nline\nmore\n", Resolution::Complete, "before\nline\nmore\n"),
            ("before\nli", Resolution::Absent, "before\n"),
            ("before\n", Resolution::Absent, "before\n"),
            ("bef", Resolution::Absent, "bef"),
        ] {
            fs::write(&path, text).unwrap();
            let mut file = CurrentFile::open(&path).unwrap();
            assert_eq!(file.resolve(&segment).unwrap(), Some(resolution), "{text:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), left);
        }
        fs::rename(&path, directory.path().join("log.1")).unwrap();
        let mut another = CurrentFile::open(&path).unwrap();
        assert_eq!(another.resolve(&segment).unwrap(), None);
    }

    /// What becomes of a segment behind `before` when others cut the file to `left` before `written` of
    /// it is written: the resolution, and the text then.
    fn resolved_after_cut(
        before: &str,
        batch: &str,
        left: &str,
        written: usize,
    ) -> (Resolution, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, before).unwrap();
        let mut file = CurrentFile::open(&path).unwrap();
        let segment = file.segment(batch.as_bytes());
        fs::write(&path, left).unwrap();
        file.write_all(&batch.as_bytes()[..written]).unwrap();
        let resolution = file.resolve(&segment).unwrap().unwrap();
        (resolution, fs::read_to_string(&path).unwrap())
    }

    #[test]
    fn a_segment_in_a_file_that_was_emptied_before_the_write_is_found_at_its_beginning() {
        let lines = |count: usize, word: &str| -> String {
            (0..count).map(|number| format!("{word} {number:40}\n")).collect()
        };
        let batch = lines(10, "new");
        for before in [lines(100, "old"), lines(5, "old")] {
            let whole = resolved_after_cut(&before, &batch, "", batch.len());
            assert_eq!(whole, (Resolution::Complete, batch.clone()));
            let partial = resolved_after_cut(&before, &batch, "", batch.len() - 30);
            assert_eq!(partial, (Resolution::Absent, String::new()));
            let unwritten = resolved_after_cut(&before, &batch, "", 0);
            assert_eq!(unwritten, (Resolution::Absent, String::new()));
        }
    }

    #[test]
    fn what_others_have_left_of_a_file_is_not_cut() {
        let lines = |count: usize, word: &str| format!("{word} {:40}\n", "").repeat(count);
        let (before, batch, left) = (lines(100, "old"), lines(10, "new"), lines(50, "old"));
        let resolved = resolved_after_cut(&before, &batch, &left, 0);
        assert_eq!(resolved, (Resolution::Absent, left));
    }

    #[test]
    fn a_partial_segment_behind_lines_like_its_own_is_cut_at_its_offset() {
        let line = format!("tick {:123}\n", "");
        let (before, batch) = (line.repeat(10), line.repeat(20));
        for written in [0, 1, line.len(), 5 * line.len(), batch.len() - 1] {
            let resolved = resolved_after_cut(&before, &batch, &before, written);
            assert_eq!(resolved, (Resolution::Absent, before.clone()), "{written}");
        }
    }
}
