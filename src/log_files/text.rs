//! The text of one file of a log, wherever it is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

#[cfg(feature = "compression")]
use crate::compression::Frames;

/// The text of a file, open for reading.
#[derive(Debug)]
pub(crate) struct Text(Place);

#[derive(Debug)]
enum Place {
    /// The file itself, which others may write to, or a temporary one.
    File { file: File, may_change: bool },
    /// Compressed frames, of which those are decompressed that are read.
    #[cfg(feature = "compression")]
    Frames(Frames),
}

impl Text {
    /// That of the file itself.
    pub(super) fn plain(file: File) -> Text {
        Text(Place::File { file, may_change: true })
    }

    /// That of a file that was written once.
    #[cfg(feature = "compression")]
    pub(super) fn temporary(file: File) -> Text {
        Text(Place::File { file, may_change: false })
    }

    /// That of compressed frames.
    #[cfg(feature = "compression")]
    pub(super) fn frames(frames: Frames) -> Text {
        Text(Place::Frames(frames))
    }

    /// How long it is now.
    pub(crate) fn len(&self) -> io::Result<u64> {
        match &self.0 {
            Place::File { file, .. } => Ok(file.metadata()?.len()),
            #[cfg(feature = "compression")]
            Place::Frames(frames) => Ok(frames.text_bytes()),
        }
    }

    /// Whether others may change it.
    pub(crate) fn may_change(&self) -> bool {
        matches!(self.0, Place::File { may_change: true, .. })
    }

    /// Reads what is at a place; fewer bytes than asked for are no sign of the end, none are.
    pub(crate) fn read_at(&mut self, out: &mut [u8], at: u64) -> io::Result<usize> {
        match &mut self.0 {
            Place::File { file, .. } => file.read_at(out, at),
            #[cfg(feature = "compression")]
            Place::Frames(frames) => frames.read_at(out, at),
        }
    }

    /// The same text, open twice.
    #[cfg(feature = "tail")]
    pub(crate) fn try_clone(&self) -> io::Result<Text> {
        Ok(Text(match &self.0 {
            Place::File { file, may_change } => {
                Place::File { file: file.try_clone()?, may_change: *may_change }
            }
            #[cfg(feature = "compression")]
            Place::Frames(frames) => Place::Frames(frames.try_clone()?),
        }))
    }

    /// It from its beginning to the end that it has when that is reached.
    #[cfg(any(test, feature = "verify"))]
    pub(crate) fn into_reader(self) -> impl io::Read {
        Reader { text: self, at: 0 }
    }
}

#[cfg(any(test, feature = "verify"))]
struct Reader {
    text: Text,
    at: u64,
}

#[cfg(any(test, feature = "verify"))]
impl io::Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read_at(out, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
impl From<File> for Text {
    fn from(file: File) -> Text {
        Text::plain(file)
    }
}
