//! The backups of a log, as its directory has them.

mod listing;
mod name;
mod origin;

#[cfg(feature = "listener")]
pub(crate) use listing::Backup;
pub(crate) use listing::{list, path_of};
pub(crate) use name::BackupName;
#[cfg(not(all(feature = "compression", feature = "listener")))]
pub(crate) use name::Compression;
#[cfg(all(feature = "compression", feature = "listener"))]
pub use name::{Compression, ParseCompressionError};
#[cfg(feature = "listener")]
pub(crate) use name::{MAX_LOG_NAME_BYTES, Stamp, StampForm, Stem};
pub(crate) use origin::{Origin, origin_of};
