//! How many peers the descriptors of this process suffice for.

use std::io;

use nix::sys::resource::{Resource, getrlimit};

/// Bounds on what the door lets in. Three quarters of the descriptors are for workers; the others
/// are for peers on their way in, log files and handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Most attached workers.
    pub(super) workers: usize,
    /// Most peers between greeting and welcome, each with a thread of its own.
    pub(super) handshakes: usize,
    /// Most peers that have not greeted yet.
    pub(super) ungreeted: usize,
}

impl Room {
    const DESCRIPTORS_PER_WORKER: usize = 2;
    const MAX_HANDSHAKES: usize = 64;
    const MAX_UNGREETED: usize = 256;

    /// What the soft limit of this process, which was raised before, leaves room for.
    pub(super) fn of_this_process() -> io::Result<Room> {
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        Ok(Room::of(usize::try_from(soft).unwrap_or(usize::MAX)))
    }

    /// A handshake takes up to seven descriptors for a moment.
    fn of(descriptors: usize) -> Room {
        Room {
            workers: descriptors / 4 * 3 / Self::DESCRIPTORS_PER_WORKER,
            handshakes: (descriptors / 64).clamp(1, Self::MAX_HANDSHAKES),
            ungreeted: (descriptors / 16).clamp(1, Self::MAX_UNGREETED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_stay_below_the_limit() {
        for descriptors in [64, 256, 1024, 4096, 20_000, 1 << 20] {
            let Room { workers, handshakes, ungreeted } = Room::of(descriptors);
            assert!(2 * workers + 7 * handshakes + ungreeted <= descriptors, "{descriptors}");
        }
        assert_eq!(Room::of(1024), Room { workers: 384, handshakes: 16, ungreeted: 64 });
        assert_eq!(Room::of(20_000).workers, 7500);
    }
}
