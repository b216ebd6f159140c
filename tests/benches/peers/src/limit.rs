//! The limit: what has to be done at least. Producers put each record into shared memory, one process
//! makes the lines and writes them in blocks. There is no level, no merge by time, no journal, no
//! text but this one.
//!
//! As text, the producers format the message, as a log call that takes any arguments has to. As
//! numbers, they hand over the arguments of this one message, and the lines are made by hand.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use crate::harness::{self, WRITE_BYTES};
use crate::line::{LineClock, now_ns, write_around, write_line};
use crate::record::{Request, worker_name};
use crate::ring::{Ring, Unread, wait};
use crate::{Producer, Run, Way};

/// Longest line of these records.
const MAX_LINE_BYTES: usize = 256;

/// The ring of one thread, at an address.
fn path(address: &str, worker: u32, thread: u32) -> PathBuf {
    PathBuf::from(format!("{address}.{worker}.{thread}"))
}

/// Makes all rings.
pub(crate) fn prepare(run: &Run, address: &str) -> anyhow::Result<()> {
    paths(run, address).iter().try_for_each(|path| Ring::create(path))
}

fn paths(run: &Run, address: &str) -> Vec<PathBuf> {
    let of_worker = |worker| (0..run.threads).map(move |thread| path(address, worker, thread));
    (0..run.producers).flat_map(of_worker).collect()
}

pub(crate) fn produce(producer: &Producer) -> anyhow::Result<()> {
    let (worker, way) = (producer.worker, producer.way);
    harness::produce(producer, |thread, share| {
        let mut ring = Ring::open(&path(&producer.address, worker, thread))?;
        let mut message = String::with_capacity(MAX_LINE_BYTES);
        for index in share {
            let request = Request::new(index);
            if way == Way::Limit {
                push_text(&mut ring, worker, index, &request, &mut message);
            } else {
                let facts = u64::from(worker) << 32 | u64::from(request.status);
                ring.push(&[now_ns(), index, request.item << 32 | request.bytes, facts]);
            }
        }
        ring.close();
        Ok(())
    })
}

/// Adds a record as its time, worker and length, and then its text, eight bytes a word.
fn push_text(ring: &mut Ring, worker: u32, index: u64, request: &Request, message: &mut String) {
    message.clear();
    let Request { item, status, bytes } = request;
    // Text takes everything.
    let _taken = write!(
        message,
        "worker {worker} handled request {index} for /api/v1/items/{item} status={status} bytes={bytes} in 1.234ms",
    );
    let mut record = [0; 2 + MAX_LINE_BYTES / 8];
    record[0] = now_ns();
    record[1] = u64::from(worker) << 32 | message.len() as u64;
    let (words, rest) = message.as_bytes().as_chunks();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let count = message.len().div_ceil(8);
    for (word, bytes) in record[2..].iter_mut().zip(words.iter().chain([&last])) {
        *word = u64::from_le_bytes(*bytes);
    }
    ring.push(&record[..2 + count]);
}

/// Takes what [`push_text`] has added.
fn take_text(
    unread: &mut Unread<'_>,
    names: &[String],
    clock: &mut LineClock,
    block: &mut Vec<u8>,
) {
    let (ns, facts) = (unread.next(), unread.next());
    let length = facts as u32 as usize;
    let mut text = [[0; 8]; MAX_LINE_BYTES / 8];
    text[..length.div_ceil(8)].fill_with(|| unread.next().to_le_bytes());
    let message = &text.as_flattened()[..length];
    write_around(clock, ns, &names[(facts >> 32) as usize], message, block);
}

fn take_numbers(unread: &mut Unread<'_>, clock: &mut LineClock, block: &mut Vec<u8>) {
    let [ns, index, item_bytes, facts] = std::array::from_fn(|_| unread.next());
    let request =
        Request { item: item_bytes >> 32, status: facts as u16, bytes: item_bytes & 0xffff_ffff };
    write_line(clock, ns, (facts >> 32) as u32, index, &request, block);
}

pub(crate) fn collect(run: &Run) -> anyhow::Result<()> {
    let rings = paths(run, &run.address);
    let mut rings = rings.iter().map(|path| Ring::open(path)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<_> = (0..run.producers).map(worker_name).collect();
    let mut file = File::create(&run.out)?;
    let mut clock = LineClock::new();
    let mut block = Vec::with_capacity(WRITE_BYTES + MAX_LINE_BYTES);
    let mut written = Ok(());
    let mut tries = 0;
    while !rings.is_empty() {
        let mut had_any = false;
        for ring in &mut rings {
            had_any |= ring.drain(|unread| {
                match run.way {
                    Way::Limit => take_text(unread, &names, &mut clock, &mut block),
                    _ => take_numbers(unread, &mut clock, &mut block),
                }
                if block.len() >= WRITE_BYTES && written.is_ok() {
                    written = file.write_all(&block);
                    block.clear();
                }
            });
        }
        if had_any {
            tries = 0;
        } else {
            rings.retain(|ring| !ring.is_over());
            wait(&mut tries);
        }
    }
    written?;
    file.write_all(&block)?;
    Ok(())
}
