//! Which file something is, whatever its name.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Which file this is, for as long as somebody holds it open: inode numbers are reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(metadata: &Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Device and inode number.
    #[cfg(feature = "listener")]
    pub(crate) fn parts(self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn an_identity_is_kept_by_a_rename_and_lost_by_a_replacement() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        let file = File::create(&one).expect("create");
        let id = FileId::of(&file.metadata().expect("examine"));

        fs::rename(&one, &two).expect("rename");
        let replacement = File::create(&one).expect("create");

        assert_eq!(FileId::of(&fs::metadata(&two).expect("examine")), id);
        assert_ne!(FileId::of(&replacement.metadata().expect("examine")), id);
    }
}
