//! The files of one log: the current file and its backups.
//!
//! A directory that is read while a rotation renames files may show a file twice, or not at all. A
//! rotation moves each file once, the current one last, so such a look differs from the next one: two
//! equal looks in a row have seen every file that was there between them, and in the right order.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::fcntl::OFlag;

use self::file::Identity;
pub(crate) use self::file::LogFile;
#[cfg(feature = "tail")]
pub(crate) use self::name::log_of;
pub(crate) use self::text::Text;
use crate::backups::{self, BackupName, Compression, MadeFrom};
use crate::file_id::FileId;

mod file;
#[cfg(feature = "tail")]
mod name;
#[cfg(test)]
pub(crate) mod rotation;
mod text;

/// How often the directory is read until two looks are equal, and how often a file that moved between being seen and being opened is looked for again.
const ATTEMPTS: usize = 100;

/// Finds and opens the files of one log.
#[derive(Debug)]
pub(crate) struct LogFiles {
    path: PathBuf,
    /// What the compressed files of the last look tell, by file and the time of its last change.
    made_from: Mutex<HashMap<(FileId, i64, i64), Option<MadeFrom>>>,
}

/// How much of logs was read, in bytes of their files as these are on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadBytes {
    /// What lies before the place of reading.
    pub read: u64,
    /// All that there is now.
    pub total: u64,
}

/// Why a file of a log cannot be found or opened.
#[derive(Debug)]
pub(crate) enum FilesError {
    /// The path of the current file is a directory, a pipe or a device.
    NotAFile { path: PathBuf },
    /// The operating system refused; the operation is a verb such as `open`.
    Io { operation: &'static str, path: PathBuf, source: io::Error },
}

/// The file that follows another one in age.
pub(crate) enum Newer {
    /// It exists and is open.
    Found(LogFile),
    /// There is none yet.
    NotYet,
    /// The other one has left the log, so nothing can be said about its neighbours.
    Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listed {
    /// None for the current file.
    name: Option<BackupName>,
    id: FileId,
    /// The file it was made from by compression.
    made_from: Option<MadeFrom>,
}

impl Listed {
    fn is(&self, held: &Identity) -> bool {
        held.is(self.id, self.made_from)
    }
}

/// Where in a listing a file is, be it compressed; nowhere where several may be it.
fn place_of(held: &Identity, listing: &[Listed]) -> Option<usize> {
    listing.iter().position(|file| file.is(held)).or_else(|| {
        let mut alike = (0..listing.len()).filter(|at| held.may_be(listing[*at].made_from));
        alike.next().filter(|_| alike.next().is_none())
    })
}

impl LogFiles {
    pub(crate) fn new(path: PathBuf) -> LogFiles {
        LogFiles { path, made_from: Mutex::default() }
    }

    /// The current file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The current file, or the newest backup while there is none.
    #[cfg(any(test, feature = "tail"))]
    pub(crate) fn newest(&self) -> Result<Option<LogFile>, FilesError> {
        self.open_chosen(|listing| listing.first().copied())
    }

    /// The oldest backup, or the current file where it is the only one.
    pub(crate) fn oldest(&self) -> Result<Option<LogFile>, FilesError> {
        self.open_chosen(|listing| listing.last().copied())
    }

    /// The oldest file that is newer than `held`, which has left the log. Of what others have compressed the
    /// times decide; nothing of that is taken where one may be `held` with another time.
    #[cfg(feature = "tail")]
    pub(crate) fn oldest_since(&self, held: &LogFile) -> Result<Option<LogFile>, FilesError> {
        let held = self.identity(held)?;
        self.open_chosen(|listing| {
            let is_doubtful = listing.iter().any(|file| held.is_as_long(file.made_from));
            let is_passed = |file: &&Listed| match file.made_from {
                Some(MadeFrom::Others { .. }) => is_doubtful || held.is_no_newer(file.made_from),
                _ => false,
            };
            listing.iter().rfind(|file| !is_passed(file)).copied()
        })
    }

    /// The newest file whose text begins with one of which `is_wanted` is true, given its first bytes, at
    /// most so many; else the oldest.
    #[cfg(feature = "tail")]
    pub(crate) fn newest_that(
        &self,
        head_bytes: usize,
        mut is_wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<Option<LogFile>, FilesError> {
        'looks: for _ in 0..ATTEMPTS {
            let mut oldest = None;
            for listed in self.list()? {
                // Renamed meanwhile, so that the others have other names too.
                let Some(file) = self.open_listed(listed)? else { continue 'looks };
                if is_wanted(&file.head(head_bytes)?) {
                    return Ok(Some(file));
                }
                oldest = Some(file);
            }
            return Ok(oldest);
        }
        Ok(None)
    }

    /// The next older file than `held`.
    #[cfg(any(test, feature = "tail"))]
    pub(crate) fn older_than(&self, held: &LogFile) -> Result<Option<LogFile>, FilesError> {
        let held = self.identity(held)?;
        self.open_chosen(|listing| {
            let last = listing.iter().rposition(|file| file.is(&held));
            let place = last.or_else(|| place_of(&held, listing))?;
            listing.get(place + 1).copied()
        })
    }

    /// The next newer file than `held`.
    pub(crate) fn newer_than(&self, held: &LogFile) -> Result<Newer, FilesError> {
        let identity = self.identity(held)?;
        if self.current_id()?.is_some_and(|id| identity.is(id, None)) {
            return Ok(Newer::NotYet);
        }
        let newer = self.next_newer(&identity, held)?;
        let now = self.identity(held)?;
        // Only of a deleted file it is asked what others have made of it.
        if now.is_deleted == identity.is_deleted { Ok(newer) } else { self.next_newer(&now, held) }
    }

    fn next_newer(&self, identity: &Identity, held: &LogFile) -> Result<Newer, FilesError> {
        let found = self.open_chosen(|listing| {
            let place = place_of(identity, listing)?;
            listing.get(place.checked_sub(1)?).copied()
        })?;
        // Asked last: while `held` is in the log, be it compressed, nothing newer was deleted, so the
        // inode number that was found is not one that a younger file uses again.
        let has_left = self.identity(held)?.is_deleted && !self.is_listed(identity)?;
        match found {
            _ if has_left => Ok(Newer::Left),
            Some(file) => Ok(Newer::Found(file)),
            None if self.is_listed(identity)? => Ok(Newer::NotYet),
            None => Ok(Newer::Left),
        }
    }

    /// How large all files are now that are newer than `held`.
    pub(crate) fn newer_bytes(&self, held: &LogFile) -> Result<u64, FilesError> {
        let (held, listing) = (self.identity(held)?, self.list()?);
        let newer = &listing[..place_of(&held, &listing).unwrap_or(listing.len())];
        newer
            .iter()
            .map(|file| self.status_at(&self.path_of(file)))
            .try_fold(0, |sum, status| Ok(sum + status?.map_or(0, |status| status.len())))
    }

    /// The name that `held` has now; none if it has left the log.
    #[cfg(feature = "verify")]
    pub(crate) fn name_of(&self, held: &LogFile) -> Result<Option<PathBuf>, FilesError> {
        let held = self.identity(held)?;
        let listing = self.list()?;
        Ok(place_of(&held, &listing).map(|place| self.path_of(&listing[place])))
    }

    fn open_chosen(
        &self,
        choose: impl Fn(&[Listed]) -> Option<Listed>,
    ) -> Result<Option<LogFile>, FilesError> {
        for _ in 0..ATTEMPTS {
            let Some(chosen) = choose(&self.list()?) else { return Ok(None) };
            if let Some(file) = self.open_listed(chosen)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Opens the file, unless it has another name by now.
    fn open_listed(&self, listed: Listed) -> Result<Option<LogFile>, FilesError> {
        let path = self.path_of(&listed);
        match self.open_at(&path)? {
            Some(file) if FileId::of(&self.examine(&file)?) == listed.id => {
                let compression = listed.name.and_then(|name| name.compression);
                Ok(Some(LogFile::new(file, compression, path)))
            }
            _ => Ok(None),
        }
    }

    fn open_at(&self, path: &Path) -> Result<Option<File>, FilesError> {
        // Whatever was put in the file's place, opening it must not wait for a writer.
        let flags = OFlag::O_NONBLOCK.bits();
        match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FilesError::Io { operation: "open", path: path.to_owned(), source }),
        }
    }

    fn is_listed(&self, held: &Identity) -> Result<bool, FilesError> {
        Ok(place_of(held, &self.list()?).is_some())
    }

    /// The files in order of age, newest first.
    fn list(&self) -> Result<Vec<Listed>, FilesError> {
        let mut before = self.look()?;
        for _ in 0..ATTEMPTS {
            let now = self.look()?;
            if now == before {
                break;
            }
            before = now;
        }
        Ok(before)
    }

    fn look(&self) -> Result<Vec<Listed>, FilesError> {
        let current = self.current_id()?.map(|id| Listed { name: None, id, made_from: None });
        let mut listing = Vec::from_iter(current);
        let directory = || self.path.parent().unwrap_or(&self.path).to_owned();
        let io = |source| FilesError::Io { operation: "list", path: directory(), source };
        let mut told = HashMap::new();
        for backup in
            backups::list(&self.path).map_err(io)?.into_iter().filter(|found| found.is_file)
        {
            let name = backup.name;
            let path = backups::path_of(&self.path, &name);
            let Some(found) = self.status_at(&path)? else { continue };
            let id = FileId::of(&found);
            let Some(compression) = name.compression else {
                listing.push(Listed { name: Some(name), id, made_from: None });
                continue;
            };
            // In the moment in which the plain file is replaced, it is there too.
            let newer = listing.last().and_then(|listed: &Listed| listed.name);
            if newer.is_some_and(|newer| newer.stem == name.stem) {
                continue;
            }
            let key = (id, found.ctime(), found.ctime_nsec());
            let known = self.known().get(&key).copied();
            let made_from = match known {
                Some(made_from) => made_from,
                None => self.made_from_at(&path, compression)?,
            };
            told.insert(key, made_from);
            // Something else has the name of a compressed file.
            if made_from.is_some() {
                listing.push(Listed { name: Some(name), id, made_from });
            }
        }
        *self.known() = told;
        Ok(listing)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(FileId, i64, i64), Option<MadeFrom>>> {
        self.made_from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made_from_at(
        &self,
        path: &Path,
        compression: Compression,
    ) -> Result<Option<MadeFrom>, FilesError> {
        let Some(file) = self.open_at(path)? else { return Ok(None) };
        let io = |source| FilesError::Io { operation: "read", path: path.to_owned(), source };
        backups::made_from(&file, compression).map_err(io)
    }

    fn current_id(&self) -> Result<Option<FileId>, FilesError> {
        match self.status_at(&self.path)? {
            Some(found) if !found.is_file() => {
                Err(FilesError::NotAFile { path: self.path.clone() })
            }
            found => Ok(found.map(|found| FileId::of(&found))),
        }
    }

    fn status_at(&self, path: &Path) -> Result<Option<Metadata>, FilesError> {
        match fs::metadata(path) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => {
                Err(FilesError::Io { operation: "look at", path: path.to_owned(), source })
            }
        }
    }

    fn identity(&self, file: &LogFile) -> Result<Identity, FilesError> {
        let found = file.metadata().map_err(|source| self.read_error(source))?;
        Ok(Identity::of(&found))
    }

    fn examine(&self, file: &File) -> Result<Metadata, FilesError> {
        file.metadata().map_err(|source| self.read_error(source))
    }

    pub(crate) fn read_error(&self, source: io::Error) -> FilesError {
        FilesError::Io { operation: "read", path: self.path.clone(), source }
    }

    fn path_of(&self, listed: &Listed) -> PathBuf {
        match &listed.name {
            Some(name) => backups::path_of(&self.path, name),
            None => self.path.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::rotation::Rotation;
    use super::*;

    fn text(file: Option<LogFile>) -> String {
        let mut text = String::new();
        let file = file.expect("a file").open_text().expect("text");
        file.into_reader().read_to_string(&mut text).expect("read");
        text
    }

    /// A log of three files, `c` current, `b` and `a` its backups.
    fn three_files(log: &mut Rotation) -> LogFiles {
        for name in ["a", "b"] {
            log.append(name);
            log.rotate();
        }
        log.append("c");
        LogFiles::new(log.path().to_owned())
    }

    #[test]
    fn files_are_found_in_order_of_age() {
        let mut log = Rotation::new(5);
        let files = three_files(&mut log);
        let newest = files.newest().expect("newest").expect("a file");
        let middle = files.older_than(&newest).expect("older").expect("a file");
        assert_eq!(text(files.older_than(&middle).expect("older")), "a");
        assert_eq!(text(files.oldest().expect("oldest")), "a");
        let Newer::Found(newer) = files.newer_than(&middle).expect("newer") else {
            panic!("nothing newer than the middle")
        };
        assert_eq!(text(Some(newer)), "c");
        assert!(matches!(files.newer_than(&newest), Ok(Newer::NotYet)));
    }

    #[test]
    fn a_file_that_moved_after_it_was_listed_is_not_taken_for_its_successor() {
        let mut log = Rotation::new(5);
        let files = three_files(&mut log);
        let listing = files.list().expect("list");
        log.rotate();
        for listed in listing {
            assert!(files.open_listed(listed).expect("open").is_none(), "{listed:?}");
        }
    }

    #[test]
    fn missing_backups_do_not_hide_older_ones() {
        let mut log = Rotation::new(5);
        let files = three_files(&mut log);
        fs::remove_file(log.backup(1)).expect("remove");
        let newest = files.newest().expect("newest").expect("a file");
        assert_eq!(text(files.older_than(&newest).expect("older")), "a");
    }

    #[test]
    fn a_deleted_or_renamed_file_has_left_the_log() {
        let mut log = Rotation::new(5);
        let files = three_files(&mut log);
        let oldest = files.oldest().expect("oldest").expect("a file");
        let newest = files.newest().expect("newest").expect("a file");
        fs::remove_file(log.backup(2)).expect("remove");
        fs::rename(log.path(), log.path().with_extension("old")).expect("rename");
        assert!(matches!(files.newer_than(&oldest), Ok(Newer::Left)));
        assert!(matches!(files.newer_than(&newest), Ok(Newer::Left)));
    }

    #[test]
    fn directories_among_the_backups_are_passed_over() {
        let mut log = Rotation::new(5);
        let files = three_files(&mut log);
        fs::create_dir(log.backup(3)).expect("create");
        assert_eq!(text(files.oldest().expect("oldest")), "a");
    }
}
