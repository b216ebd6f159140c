//! Compresses backups, one at a time, on a thread of its own.
//!
//! What is to be done stands in the directory: each backup that is not compressed. So nothing is lost
//! when it is killed. A backup is read through an open descriptor while rotations rename it; its
//! compressed form, complete and on the disk, takes its place under the name it has by then. The lock
//! that renaming and deleting share is held for that moment only.

use std::collections::HashSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::backups::{Written, delete_at, unfinished_path};
use super::outage::Outage;
use super::space::free_bytes;
use crate::backups::{self, Backup, BackupName, Compression, Origin};
use crate::compression::compress;
use crate::fault;
use crate::regular_file::{self, FileError, is_missing, refused};

/// The thread works until this is dropped. It touches nothing after that.
#[derive(Debug)]
pub(super) struct Compressor {
    written: Arc<Mutex<Written>>,
    outage: Arc<Mutex<Outage>>,
    wake: SyncSender<()>,
    temporary: PathBuf,
}

impl Compressor {
    /// Starts the thread, which waits.
    pub(super) fn start(
        current: &Path,
        compression: Compression,
        written: &Arc<Mutex<Written>>,
    ) -> Result<Compressor, FileError> {
        let (wake, wakes) = sync_channel(1);
        let outage = Arc::new(Mutex::new(Outage::default()));
        let job = Job {
            current: current.to_owned(),
            compression,
            written: Arc::clone(written),
            outage: Arc::clone(&outage),
        };
        let thread = thread::Builder::new().name("logboom-compress".into());
        thread.spawn(move || job.run(&wakes)).map_err(refused("start a thread for", current))?;
        let temporary = unfinished_path(current);
        Ok(Compressor { written: Arc::clone(written), outage, wake, temporary })
    }

    /// Lets it look for backups that are not compressed.
    pub(super) fn wake(&self) {
        // It looks once more for a wake that waits.
        let _waits = self.wake.try_send(());
    }

    /// How its work goes.
    pub(super) fn outage(&self) -> &Mutex<Outage> {
        &self.outage
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        let mut written = lock(&self.written);
        written.is_ended = true;
        // Where that fails, the next start does it.
        let _left = delete_at(&self.temporary);
    }
}

struct Job {
    current: PathBuf,
    compression: Compression,
    written: Arc<Mutex<Written>>,
    outage: Arc<Mutex<Outage>>,
}

/// A backup that is compressed by now, under a name of its own.
struct Compressed {
    source: File,
    temporary: PathBuf,
    read_bytes: u64,
}

impl Job {
    fn run(&self, wakes: &Receiver<()>) {
        while wakes.recv().is_ok() {
            let mut passed_over = HashSet::new();
            while let Some(inode) = self.next(&passed_over) {
                // Where it cannot be replaced, it is not tried again before the next wake.
                passed_over.insert(inode);
                let outcome = self.compress(inode);
                if self.is_ended() {
                    return;
                }
                let failed = outcome.is_err();
                lock(&self.outage).note(outcome, "backups stay as they are");
                if failed {
                    break;
                }
            }
        }
    }

    fn is_ended(&self) -> bool {
        lock(&self.written).is_ended
    }

    /// The oldest backup that is not compressed. Where the directory cannot be read, none is.
    fn next(&self, passed_over: &HashSet<u64>) -> Option<u64> {
        let written = lock(&self.written);
        let is_next = |backup: &&Backup| {
            backup.is_file
                && backup.name.compression.is_none()
                && backup.inode != written.inode
                && !passed_over.contains(&backup.inode)
        };
        let listed = backups::list(&self.current).ok().filter(|_| !written.is_ended)?;
        listed.iter().rev().find(is_next).map(|backup| backup.inode)
    }

    fn compress(&self, inode: u64) -> Result<(), FileError> {
        let Some(compressed) = self.compress_aside(inode)? else { return Ok(()) };
        let replaced = self.replace(inode, compressed);
        self.clean_up()?;
        replaced
    }

    fn clean_up(&self) -> Result<(), FileError> {
        let written = lock(&self.written);
        if written.is_ended { Ok(()) } else { delete_at(&unfinished_path(&self.current)) }
    }

    /// Writes the compressed form of a backup; nothing where that has gone, or there is no room for both.
    fn compress_aside(&self, inode: u64) -> Result<Option<Compressed>, FileError> {
        let Some((source, found)) = self.open(inode)? else { return Ok(None) };
        if !self.has_space(&source, found.len())? {
            return Ok(None);
        }
        let temporary = unfinished_path(&self.current);
        let Some(mut out) = self.create(&temporary, found.mode())? else { return Ok(None) };
        let origin = Origin::of(&found);
        let is_ended = || self.is_ended();
        let written = compress(&source, origin, self.compression, &mut out, is_ended);
        fault::point("amid-compression");
        let finished = written.and_then(|read_bytes| {
            // Its age is that of the text in it.
            out.set_modified(found.modified()?)?;
            out.set_permissions(found.permissions())?;
            out.sync_all()?;
            Ok(read_bytes)
        });
        match finished {
            Ok(read_bytes) => Ok(Some(Compressed { source, temporary, read_bytes })),
            Err(error) => {
                self.clean_up()?;
                Err(refused("compress to", &temporary)(error))
            }
        }
    }

    /// Whether so much may be free for a while that a compressed form as large as the text fits.
    fn has_space(&self, source: &File, size_bytes: u64) -> Result<bool, FileError> {
        let Some(min_free_bytes) = lock(&self.written).min_free_bytes else { return Ok(true) };
        let free_bytes = free_bytes(source);
        let free_bytes =
            free_bytes.map_err(refused("look for free space beside", &self.current))?;
        Ok(free_bytes >= min_free_bytes.saturating_add(size_bytes))
    }

    /// A new file at `path`, unless the log was let go.
    fn create(&self, path: &Path, mode: u32) -> Result<Option<File>, FileError> {
        let written = lock(&self.written);
        if written.is_ended {
            return Ok(None);
        }
        delete_at(path)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode & 0o777);
        regular_file::open(path, &mut options).map(Some).map_err(refused("create", path))
    }

    fn open(&self, inode: u64) -> Result<Option<(File, Metadata)>, FileError> {
        let Some(name) = self.name_of(inode)? else { return Ok(None) };
        let path = backups::path_of(&self.current, &name);
        let source = match regular_file::open(&path, OpenOptions::new().read(true)) {
            Err(error) if is_missing(&error) => return Ok(None),
            opened => opened.map_err(refused("open", &path))?,
        };
        let found = source.metadata().map_err(refused("examine", &path))?;
        // Renamed meanwhile: the next wake finds it.
        Ok((found.ino() == inode).then_some((source, found)))
    }

    /// Puts the compressed form in the place of the backup, under the name that has now. Does nothing
    /// where the backup has gone, has grown, or the name is taken by a file of others.
    fn replace(&self, inode: u64, compressed: Compressed) -> Result<(), FileError> {
        let written = lock(&self.written);
        if written.is_ended || written.inode == inode {
            return Ok(());
        }
        let Compressed { source, temporary, read_bytes } = compressed;
        let Some(name) = self.name_of(inode)? else { return Ok(()) };
        let plain = backups::path_of(&self.current, &name);
        let packed = BackupName { compression: Some(self.compression), ..name };
        let packed = backups::path_of(&self.current, &packed);
        let size_bytes = source.metadata().map_err(refused("examine", &plain))?.len();
        if size_bytes != read_bytes || regular_file::look(&packed)?.is_some() {
            return Ok(());
        }
        fault::point("before-compressed");
        fs::rename(&temporary, &packed).map_err(refused("rename", &temporary))?;
        fault::point("after-compressed");
        // No sync between the two, because rotation waits: directories change in this order on the disk.
        let replaced = fs::remove_file(&plain).map_err(refused("delete", &plain));
        if replaced.is_err() {
            // There must not be two.
            delete_at(&packed)?;
        }
        fault::point("after-plain");
        replaced
    }

    fn name_of(&self, inode: u64) -> Result<Option<BackupName>, FileError> {
        let listed: io::Result<_> = backups::list(&self.current);
        let listed = listed.map_err(refused("list", &self.current))?;
        let is_it = |backup: &&Backup| backup.inode == inode && backup.name.compression.is_none();
        Ok(listed.iter().find(is_it).map(|backup| backup.name))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
