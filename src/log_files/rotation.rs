//! A log that tests write and rotate by hand, one rename at a time.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

#[cfg(all(feature = "compression", any(feature = "listener", feature = "tail")))]
use std::fs::File;
#[cfg(all(feature = "compression", feature = "listener"))]
use {
    crate::backups::{Compression, Origin},
    crate::compression::compress,
};
#[cfg(all(feature = "compression", feature = "tail"))]
use {flate2::write::GzEncoder, std::io, std::time::SystemTime};

/// One log in a directory of its own, rotated as a listener rotates it.
pub(crate) struct Rotation {
    _directory: TempDir,
    path: PathBuf,
    backup_count: u32,
    /// The number that the next rename of a rotation in progress fills; 0: create the current file.
    filling: Option<u32>,
    /// Length of the current file without the torn line at its end.
    torn_at: Option<u64>,
}

impl Rotation {
    pub(crate) fn new(backup_count: u32) -> Rotation {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("app.log");
        fs::write(&path, "").expect("create");
        Rotation { _directory: directory, path, backup_count, filling: None, torn_at: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn backup(&self, number: u32) -> PathBuf {
        match number {
            0 => self.path.clone(),
            _ => self.path.with_extension(format!("log.{number}")),
        }
    }

    /// Adds text to the current file, which is whole and there first.
    pub(crate) fn append(&mut self, text: &str) {
        self.finish_rotation();
        self.cut_torn_line();
        let mut file = OpenOptions::new().append(true).open(&self.path).expect("open");
        file.write_all(text.as_bytes()).expect("write");
    }

    /// Leaves part of a line at the end, as a writer that is killed; the next change cuts it back.
    #[cfg(feature = "tail")]
    pub(crate) fn tear(&mut self) {
        self.append("");
        let len = fs::metadata(&self.path).expect("length").len();
        self.append("torn");
        self.torn_at = Some(len);
    }

    /// Puts the compressed form of a backup in its place, if there is such a backup.
    #[cfg(all(feature = "compression", feature = "listener"))]
    pub(crate) fn compress(&self, number: u32, compression: Compression) {
        let plain = self.backup(number);
        let Ok(source) = File::open(&plain) else { return };
        let origin = Origin::of(&source.metadata().expect("metadata"));
        let packed = format!("{}{}", plain.display(), compression.ending());
        let mut out = File::create(packed).expect("create");
        compress(&source, origin, compression, &mut out, || false).expect("compress");
        fs::remove_file(plain).expect("delete");
    }

    /// Puts in the place of a backup what `gzip` makes of it, if there is such a backup; `gzip` keeps the
    /// time of its last write, which is this one.
    #[cfg(all(feature = "compression", feature = "tail"))]
    pub(crate) fn gzip(&self, number: u32, written: SystemTime) {
        let plain = self.backup(number);
        let Ok(source) = OpenOptions::new().read(true).write(true).open(&plain) else { return };
        source.set_modified(written).expect("time");
        let packed = File::create(self.gzipped(number)).expect("create");
        let mut encoder = GzEncoder::new(&packed, flate2::Compression::fast());
        io::copy(&mut &source, &mut encoder).expect("compress");
        encoder.finish().expect("compress");
        packed.set_modified(written).expect("time");
        fs::remove_file(plain).expect("delete");
    }

    fn gzipped(&self, number: u32) -> PathBuf {
        self.path.with_extension(format!("log.{number}.gz"))
    }

    /// Does one rename, or creates the current file after the last one.
    pub(crate) fn rotate_one_step(&mut self) {
        self.cut_torn_line();
        let number = self.filling.unwrap_or_else(|| self.first_number());
        if number == 0 {
            fs::write(&self.path, "").expect("create");
        } else {
            let forms = [
                (self.backup(number - 1), self.backup(number)),
                (self.gzipped(number - 1), self.gzipped(number)),
            ];
            let (from, to) = forms.iter().find(|(from, _)| from.exists()).expect("a file");
            for (_, oldest) in &forms {
                let _absent = fs::remove_file(oldest);
            }
            fs::rename(from, to).expect("rename");
        }
        self.filling = number.checked_sub(1);
    }

    pub(crate) fn rotate(&mut self) {
        self.finish_rotation();
        self.rotate_one_step();
        self.finish_rotation();
    }

    fn finish_rotation(&mut self) {
        while self.filling.is_some() {
            self.rotate_one_step();
        }
    }

    fn first_number(&self) -> u32 {
        let free = (1..self.backup_count)
            .find(|&number| !self.backup(number).exists() && !self.gzipped(number).exists());
        free.unwrap_or(self.backup_count)
    }

    fn cut_torn_line(&mut self) {
        if let Some(len) = self.torn_at.take() {
            let file = OpenOptions::new().write(true).open(&self.path).expect("open");
            file.set_len(len).expect("cut");
        }
    }
}
