//! What a process takes of the machine.

use std::fs;

use super::{Listener, wait_until};

/// What the listener's process has.
#[derive(Debug)]
pub struct Load {
    pub descriptors: usize,
    pub threads: usize,
    pub resident_kb: usize,
}

impl Load {
    pub fn of(listener: &Listener) -> Load {
        let of_process = |name: &str| format!("/proc/{}/{name}", listener.process.pid());
        let count = |folder: &str| fs::read_dir(of_process(folder)).unwrap().count();
        let status = fs::read_to_string(of_process("status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let resident_kb = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        Load { descriptors: count("fd"), threads: count("task"), resident_kb }
    }

    /// Waits until nothing is left of what has come since; memory may stay with the allocator.
    pub fn wait_for_return(&self, listener: &Listener) {
        self.wait_for_return_but(listener, 32 * 1024);
    }

    /// The same where so much memory may stay with the allocator.
    pub fn wait_for_return_but(&self, listener: &Listener, kept_kb: usize) {
        wait_until("what the hostile peers have taken", || {
            let now = Load::of(listener);
            now.descriptors <= self.descriptors
                && now.threads <= self.threads
                && now.resident_kb <= self.resident_kb + kept_kb
        });
    }
}
