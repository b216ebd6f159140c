//! Last lines that lack their newline.
//!
//! Somebody may be amid such a line, for file systems show parts of a write; or nobody goes on with it: its
//! writer was killed, or never ends the last line of a file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::TailError;
use super::lines::{BLOCK_BYTES, append_block};
use crate::log_files::{LogFile, LogFiles, Text};

/// So long the last lines of all logs together may take to become whole.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);

/// How often they are looked at meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A file that nobody goes on with, although its last line has no newline.
#[derive(Debug)]
pub(super) struct Unended {
    file: LogFile,
    len: u64,
}

/// A last line that had no newline when it was looked at first.
struct Candidate {
    unended: Unended,
    text: Text,
}

impl Unended {
    /// Length of the file, if it is this one.
    pub(super) fn len_of(&self, file: &LogFile) -> io::Result<Option<u64>> {
        Ok(self.file.is(file)?.then_some(self.len))
    }
}

/// The newest files of these logs, as far as their last lines are unended. Waits until somebody ends them,
/// for [`PATIENCE`] at most, and not at all where each line has its newline.
pub(super) fn unended(paths: &[PathBuf]) -> Result<Vec<Option<Arc<Unended>>>, TailError> {
    let mut candidates = paths.iter().map(|path| look_at(path)).collect::<Result<Vec<_>, _>>()?;
    let looked_at = Instant::now();
    while candidates.iter().any(Option::is_some) && looked_at.elapsed() < PATIENCE {
        thread::sleep(LOOK_INTERVAL);
        retain(&mut candidates, paths, Candidate::waits)?;
    }
    // Whoever has written more will write the rest as well.
    retain(&mut candidates, paths, Candidate::is_as_before)?;
    let unended = |candidate: Candidate| Arc::new(candidate.unended);
    Ok(candidates.into_iter().map(|candidate| candidate.map(unended)).collect())
}

fn look_at(path: &Path) -> Result<Option<Candidate>, TailError> {
    let files = LogFiles::new(path.to_owned());
    let Some(file) = files.newest()? else { return Ok(None) };
    let mut text = file.open_text()?;
    let len = end_without_newline(&mut text).map_err(|error| files.read_error(error))?;
    Ok(len.map(|len| Candidate { unended: Unended { file, len }, text }))
}

/// Length of the text if its last line has no newline.
fn end_without_newline(text: &mut Text) -> io::Result<Option<u64>> {
    let (len, mut last) = (text.len()?, Vec::new());
    append_block(text, len.saturating_sub(1), 1, &mut last)?;
    Ok((last.first().is_some_and(|byte| *byte != b'\n')).then_some(len))
}

fn retain(
    candidates: &mut [Option<Candidate>],
    paths: &[PathBuf],
    stays: impl Fn(&mut Candidate) -> io::Result<bool>,
) -> Result<(), TailError> {
    for (found, path) in candidates.iter_mut().zip(paths) {
        let Some(candidate) = found else { continue };
        let cannot = |source| TailError::Io { operation: "read", path: path.clone(), source };
        if !stays(candidate).map_err(cannot)? {
            *found = None;
        }
    }
    Ok(())
}

impl Candidate {
    /// Whether it was neither ended by now nor taken back.
    fn waits(&mut self) -> io::Result<bool> {
        let mut added = Vec::new();
        append_block(&mut self.text, self.unended.len, BLOCK_BYTES as u64, &mut added)?;
        Ok(self.text.len()? >= self.unended.len && memchr::memchr(b'\n', &added).is_none())
    }

    fn is_as_before(&mut self) -> io::Result<bool> {
        Ok(end_without_newline(&mut self.text)? == Some(self.unended.len))
    }
}
