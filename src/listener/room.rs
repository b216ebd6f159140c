//! How many peers the descriptors of this process suffice for.

use std::io;

use nix::sys::resource::{Resource, getrlimit};

/// Bounds on what the door lets in. Three quarters of the descriptors are for workers, a sixteenth for log
/// files that records choose; the others are for peers on their way in, other log files and handlers. Where
/// there are doors for records of other programs, workers have half, and the connections of doors a quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Most attached workers.
    pub(super) workers: usize,
    /// Most peers between greeting and welcome, each with a thread of its own.
    pub(super) handshakes: usize,
    /// Most peers that have not greeted yet.
    pub(super) ungreeted: usize,
    /// Most connections of all doors for records together.
    pub(super) connections: usize,
    /// Most open log files that records choose.
    pub(super) routed_files: usize,
}

impl Room {
    const DESCRIPTORS_PER_WORKER: usize = 2;
    const DESCRIPTORS_PER_FILE: usize = 2;
    const MAX_HANDSHAKES: usize = 64;
    const MAX_UNGREETED: usize = 256;

    /// What the soft limit of this process, which was raised before, leaves room for.
    pub(super) fn of_this_process(has_sources: bool) -> io::Result<Room> {
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        Ok(Room::of(usize::try_from(soft).unwrap_or(usize::MAX), has_sources))
    }

    /// A handshake takes up to seven descriptors for a moment.
    fn of(descriptors: usize, has_sources: bool) -> Room {
        let quarter = descriptors / 4;
        let connections = if has_sources { quarter } else { 0 };
        Room {
            workers: (quarter * 3 - connections) / Self::DESCRIPTORS_PER_WORKER,
            connections,
            handshakes: (descriptors / 64).clamp(1, Self::MAX_HANDSHAKES),
            ungreeted: (descriptors / 16).clamp(1, Self::MAX_UNGREETED),
            routed_files: descriptors / 16 / Self::DESCRIPTORS_PER_FILE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_stay_below_the_limit() {
        for descriptors in [64, 256, 1024, 4096, 20_000, 1 << 20] {
            for has_sources in [false, true] {
                let Room { workers, handshakes, ungreeted, connections, routed_files } =
                    Room::of(descriptors, has_sources);
                let taken = 2 * workers + 7 * handshakes + ungreeted + 2 * routed_files;
                let all = taken + connections;
                assert!(all <= descriptors, "{descriptors}");
            }
        }
        let plain =
            Room { workers: 384, handshakes: 16, ungreeted: 64, connections: 0, routed_files: 32 };
        assert_eq!(Room::of(1024, false), plain);
        assert_eq!(Room::of(1024, true), Room { workers: 256, connections: 256, ..plain });
        assert_eq!(Room::of(20_000, false).workers, 7500);
    }
}
