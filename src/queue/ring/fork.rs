//! What fork(2) would break: lock descriptors that the child shares, and threads it has not.
//!
//! A flock belongs to all copies of its descriptor, so a child that keeps one makes its dead parent
//! look alive. And a lock that another thread holds during the fork is never freed in the child.
//! Therefore everything that threads share here is locked by one lock, a fork waits for it, and the
//! child closes the descriptors before anything of it runs.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The locked files that prove this process alive. Nothing that can call back into a logger, wait
/// for another lock or fork is done while it is locked.
static PROOFS: Mutex<Vec<(u64, File)>> = Mutex::new(Vec::new());

/// How many forks separate this process from the one that was started.
static GENERATION: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The lock, from before a fork until after it. Without a destructor, so that it works at any
    /// time of a thread's life.
    static HELD: Cell<Option<ManuallyDrop<Guard>>> = const { Cell::new(None) };
}

/// Which process this is: changes in the child of a fork.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// While it lives this process does not fork.
pub(super) struct Guard(MutexGuard<'static, Vec<(u64, File)>>);

/// Holds off forks.
pub(super) fn hold_off() -> Guard {
    Guard(PROOFS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Makes forks safe from now on. Costs nothing the second time.
pub(super) fn prepare() -> io::Result<()> {
    static REGISTERED: OnceLock<i32> = OnceLock::new();
    // SAFETY: the three functions are never unloaded, because Rust code is linked statically or
    // into a library that registers them itself; none of them unwinds.
    let code = REGISTERED.get_or_init(|| unsafe {
        libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(in_child))
    });
    match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(*code)),
    }
}

/// A locked file that the child of a fork closes. Its number, unlike a descriptor's, is never used
/// again.
pub(super) struct Proof(u64);

impl Proof {
    pub(super) fn new(file: File, guard: &mut Guard) -> Proof {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        guard.0.push((number, file));
        Proof(number)
    }

    /// Unlocks and closes the file; does nothing the second time, or in a child.
    pub(super) fn withdraw(&self, guard: &mut Guard) {
        if let Some(at) = self.find(guard) {
            let (_, file) = guard.0.swap_remove(at);
            // Closing alone would leave the lock to a child that has been spawned but has not yet
            // executed its program. An unlock of what is locked does not fail.
            let _unlocked = fs2::FileExt::unlock(&file);
        }
    }

    /// Whether its file has no name any more.
    pub(super) fn is_unlinked(&self, guard: &Guard) -> bool {
        let found = self.find(guard).map(|at| guard.0[at].1.metadata());
        matches!(found, Some(Ok(found)) if found.nlink() == 0)
    }

    fn find(&self, guard: &Guard) -> Option<usize> {
        guard.0.iter().position(|(number, _)| *number == self.0)
    }
}

extern "C" fn before_fork() {
    HELD.set(Some(ManuallyDrop::new(hold_off())));
}

extern "C" fn after_fork() {
    drop(HELD.take().map(ManuallyDrop::into_inner));
}

extern "C" fn in_child() {
    let guard = HELD.take().map(ManuallyDrop::into_inner);
    GENERATION.fetch_add(1, Ordering::Relaxed);
    if let Some(mut guard) = guard {
        // Closes them; the vector keeps its memory, since freeing is not for this moment.
        guard.0.clear();
    }
}
