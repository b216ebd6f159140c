//! Where a thread keeps its lane, and what it does while the lane is busy with a record of its own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::fork;
use super::pool::Place;
use super::transport::Shared;
use super::writer::{Call, Homeless, Written};
use crate::codec::{Draft, Drops, encode_record};
use crate::{Level, Thread};

/// Most records that wait for the one whose `Display` logged them.
const MAX_NESTED: usize = 64;

/// Most lanes that are retired under one call before it is dropped.
const MAX_MOVES: usize = 8;

/// How long a thread that could not get a lane drops before it asks again.
const RETRY: Duration = Duration::from_millis(100);

/// A buffer that grew beyond this for one record is given back.
const SCRATCH_KEPT_BYTES: usize = 16 * 1024;

thread_local! {
    static SEATS: RefCell<Vec<Rc<Seat>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `act` with the calling thread's seat at `ring`.
pub(super) fn with_seat(ring: &Arc<Shared>, act: impl FnOnce(&Seat)) {
    // In the destructor of another thread-local ours may be gone: a seat for this call then.
    let seat = SEATS.try_with(|seats| seat_at(ring, &mut seats.borrow_mut()));
    act(&seat.unwrap_or_else(|_| Seat::new(ring)));
}

fn seat_at(ring: &Arc<Shared>, seats: &mut Vec<Rc<Seat>>) -> Rc<Seat> {
    let is_ours = |seat: &Seat| seat.generation == fork::generation();
    let mut found = seats.iter().filter(|seat| Arc::ptr_eq(&seat.ring, ring) && is_ours(seat));
    if let Some(seat) = found.next() {
        return Rc::clone(seat);
    }
    seats.retain(|seat| is_ours(seat) && !seat.ring.gate.is_closed());
    let seat = Seat::new(ring);
    seats.push(Rc::clone(&seat));
    seat
}

/// One thread's share of one ring.
pub(super) struct Seat {
    ring: Arc<Shared>,
    generation: u64,
    writing: RefCell<Writing>,
    nested: RefCell<Nested>,
}

impl Seat {
    fn new(ring: &Arc<Shared>) -> Rc<Seat> {
        Rc::new(Seat {
            ring: Arc::clone(ring),
            generation: fork::generation(),
            writing: RefCell::default(),
            nested: RefCell::default(),
        })
    }

    /// Queues a record, or drops it by policy. One that is logged by the `Display` of another
    /// follows that.
    pub(super) fn send(&self, draft: &Draft<'_>) {
        let Ok(mut writing) = self.writing.try_borrow_mut() else {
            // Not while `nested` is borrowed: this Display may log as well.
            let mut entry = Vec::new();
            encode_record(draft, 0, &mut entry);
            return self.nested.borrow_mut().push(draft, entry);
        };
        writing.send(&self.ring, draft);
        if !self.nested.borrow().records.is_empty() {
            self.append_nested(&mut writing);
        }
    }

    fn append_nested(&self, writing: &mut Writing) {
        let Nested { records, drops } = self.nested.take();
        for NestedRecord { level, time_ns, thread, mut entry } in records {
            writing.append(&self.ring, &mut entry, &Call { level, time_ns, thread: &thread });
        }
        if let Some(drops) = drops {
            writing.adopt_drops(&self.ring, drops);
        }
    }

    /// Writes the mark of dropped calls without waiting for the next record.
    pub(super) fn mark_drops(&self) {
        if let Ok(mut writing) = self.writing.try_borrow_mut()
            && let Some(Place::Own(writer)) = &mut writing.place
        {
            writer.mark_drops();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(Place::Own(writer)) = self.writing.get_mut().place.take() {
            self.ring.with_pool(|pool, _| pool.give_back(writer));
        }
    }
}

/// What a thread needs to write a record; busy until that is done.
#[derive(Default)]
struct Writing {
    place: Option<Place>,
    /// When to ask for a place again.
    retry_at: Option<Instant>,
    /// Calls dropped for want of a place.
    drops: Option<Drops>,
    /// Where a record goes that is not encoded into its lane at once.
    scratch: Vec<u8>,
}

impl Writing {
    fn send(&mut self, ring: &Shared, draft: &Draft<'_>) {
        self.settle(ring);
        let call = Call::of(draft);
        let written = match &mut self.place {
            None => return self.count_drop(ring, &call),
            Some(Place::Own(writer)) => writer.send(draft, &ring.gate, &mut self.scratch),
            Some(Place::Common(_)) => {
                // Encoded before the lock is taken: a Display may wait for another thread that logs.
                self.scratch.clear();
                encode_record(draft, 0, &mut self.scratch);
                Written::Aside
            }
        };
        if written == Written::Aside {
            let mut entry = std::mem::take(&mut self.scratch);
            self.append(ring, &mut entry, &call);
            entry.clear();
            entry.shrink_to(SCRATCH_KEPT_BYTES);
            self.scratch = entry;
        }
    }

    /// Writes a finished record, or drops it by policy.
    fn append(&mut self, ring: &Shared, entry: &mut [u8], call: &Call<'_>) {
        // Once more for each time that the lane is retired meanwhile.
        for _ in 0..MAX_MOVES {
            self.settle(ring);
            let Some(place) = &mut self.place else { break };
            let Err(Homeless) = place.with_writer(|writer| writer.append(entry, call, &ring.gate))
            else {
                return;
            };
        }
        self.count_drop(ring, call);
    }

    /// Finds a place if there is none that anybody would read; leaves it when the ring is closed.
    fn settle(&mut self, ring: &Shared) {
        if ring.gate.is_closed() {
            self.place = None;
            return;
        }
        if self.place.as_ref().is_some_and(|place| place.lane().is_usable()) {
            return;
        }
        self.place = self.find_place(ring);
        if let Some(place) = &mut self.place
            && let Some(drops) = self.drops.take()
        {
            ring.unplaced.fetch_sub(drops.total(), Ordering::Relaxed);
            place.with_writer(|writer| writer.adopt_drops(&drops));
        }
    }

    /// A place, waited for as long as the policy says.
    fn find_place(&mut self, ring: &Shared) -> Option<Place> {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return None;
        }
        let mut wait = None;
        loop {
            let taken = ring.with_pool(|pool, guard| {
                pool.take(&ring.settings, guard).map_err(|_no_room| pool.heartbeat())
            });
            match taken.map_err(|heartbeat| ring.gate.next_slice(&mut wait, heartbeat)) {
                Ok(place) => return Some(place),
                Err(Some(slice)) => std::thread::sleep(slice),
                Err(None) => break,
            }
        }
        self.retry_at = Instant::now().checked_add(RETRY);
        None
    }

    fn count_drop(&mut self, ring: &Shared, call: &Call<'_>) {
        self.adopt_drops(ring, Drops::of(0, call.level, call.time_ns));
    }

    fn adopt_drops(&mut self, ring: &Shared, drops: Drops) {
        if let Some(place) = &mut self.place {
            return place.with_writer(|writer| writer.adopt_drops(&drops));
        }
        ring.unplaced.fetch_add(drops.total(), Ordering::Relaxed);
        match &mut self.drops {
            Some(before) => before.add_all(&drops),
            None => self.drops = Some(drops),
        }
    }
}

/// Calls made by a `Display` while the record it belongs to is being encoded.
#[derive(Default)]
struct Nested {
    records: Vec<NestedRecord>,
    /// The calls beyond [`MAX_NESTED`].
    drops: Option<Drops>,
}

struct NestedRecord {
    level: Level,
    time_ns: i64,
    thread: Thread<'static>,
    entry: Vec<u8>,
}

impl Nested {
    fn push(&mut self, draft: &Draft<'_>, entry: Vec<u8>) {
        let Draft { level, time_ns, ref thread, .. } = *draft;
        if self.records.len() < MAX_NESTED {
            let thread = Thread { id: thread.id, name: thread.name.clone().into_owned().into() };
            return self.records.push(NestedRecord { level, time_ns, thread, entry });
        }
        match &mut self.drops {
            Some(drops) => drops.add(level, time_ns),
            None => self.drops = Some(Drops::of(0, level, time_ns)),
        }
    }
}
