//! One stream of a worker: reads what is printed, and makes records of its lines.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, fcntl};

use super::json::Printed;
use super::lines::Lines;
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
}

impl Stream {
    pub(super) fn stdout(source: OwnedFd, mode: CaptureMode) -> Stream {
        Stream::new(source, Recorder { name: "stdout", level: Level::INFO, mode })
    }

    pub(super) fn stderr(source: OwnedFd, mode: CaptureMode) -> Stream {
        Stream::new(source, Recorder { name: "stderr", level: Level::WARNING, mode })
    }

    fn new(source: OwnedFd, recorder: Recorder) -> Stream {
        // A smaller pipe does as well.
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

    pub(super) fn end(mut self, to: &mut Taker<'_>) {
        self.lines.end(|line| self.recorder.take(line, to));
    }
}

impl Recorder {
    fn take(&mut self, line: &str, to: &mut Taker<'_>) {
        if let Some((_, tell)) = to.on_line.take_if(|(pattern, _)| pattern.matches(line)) {
            tell();
        }
        match self.lift(line, to.process) {
            Some(record) => to.handler.relay_record(&record),
            None => to.handler.relay(self.level, self.name, line),
        }
    }

    /// The record that a line says it is.
    fn lift<'l>(&self, line: &'l str, process: &Process) -> Option<Record<'l>> {
        match self.mode {
            CaptureMode::Auto => {
                Printed { line, stream: self.name, level: self.level }.lift(process)
            }
            CaptureMode::Lines => None,
        }
    }
}
