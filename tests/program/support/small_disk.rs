//! A disk that can be filled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory; unmounted on drop.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    pub fn mount(at: &Path, size: &str) -> Option<SmallDisk> {
        fs::create_dir(at).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(at)
            .output();
        mount.ok()?.status.success().then(|| SmallDisk(at.to_owned()))
    }

    /// Writes a file, larger than the room there is.
    pub fn fill(&self, bytes: usize) -> PathBuf {
        let filler = self.0.join("filler");
        let error = fs::write(&filler, vec![0; bytes]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()),
            "{} stays mounted",
            self.0.display()
        );
    }
}
