//! The backups of a log, as its directory has them.

mod listing;
#[cfg(any(feature = "tail", feature = "verify"))]
mod made_from;
mod name;
mod origin;

#[cfg(feature = "listener")]
pub(crate) use listing::Backup;
pub(crate) use listing::{list, path_of};
#[cfg(any(feature = "tail", feature = "verify"))]
pub(crate) use made_from::{LastWrite, MadeFrom, made_from};
pub(crate) use name::BackupName;
#[cfg(not(all(feature = "compression", feature = "listener")))]
pub(crate) use name::Compression;
#[cfg(all(feature = "compression", feature = "listener"))]
pub use name::{Compression, ParseCompressionError};
#[cfg(feature = "listener")]
pub(crate) use name::{MAX_LOG_NAME_BYTES, Stamp, StampForm, Stem};
pub(crate) use origin::Origin;
#[cfg(feature = "listener")]
pub(crate) use origin::origin_of;
