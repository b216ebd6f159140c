//! Records that handlers elsewhere send: received here, put into lanes of this queue, and acknowledged
//! when they are written.
//!
//! Each sender has one lane in shared memory. What is there survives a kill of this listener and is
//! written once, by the journal, like the records of workers. The numbers of the sender stand in its
//! lane, so lane and [table](table) always know what has come; what is sent again is not taken again.

mod connection;
mod door;
mod feed;
mod feeds;
mod places;
mod table;

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use nix::sys::resource::{Resource, getrlimit};

use self::door::Door;
use self::feeds::Feeds;
use self::places::Place;
use self::table::Table;
use super::ListenError;
use super::hub::Hub;
use super::source_counts::SourceCounts;
use crate::queue::QueueDir;
use crate::queue::ring::{Bell, LeftLane, left_lanes};
use crate::relay::SocketAddress;

/// Most addresses of a listener.
const MAX_PLACES: usize = 16;

/// Most senders at a time, each with a lane; as many more may be on their way in.
const MAX_SENDERS: usize = 64;

/// What receiving begins with.
pub(super) struct Opened {
    places: Vec<Place>,
    counts: Vec<Arc<SourceCounts>>,
    table: Table,
    /// Lanes of senders that a listener before this one has left.
    left: HashMap<u64, Vec<PathBuf>>,
}

impl Opened {
    /// Opens the sockets, and keeps how far the senders have come whose lanes were left. Call it when
    /// the queue is taken, and before anything of it is drained.
    pub(super) fn at(queue: &QueueDir, addresses: &[SocketAddress]) -> Result<Opened, ListenError> {
        let (table, left) = recover(queue).map_err(|source| ListenError::Io {
            operation: "find out how far senders have come",
            path: queue.path().to_owned(),
            source,
        })?;
        let open = |(index, address): (usize, &SocketAddress)| match index {
            0..MAX_PLACES => Place::open(address),
            _ => Err(io::Error::other(format!(
                "records are received at {MAX_PLACES} addresses at most"
            ))),
        };
        let places = addresses.iter().enumerate().map(|(index, address)| {
            open((index, address))
                .map_err(|source| ListenError::Receive { address: address.to_string(), source })
        });
        let places: Vec<Place> = places.collect::<Result<_, _>>()?;
        let name = |(place, asked): (&Place, &SocketAddress)| place.name(asked);
        let names = places.iter().zip(addresses).map(name);
        let counts = names.map(|name| Arc::new(SourceCounts::new(name))).collect();
        Ok(Opened { places, counts, table, left })
    }

    /// What `ctl status` shows of each socket.
    pub(super) fn counts(&self) -> impl Iterator<Item = Arc<SourceCounts>> {
        self.counts.iter().cloned()
    }
}

fn recover(queue: &QueueDir) -> io::Result<(Table, HashMap<u64, Vec<PathBuf>>)> {
    let mut table = Table::open(queue.path())?;
    let mut left: HashMap<u64, Vec<PathBuf>> = HashMap::new();
    for LeftLane { path, sender, next_seq } in left_lanes(queue).map_err(io::Error::other)? {
        table.set(sender, next_seq.max(table.next_seq(sender)));
        left.entry(sender).or_default().push(path);
    }
    if !left.is_empty() {
        table.save()?;
    }
    Ok((table, left))
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// Nothing more is put into lanes; what is there is acknowledged when it is written.
    Closing,
    /// Nothing is left to acknowledge.
    Done,
    /// Nothing will be written any more.
    Ended,
}

#[derive(Default)]
struct Shared(Mutex<Phase>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The drain's end of the thread that receives.
pub(super) struct Senders {
    shared: Arc<Shared>,
    receiving: Option<(JoinHandle<()>, UnixStream)>,
}

impl Senders {
    /// Starts to receive, on a thread of its own, if there are sockets.
    pub(super) fn start(
        opened: Opened,
        queue: &QueueDir,
        hub: &Arc<Hub>,
        bell: &Arc<Bell>,
    ) -> io::Result<Senders> {
        let shared = Arc::<Shared>::default();
        if opened.places.is_empty() {
            return Ok(Senders { shared, receiving: None });
        }
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let Opened { places, counts, table, left } = opened;
        let max_senders = max_senders()?;
        let feeds = Feeds {
            shared: Arc::clone(&shared),
            hub: Arc::clone(hub),
            queue: queue.clone(),
            bell: Arc::clone(bell),
            table,
            left,
            max_senders,
            of_senders: HashMap::new(),
            is_in_trouble: false,
        };
        let door = Door {
            places,
            counts,
            woken,
            shared: Arc::clone(&shared),
            feeds,
            max_arriving: max_senders,
            connections: Vec::new(),
            rest_until: None,
            looks: 0,
        };
        let thread = thread::Builder::new().name("logboom-socket".into());
        let thread = thread.spawn(move || door.run())?;
        Ok(Senders { shared, receiving: Some((thread, wake)) })
    }

    /// Puts nothing more into lanes.
    pub(super) fn close(&self) {
        let mut phase = self.shared.lock();
        if *phase == Phase::Open {
            *phase = Phase::Closing;
        }
        drop(phase);
        self.wake();
    }

    /// Whether all that was put into lanes is acknowledged, after [`close`](Self::close).
    pub(super) fn are_done(&self) -> bool {
        self.receiving.is_none() || *self.shared.lock() == Phase::Done
    }

    fn wake(&self) {
        if let Some((_, wake)) = &self.receiving {
            // Full of wakes, it is awake.
            let _full = (&*wake).write(&[1]);
        }
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        *self.shared.lock() = Phase::Ended;
        self.wake();
        let _panicked = self.receiving.take().map(|(thread, _)| thread.join());
    }
}

/// A thirty-second part of the descriptors, for senders and for those on their way in alike.
fn max_senders() -> io::Result<usize> {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(usize::try_from(soft / 32).unwrap_or(usize::MAX).clamp(1, MAX_SENDERS))
}
