//! The current file and its numbered backups: when to rotate, what to rename, what to open.
//!
//! Nothing here buffers, formats or takes locks: that is the handler's.

mod backups;
mod current_file;
mod left;
mod rule;

pub(crate) use backups::Backups;
pub(crate) use current_file::{CurrentFile, Place, Resolution, Segment, create_directory};
pub(crate) use left::resolve_left;
pub(crate) use rule::Rule;
