//! The ceiling of the file: ready lines, written in blocks of 64 KiB by one process.

use std::fs::File;
use std::io::Write;

use crate::Run;
use crate::harness::{self, Moments, WRITE_BYTES};
use crate::line::{LineClock, now_ns, write_line};
use crate::record::Request;

pub(crate) fn run(run: &Run) -> anyhow::Result<()> {
    let total = run.records * u64::from(run.producers);
    let mut file = File::create(&run.out)?;
    let (block, lines) = block();
    let mut moments = Moments { first_ns: now_ns(), calls_done_ns: 0 };
    for _ in 0..total / lines {
        file.write_all(&block)?;
    }
    let line_bytes = block.len() / lines as usize;
    file.write_all(&block[..(total % lines) as usize * line_bytes])?;
    moments.calls_done_ns = now_ns();
    anyhow::ensure!(file.metadata()?.len() == total * line_bytes as u64, "the file is not whole");
    harness::print(run, moments, moments.calls_done_ns, harness::own_cpu_us()?);
    Ok(())
}

/// Lines of equal length, and how many.
fn block() -> (Vec<u8>, u64) {
    let (mut clock, now) = (LineClock::new(), now_ns());
    let (mut block, mut lines) = (Vec::new(), 0);
    while block.len() < WRITE_BYTES {
        write_line(&mut clock, now, 1, 123_456, &Request::new(123_456), &mut block);
        lines += 1;
    }
    (block, lines)
}
