//! Named points at which a test lets this process kill itself, as a crash there would.
//!
//! With the feature `fault-points`, `LOGBOOM_FAULT=NAME` in the environment arms the point NAME, and
//! `NAME:3` arms it for the third time that it is passed. `LOGBOOM_CLOCK=FILE` sets the clock by which
//! logs rotate: ahead by the seconds in FILE, as they are at each look. Without the feature nothing of
//! this is in the program.

#[cfg(feature = "fault-points")]
pub(crate) use armed::{clock_ns, point, point_of, short_write};

#[cfg(not(feature = "fault-points"))]
#[inline]
pub(crate) fn point(_name: &str) {}

#[cfg(not(feature = "fault-points"))]
#[inline]
pub(crate) fn point_of(_name: &str, _number: u32) {}

#[cfg(not(feature = "fault-points"))]
#[inline]
pub(crate) fn clock_ns(now_ns: i64) -> i64 {
    now_ns
}

#[cfg(not(feature = "fault-points"))]
#[inline]
pub(crate) fn short_write(_file: &std::fs::File, _bytes: &[u8]) {}

#[cfg(feature = "fault-points")]
mod armed {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::PathBuf;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::getpid;

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let text = std::env::var("LOGBOOM_FAULT").ok()?;
        let (name, times) = text.split_once(':').unwrap_or((&text, "1"));
        Some(Armed { name: name.to_owned(), times: times.parse().ok()?, passed: AtomicU64::new(0) })
    });

    static CLOCK: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os("LOGBOOM_CLOCK").map(PathBuf::from));

    struct Armed {
        name: String,
        times: u64,
        passed: AtomicU64,
    }

    /// Passes the point `name`, or does not.
    pub(crate) fn point(name: &str) {
        if is_due(name) {
            die();
        }
    }

    /// The same for `name-number`.
    pub(crate) fn point_of(name: &str, number: u32) {
        if ARMED.is_some() && is_due(&format!("{name}-{number}")) {
            die();
        }
    }

    /// What the clock of the test says.
    pub(crate) fn clock_ns(now_ns: i64) -> i64 {
        let text = CLOCK.as_ref().and_then(|path| fs::read_to_string(path).ok());
        let ahead_s: i64 = text.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        now_ns.saturating_add(ahead_s.saturating_mul(1_000_000_000))
    }

    /// At the point `after-short-write`, writes half of `bytes` and no more.
    pub(crate) fn short_write(mut file: &File, bytes: &[u8]) {
        if is_due("after-short-write") {
            let _written = file.write(&bytes[..bytes.len() / 2]);
            die();
        }
    }

    fn is_due(name: &str) -> bool {
        ARMED.as_ref().is_some_and(|armed| {
            armed.name == name && armed.passed.fetch_add(1, Ordering::Relaxed) + 1 == armed.times
        })
    }

    fn die() -> ! {
        let _killed = kill(getpid(), Signal::SIGKILL);
        // The signal has been sent and arrives before this thread gets far.
        loop {
            std::thread::park();
        }
    }
}
