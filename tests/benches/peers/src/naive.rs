//! The naive way: one ipc-channel message for each record, a serde struct; one process receives,
//! formats and writes into a `BufWriter`. One channel for all producers, received directly: a set of
//! receivers would be slower.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use anyhow::Context;
use ipc_channel::ipc::{self, IpcOneShotServer, IpcSender};
use serde::{Deserialize, Serialize};

use crate::harness::{self, WRITE_BYTES};
use crate::line::{LineClock, now_ns, write_around};
use crate::record::{LOGGER, Request, worker_name};
use crate::{Producer, Run};

#[derive(Serialize, Deserialize)]
enum Message {
    Record(Record),
    /// A thread has logged its last record.
    End,
}

#[derive(Serialize, Deserialize)]
struct Record {
    ns: u64,
    level: u8,
    logger: String,
    worker: String,
    message: String,
}

/// Asks for the channel of the records.
type Greeting = IpcSender<IpcSender<Message>>;

pub(crate) fn collect(run: &Run) -> anyhow::Result<()> {
    let (sender, records) = ipc::channel::<Message>()?;
    let mut doors = Vec::new();
    for _ in 0..run.producers {
        let (door, name) = IpcOneShotServer::<Greeting>::new()?;
        println!("{name}");
        doors.push(door);
    }
    io::stdout().flush()?;
    for door in doors {
        let (_, reply) = door.accept()?;
        reply.send(sender.clone())?;
    }
    let mut out = BufWriter::with_capacity(WRITE_BYTES, File::create(&run.out)?);
    let mut clock = LineClock::new();
    let mut line = Vec::new();
    let mut open = run.producers * run.threads;
    while open > 0 {
        match records.recv()? {
            Message::End => open -= 1,
            Message::Record(Record { ns, worker, message, .. }) => {
                line.clear();
                write_around(&mut clock, ns, &worker, message.as_bytes(), &mut line);
                out.write_all(&line)?;
            }
        }
    }
    Ok(out.flush()?)
}

pub(crate) fn produce(producer: &Producer) -> anyhow::Result<()> {
    let (reply, answer) = ipc::channel()?;
    let greeting: IpcSender<Greeting> =
        IpcSender::connect(producer.address.clone()).context("cannot reach the collector")?;
    greeting.send(reply)?;
    let sender: IpcSender<Message> = answer.recv()?;
    let worker = producer.worker;
    harness::produce(producer, |_, share| {
        let sender = sender.clone();
        harness::log_each(producer, share, |index| {
            let Request { item, status, bytes } = Request::new(index);
            Ok(sender.send(Message::Record(Record {
                ns: now_ns(),
                level: 20,
                logger: LOGGER.to_owned(),
                worker: worker_name(worker),
                message: format!(
                    "worker {worker} handled request {index} for /api/v1/items/{item} \
                     status={status} bytes={bytes} in 1.234ms"
                ),
            }))?)
        })?;
        Ok(sender.send(Message::End)?)
    })
}
