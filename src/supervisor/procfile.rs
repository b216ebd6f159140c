//! Procfiles: one worker in each line, as Foreman has them (ddollar.github.io/foreman, "Procfile").

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::command::is_plain_name;
use crate::worker_settings::WorkerSettings;

/// Most bytes of a Procfile or a file of variables that are read.
pub(super) const MAX_FILE_BYTES: usize = 1 << 20;

/// What some editors begin a file of UTF-8 with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a Procfile, or a file of variables, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerFileError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It has more bytes than are read.
    #[error("{path} has more than {MAX_FILE_BYTES} bytes: it has to be smaller")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A Procfile names no worker.
    #[error("{path} has no worker: write a line such as `web: ./server`")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A line makes no sense.
    #[error("{path}:{line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What was expected.
        reason: &'static str,
    },
}

/// Reads the workers of a Procfile: lines such as `web: ./server --port 80`. Empty lines, and those
/// that begin with `#`, are passed over.
///
/// # Errors
/// The file cannot be read, is too large or has no worker, or a line is none, or has the name of another.
pub fn read_procfile(path: &Path) -> Result<Vec<(String, WorkerSettings)>, WorkerFileError> {
    let text = read(path)?;
    let mut workers: Vec<(String, WorkerSettings)> = Vec::new();
    for (number, line) in lines(&text) {
        let problem =
            |reason| WorkerFileError::Line { path: path.to_owned(), line: number, reason };
        let (name, command) = line
            .split_once(':')
            .ok_or_else(|| problem("expected a line such as `web: ./server`"))?;
        let command = command.trim();
        if !is_plain_name(name) {
            return Err(problem("the name has to be of letters, digits, `-`, `_` or `.`"));
        }
        if command.is_empty() {
            return Err(problem("there is no command behind the name"));
        }
        if workers.iter().any(|(known, _)| known == name) {
            return Err(problem("an earlier line has this name"));
        }
        workers.push((name.to_owned(), WorkerSettings::new(command)));
    }
    if workers.is_empty() {
        return Err(WorkerFileError::Empty { path: path.to_owned() });
    }
    Ok(workers)
}

/// The lines that say something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, WorkerFileError> {
    let io = |source| WorkerFileError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let limit = MAX_FILE_BYTES as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(io)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(WorkerFileError::TooLarge { path: path.to_owned() });
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        WorkerFileError::Line { path: path.to_owned(), line, reason: "this is no UTF-8" }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read_text(text: &[u8]) -> Result<Vec<(String, String)>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("Procfile");
        fs::write(&path, text).unwrap();
        let command = |(name, settings): (String, WorkerSettings)| (name, settings.command);
        match read_procfile(&path) {
            Ok(workers) => Ok(workers.into_iter().map(command).collect()),
            Err(error) => {
                Err(error.to_string().strip_prefix(path.to_str().unwrap()).unwrap().to_owned())
            }
        }
    }

    #[test]
    fn each_line_is_a_worker() {
        let text =
            b"# what runs\nweb: ./server --port 80 # :)\r\n\njob.two:./job: all\n   a-b_c:  x\n";
        let expected =
            [("web", "./server --port 80 # :)"), ("job.two", "./job: all"), ("a-b_c", "x")];
        let expected = expected.map(|(name, command)| (name.to_owned(), command.to_owned()));
        assert_eq!(read_text(text).unwrap(), expected);
        let marked = read_text(b"\xef\xbb\xbfweb: x").unwrap();
        assert_eq!(marked, [("web".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn a_line_that_is_no_worker_is_named() {
        let cases: [(&[u8], &str); 6] = [
            (b"web: a\nweb b", ":2: expected a line such as `web: ./server`"),
            (b"we b: a", ":1: the name has to be of letters, digits, `-`, `_` or `.`"),
            (b": a", ":1: the name has to be of letters, digits, `-`, `_` or `.`"),
            (b"web:  ", ":1: there is no command behind the name"),
            (b"web: a\n\nweb: b", ":3: an earlier line has this name"),
            (b"web: a\nb: \xff", ":2: this is no UTF-8"),
        ];
        for (text, expected) in cases {
            assert_eq!(read_text(text).unwrap_err(), expected);
        }
        for text in [&b""[..], b"\xef\xbb\xbf", b"# web: a\n\n"] {
            let expected = " has no worker: write a line such as `web: ./server`";
            assert_eq!(read_text(text).unwrap_err(), expected);
        }
        let long = vec![b'#'; MAX_FILE_BYTES + 1];
        assert!(read_text(&long).unwrap_err().ends_with("it has to be smaller"));
    }
}
