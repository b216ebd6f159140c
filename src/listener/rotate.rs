//! How a listener is asked to rotate its log files, from any thread or a signal's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::stop::Stop;

/// Asks a listener to rotate its log files. Cheap to clone; works from any thread.
#[derive(Clone)]
pub struct Rotate {
    is_wanted: Arc<AtomicBool>,
    stop: Stop,
}

impl Rotate {
    pub(super) fn new(stop: Stop) -> Rotate {
        Rotate { is_wanted: Arc::default(), stop }
    }

    /// Asks the listener to rotate its log files when it has written what it has at hand. Returns at
    /// once; asking again before that is asking once. A file that is empty, or of which no backup may
    /// be kept, does not rotate.
    pub fn request(&self) {
        self.is_wanted.store(true, Ordering::Release);
        self.stop.wake();
    }

    /// Whether somebody has asked since the last time.
    pub(super) fn take(&self) -> bool {
        self.is_wanted.swap(false, Ordering::AcqRel)
    }
}
