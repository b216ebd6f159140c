//! The current file and its backups: when to rotate, what to rename, what to open.
//!
//! Nothing here buffers, formats or takes locks: that is the handler's.

mod age;
mod backups;
#[cfg(feature = "compression")]
mod compressor;
mod current_file;
mod disk_limit;
mod left;
mod outage;
mod owner;
mod retention;
mod segment;

mod period;
mod rule;
mod schedule;
mod space;
mod state;
mod timer;

#[cfg(feature = "compression")]
pub use crate::backups::{Compression, ParseCompressionError};
pub use age::{Age, ParseAgeError};
pub(crate) use current_file::{CurrentFile, Place, create_directory, sync_directory};
pub use disk_limit::{AtDiskLimit, ParseAtDiskLimitError};
pub(crate) use left::resolve_left;
pub(crate) use owner::log_of;
pub(crate) use rule::Rule;
pub use rule::{BackupNames, ParseBackupNamesError};
pub use schedule::{ParseScheduleError, Schedule};
pub(crate) use segment::{Resolution, Segment};
pub(crate) use state::Rotation;
