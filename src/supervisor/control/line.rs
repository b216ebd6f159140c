//! One message as one line of JSON, bounded in bytes and time.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest request: the names of all workers that a supervisor may have fit.
pub(super) const MAX_REQUEST_BYTES: usize = 512 * 1024;

/// Longest answer: the status of as many workers, with what went wrong for each.
pub(super) const MAX_ANSWER_BYTES: usize = 4 << 20;

const READ_BYTES: usize = 16 * 1024;

/// Sends a message.
///
/// # Errors
/// It is too long, or the other side does not take it in time, or has gone.
pub(super) fn send(
    stream: &mut UnixStream,
    message: &impl Serialize,
    max_bytes: usize,
    deadline: Instant,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    if line.len() > max_bytes {
        return Err(io::Error::other("the message is too long"));
    }
    let mut rest = line.as_slice();
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        match stream.write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits for a message.
///
/// # Errors
/// It is none, it is too long, or it is not there in time.
pub(super) fn receive<M: DeserializeOwned>(
    stream: &mut UnixStream,
    max_bytes: usize,
    deadline: Instant,
) -> io::Result<M> {
    let (mut line, mut block) = (Vec::new(), [0; READ_BYTES]);
    while line.last() != Some(&b'\n') {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut block) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => line.extend_from_slice(&block[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if line.len() > max_bytes {
            return Err(io::Error::other("the message is too long"));
        }
    }
    Ok(serde_json::from_slice(&line)?)
}

/// What is left until then.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    // A timeout of zero would be none.
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
