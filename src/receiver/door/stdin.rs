//! Standard input as a door: a record on each line, until it ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::Door;
use super::connection::{Connection, Heard};
use super::peer::{Identity, Peer};
use super::waiting::{TICK, readable, wait_for_last_room, wait_for_room};
use crate::listener::Inlet;

/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;

/// A stopping listener takes no more of a program that goes on writing.
const MAX_LAST_READS: usize = 256;

/// A descriptor of its own for standard input.
pub(super) fn open() -> io::Result<OwnedFd> {
    io::stdin().as_fd().try_clone_to_owned()
}

/// Reads until the end, which stops the listener, or until the listener stops.
pub(super) fn run(door: &Door, inlet: &Inlet, input: OwnedFd) -> io::Result<()> {
    let peer = Peer::new(Identity::Stdin, door, Instant::now())?;
    let mut connection = Connection::new(input, peer);
    let mut scratch = vec![0; READ_BYTES];
    inlet.counts().set_peers(1);
    while !inlet.is_closing() {
        if !wait_for_room(inlet) {
            continue;
        }
        let [has_input, is_woken] = readable([connection.as_fd(), inlet.wake()], TICK);
        if is_woken {
            inlet.clear_wake();
        }
        if has_input && !hear(&mut connection, &mut scratch, door, inlet) {
            inlet.counts().set_peers(0);
            inlet.stop_listener();
            return Ok(());
        }
    }
    let has_more = |connection: &Connection| {
        let [has_input] = readable([connection.as_fd()], Duration::ZERO);
        has_input && wait_for_last_room(inlet)
    };
    for _ in 0..MAX_LAST_READS {
        if !(has_more(&connection) && hear(&mut connection, &mut scratch, door, inlet)) {
            break;
        }
    }
    Ok(())
}

/// Reads once; whether the input goes on.
fn hear(connection: &mut Connection, scratch: &mut [u8], door: &Door, inlet: &Inlet) -> bool {
    let Heard { records, end, .. } = connection.read(scratch, door, Instant::now());
    inlet.push(&mut connection.peer.lane, records);
    end.is_none()
}
