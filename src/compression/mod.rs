//! Backups in compressed form.

#[cfg(any(feature = "tail", feature = "verify"))]
mod frame_index;
#[cfg(any(feature = "tail", feature = "verify"))]
mod frames;
#[cfg(any(feature = "tail", feature = "verify"))]
mod read;
mod seek_table;
#[cfg(feature = "listener")]
mod write;

#[cfg(any(feature = "tail", feature = "verify"))]
pub(crate) use frames::Frames;
#[cfg(any(feature = "tail", feature = "verify"))]
pub(crate) use read::decompress;
#[cfg(feature = "tail")]
pub(crate) use read::decompress_head;
#[cfg(feature = "listener")]
pub(crate) use write::compress;
