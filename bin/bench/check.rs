//! Whether every record is in the log, exactly once.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::record::{BETWEEN, LOGGER, Request, TIME_BYTES, constant_message, worker_name};

/// Longest line that is looked at as a whole: the largest record and some more.
const MAX_LINE_BYTES: u64 = 256 * 1024;

/// How much is read between two questions whether to go on.
const ASK_EACH_BYTES: u64 = 1 << 20;

/// What the messages of a run are.
#[derive(Clone, Copy)]
pub(crate) enum Expected<'a> {
    /// With the index of the record: each is found one by one.
    Indexed,
    /// The same for all: they can only be counted.
    Same(&'a str),
}

impl Expected<'_> {
    /// The message without arguments.
    pub(crate) const CONSTANT: Expected<'static> = Expected::Same(constant_message!());
}

/// What is in the files of a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Records that are there, each counted once.
    pub(crate) records: u64,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// Lines that are no record of this run, such as a warning of logboom's own.
    pub(crate) others: u64,
    /// The first of them.
    pub(crate) other: Option<String>,
}

/// The files of a log that are there: the current one and its backups.
pub(crate) fn files_of(log: &Path) -> Vec<PathBuf> {
    let backup = |number: u32| PathBuf::from(format!("{}.{number}", log.display()));
    let backups = (1..).map(backup).take_while(|path| path.exists());
    backups.chain([log.to_owned()]).collect()
}

/// The records of a run that were seen.
struct Seen<'a> {
    expected: Expected<'a>,
    /// Of one worker.
    records: u64,
    workers: Vec<Worker>,
    found: Found,
}

#[derive(Default)]
struct Worker {
    count: u64,
    /// A bit for each index.
    indices: Vec<u64>,
}

/// Reads `files` and checks that there are `records` of each of `workers` in them, no record twice.
/// `go_on` is asked again and again; what it fails with ends the check.
///
/// # Errors
/// A record is missing, doubled, or not one that was logged; a file cannot be read.
pub(crate) fn check(
    files: &[PathBuf],
    workers: u32,
    records: u64,
    expected: Expected<'_>,
    mut go_on: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Found> {
    let workers = (0..workers).map(|_| Worker::default()).collect();
    let mut seen = Seen { expected, records, workers, found: Found::default() };
    let (mut line, mut ask_at) = (Vec::new(), ASK_EACH_BYTES);
    for path in files {
        let reading = || format!("cannot read {}", path.display());
        let mut reader = BufReader::with_capacity(1 << 16, File::open(path).with_context(reading)?);
        while read_line(&mut reader, &mut line).with_context(reading)? {
            seen.found.bytes += line.len() as u64;
            if seen.found.bytes >= ask_at {
                go_on()?;
                ask_at = seen.found.bytes + ASK_EACH_BYTES;
            }
            seen.take(&line).with_context(|| format!("{} is not whole", path.display()))?;
        }
        seen.found.files += 1;
    }
    seen.count()
}

fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    reader.take(MAX_LINE_BYTES).read_until(b'\n', line)?;
    Ok(!line.is_empty())
}

impl Seen<'_> {
    fn take(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let line = String::from_utf8_lossy(line);
        let Some((worker, message)) =
            line.get(TIME_BYTES..).and_then(|rest| rest.split_once(BETWEEN))
        else {
            if line.contains(LOGGER) {
                bail!("a line is torn: {}", line.trim_end());
            }
            self.found.others += 1;
            self.found.other.get_or_insert_with(|| line.trim_end().to_owned());
            return Ok(());
        };
        let number = worker.strip_prefix("worker-").and_then(|number| number.parse().ok());
        let Some(number) = number.filter(|number| (*number as usize) < self.workers.len()) else {
            bail!("there is no worker `{worker}`");
        };
        let worker = &mut self.workers[number as usize];
        let whole = match self.expected {
            Expected::Same(text) => message.strip_suffix('\n') == Some(text),
            Expected::Indexed => worker.mark(number, message, self.records)?,
        };
        if !whole {
            bail!("this is not what was logged: {}", line.trim_end());
        }
        worker.count += 1;
        Ok(())
    }

    fn count(mut self) -> anyhow::Result<Found> {
        for (number, worker) in self.workers.iter().enumerate() {
            if worker.count != self.records {
                bail!(
                    "{} has {} records in the log instead of {}",
                    worker_name(number as u32),
                    worker.count,
                    self.records
                );
            }
            self.found.records += worker.count;
        }
        Ok(self.found)
    }
}

impl Worker {
    /// Notes the index in a message; false where the message is not that of this index.
    fn mark(&mut self, number: u32, message: &str, records: u64) -> anyhow::Result<bool> {
        let rest = message.split_once(" request ").map_or("", |(_, rest)| rest);
        let digits = rest.split_once(' ').map_or("", |(digits, _)| digits);
        let Some(index) = digits.parse().ok().filter(|index| *index < records) else {
            return Ok(false);
        };
        let Request { item, status, bytes } = Request::new(index);
        let expected = format!(
            "worker {number} handled request {index} for /api/v1/items/{item} \
             status={status} bytes={bytes} in 1.234ms\n"
        );
        let (word, bit) = ((index / 64) as usize, 1 << (index % 64));
        if self.indices.is_empty() {
            self.indices = vec![0; records.div_ceil(64) as usize];
        }
        if self.indices[word] & bit != 0 {
            bail!("record {index} of {} is there twice", worker_name(number));
        }
        self.indices[word] |= bit;
        Ok(message == expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "2026-11-22 04:48:23,123 worker-1 bench.worker INFO worker 1 handled request \
                        2 for /api/v1/items/15838 status=200 bytes=1062 in 1.234ms\n";

    /// Checks a log of these lines for one record, number 2 of 3, of worker 1 of 2.
    fn outcome(text: &str) -> Result<Found, String> {
        let mut seen = Seen {
            expected: Expected::Indexed,
            records: 3,
            workers: vec![Worker::default(), Worker::default()],
            found: Found::default(),
        };
        for line in text.split_inclusive('\n') {
            seen.take(line.as_bytes()).map_err(|error| error.to_string())?;
        }
        assert_eq!(seen.workers[1].count, 1);
        Ok(seen.found)
    }

    #[test]
    fn a_line_is_the_one_that_was_logged_or_the_log_is_not_whole() {
        let other = "2026-11-22 04:48:23,123 worker-1 logboom WARNING a word of its own\n";
        let found = outcome(&format!("{other}{LINE}")).unwrap();
        assert_eq!((found.others, found.other.as_deref()), (1, Some(other.trim_end())));
        for (broken, reason) in [
            (LINE.repeat(2), "record 2 of worker-1 is there twice"),
            (LINE.replace("request 2", "request 3"), "this is not what was logged"),
            (LINE.replace("bytes=1062", "bytes=1063"), "this is not what was logged"),
            (LINE.replace("worker-1", "worker-2"), "there is no worker `worker-2`"),
            (LINE[30..].to_owned(), "a line is torn"),
            (LINE[..LINE.len() - 1].to_owned(), "this is not what was logged"),
        ] {
            let error = outcome(&broken).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn a_record_that_is_missing_is_missed() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let line = |index| {
            let Request { item, bytes, .. } = Request::new(index);
            format!(
                "2026-11-22 04:48:23,123 worker-0 bench.worker INFO worker 0 handled request {index} \
                 for /api/v1/items/{item} status=200 bytes={bytes} in 1.234ms\n"
            )
        };
        std::fs::write(directory.path().join("log.1"), line(1)).unwrap();
        std::fs::write(&log, line(0)).unwrap();
        let check = |records| check(&files_of(&log), 1, records, Expected::Indexed, || Ok(()));
        let found = check(2).unwrap();
        assert_eq!((found.records, found.files), (2, 2));
        let error = check(3).unwrap_err().to_string();
        assert_eq!(error, "worker-0 has 2 records in the log instead of 3");
        std::fs::remove_file(directory.path().join("log.1")).unwrap();
        assert!(check(2).is_err());
    }
}
