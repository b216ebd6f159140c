//! The records of several logs in one order of time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::form::Forms;
use super::query::Query;
use super::source::{DISORDER_NS, Give, Source, Step, open_since};
use super::unended::{Unended, unended};
use super::{ReadBytes, Tail, TailError};
use crate::log_files::LogFiles;
use crate::record::now_ns;
use crate::{Level, Record};

/// The most logs that are read at once. Each takes up to five descriptors and half a MiB.
pub const MAX_LOGS: usize = 200;

/// To find the last records that are wanted, so many lines are looked at first, and then each time so many
/// times more.
const FIRST_LINES: u64 = 1000;
const MORE_LINES: u64 = 8;

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first record that is wanted.
    First,
    /// With so many of the last records that are wanted now.
    Last(u64),
}

/// Reads records of logs, those that a query wants: first those that are there, then what is added.
///
/// Each log is read in the order in which it stands, each record once, across rotation, truncation and
/// compression, as by [`Tail`]. Several logs are merged by the times of their records, as far as these had been
/// written when the reader came to the end of its log.
///
/// A record is a line with all that follow it and begin with a TAB, or have no form of a record where those
/// before have one: so tracebacks stay with their record, whoever wrote them.
///
/// Memory is bounded by the number of logs and the longest record, at most 8 MiB; the rest of a longer one is
/// given by itself. Of backups compressed by zstd a frame is in memory, of 1 MiB as logs write them and 8 MiB at
/// most; others are decompressed to a temporary file, one of each log at a time. A query with a beginning
/// ([`Query::since`]) reads from the file on in which it lies, which is found by the first times of all; within
/// a file it is searched.
///
/// ```
/// use logboom::Level;
/// use logboom::tail::{Found, Query, Reader, Start};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("app.log");
/// std::fs::write(&path, "2026-11-22 04:48:23,123 api-1      web INFO     started\n\
///                        2026-11-22 04:48:24,007 api-1      web ERROR    failed\n\tby a timeout\n")?;
/// let mut reader = Reader::open([path], Query::new().level(Level::ERROR), Start::First)?;
/// let mut messages = Vec::new();
/// while reader.advance()? != Found::Idle {
///     reader.with_record(|record| messages.push(record.message.to_string()));
/// }
/// assert_eq!(messages, ["failed\nby a timeout"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    sources: Vec<Source>,
    query: Query,
    give: Give,
    /// So many wanted records come before the first that is given.
    skipped_records: u64,
    /// Whose head was given last.
    current: Option<usize>,
}

/// What a reader came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Found {
    /// A record.
    Record,
    /// The rest of the record that was found last of its log: its writer was not done with it, or it is
    /// longer than what is kept of one.
    Rest,
    /// Records may be missing here, as [`Progress::Skipped`](super::Progress::Skipped) says.
    Skipped,
    /// Everything was read. Ask again when some time has passed.
    Idle,
}

impl Reader {
    /// Opens logs, by the paths of their current files, to read them to their ends.
    ///
    /// Where the last line of a log has no newline, it waits until somebody ends it, for 200 ms at most for
    /// all logs together. Where nobody does, and nobody writes more, it is a line as it is; what is added to it
    /// later is a line by itself.
    ///
    /// # Errors
    /// [`TailError::Missing`] where nothing was logged yet; see [`following`](Self::following), whose errors there
    /// are as well.
    pub fn open(
        paths: impl IntoIterator<Item = PathBuf>,
        query: Query,
        start: Start,
    ) -> Result<Reader, TailError> {
        let paths = checked(paths, &query)?;
        let unended = unended(&paths)?;
        let missing = |path| Err(TailError::Missing { path });
        Reader::new(paths.into_iter().zip(unended), query, start, missing)
    }

    /// Opens logs that need not exist yet, to read on what is added. A line is given when its newline is
    /// written.
    ///
    /// # Errors
    /// A file cannot be read, or a pattern that was named does not tell what the query asks.
    pub fn following(
        paths: impl IntoIterator<Item = PathBuf>,
        query: Query,
        start: Start,
    ) -> Result<Reader, TailError> {
        let logs = checked(paths, &query)?.into_iter().map(|path| (path, None));
        Reader::new(logs, query, start, |path| Ok(Tail::awaiting(path)))
    }

    /// Gives the records too that are not wanted, and tells which are ([`is_wanted`](Self::is_wanted)).
    pub fn with_others(mut self) -> Reader {
        self.give = Give::All;
        self.sources.iter_mut().for_each(Source::look_at_all);
        self
    }

    fn new(
        logs: impl IntoIterator<Item = Log>,
        query: Query,
        start: Start,
        missing: impl Fn(PathBuf) -> Result<Tail, TailError>,
    ) -> Result<Reader, TailError> {
        let (mut sources, mut count) = (Vec::new(), 0);
        for log in logs {
            let (source, wanted) = match open(&log, &query, start) {
                Err(TailError::Missing { path }) => (Source::new(missing(path)?, &query)?, 0),
                opened => opened?,
            };
            sources.push(source);
            count += wanted;
        }
        if sources.len() > 1 {
            sources.iter_mut().for_each(Source::tell_time);
        }
        let skipped_records = match start {
            Start::First => 0,
            Start::Last(last) => count.saturating_sub(last),
        };
        Ok(Reader { sources, query, give: Give::Wanted, skipped_records, current: None })
    }

    /// Reads one more log, from its first record on; it need not exist yet. Call it when the reader
    /// [idles](Found::Idle): what was given of other logs by then stands before older records of this one.
    ///
    /// # Errors
    /// As for [`following`](Self::following). The reader goes on without the log.
    pub fn add(&mut self, path: &Path) -> Result<(), TailError> {
        limited(self.sources.len() + 1)?;
        let log = (path.to_owned(), None);
        let mut source = match open(&log, &self.query, Start::First) {
            Err(TailError::Missing { path }) => Source::new(Tail::awaiting(path), &self.query)?,
            opened => opened?.0,
        };
        if self.give == Give::All {
            source.look_at_all();
        }
        self.sources.push(source);
        self.sources.iter_mut().for_each(Source::tell_time);
        Ok(())
    }

    /// Goes to the next record. Does not wait for records to be written.
    ///
    /// # Errors
    /// A file cannot be opened or read: calling again tries again. Or the lines of a log do not tell what the
    /// query asks ([`TailError::is_unanswered`]), which is said once of each log: calling again goes on.
    pub fn advance(&mut self) -> Result<Found, TailError> {
        loop {
            let found = self.advance_once()?;
            if found != Found::Record || self.skipped_records == 0 || !self.is_wanted() {
                return Ok(found);
            }
            self.skipped_records -= 1;
            let skipped = self.current.and_then(|at| self.sources.get_mut(at));
            skipped.into_iter().for_each(Source::refuse);
            // One that is not shown for itself may still stand before one that is.
            if self.give == Give::All {
                return Ok(found);
            }
        }
    }

    fn advance_once(&mut self) -> Result<Found, TailError> {
        if let Some(last) = self.current.take().and_then(|at| self.sources.get_mut(at)) {
            last.release();
        }
        for (at, source) in self.sources.iter_mut().enumerate() {
            if source.rests || source.head().is_some() {
                continue;
            }
            match source.advance(&self.query, self.give)? {
                Step::Head => {}
                Step::Idle => source.rests = true,
                Step::Skipped => {
                    self.current = Some(at);
                    return Ok(Found::Skipped);
                }
            }
        }
        let heads = self.sources.iter().enumerate().filter_map(|(at, s)| Some((at, s.head()?)));
        // Of equal times, what comes late of a record goes first, else the order is that of the logs.
        let first = heads.min_by_key(|(at, head)| (head.time_ns, !head.is_rest, *at));
        Ok(match first {
            Some((at, head)) => {
                let found = if head.is_rest { Found::Rest } else { Found::Record };
                self.current = Some(at);
                found
            }
            None => {
                self.sources.iter_mut().for_each(|source| source.rests = false);
                Found::Idle
            }
        })
    }

    /// The text of the record as it stands in the log, with its newlines. Of a longer one than 8 MiB the
    /// beginning.
    pub fn text(&self) -> &[u8] {
        let source = self.current.and_then(|at| self.sources.get(at));
        source.and_then(|source| Some(source.text(source.head()?))).unwrap_or_default()
    }

    /// Whether the query wants the record.
    pub fn is_wanted(&self) -> bool {
        let source = self.current.and_then(|at| self.sources.get(at));
        source.and_then(Source::head).is_some_and(|head| head.is_wanted)
    }

    /// The log of the record, or the one of which some are missing.
    pub fn path(&self) -> Option<&Path> {
        Some(self.sources.get(self.current?)?.tail().path())
    }

    /// The level of the record, if its line tells one.
    pub fn level(&mut self) -> Option<Level> {
        let (text, forms) = self.sources.get_mut(self.current?)?.parts();
        let text = String::from_utf8_lossy(text);
        forms.read(&text).filter(|read| read.has_level).map(|read| read.record.level)
    }

    /// Whether the record is of a form that is known.
    pub fn is_known(&mut self) -> bool {
        let source = self.current.and_then(|at| self.sources.get_mut(at));
        source.is_some_and(|source| source.forms().is_known())
    }

    /// Whether the record is an object of JSON or a line of logfmt, and no text for people.
    pub fn is_structured(&mut self) -> bool {
        let source = self.current.and_then(|at| self.sources.get_mut(at));
        source.is_some_and(|source| source.forms().is_structured())
    }

    /// What the record says. Where its form is not known, it has its text as message, no level, and the time
    /// of the record before it, if logs are merged.
    pub fn with_record<T>(&mut self, use_it: impl FnOnce(&Record<'_>) -> T) -> Option<T> {
        let source = self.sources.get_mut(self.current?)?;
        let time_ns = source.head()?.time_ns.max(0);
        let (text, forms) = source.parts();
        let text = String::from_utf8_lossy(text);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let read = forms.read(text).unwrap_or_else(|| {
            let mut read = Forms::bare(text);
            read.record.time_ns = time_ns;
            read
        });
        Some(use_it(&read.record))
    }

    /// How much of all logs was read. Looks into their directories.
    ///
    /// # Errors
    /// A file or a directory cannot be looked at.
    pub fn read_bytes(&self) -> Result<ReadBytes, TailError> {
        let mut sum = ReadBytes::default();
        for source in &self.sources {
            let ReadBytes { read, total } = source.tail().read_bytes()?;
            (sum.read, sum.total) = (sum.read + read, sum.total + total);
        }
        Ok(sum)
    }

    /// Whether nothing will be written any more that is wanted: a minute ago by the clock, or by the records
    /// of all logs, the end of the time that is asked for has been passed. To be asked at [`Found::Idle`],
    /// for what was written before may not be read yet.
    pub fn is_past(&self) -> bool {
        let is_past = |until_ns: i64| until_ns.saturating_add(DISORDER_NS) < now_ns();
        self.query.until_ns().is_some_and(is_past)
            || !self.sources.is_empty() && self.sources.iter().all(Source::is_past)
    }

    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }
}

fn limited(logs: usize) -> Result<(), TailError> {
    if logs > MAX_LOGS { Err(TailError::TooManyLogs) } else { Ok(()) }
}

/// The paths, where there are not too many and the query can be asked: known before anything is read, and
/// where there is no log yet.
fn checked(
    paths: impl IntoIterator<Item = PathBuf>,
    query: &Query,
) -> Result<Vec<PathBuf>, TailError> {
    let paths: Vec<_> = paths.into_iter().take(MAX_LOGS + 1).collect();
    limited(paths.len())?;
    query.forms()?;
    Ok(paths)
}

/// The path of a log, and its newest file if the last line of that is unended.
type Log = (PathBuf, Option<Arc<Unended>>);

/// Opens a log, and counts the records that are wanted from there on, as far as they are counted.
fn open((path, unended): &Log, query: &Query, start: Start) -> Result<(Source, u64), TailError> {
    let source = |tail: Tail| Source::new(tail.with_unended(unended.clone()), query);
    let wanted = match start {
        Start::First => u64::MAX,
        Start::Last(records) => records,
    };
    if let Some(since_ns) = query.since_ns() {
        let files = LogFiles::new(path.to_owned());
        let missing = || TailError::Missing { path: path.to_owned() };
        let tail = open_since(files, since_ns, &mut query.forms()?)?.ok_or_else(missing)?;
        let source = source(tail)?;
        let count = if start == Start::First { 0 } else { count(&source, query)? };
        return Ok((source, count));
    }
    let mut lines = match start {
        Start::First => u64::MAX,
        Start::Last(records) if query.has_tests() => FIRST_LINES.max(records),
        // Mostly these are lines, and no older file needs to be opened, or decompressed.
        Start::Last(records) => records,
    };
    loop {
        let source = source(Tail::open(path, lines)?)?;
        if start == Start::First {
            return Ok((source, 0));
        }
        let found = count(&source, query)?;
        if found >= wanted || source.tail().is_at_beginning() {
            return Ok((source, found));
        }
        lines = lines.saturating_mul(MORE_LINES);
    }
}

/// How many records are wanted from here on.
fn count(source: &Source, query: &Query) -> Result<u64, TailError> {
    let (mut source, mut count) = (source.try_clone()?, 0);
    loop {
        match source.advance(query, Give::Wanted) {
            Ok(Step::Head) => count += u64::from(source.head().is_some_and(|head| !head.is_rest)),
            Ok(Step::Skipped) => {}
            Ok(Step::Idle) => return Ok(count),
            // Said when they are read to be given.
            Err(error) if error.is_unanswered() => {}
            Err(error) => return Err(error),
        }
    }
}
