//! How far the reading of a big history came: one line on standard error, where that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// What takes no longer is not told.
const FIRST_AFTER: Duration = Duration::from_secs(1);

/// How often it is told.
const INTERVAL: Duration = Duration::from_millis(200);

/// Length of the bar.
const BAR_COLUMNS: u64 = 30;

/// The line, which goes when this is dropped.
pub(crate) struct Progress {
    is_shown: bool,
    started: Instant,
    told: Option<Instant>,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
        let is_shown = io::stderr().is_terminal() && !is_dumb;
        Progress { is_shown, started: Instant::now(), told: None }
    }

    /// Whether it is time to tell more.
    pub(crate) fn is_due(&self) -> bool {
        let waits = match self.told {
            Some(told) => told.elapsed() >= INTERVAL,
            None => self.started.elapsed() >= FIRST_AFTER,
        };
        self.is_shown && waits
    }

    /// Tells that so many of so many bytes were read.
    pub(crate) fn tell(&mut self, read_bytes: u64, total_bytes: u64) {
        self.told = Some(Instant::now());
        let line = line(read_bytes, total_bytes, self.started.elapsed());
        // Where standard error is closed, nobody is left to be told.
        let _closed = write!(io::stderr(), "\r{line}\x1b[K");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.told.is_some() {
            let _closed = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(read_bytes: u64, total_bytes: u64, elapsed: Duration) -> String {
    let total_bytes = total_bytes.max(1);
    let read_bytes = read_bytes.min(total_bytes);
    let share =
        |of: u64| (u128::from(read_bytes) * u128::from(of) / u128::from(total_bytes)) as u64;
    let done = "=".repeat(share(BAR_COLUMNS) as usize);
    let megabytes = read_bytes as f64 / 1e6;
    let rate = megabytes / elapsed.as_secs_f64().max(0.001);
    let width = BAR_COLUMNS as usize;
    format!("[{done:<width$}] {:>3} %  {megabytes:.0} MB, {rate:.0} MB/s", share(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_and_never_beyond_its_end() {
        let second = Duration::from_secs(2);
        assert_eq!(
            line(250_000_000, 1_000_000_000, second),
            "[=======                       ]  25 %  250 MB, 125 MB/s"
        );
        assert!(line(5, 4, second).contains("] 100 %"));
        assert!(line(0, 0, Duration::ZERO).contains("]   0 %"));
    }
}
