//! The disk of a log, which can be full.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Place, SmallDisk};

/// More than a life writes.
const DISK_BYTES: u64 = 4 << 20;

/// In which the file system counts.
const PAGE_BYTES: u64 = 4096;

pub(crate) struct Disk {
    directory: PathBuf,
    /// None where nothing may be mounted.
    small: Option<SmallDisk>,
}

impl Disk {
    pub(crate) fn of(place: &Place) -> Disk {
        let directory = place.path("disk");
        let small = SmallDisk::mount(&directory, &DISK_BYTES.to_string());
        Disk { directory, small }
    }

    /// Leaves about so much for the log of the listener `pid`, which may have ended; whether it does.
    pub(crate) fn fill(&self, free_bytes: u64, log: &Path, pid: u32) -> bool {
        match &self.small {
            Some(small) => {
                let filler = small.fill(2 * DISK_BYTES as usize);
                let filler = File::options().write(true).open(filler).unwrap();
                let filled_bytes = filler.metadata().unwrap().len();
                let free_bytes = free_bytes / PAGE_BYTES * PAGE_BYTES;
                filler.set_len(filled_bytes.saturating_sub(free_bytes)).unwrap();
                true
            }
            None => {
                let size_bytes = fs::metadata(log).map_or(0, |found| found.len());
                limit_files(pid, &(size_bytes + free_bytes).to_string())
            }
        }
    }

    /// There is room again for the listener `pid`, which may have ended.
    pub(crate) fn free(&self, pid: u32) {
        self.empty();
        if self.small.is_none() {
            limit_files(pid, "unlimited");
        }
    }

    /// There is room again for listeners that are started now.
    pub(crate) fn empty(&self) {
        // There may be none.
        let _none = fs::remove_file(self.directory.join("filler"));
    }
}

/// Sets how large the process may make files; whether it was there.
fn limit_files(pid: u32, bytes: &str) -> bool {
    let mut command = Command::new("prlimit");
    let command = command.args(["--pid", &pid.to_string(), &format!("--fsize={bytes}:")]);
    command.output().unwrap().status.success()
}
