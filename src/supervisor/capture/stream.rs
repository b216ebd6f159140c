//! One stream of a worker: reads what is printed, and makes records of its lines.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::fcntl::{FcntlArg, fcntl};

use super::escapes::without_escapes;
use super::json::Printed;
use super::lines::Lines;
use super::traceback::{Moment, Piece, Tracebacks, message};
use super::{OnLine, PIPE_BYTES};
use crate::worker_settings::CaptureMode;
use crate::{Level, Process, QueueHandler, Record};

pub(super) struct Stream {
    source: File,
    lines: Lines,
    recorder: Recorder,
}

/// Where the records of a worker go.
pub(super) struct Taker<'r> {
    pub(super) handler: &'r QueueHandler,
    pub(super) process: &'r Process,
    pub(super) on_line: &'r mut Option<OnLine>,
}

/// Makes records of lines.
struct Recorder {
    name: &'static str,
    level: Level,
    mode: CaptureMode,
    tracebacks: Tracebacks,
}

impl Stream {
    pub(super) fn stdout(source: OwnedFd, mode: CaptureMode) -> Stream {
        Stream::new(source, Recorder::new("stdout", Level::INFO, mode))
    }

    pub(super) fn stderr(source: OwnedFd, mode: CaptureMode) -> Stream {
        Stream::new(source, Recorder::new("stderr", Level::WARNING, mode))
    }

    fn new(source: OwnedFd, recorder: Recorder) -> Stream {
        // A smaller pipe does as well, and so does a terminal.
        let _refused = fcntl(&source, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES as i32));
        Stream { source: source.into(), lines: Lines::default(), recorder }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }

    /// Reads once and logs the whole lines; tells whether there may be more.
    pub(super) fn read(&mut self, buffer: &mut [u8], to: &mut Taker<'_>) -> bool {
        match self.source.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Ok(count @ 1..) => {
                let Stream { lines, recorder, .. } = self;
                lines.add(&buffer[..count], |line| recorder.take(line, to));
                true
            }
            Ok(0) | Err(_) => false,
        }
    }

    /// When lines have waited long enough for those that would belong to them.
    pub(super) fn due(&self) -> Option<Instant> {
        self.recorder.tracebacks.due()
    }

    /// Lets nothing wait any longer that is due.
    pub(super) fn advance(&mut self, to: &mut Taker<'_>) {
        if self.due().is_some_and(|due| due <= Instant::now()) {
            self.recorder.give_up(to);
        }
    }

    pub(super) fn end(mut self, to: &mut Taker<'_>) {
        self.lines.end(|line| self.recorder.take(line, to));
        self.recorder.give_up(to);
    }
}

impl Recorder {
    fn new(name: &'static str, level: Level, mode: CaptureMode) -> Recorder {
        Recorder { name, level, mode, tracebacks: Tracebacks::default() }
    }

    fn take(&mut self, line: &str, to: &mut Taker<'_>) {
        let line = &*without_escapes(line);
        if let Some((_, tell)) = to.on_line.take_if(|(pattern, _)| pattern.matches(line)) {
            tell();
        }
        let (stream, level) = (self.name, self.level);
        if self.mode == CaptureMode::Lines {
            to.handler.relay(level, stream, line);
        } else if let Some(record) = (Printed { line, stream, level }).lift(to.process) {
            self.give_up(to);
            to.handler.relay_record(&record);
        } else {
            let mut relay = |piece: Piece<'_>| relay(&piece, line, (stream, level), to.handler);
            self.tracebacks.add(line, Moment::now(), &mut relay);
        }
    }

    /// Lets nothing wait any longer.
    fn give_up(&mut self, to: &mut Taker<'_>) {
        let of = (self.name, self.level);
        self.tracebacks.give_up(&mut |piece| relay(&piece, "", of, to.handler));
    }
}

/// Logs what has become of lines of a stream, of which `added` is the last. A traceback is an error,
/// wherever it is printed.
fn relay(
    piece: &Piece<'_>,
    added: &str,
    (stream, level): (&'static str, Level),
    to: &QueueHandler,
) {
    match *piece {
        Piece::Added => to.relay(level, stream, added),
        Piece::Kept { line, time_ns } => {
            to.relay_record(&Record::new(time_ns, level, stream, line));
        }
        Piece::Traceback { text, time_ns } => {
            let mut record = Record::new(time_ns, Level::ERROR, stream, message(text));
            record.exception = Some(text.into());
            to.relay_record(&record);
        }
    }
}
