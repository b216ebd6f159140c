//! One stream of a worker: reads what is printed, and makes records of its lines.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::fcntl::{FcntlArg, fcntl};

use super::escapes::{Stripped, strip};
use super::json::Printed;
use super::lines::Lines;
use super::traceback::{Moment, Piece, Tracebacks, message};
use super::{OnLine, PIPE_BYTES};
use crate::record::now_ns;
use crate::worker_settings::CaptureMode;
use crate::{Level, Process, QueueHandler, Record};

pub(super) struct Stream {
    source: File,
    lines: Lines,
    recorder: Recorder,
}

/// Most bytes of a line that keeps its colours: beside it the line itself has room in a record.
const MAX_STYLED_BYTES: usize = 8 * 1024;

/// Where the records of a worker go.
pub(super) struct Taker<'r> {
    pub(super) handler: &'r QueueHandler,
    pub(super) process: &'r Process,
    /// Whether lines keep their colours, for those who show them.
    pub(super) keeps_styles: bool,
    pub(super) on_line: &'r mut Option<OnLine>,
}

/// Makes records of lines.
struct Recorder {
    origin: Origin,
    mode: CaptureMode,
    tracebacks: Tracebacks,
}

impl Stream {
    pub(super) fn stdout(source: OwnedFd, mode: CaptureMode) -> Stream {
        Stream::new(source, Recorder::new(Origin { name: "stdout", level: Level::INFO }, mode))
    }

    pub(super) fn stderr(source: OwnedFd, mode: CaptureMode) -> Stream {
        Stream::new(source, Recorder::new(Origin { name: "stderr", level: Level::WARNING }, mode))
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
    fn new(origin: Origin, mode: CaptureMode) -> Recorder {
        Recorder { origin, mode, tracebacks: Tracebacks::default() }
    }

    fn take(&mut self, line: &str, to: &mut Taker<'_>) {
        let Stripped { plain, styled } = strip(line);
        let line = &*plain;
        if let Some((_, tell)) = to.on_line.take_if(|(pattern, _)| pattern.matches(line)) {
            tell();
        }
        let styled = styled.filter(|text| to.keeps_styles && text.len() <= MAX_STYLED_BYTES);
        let (added, origin) = (Added { line, styled }, self.origin);
        if self.mode == CaptureMode::Lines {
            origin.relay(&Piece::Added, &added, to.handler);
            return;
        }
        let printed = Printed { line, stream: origin.name, level: origin.level };
        if let Some(record) = printed.lift(to.process) {
            self.give_up(to);
            to.handler.relay_record(&record);
            return;
        }
        let mut relay = |piece: Piece<'_>| origin.relay(&piece, &added, to.handler);
        self.tracebacks.add(line, Moment::now(), &mut relay);
    }

    /// Lets nothing wait any longer.
    fn give_up(&mut self, to: &mut Taker<'_>) {
        let none = Added { line: "", styled: None };
        let origin = self.origin;
        self.tracebacks.give_up(&mut |piece| origin.relay(&piece, &none, to.handler));
    }
}

impl Origin {
    /// Logs what has become of lines, of which `added` is the last. A traceback is an error, wherever it
    /// is printed.
    fn relay(self, piece: &Piece<'_>, added: &Added<'_>, to: &QueueHandler) {
        let mut record = match *piece {
            Piece::Added if added.styled.is_none() => {
                return to.relay(self.level, self.name, added.line);
            }
            Piece::Added => Record::new(now_ns(), self.level, self.name, added.line),
            Piece::Kept { line, time_ns } => Record::new(time_ns, self.level, self.name, line),
            Piece::Traceback { text, time_ns } => {
                Record::new(time_ns, Level::ERROR, self.name, message(text))
            }
        };
        match *piece {
            Piece::Added => record.styled = added.styled.as_deref().map(Into::into),
            Piece::Traceback { text, .. } => record.exception = Some(text.into()),
            Piece::Kept { .. } => {}
        }
        to.relay_record(&record);
    }
}

/// The stream that lines are from: its name, and the level of what is printed there.
#[derive(Clone, Copy)]
struct Origin {
    name: &'static str,
    level: Level,
}

/// A line as it is added.
struct Added<'l> {
    line: &'l str,
    /// The same in its colours.
    styled: Option<String>,
}
