//! s6-log: producers write whole lines into one pipe, as many at once as a pipe takes undivided. They
//! format the time themselves: s6-log's own is of another form.

use std::fs::{self, OpenOptions};
use std::io::{PipeReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::Context;

use crate::harness;
use crate::line::{LineClock, now_ns, write_line};
use crate::record::Request;
use crate::{Producer, Run};

/// What a pipe takes undivided: PIPE_BUF of Linux.
const MAX_ATOMIC_BYTES: usize = 4096;

/// Longest line of these records.
const MAX_LINE_BYTES: usize = 256;

/// Where s6-log keeps its files.
fn directory(run: &Run) -> PathBuf {
    run.out.with_added_extension("s6")
}

/// Starts s6-log on the other end of the pipe: it keeps all files, the largest it can.
pub(crate) fn start(run: &Run, input: PipeReader) -> anyhow::Result<Child> {
    let mut command = Command::new("s6-log");
    command.args(["n0", "s268435455"]).arg(directory(run)).stdin(input);
    command.spawn().context("cannot start s6-log: install the package s6")
}

/// The files it has written.
pub(crate) fn files(run: &Run) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory(run))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "current" || name.starts_with('@') {
            files.push(path);
        }
    }
    Ok(files)
}

pub(crate) fn produce(producer: &Producer) -> anyhow::Result<()> {
    harness::produce(producer, |_, share| {
        let mut pipe = OpenOptions::new().write(true).open(&producer.address)?;
        let mut clock = LineClock::new();
        let mut lines = Vec::with_capacity(MAX_ATOMIC_BYTES + MAX_LINE_BYTES);
        let mut whole = 0;
        for index in share {
            let request = Request::new(index);
            write_line(&mut clock, now_ns(), producer.worker, index, &request, &mut lines);
            if lines.len() > MAX_ATOMIC_BYTES {
                pipe.write_all(&lines[..whole])?;
                lines.drain(..whole);
            }
            whole = lines.len();
        }
        Ok(pipe.write_all(&lines)?)
    })
}
