//! A peer of the listener that may or may not keep the protocol.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use ipc_channel::ipc::{self, IpcBytesSender, IpcReceiver, IpcSender};
use serde::{Deserialize, Serialize};

use crate::support::{Place, wait_until};

/// The greeting of a worker, as an honest one sends it.
pub const GREETING: [u8; 12] = *b"logboom\n\x04\0\x01\0";

/// The hello of a worker, as its bytes are on the wire.
#[derive(Serialize, Deserialize)]
pub struct Hello {
    pub magic: [u8; 8],
    pub version: u16,
    pub body: Body,
}

#[derive(Serialize, Deserialize)]
pub enum Body {
    Worker { facts: Facts, reply: IpcSender<ToWorker> },
}

#[derive(Serialize, Deserialize)]
pub struct Facts {
    pub transport: Transport,
    pub lane: u64,
    pub first_seq: u64,
    pub unconfirmed: u64,
    pub name: String,
    pub pid: u32,
    pub program: String,
    pub started_ns: i64,
    pub context: String,
    pub overflow: String,
}

#[derive(Serialize, Deserialize)]
pub enum Transport {
    Channel,
}

#[derive(Serialize, Deserialize)]
pub enum ToWorker {
    Welcome { data: IpcBytesSender, levels: Option<String> },
}

pub fn facts() -> Facts {
    Facts {
        transport: Transport::Channel,
        lane: 7,
        first_seq: 0,
        unconfirmed: 0,
        name: "hostile".to_owned(),
        pid: 1,
        program: "hostile".to_owned(),
        started_ns: 0,
        context: "no context".to_owned(),
        overflow: String::new(),
    }
}

pub fn hello(reply: IpcSender<ToWorker>) -> Hello {
    Hello { magic: *b"logboom\n", version: 4, body: Body::Worker { facts: facts(), reply } }
}

pub fn connect(place: &Place) -> UnixStream {
    UnixStream::connect(place.queue().path().join("control.sock")).unwrap()
}

/// Greets well; the name of the one-shot server that the listener answers with.
pub fn greet(stream: &mut UnixStream) -> String {
    stream.write_all(&GREETING).unwrap();
    let mut head = [0; 5];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 1, "refused");
    let mut name = vec![0; usize::from(u16::from_le_bytes([head[3], head[4]]))];
    stream.read_exact(&mut name).unwrap();
    String::from_utf8(name).unwrap()
}

/// Attaches as an honest worker would.
pub fn attach(place: &Place) -> (UnixStream, IpcBytesSender, IpcReceiver<ToWorker>) {
    let mut stream = connect(place);
    let name = greet(&mut stream);
    let (reply, updates) = ipc::channel().unwrap();
    IpcSender::connect(name).unwrap().send(hello(reply)).unwrap();
    stream.write_all(&[1]).unwrap();
    let ToWorker::Welcome { data, .. } = updates.recv().unwrap();
    (stream, data, updates)
}

pub fn refused(place: &Place, reason: &str) -> u64 {
    let status = place.status();
    status.refused.iter().find(|(why, _)| why == reason).map_or(0, |(_, count)| *count)
}

pub fn wait_refused(place: &Place, reason: &str, count: u64) {
    wait_until(reason, || refused(place, reason) == count);
}
