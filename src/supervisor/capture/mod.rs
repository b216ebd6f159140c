//! Makes records of what a worker prints: one thread for each worker, which reads both its streams.

mod escapes;
mod json;
mod lines;
mod stream;
mod terminal;
mod traceback;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub use self::lines::{Lines, MAX_LINE_BYTES};
use self::stream::{Stream, Taker};
pub(super) use self::terminal::Terminal;
use crate::worker_settings::{CaptureMode, LinePattern};
use crate::{Certainty, Overflow, Process, QueueDir, QueueHandler};

/// Wanted size of a pipe: the most that an ordinary user gets. Output waits there while the
/// listener is away, and the worker does not notice.
const PIPE_BYTES: usize = 1 << 20;

const READ_BYTES: usize = 64 * 1024;

/// A capture that is asked to finish reads no more often than this from a pipe that is still fed.
const MAX_LAST_READS: usize = PIPE_BYTES / READ_BYTES;

/// How long a capture without a listener waits before it looks for one again.
const ATTACH_PAUSE: Duration = Duration::from_millis(100);

/// How long the last records may take into the log file, and a capture that is asked to finish to
/// find a listener for them.
pub(super) const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The output of one worker on its way into the log.
pub(super) struct Capture {
    /// Closed to ask for the end.
    wake: Option<UnixStream>,
}

/// What became of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Captured {
    /// All of it is in the log file.
    Written,
    /// Some of it may not be there: a listener died with it, or none took it in time.
    Uncertain,
}

impl Capture {
    /// Starts reading what is printed; `done` is called at the end of both streams, when their records
    /// are written.
    pub(super) fn start(
        output: Output,
        plan: CapturePlan,
        done: impl FnOnce(Captured) + Send + 'static,
    ) -> io::Result<Capture> {
        let (wake, woken) = UnixStream::pair()?;
        let stdout = Stream::stdout(output.stdout, plan.mode);
        let streams = vec![stdout, Stream::stderr(output.stderr, plan.mode)];
        let reader = Reader { woken, plan, streams };
        let thread = thread::Builder::new().name("logboom-capture".into());
        thread.spawn(move || done(reader.run()))?;
        Ok(Capture { wake: Some(wake) })
    }

    /// Asks the capture to take what is in the pipes now and end, even where a process that has
    /// left its group keeps them open.
    pub(super) fn finish(&mut self) {
        self.wake = None;
    }
}

/// Which line is waited for, and whom to tell.
pub(super) type OnLine = (LinePattern, Box<dyn FnOnce() + Send>);

/// Our ends of what a worker prints to.
pub(super) struct Output {
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// What the output of a worker becomes, and where it goes.
pub(super) struct CapturePlan {
    /// Whose records they are.
    pub(super) process: Process,
    pub(super) queue: QueueDir,
    pub(super) mode: CaptureMode,
    /// Whether lines keep their colours, for those who show them.
    pub(super) keeps_styles: bool,
    /// The first line that matches is told.
    pub(super) on_line: Option<OnLine>,
}

struct Reader {
    woken: UnixStream,
    plan: CapturePlan,
    streams: Vec<Stream>,
}

impl Reader {
    fn run(mut self) -> Captured {
        let Some(handler) = self.attach() else {
            return Captured::Uncertain;
        };
        self.read_all(&handler);
        flush(&handler)
    }

    /// Attaches in the name of the worker. What it prints meanwhile waits in the pipes.
    fn attach(&self) -> Option<QueueHandler> {
        let mut give_up_at: Option<Instant> = None;
        while give_up_at.is_none_or(|at| Instant::now() < at) {
            let builder = crate::builder()
                .queue(self.plan.queue.clone())
                .on_behalf_of(self.plan.process.clone())
                .overflow(Overflow::Block)
                .pinned_filter("trace");
            if let Ok(handler) = builder.attach() {
                return Some(handler);
            }
            if ready([self.woken.as_fd()], Some(ATTACH_PAUSE))[0] {
                give_up_at.get_or_insert_with(|| Instant::now() + FLUSH_TIMEOUT);
                thread::sleep(ATTACH_PAUSE);
            }
        }
        None
    }

    /// Reads to the end of both streams, or takes what is there once asked to finish.
    fn read_all(&mut self, handler: &QueueHandler) {
        let mut buffer = vec![0; READ_BYTES];
        let CapturePlan { process, on_line, keeps_styles, .. } = &mut self.plan;
        let mut taker = Taker { handler, process, keeps_styles: *keeps_styles, on_line };
        let mut last_reads = 0;
        while !self.streams.is_empty() && last_reads < MAX_LAST_READS {
            let pipes = self.streams.iter().map(Stream::fd);
            let due = self.streams.iter().filter_map(Stream::due).min();
            let timeout = due.map(|due| due.saturating_duration_since(Instant::now()));
            let ready = ready([self.woken.as_fd()].into_iter().chain(pipes), timeout);
            let (finishing, readable) = (ready[0], &ready[1..]);
            if finishing && !readable.contains(&true) {
                break;
            }
            last_reads += usize::from(finishing);
            let mut readable = readable.iter();
            let ended: Vec<_> = self
                .streams
                .extract_if(.., |stream| {
                    readable.next() == Some(&true) && !stream.read(&mut buffer, &mut taker)
                })
                .collect();
            ended.into_iter().for_each(|stream| stream.end(&mut taker));
            self.streams.iter_mut().for_each(|stream| stream.advance(&mut taker));
        }
        self.streams.drain(..).for_each(|stream| stream.end(&mut taker));
    }
}

/// Waits until some of `fds` can be read or have ended, and tells which.
fn ready<'a>(
    fds: impl IntoIterator<Item = BorrowedFd<'a>>,
    timeout: Option<Duration>,
) -> Vec<bool> {
    let mut polled: Vec<_> = fds.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    let timeout = timeout.map_or(PollTimeout::NONE, |timeout| {
        PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut polled, timeout) {
        Ok(_) => polled.iter().map(|fd| fd.any().unwrap_or(false)).collect(),
        // Interrupted: nothing is known to be ready.
        Err(_) => vec![false; polled.len()],
    }
}

/// Waits until the log file has everything. What was on its way to a listener that was killed
/// cannot be confirmed any more; the rest is waited for all the same.
fn flush(handler: &QueueHandler) -> Captured {
    let deadline = Instant::now() + FLUSH_TIMEOUT;
    let mut captured = Captured::Written;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if handler.flush(Certainty::Written, left).is_complete() {
            return captured;
        }
        captured = Captured::Uncertain;
        if left.is_zero() {
            return captured;
        }
    }
}
