//! The Ring transport: every logging thread writes into a lane of its own, shared memory that
//! outlives its process.
//!
//! A **lane** is a file in `lanes/` of the queue directory: a page of facts and words, then a ring of
//! entries with one writer and one reader. A log call encodes its record into free space and makes
//! it visible with one store, so a call that has returned cannot be undone by any kill. The
//! **bell**, one page for the whole queue, is where workers wake their listener.
//!
//! This is the only place with unsafe code: mapping, copies into and out of mapped memory, futexes,
//! and the hooks around fork.
#![allow(unsafe_code)]

mod bell;
mod entry;
mod error;
mod fork;
mod futex;
mod gate;
mod lane;
mod layout;
#[cfg(feature = "listener")]
mod leftovers;
mod mapping;
mod pool;
mod protocol;
#[cfg(feature = "listener")]
mod reader;
mod seat;
#[cfg(feature = "listener")]
mod sender;
mod slot;
#[cfg(feature = "listener")]
mod speaker;
mod sync;
#[cfg(all(test, feature = "listener"))]
mod tests;
mod transport;
mod writer;

#[cfg(feature = "listener")]
pub(crate) use bell::Bell;
pub(crate) use error::LaneError;
pub(crate) use fork::generation;
#[cfg(feature = "listener")]
pub(crate) use leftovers::{quarantine, remove_unfinished};
#[cfg(feature = "listener")]
pub(crate) use reader::{Entries, LaneReader, ReadRange};
#[cfg(feature = "listener")]
pub(crate) use sender::{LeftLane, SenderLane, left_lanes};
pub(crate) use transport::Ring;

/// Bytes of a lane's ring. The largest record takes half of it, so it fits whenever the reader has
/// kept up with half of what was written.
const LANE_BYTES: usize = 256 * 1024;

/// Most bytes of all lanes of one queue.
const MAX_QUEUE_BYTES: u64 = 256 * 1024 * 1024;

/// Most lanes of one process for one queue; threads beyond share the last one.
pub(crate) const MAX_LANES_PER_PROCESS: usize = 64;

/// The folder of the lanes in the queue directory.
pub(crate) const LANES_DIR: &str = "lanes";

/// The bell in the queue directory.
pub(crate) const BELL_FILE: &str = "bell";
