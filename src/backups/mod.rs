//! The backups of a log, as its directory has them.

mod listing;
mod name;

#[cfg(feature = "listener")]
pub(crate) use listing::Backup;
pub(crate) use listing::{list, path_of};

pub(crate) use name::BackupName;
#[cfg(feature = "listener")]
pub(crate) use name::{Stamp, StampForm, Stem};
