//! The limit: what has to be done at least. Producers put the arguments of each record and its time
//! into shared memory, one process formats the lines and writes them in blocks. There is no level,
//! no merge by time, no journal, no text but this one.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use crate::harness::{self, WRITE_BYTES};
use crate::line::{LineClock, now_ns, write_line};
use crate::record::Request;
use crate::ring::{Ring, wait};
use crate::{Producer, Run};

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
    let worker = producer.worker;
    harness::produce(producer, |thread, share| {
        let mut ring = Ring::open(&path(&producer.address, worker, thread))?;
        for index in share {
            let Request { item, status, bytes } = Request::new(index);
            let facts = u64::from(worker) << 32 | u64::from(status);
            ring.push([now_ns(), index, item << 32 | bytes, facts]);
        }
        ring.close();
        Ok(())
    })
}

pub(crate) fn collect(run: &Run) -> anyhow::Result<()> {
    let rings = paths(run, &run.address);
    let mut rings = rings.iter().map(|path| Ring::open(path)).collect::<Result<Vec<_>, _>>()?;
    let mut file = File::create(&run.out)?;
    let mut clock = LineClock::new();
    let mut block = Vec::with_capacity(WRITE_BYTES + MAX_LINE_BYTES);
    let mut written = Ok(());
    let mut tries = 0;
    while !rings.is_empty() {
        let mut count = 0;
        for ring in &mut rings {
            count += ring.drain(|[ns, index, item_bytes, facts]| {
                let request = Request {
                    item: item_bytes >> 32,
                    status: facts as u16,
                    bytes: item_bytes & 0xffff_ffff,
                };
                write_line(&mut clock, ns, (facts >> 32) as u32, index, &request, &mut block);
                if block.len() >= WRITE_BYTES && written.is_ok() {
                    written = file.write_all(&block);
                    block.clear();
                }
            });
        }
        if count > 0 {
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
