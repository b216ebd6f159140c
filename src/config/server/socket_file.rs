//! The file of a unix socket.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::{ConfigServerError, refused};

/// Removed on drop, unless another one is there by then.
pub(super) struct SocketFile {
    path: PathBuf,
    metadata: Metadata,
}

/// Listens at `path`, for this user alone.
pub(super) fn open(path: &Path) -> Result<(UnixListener, SocketFile), ConfigServerError> {
    let io = |operation| refused(operation, path.display());
    remove_left(path).map_err(io("replace"))?;
    let socket = UnixListener::bind(path).map_err(io("listen at"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io("protect"))?;
    socket.set_nonblocking(true).map_err(io("listen at"))?;
    // Names the same file after a change of the working directory.
    let path = std::path::absolute(path).map_err(io("find"))?;
    let metadata = fs::symlink_metadata(&path).map_err(io("examine"))?;
    Ok((socket, SocketFile { path, metadata }))
}

/// Removes a socket at which nobody listens any more.
fn remove_left(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let error = UnixStream::connect(path).err();
    match error.filter(|_| is_socket) {
        Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // Somebody listens, or something else is there: binding says so.
        _ => Ok(()),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let id = |found: &Metadata| (found.dev(), found.ino());
        if fs::symlink_metadata(&self.path).is_ok_and(|found| id(&found) == id(&self.metadata)) {
            let _left_behind = fs::remove_file(&self.path);
        }
    }
}
