//! Files of a route that cannot be written: their records are counted and hold nothing up.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::LockError;
use crate::handler::HandlerError;

/// How long a file is not tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the log says so.
const NOTICE_INTERVAL: Duration = Duration::from_secs(60);

/// Most files that are known to be refused; when they are more, all are tried again.
const MAX_REFUSED: usize = 256;

#[derive(Default)]
pub(super) struct Refusals {
    since: HashMap<Box<str>, Instant>,
    told_at: Option<Instant>,
}

impl Refusals {
    /// Whether the file of this name was refused so short ago that it is not tried again.
    pub(super) fn has(&self, name: &str) -> bool {
        !self.since.is_empty() && self.since.get(name).is_some_and(|at| at.elapsed() < PAUSE)
    }

    /// Takes one more; what the log should say.
    pub(super) fn add(&mut self, name: &str, path: &Path, cause: &str) -> Option<String> {
        if self.since.len() >= MAX_REFUSED {
            self.since.clear();
        }
        self.since.insert(name.into(), Instant::now());
        if self.told_at.is_some_and(|at| at.elapsed() < NOTICE_INTERVAL) {
            return None;
        }
        self.told_at = Some(Instant::now());
        let path = path.display();
        Some(format!(
            "records are not written to {path}: {cause}: `logboom ctl status` counts them as unrouted"
        ))
    }
}

/// Whether waiting does not help: the file belongs to others, or is none that could be a log. What the
/// disk refuses holds records up as for every log file.
pub(super) fn is_lasting(error: &HandlerError) -> bool {
    match error {
        HandlerError::Lock(LockError::Held { .. } | LockError::Unresolved { .. })
        | HandlerError::Other(_) => true,
        HandlerError::Io { source, .. } | HandlerError::Lock(LockError::Io { source, .. }) => {
            let is_loop = source.raw_os_error() == Some(Errno::ELOOP as i32);
            is_loop
                || matches!(
                    source.kind(),
                    io::ErrorKind::InvalidInput
                        | io::ErrorKind::IsADirectory
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::AlreadyExists
                        | io::ErrorKind::InvalidFilename
                )
        }
    }
}

/// Whether there are too many open files.
pub(super) fn is_of_descriptors(error: &HandlerError) -> bool {
    match error {
        HandlerError::Io { source, .. } | HandlerError::Lock(LockError::Io { source, .. }) => {
            let code = source.raw_os_error();
            code == Some(Errno::EMFILE as i32) || code == Some(Errno::ENFILE as i32)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_file_is_told_once_and_only_so_many_are_known() {
        let mut refusals = Refusals::default();
        let told = refusals.add("a.log", Path::new("/logs/a.log"), "it is a directory");
        assert!(told.is_some_and(|text| text.contains("/logs/a.log: it is a directory")));
        assert!(refusals.has("a.log") && !refusals.has("b.log"));
        for number in 0..2 * MAX_REFUSED {
            assert_eq!(refusals.add(&number.to_string(), Path::new("/logs"), ""), None);
            assert!(refusals.since.len() <= MAX_REFUSED);
        }
        assert!(!refusals.has("a.log"));
    }

    #[test]
    fn only_what_does_not_change_by_waiting_is_refused() {
        let of = |error: Errno| {
            let source = io::Error::from(error);
            HandlerError::Io { operation: "open", path: "log".into(), source }
        };
        for error in
            [Errno::EISDIR, Errno::ENOTDIR, Errno::EEXIST, Errno::ENAMETOOLONG, Errno::ELOOP]
        {
            assert!(is_lasting(&of(error)), "{error}");
        }
        for error in [Errno::ENOSPC, Errno::EACCES, Errno::EROFS, Errno::EIO, Errno::EMFILE] {
            assert!(!is_lasting(&of(error)), "{error}");
        }
        assert!(is_of_descriptors(&of(Errno::EMFILE)) && !is_of_descriptors(&of(Errno::EIO)));
    }
}
