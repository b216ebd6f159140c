//! The current file and its backups: when to rotate, what to rename, what to open.
//!
//! Nothing here buffers, formats or takes locks: that is the handler's.

mod age;
mod backups;
#[cfg(feature = "compression")]
mod compressor;
mod current_file;
mod left;
mod outage;
mod retention;
mod segment;

mod period;
mod rule;
mod schedule;
mod state;
mod timer;

#[cfg(feature = "compression")]
pub use crate::backups::{Compression, ParseCompressionError};
pub use age::{Age, ParseAgeError};
pub(crate) use current_file::{CurrentFile, Place, create_directory, sync_directory};
pub(crate) use left::resolve_left;
pub(crate) use rule::Rule;
pub use rule::{BackupNames, ParseBackupNamesError};
pub use schedule::{ParseScheduleError, Schedule};
pub(crate) use segment::{Resolution, Segment};
pub(crate) use state::Rotation;
