//! The bell: one page for the whole queue, where workers wake the listener and see that it lives.
//!
//! ```text
//! 0 magic b"LBbell\r\n"   8 layout u32 LE   1024 words, each writer's on cache lines of its own
//! ```

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(feature = "listener")]
use std::time::Duration;

use nix::fcntl::OFlag;

use super::error::{LaneError, refused};
use super::lane::{Unfinished, reserve};
use super::mapping::{Mapping, PAGE_BYTES};
use super::{BELL_FILE, futex, protocol};
use crate::queue::QueueDir;

const MAGIC: &[u8; 8] = b"LBbell\r\n";
const LAYOUT: u32 = 1;

/// The bell of one queue. It outlives listeners; every worker and every listener maps it.
pub(crate) struct Bell {
    mapping: Mapping,
    file: File,
}

impl Bell {
    /// Opens the bell of `dir`, or hangs up a new one.
    pub(crate) fn open(dir: &QueueDir) -> Result<Bell, LaneError> {
        let path = dir.path().join(BELL_FILE);
        match Bell::try_open(&path) {
            Err(error) if error.is_taken_away() => Bell::try_open(&path),
            opened => opened,
        }
    }

    fn try_open(path: &Path) -> Result<Bell, LaneError> {
        let file = match open_existing(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(path)?;
                open_existing(path)
            }
            opened => opened,
        };
        let file = file.map_err(refused("open", path))?;
        verify(&file, path)?;
        let mapping = Mapping::of(&file, 0).map_err(refused("map", path))?;
        Ok(Bell { mapping, file })
    }

    /// Wakes the listener if it sleeps; call it after a store that it has to see.
    pub(super) fn ring(&self) {
        if protocol::takes_wake(self.asleep()) {
            futex::wake_all(self.asleep());
        }
    }

    /// Moves whenever the listener has taken something.
    pub(super) fn heartbeat(&self) -> u64 {
        self.heartbeat_word().load(Ordering::Relaxed)
    }

    /// Whether the file was deleted, so that no listener will ever hear this bell.
    pub(super) fn is_unlinked(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    fn asleep(&self) -> &AtomicU64 {
        self.mapping.word(1024)
    }

    /// Wakes a listener that rests, and with it looks at no lane. Without a fence, which every log
    /// call would pay for: a listener that begins to rest at the same instant may miss it, and looks
    /// at its next tick.
    pub(super) fn ring_if_resting(&self) {
        if self.resting().load(Ordering::Relaxed) != 0 {
            self.ring();
        }
    }

    fn resting(&self) -> &AtomicU64 {
        self.mapping.word(1152)
    }

    fn heartbeat_word(&self) -> &AtomicU64 {
        self.mapping.word(1088)
    }
}

/// The listener's side.
#[cfg(feature = "listener")]
impl Bell {
    /// Says that something was taken.
    pub(crate) fn beat(&self) {
        self.heartbeat_word().fetch_add(1, Ordering::Relaxed);
    }

    /// Asks the workers to ring with every record; look for news once more after this.
    pub(crate) fn rest(&self) {
        protocol::announce_sleep(self.resting());
    }

    /// The listener looks at the lanes again by itself.
    pub(crate) fn rise(&self) {
        // A store takes the cache line away from every worker.
        if self.resting().load(Ordering::Relaxed) != 0 {
            self.resting().store(0, Ordering::Relaxed);
        }
    }

    /// Sleeps until a worker rings or `timeout` has passed, unless `has_news` after the announcement
    /// that we sleep; tells whether there was a ring or news.
    pub(crate) fn sleep(&self, timeout: Duration, has_news: impl FnOnce() -> bool) -> bool {
        protocol::announce_sleep(self.asleep());
        let has_news = has_news();
        if !has_news {
            futex::wait(self.asleep(), 1, timeout);
        }
        // Whoever rings takes the announcement away.
        self.asleep().swap(0, Ordering::Relaxed) == 0 || has_news
    }
}

fn open_existing(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path)
}

/// Makes the file whole before it gets its name; somebody else's is as good.
fn create(path: &Path) -> Result<(), LaneError> {
    let number = getrandom::u64().map_err(|error| refused("create", path)(error.into()))?;
    let unfinished = Unfinished::create(path.with_extension(format!("{number:016x}.new")))?;
    let mut page = [0; PAGE_BYTES];
    page[..8].copy_from_slice(MAGIC);
    page[8..12].copy_from_slice(&LAYOUT.to_le_bytes());
    reserve(&unfinished.file, PAGE_BYTES as libc::off_t)
        .and_then(|()| unfinished.file.write_all_at(&page, 0))
        .map_err(refused("reserve room for", path))?;
    match fs::hard_link(&unfinished.path, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(refused("create", path)(error))
        }
        _ => Ok(()),
    }
}

fn verify(file: &File, path: &Path) -> Result<(), LaneError> {
    let unusable = |problem| LaneError::Unusable { path: path.to_owned(), problem };
    let metadata = file.metadata().map_err(refused("examine", path))?;
    if !metadata.is_file() || metadata.uid() != nix::unistd::geteuid().as_raw() {
        return Err(unusable("it is no file of this user"));
    }
    let mut head = [0; 12];
    if metadata.len() != PAGE_BYTES as u64 || file.read_exact_at(&mut head, 0).is_err() {
        return Err(unusable("it is no bell"));
    }
    if &head[..8] != MAGIC || head[8..] != LAYOUT.to_le_bytes() {
        return Err(unusable("it is of another release"));
    }
    Ok(())
}

#[cfg(all(test, feature = "listener"))]
mod tests {
    use std::sync::Barrier;
    use std::thread;
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn queue() -> (tempfile::TempDir, QueueDir) {
        let place = tempfile::tempdir().expect("a directory");
        let dir = QueueDir::at(place.path()).expect("a short path");
        (place, dir)
    }

    #[test]
    fn all_who_hang_up_a_bell_at_once_get_the_same() {
        let (_place, dir) = queue();
        let together = Barrier::new(8);
        let bells: Vec<_> = thread::scope(|scope| {
            let open = || {
                together.wait();
                Bell::open(&dir).expect("a bell")
            };
            let opening: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            opening.into_iter().map(|bell| bell.join().expect("no panic")).collect()
        });
        bells[0].beat();
        assert!(bells.iter().all(|bell| bell.heartbeat() == 1));
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1);
    }

    #[test]
    fn a_ring_wakes_the_listener_and_news_keep_it_awake() {
        let (_place, dir) = queue();
        let (listener, worker) = (Bell::open(&dir).expect("a bell"), Bell::open(&dir));
        let worker = worker.expect("the same bell");
        let begun = Instant::now();
        assert!(listener.sleep(LONG, || true));
        assert!(!listener.sleep(Duration::from_millis(1), || false));
        thread::scope(|scope| {
            let sleeping = scope.spawn(|| listener.sleep(LONG, || false));
            while !sleeping.is_finished() {
                worker.ring();
                thread::yield_now();
            }
        });
        assert!(begun.elapsed() < LONG / 2);
    }

    #[test]
    fn another_file_in_its_place_is_refused_by_name() {
        let (_place, dir) = queue();
        fs::write(dir.path().join(BELL_FILE), vec![0; PAGE_BYTES]).expect("a file");
        let error = Bell::open(&dir).err().expect("no bell").to_string();
        assert!(error.contains("/bell is of no use: it is of another release"), "{error}");
    }

    #[test]
    fn a_deleted_bell_is_known_by_those_who_have_it() {
        let (_place, dir) = queue();
        let bell = Bell::open(&dir).expect("a bell");
        assert!(!bell.is_unlinked());
        fs::remove_file(dir.path().join(BELL_FILE)).expect("removed");
        assert!(bell.is_unlinked());
    }
}
