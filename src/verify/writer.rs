//! Whether somebody may be writing to a log right now.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// How much of a lock file is read to find the pid in its first line.
const MAX_PID_LINE_BYTES: u64 = 16;

/// Whether the process lives that `.NAME.lock` beside the log `path` tells of.
///
/// Does not try the lock: for that moment a listener could not take it.
pub(super) fn is_alive(path: &Path) -> bool {
    let Some(pid) = holder(path) else { return false };
    !matches!(kill(pid, None), Err(Errno::ESRCH))
}

fn holder(path: &Path) -> Option<Pid> {
    let mut name = OsString::from(".");
    name.push(path.file_name()?);
    name.push(".lock");
    let mut start = Vec::new();
    // Whatever was put in the file's place, opening it must not wait for a writer.
    let flags = OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path.with_file_name(name));
    file.ok()?.take(MAX_PID_LINE_BYTES).read_to_end(&mut start).ok()?;
    let pid: u32 = str::from_utf8(&start).ok()?.split_once('\n')?.0.parse().ok()?;
    // To kill(2), 0 and negative numbers are groups of processes.
    i32::try_from(pid).ok().filter(|pid| *pid > 0).map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use std::process::{self, Command};

    use super::*;

    #[test]
    fn a_log_is_written_to_while_the_process_in_its_lock_file_lives() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("app.log");
        assert!(!is_alive(&path), "there is no lock file");

        let mut child = Command::new("true").spawn().expect("start");
        child.wait().expect("end");
        for (text, alive) in [
            (format!("{}\nnote\n", process::id()), true),
            (format!("{}\nnote\n", child.id()), false),
            (process::id().to_string(), false),
            ("0\n".to_owned(), false),
            ("-1\n".to_owned(), false),
            ("4294967295\n".to_owned(), false),
        ] {
            std::fs::write(directory.path().join(".app.log.lock"), &text).expect("write");
            assert_eq!(is_alive(&path), alive, "{text:?}");
        }
    }
}
