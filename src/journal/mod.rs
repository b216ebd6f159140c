//! The journal: what is about to be written to the log files, noted before it is written.
//!
//! A file in the queue directory. Its two slots are written in turn, each with a number and a
//! checksum, so that a note cut short by a kill leaves the one before it. The newest note is either
//! *begun*, and then some bytes of its batch may be in the files, or *done*. A note has an entry for
//! each log file; behind the slots two tables hold their paths, and the note says which of them is
//! meant: where the log files are others than before, the other table is filled before the next note.

mod note;
mod table;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use self::note::{Note, SLOT_BYTES, State};
use self::table::TABLE_BYTES;
use crate::fault;
use crate::regular_file;
use crate::rotation::Segment;

/// Most log files of one batch, those that are no target of a route among them in any case.
pub(crate) const MAX_FILES: usize = 16;

const TABLES_AT: usize = 4096;

const _: () = assert!(2 * SLOT_BYTES <= TABLES_AT);

/// The journal of the listener that has the lock of its queue.
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    /// Number of the newest note.
    number: u64,
    /// Number of the last batch.
    batch: u64,
    /// The table of the newest note, which must not be touched.
    noted_table: u32,
    /// The table of the next note.
    table: u32,
}

/// A batch of which it is not known whether all of it is in the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unresolved {
    pub(crate) batch: u64,
    pub(crate) files: Vec<LeftFile>,
}

/// A log file that notes are about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedFile<'p> {
    pub(crate) path: &'p Path,
    /// Whether records chose the path.
    pub(crate) is_routed: bool,
}

/// A log file of a listener that was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftFile {
    pub(crate) path: PathBuf,
    pub(crate) is_routed: bool,
    pub(crate) entry: Entry,
}

/// What a log file has of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Nothing.
    Untouched,
    /// As much of this segment as could be written.
    Begun(Segment),
    /// All of it.
    Complete,
}

impl Journal {
    /// Opens the journal in `queue`, or makes one, and tells what the listener before left unresolved.
    pub(crate) fn open(queue: &Path) -> io::Result<(Journal, Option<Unresolved>)> {
        let path = path_in(queue);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = regular_file::open(&path, &mut options)?;
        let newest = newest_note(&file)?;
        let unresolved = newest.as_ref().map(|note| unresolved(&file, note)).transpose()?.flatten();
        let (number, batch, table) = match newest {
            Some(note) => (note.number, note.batch, note.table),
            None => (0, unused_batch(), 0),
        };
        let journal = Journal { file, path, number, batch, noted_table: table, table };
        Ok((journal, unresolved))
    }

    /// What the journal in `queue` says is unresolved. Where there is none, nothing is.
    pub(crate) fn look(queue: &Path) -> io::Result<Option<Unresolved>> {
        let file = match regular_file::open(&path_in(queue), OpenOptions::new().read(true)) {
            Err(error) if regular_file::is_missing(&error) => return Ok(None),
            opened => opened?,
        };
        match newest_note(&file)? {
            Some(note) => unresolved(&file, &note),
            None => Ok(None),
        }
    }

    /// Names the log files that the entries of all notes from the next on are about, in their order.
    pub(crate) fn name_files(&mut self, files: &[NamedFile<'_>]) -> io::Result<()> {
        let table = 1 - self.noted_table;
        self.file.write_all_at(&table::encode(files)?, table_offset(table))?;
        self.table = table;
        fault::point("after-names");
        Ok(())
    }

    /// Notes what the next batch is about to write; its number.
    pub(crate) fn begin(&mut self, entries: &[Entry]) -> io::Result<u64> {
        self.batch += 1;
        self.note(State::Begun, entries).inspect_err(|_| self.batch -= 1)?;
        Ok(self.batch)
    }

    /// Notes anew what is about to be written of the last batch, because that has changed.
    pub(crate) fn begin_again(&mut self, entries: &[Entry]) -> io::Result<u64> {
        self.note(State::Begun, entries)?;
        Ok(self.batch)
    }

    /// Notes that the last batch is in the files and given up by the lanes.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.note(State::Done, &[])
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the slot that does not hold the newest note.
    fn note(&mut self, state: State, entries: &[Entry]) -> io::Result<()> {
        let number = self.number + 1;
        let (batch, table) = (self.batch, self.table);
        let note = Note { state, number, batch, table, entries: entries.to_vec() };
        self.file.write_all_at(&note.encode(), number % 2 * SLOT_BYTES as u64)?;
        (self.number, self.noted_table) = (number, table);
        Ok(())
    }
}

/// Where the journal of `queue` is.
pub(crate) fn path_in(queue: &Path) -> PathBuf {
    queue.join("journal")
}

/// A number that no lane has from a journal that was deleted.
fn unused_batch() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.ok().and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

fn table_offset(table: u32) -> u64 {
    (TABLES_AT + table as usize * TABLE_BYTES) as u64
}

fn newest_note(file: &File) -> io::Result<Option<Note>> {
    let slots = read_up_to(file, 0, 2 * SLOT_BYTES)?;
    let notes = slots.as_chunks().0.iter().filter_map(Note::decode);
    Ok(notes.filter(|note| note.table < 2).max_by_key(|note| note.number))
}

fn unresolved(file: &File, note: &Note) -> io::Result<Option<Unresolved>> {
    if note.state == State::Done {
        return Ok(None);
    }
    let paths = table::decode(&read_up_to(file, table_offset(note.table), TABLE_BYTES)?);
    let entries = note.entries.iter().copied();
    let files = paths.unwrap_or_default().into_iter().zip(entries);
    let files =
        files.map(|((path, is_routed), entry)| LeftFile { path, is_routed, entry }).collect();
    Ok(Some(Unresolved { batch: note.batch, files }))
}

/// The bytes at `offset`, fewer where the file ends.
fn read_up_to(file: &File, offset: u64, max_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; max_bytes];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 2] = ["/logs/one", "/logs/two"];

    fn begun(offset: u64) -> Entry {
        Entry::Begun(Segment { device: 1, inode: 2, birth_ns: 3, offset, length: 5, head: 6 })
    }

    fn of(path: &str, is_routed: bool) -> NamedFile<'_> {
        NamedFile { path: Path::new(path), is_routed }
    }

    fn named(directory: &tempfile::TempDir) -> Journal {
        let (mut journal, _) = Journal::open(directory.path()).unwrap();
        journal.name_files(&[of(PATHS[0], false), of(PATHS[1], true)]).unwrap();
        journal
    }

    fn reopened(directory: &tempfile::TempDir) -> Option<Unresolved> {
        let unresolved = Journal::open(directory.path()).unwrap().1;
        assert_eq!(Journal::look(directory.path()).unwrap(), unresolved);
        unresolved
    }

    fn entries(unresolved: &Unresolved) -> Vec<Entry> {
        unresolved.files.iter().map(|file| file.entry).collect()
    }

    #[test]
    fn a_begun_batch_is_unresolved_until_it_is_done() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Journal::look(directory.path()).unwrap(), None);
        let mut journal = named(&directory);
        assert_eq!(reopened(&directory), None);
        for _ in 0..3 {
            let batch = journal.begin(&[begun(1), Entry::Untouched]).unwrap();
            let left = reopened(&directory).unwrap();
            assert_eq!((left.batch, entries(&left)), (batch, vec![begun(1), Entry::Untouched]));
            assert_eq!(left.files[1].path, Path::new(PATHS[1]));
            assert_eq!([0, 1].map(|index: usize| left.files[index].is_routed), [false, true]);
            assert_eq!(journal.begin_again(&[Entry::Complete, begun(9)]).unwrap(), batch);
            assert_eq!(entries(&reopened(&directory).unwrap()), [Entry::Complete, begun(9)]);
            journal.end().unwrap();
            assert_eq!(reopened(&directory), None);
        }
        let (mut journal, before) = (Journal::open(directory.path()).unwrap().0, journal.batch);
        assert_eq!(journal.begin(&[]).unwrap(), before + 1);
    }

    #[test]
    fn a_note_cut_short_leaves_the_one_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = named(&directory);
        journal.begin(&[begun(0)]).unwrap();
        let before = reopened(&directory);
        journal.begin_again(&[begun(7), begun(8)]).unwrap();
        let slot = (journal.number % 2) as usize * SLOT_BYTES;
        let whole = std::fs::read(journal.path()).unwrap();
        for byte in 0..SLOT_BYTES {
            let mut torn = whole.clone();
            torn[slot + byte] ^= 0x55;
            std::fs::write(journal.path(), &torn).unwrap();
            let found = reopened(&directory);
            // Behind the checksum nothing is of meaning.
            assert!(found == before || byte >= 32 + 2 * 48 + 8, "byte {byte}");
        }
    }

    #[test]
    fn other_log_files_are_named_without_touching_what_the_last_note_says() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = named(&directory);
        journal.begin(&[begun(1), begun(2)]).unwrap();
        let before = reopened(&directory);
        let (mut journal, _) = Journal::open(directory.path()).unwrap();
        for _ in 0..2 {
            journal.name_files(&[of("/elsewhere", false)]).unwrap();
            assert_eq!(reopened(&directory), before);
        }
        journal.begin_again(&[begun(3)]).unwrap();
        let left = reopened(&directory).unwrap();
        assert_eq!((left.batch, &*left.files[0].path), (journal.batch, Path::new("/elsewhere")));
    }

    #[test]
    fn a_journal_of_any_length_and_content_can_be_opened() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = named(&directory);
        journal.begin(&[begun(1)]).unwrap();
        let whole = std::fs::read(journal.path()).unwrap();
        for length in [0, 1, SLOT_BYTES, 2 * SLOT_BYTES, TABLES_AT + 3, whole.len() - 1] {
            std::fs::write(journal.path(), &whole[..length]).unwrap();
            assert!(reopened(&directory).is_none_or(|left| left.files.is_empty()), "{length}");
        }
    }

    #[test]
    fn a_new_journal_does_not_use_the_batch_numbers_of_a_deleted_one() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = named(&directory);
        let before = (0..100).map(|_| journal.begin(&[]).unwrap()).max().unwrap();
        std::fs::remove_file(journal.path()).unwrap();
        assert!(named(&directory).begin(&[]).unwrap() > before);
    }
}
