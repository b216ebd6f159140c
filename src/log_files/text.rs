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
    /// The file itself, which others may write to.
    Plain(File),
    /// A temporary file that was written once.
    Temporary(File),
    /// Compressed frames, of which those are decompressed that are read.
    #[cfg(feature = "compression")]
    Frames(Frames),
}

impl Text {
    /// That of the file itself.
    pub(super) fn plain(file: File) -> Text {
        Text(Place::Plain(file))
    }

    #[cfg(feature = "compression")]
    pub(super) fn temporary(file: File) -> Text {
        Text(Place::Temporary(file))
    }

    #[cfg(feature = "compression")]
    pub(super) fn frames(frames: Frames) -> Text {
        Text(Place::Frames(frames))
    }

    /// How long it is now.
    pub(crate) fn len(&self) -> io::Result<u64> {
        match &self.0 {
            Place::Plain(file) | Place::Temporary(file) => Ok(file.metadata()?.len()),
            #[cfg(feature = "compression")]
            Place::Frames(frames) => Ok(frames.text_bytes()),
        }
    }

    /// Whether others may change it.
    #[cfg(feature = "tail")]
    pub(crate) fn may_change(&self) -> bool {
        matches!(self.0, Place::Plain(_))
    }

    /// Reads what is at a place; fewer bytes than asked for are no sign of the end, none are.
    pub(crate) fn read_at(&mut self, out: &mut [u8], at: u64) -> io::Result<usize> {
        match &mut self.0 {
            Place::Plain(file) | Place::Temporary(file) => file.read_at(out, at),
            #[cfg(feature = "compression")]
            Place::Frames(frames) => frames.read_at(out, at),
        }
    }

    /// The same text, open twice.
    #[cfg(feature = "tail")]
    pub(crate) fn try_clone(&self) -> io::Result<Text> {
        Ok(Text(match &self.0 {
            Place::Plain(file) => Place::Plain(file.try_clone()?),
            Place::Temporary(file) => Place::Temporary(file.try_clone()?),
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
