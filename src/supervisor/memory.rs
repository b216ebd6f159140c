//! How much memory the processes of workers take.

use std::collections::HashMap;
use std::fs;

use super::control::{Answer, RunWorker};
use super::group::processes;

/// Says of each worker how much memory its process group has resident.
pub(super) fn add_memory(answer: &mut Answer) {
    let workers = match answer {
        Answer::Status(status) => &mut status.workers,
        Answer::Changed(changed) => &mut changed.workers,
        Answer::Unknown { .. } | Answer::Refused { .. } => return,
    };
    let mut groups: HashMap<i32, &mut RunWorker> =
        workers.iter_mut().filter_map(|worker| Some((worker.pid? as i32, worker))).collect();
    if groups.is_empty() {
        return;
    }
    for process in processes().filter(|process| process.is_alive) {
        let Some(worker) = groups.get_mut(&process.group) else { continue };
        if let Some(bytes) = resident_bytes(process.pid) {
            *worker.memory_bytes.get_or_insert(0) += bytes;
        }
    }
}

/// `VmRSS` of `/proc/PID/status`, which other than `statm` needs no size of a page (proc(5)).
fn resident_bytes(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_takes_memory_and_one_that_there_is_not_takes_none() {
        assert!(resident_bytes(std::process::id() as i32).is_some_and(|bytes| bytes > 1 << 16));
        assert_eq!(resident_bytes(i32::MAX), None);
    }
}
