//! The atomics of the protocol. The model of it brings others, which try every interleaving.

pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
