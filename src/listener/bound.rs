//! A queue that is taken: its lock is held, its socket is there. Given back on drop.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::{fs, io};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::ListenError;
use crate::journal::{self, Journal};
use crate::lock::FileLock;
use crate::queue::QueueDir;
use crate::queue::ring::{BELL_FILE, LANES_DIR, remove_unfinished};

pub(super) struct Bound {
    queue: QueueDir,
    /// Given back after the socket is removed.
    lock: FileLock,
}

impl Bound {
    /// Takes the queue: makes its directory if missing, takes its lock, cleans up after a listener
    /// that was killed, and opens its socket.
    pub(super) fn take(
        queue: QueueDir,
        place: SocketPlace,
    ) -> Result<(Bound, UnixListener), ListenError> {
        queue.create()?;
        let lock = FileLock::acquire_queue(queue.path())?;
        let bound = Bound { queue, lock };
        let io = |operation| {
            let path = bound.queue.path().to_owned();
            move |source| ListenError::Io { operation, path, source }
        };
        raise_descriptor_limit().map_err(io("raise the descriptor limit"))?;
        remove_leftovers(bound.queue.path()).map_err(io("clean up"))?;
        let socket =
            open_socket(&bound.queue.control_socket()).map_err(io("open the control socket"))?;
        place.prepare(bound.queue.path()).map_err(io("place sockets"))?;
        Ok((bound, socket))
    }
}

impl Bound {
    /// Whether the queue is ours no more: its lock file, or the whole directory, was removed. What
    /// cannot be looked at is taken to be there.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.lock.is_in_place(), Ok(false))
    }

    pub(super) fn queue(&self) -> &QueueDir {
        &self.queue
    }

    /// Lets nobody find the listener any more; whoever is connected stays so.
    pub(super) fn remove_socket(&self) {
        // A queue directory that was removed and made again belongs to another listener. What cannot
        // be removed is found and removed by the next one.
        if self.lock.is_in_place().unwrap_or(false) {
            let _left_behind = fs::remove_file(self.queue.control_socket());
        }
    }

    /// The bell and the journal outlive a listener only for lanes that are left for the next one, and
    /// the journal for what it has to cut off as well.
    fn remove_what_serves_lanes(&self) {
        let queue = self.queue.path();
        if !queue.join(LANES_DIR).exists() {
            let _left_behind = fs::remove_file(queue.join(BELL_FILE));
            if matches!(Journal::look(queue), Ok(None)) {
                let _left_behind = fs::remove_file(journal::path_in(queue));
            }
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.remove_socket();
        if self.lock.is_in_place().unwrap_or(false) {
            self.remove_what_serves_lanes();
        }
    }
}

/// The directory is private already; the mode of the socket is for whoever looks at it.
fn open_socket(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Where ipc-channel makes the one-shot sockets of the rendezvous.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketPlace {
    /// In the process's directory for temporary files.
    TemporaryDirectory,
    /// In the queue directory; so are then all temporary files of the process.
    QueueDirectory,
}

impl SocketPlace {
    /// Longest directory: the socket's name in it takes 18 bytes of an address's 107, and
    /// ipc-channel cuts what is longer.
    const MAX_BYTES: usize = 107 - 18;

    fn prepare(self, queue: &Path) -> io::Result<()> {
        if self == SocketPlace::QueueDirectory
            && let Err(first) = tempfile::env::override_temp_dir(queue)
            && first != queue
        {
            return Err(io::Error::other(format!("they are in {} already", first.display())));
        }
        let directory = tempfile::env::temp_dir();
        match directory.to_str() {
            Some(path) if path.len() <= Self::MAX_BYTES => {}
            Some(_) => {
                return Err(io::Error::other(
                    "TMPDIR is too long: set it to a path of at most 89 bytes",
                ));
            }
            None => return Err(io::Error::other("TMPDIR is not UTF-8: set it to another path")),
        }
        // ipc-channel panics where this is not possible.
        tempfile::tempdir().map(drop)
    }
}

/// Removes the one-shot sockets of a listener that was killed in the middle of a handshake, and what
/// is left of bells that were never hung up.
fn remove_leftovers(queue: &Path) -> io::Result<()> {
    for entry in fs::read_dir(queue)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".tmp") && entry.file_type()?.is_dir()
        {
            fs::remove_dir_all(entry.path())?;
        } else if entry.path().extension().is_some_and(|ending| ending == "new") {
            remove_unfinished(&entry.path()).map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// Every worker takes two descriptors.
fn raise_descriptor_limit() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}
