//! The file of a unix socket: taken over from a process that was killed, never from a living one,
//! and removed in the end.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

/// Removed on drop, unless another one is there by then.
pub(crate) struct SocketFile {
    path: PathBuf,
    metadata: Metadata,
}

/// Longest path of a unix socket.
const MAX_PATH_BYTES: usize = 107;

/// Listens for streams at `path`; who may connect says `mode`. Never blocks, nor does the socket.
///
/// # Errors
/// Somebody listens there, something else is there, or the system refuses.
pub(crate) fn listen(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    remove_left(path, SockType::Stream)?;
    let socket = UnixListener::bind(path).map_err(|error| explained(path, error))?;
    socket.set_nonblocking(true)?;
    Ok((socket, SocketFile::of(path, mode)?))
}

/// The same for datagrams; each comes with the credentials of its sender.
#[cfg(feature = "receiver")]
pub(crate) fn receive(path: &Path, mode: u32) -> io::Result<(OwnedFd, SocketFile)> {
    use nix::sys::socket::{bind, setsockopt, sockopt};

    remove_left(path, SockType::Datagram)?;
    let socket = nonblocking(SockType::Datagram)?;
    // Before anybody can send.
    setsockopt(&socket, sockopt::PassCred, &true)?;
    let bound = bind(socket.as_raw_fd(), &UnixAddr::new(path)?);
    bound.map_err(|error| explained(path, error.into()))?;
    Ok((socket, SocketFile::of(path, mode)?))
}

/// Whether a peer of this user is ours or root. The rights of a socket say so too, but not between its
/// making and their setting.
pub(crate) fn is_own_or_root(user: u32) -> bool {
    user == 0 || user == nix::unistd::geteuid().as_raw()
}

/// What to do about it, where that is known.
fn explained(path: &Path, error: io::Error) -> io::Error {
    let is_socket = || fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket());
    let sentence = match error.kind() {
        io::ErrorKind::AddrInUse if is_socket() => {
            "a process serves this socket: stop it, or take another path"
        }
        io::ErrorKind::AddrInUse => {
            "something else than a socket is there: move it, or take another path"
        }
        io::ErrorKind::NotFound => "its directory is not there: make it, or take another path",
        _ => return error,
    };
    io::Error::new(error.kind(), sentence)
}

impl SocketFile {
    fn of(path: &Path, mode: u32) -> io::Result<SocketFile> {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        // Names the same file after a change of the working directory.
        let path = std::path::absolute(path)?;
        let metadata = fs::symlink_metadata(&path)?;
        Ok(SocketFile { path, metadata })
    }

    /// Whether it is still at its path.
    pub(crate) fn is_there(&self) -> bool {
        // Numbers of inodes are used again at once.
        let id = |found: &Metadata| (found.dev(), found.ino(), found.created().ok());
        fs::symlink_metadata(&self.path).is_ok_and(|found| id(&found) == id(&self.metadata))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_there() {
            let _left_behind = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket at which nobody listens any more. Whether that is so is asked again when it has
/// a name that nobody else knows: meanwhile another process may have put its own there.
fn remove_left(path: &Path, kind: SockType) -> io::Result<()> {
    if path.as_os_str().len() > MAX_PATH_BYTES {
        let sentence = format!("a socket's path has at most {MAX_PATH_BYTES} bytes: take another");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, sentence));
    }
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if !is_socket || !is_left(path, kind) {
        // Binding says what is there.
        return Ok(());
    }
    let aside = path.with_file_name(format!(".lb{}", std::process::id()));
    fs::rename(path, &aside)?;
    if !is_left(&aside, kind) {
        fs::hard_link(&aside, path)?;
    }
    fs::remove_file(&aside)
}

fn is_left(path: &Path, kind: SockType) -> bool {
    let connected =
        UnixAddr::new(path).and_then(|address| connect(nonblocking(kind)?.as_raw_fd(), &address));
    connected == Err(Errno::ECONNREFUSED)
}

fn nonblocking(kind: SockType) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Unix, kind, flags, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_that_nobody_serves_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let (living, file) = listen(&path, 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(listen(&path, 0o600).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        // As a kill leaves it.
        drop(living);
        std::mem::forget(file);
        let (_living, file) = listen(&path, 0o640).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        fs::rename(&path, directory.path().join("moved")).unwrap();
        fs::write(&path, "foreign").unwrap();
        assert!(listen(&path, 0o600).is_err());
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"foreign");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_stands_in_the_way_is_told_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let _living = listen(&path("living"), 0o600).unwrap();
        fs::write(path("file"), "").unwrap();
        for (name, kind, sentence) in [
            ("living", io::ErrorKind::AddrInUse, "a process serves this socket"),
            ("file", io::ErrorKind::AddrInUse, "something else than a socket is there"),
            (".", io::ErrorKind::AddrInUse, "something else than a socket is there"),
            ("none/socket", io::ErrorKind::NotFound, "its directory is not there"),
            (&*"x".repeat(120), io::ErrorKind::InvalidInput, "a socket's path has at most 107"),
        ] {
            let errors = [
                listen(&path(name), 0o600).err(),
                #[cfg(feature = "receiver")]
                receive(&path(name), 0o600).err(),
            ];
            for error in errors.map(Option::unwrap) {
                assert_eq!(error.kind(), kind, "{name}: {error}");
                assert!(error.to_string().starts_with(sentence), "{name}: {error}");
            }
        }
    }

    #[test]
    #[cfg(feature = "receiver")]
    fn a_socket_of_another_kind_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let (_datagrams, _file) = receive(&path, 0o600).unwrap();
        assert!(listen(&path, 0o600).is_err() && receive(&path, 0o600).is_err());
    }
}
