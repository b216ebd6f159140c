//! Senders of records to a receiver, and a proxy between them that cuts connections.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use logboom::handler::{Handler, SocketAddress, SocketBuilder, SocketHandler};
use logboom::{Level, Record, Thread};

use super::{PATIENCE, Place};

/// A sequence of numbers that is the same on every run (Knuth's multiplier, MMIX).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// A handler that sends to `path` and comes back soon.
pub fn sender(path: &Path) -> SocketBuilder {
    SocketHandler::builder(SocketAddress::Path(path.to_owned()))
        .back_off(Duration::from_millis(2), Duration::from_millis(50))
        .full_timeout(PATIENCE)
        .close_timeout(PATIENCE)
}

/// Record `seq` of `lane`, as a worker `w{lane}` would have made it.
pub fn record(lane: u64, seq: u64) -> Record<'static> {
    let mut record = Record::new(time_ns(), Level::INFO, "l", format!("record {seq}"));
    record.process.to_mut().name = format!("w{lane}").into();
    record.process.to_mut().id = lane as u32;
    record.thread = Thread { id: lane, name: format!("t{lane}").into() };
    (record.lane, record.seq) = (lane, seq);
    record
}

fn time_ns() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_nanos() as i64
}

/// Sends the records of `lanes` in turns until `is_enough`; how many of each.
pub fn send_until(
    handler: &mut dyn Handler,
    lanes: &[u64],
    mut is_enough: impl FnMut(u64) -> bool,
) -> u64 {
    let mut seq = 0;
    while !is_enough(seq) {
        for lane in lanes {
            handler.handle(&record(*lane, seq)).unwrap();
        }
        seq += 1;
    }
    seq
}

/// A socket that passes on what comes to another one, and cuts connections at any byte.
pub struct Proxy {
    pub path: PathBuf,
    shared: Arc<Shared>,
}

struct Shared {
    target: PathBuf,
    /// As long as fewer are cut, connections are.
    cuts: u64,
    cut: AtomicU64,
    random: Mutex<Random>,
    connections: Mutex<Vec<UnixStream>>,
}

impl Proxy {
    /// Cuts connections to `target` after some bytes; lets them pass when `cuts` were cut.
    pub fn start(place: &Place, target: &Path, cuts: u64) -> Proxy {
        let path = place.path("proxy.sock");
        let socket = UnixListener::bind(&path).unwrap();
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            cuts,
            cut: AtomicU64::new(0),
            random: Mutex::new(Random(0x5eed)),
            connections: Mutex::new(Vec::new()),
        });
        let of_thread = Arc::clone(&shared);
        // Ends with this process.
        thread::spawn(move || {
            for client in socket.incoming() {
                let (client, shared) = (client.unwrap(), Arc::clone(&of_thread));
                thread::spawn(move || shared.pass(client));
            }
        });
        Proxy { path, shared }
    }

    /// How many connections were cut.
    pub fn cut(&self) -> u64 {
        self.shared.cut.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn below(&self, bound: u64) -> u64 {
        self.random.lock().unwrap().below(bound)
    }

    fn pass(self: Arc<Self>, client: UnixStream) {
        let Ok(server) = UnixStream::connect(&self.target) else { return };
        let is_cut = self.cut.load(Ordering::SeqCst) < self.cuts;
        // Now within the greeting, now within a frame or an acknowledgement.
        let (up, down) = match self.below(4) {
            _ if !is_cut => (u64::MAX, u64::MAX),
            0 => (self.below(100), u64::MAX),
            1 => (u64::MAX, 16 + self.below(200)),
            _ => (self.below(60_000), u64::MAX),
        };
        let ends = [client.try_clone().unwrap(), server.try_clone().unwrap()];
        self.connections.lock().unwrap().extend(ends);
        let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let of_thread = Arc::clone(&self);
        let answers = thread::spawn(move || of_thread.copy(back.0, back.1, down));
        self.copy(client, server, up);
        answers.join().unwrap();
    }

    /// Copies so many bytes, then cuts both ends.
    fn copy(&self, mut from: UnixStream, mut to: UnixStream, budget: u64) {
        let mut bytes = [0; 4096];
        let mut left = budget;
        while left > 0 {
            let room = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match from.read(&mut bytes[..room]) {
                Ok(count) if count > 0 && to.write_all(&bytes[..count]).is_ok() => {
                    left -= count as u64;
                }
                _ => break,
            }
        }
        if left == 0 {
            self.cut.fetch_add(1, Ordering::SeqCst);
        }
        let _closed = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for stream in self.shared.connections.lock().unwrap().drain(..) {
            let _closed = stream.shutdown(Shutdown::Both);
        }
    }
}
