//! What kills and damage leave in a queue directory: files that were never finished, and lanes that
//! cannot be read.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::error::{LaneError, refused};
use super::layout::QUARANTINED_AT;
use super::mapping::PAGE_BYTES;
use crate::regular_file;

/// Longer than any worker takes to make a lane or a bell, unless it is stopped; then it has to begin
/// again.
const MAX_CREATION: Duration = Duration::from_secs(10);

/// Most damaged lanes that are kept in a queue; the oldest makes room.
const MAX_QUARANTINED: usize = 8;

/// The ending of their names.
const QUARANTINED: &str = "damaged";

/// Removes the file at `path`, which has a temporary name, if its maker has died or stands still.
///
/// Lanes get their name after their maker has locked them, and are removed here while we hold that
/// lock: no lane that anybody writes can be lost. A maker that is late finds its file locked or gone.
pub(crate) fn remove_unfinished(path: &Path) -> Result<(), LaneError> {
    let Some(file) = open_if_there(path)? else {
        return Ok(());
    };
    if age(&file).map_err(refused("examine", path))? < MAX_CREATION {
        return Ok(());
    }
    match fs2::FileExt::try_lock_exclusive(&file) {
        Ok(()) => remove(path),
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(()),
        Err(error) => Err(refused("lock", path)(error)),
    }
}

/// Takes a damaged lane out of use: its worker, if it lives, makes another, and no listener reads
/// this one again. Where it is kept, one of at most [`MAX_QUARANTINED`] in its folder.
pub(crate) fn quarantine(path: &Path) -> Result<PathBuf, LaneError> {
    // In this order: killed in between, the next listener finds the same damage.
    tell_worker(path)?;
    let kept = path.with_extension(QUARANTINED);
    fs::rename(path, &kept).map_err(refused("rename", path))?;
    kept.parent().map_or(Ok(()), remove_oldest)?;
    Ok(kept)
}

/// Through the file, because what cannot be a lane is not mapped. Who waits for room or for a flush
/// looks at the word now and then.
fn tell_worker(path: &Path) -> Result<(), LaneError> {
    let file =
        regular_file::open(path, OpenOptions::new().write(true)).map_err(refused("open", path))?;
    let length = file.metadata().map_err(refused("examine", path))?.len();
    if length < PAGE_BYTES as u64 {
        return Ok(());
    }
    file.write_all_at(&1_u64.to_ne_bytes(), QUARANTINED_AT as u64).map_err(refused("mark", path))
}

fn remove_oldest(folder: &Path) -> Result<(), LaneError> {
    let mut kept = Vec::new();
    for found in fs::read_dir(folder).map_err(refused("read", folder))?.flatten() {
        let path = found.path();
        if path.extension().is_some_and(|ending| ending == QUARANTINED)
            && let Ok(metadata) = found.metadata()
        {
            kept.push((metadata.ctime(), metadata.ctime_nsec(), path));
        }
    }
    kept.sort();
    let surplus = kept.len().saturating_sub(MAX_QUARANTINED);
    kept[..surplus].iter().try_for_each(|(_, _, path)| remove(path))
}

fn open_if_there(path: &Path) -> Result<Option<File>, LaneError> {
    match regular_file::open(path, OpenOptions::new().read(true)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused("open", path)(error)),
    }
}

fn age(file: &File) -> io::Result<Duration> {
    let modified = file.metadata()?.modified()?;
    // A clock that was set back makes times of the future.
    Ok(SystemTime::now().duration_since(modified).unwrap_or_else(|ahead| ahead.duration()))
}

/// Removes a file; that it is gone already is no error.
pub(super) fn remove(path: &Path) -> Result<(), LaneError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(refused("remove", path)(error))
        }
        _ => Ok(()),
    }
}
