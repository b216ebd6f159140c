//! The lanes of one process: each thread that logs has one of its own, as long as there are some.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use super::bell::Bell;
use super::error::LaneError;
use super::fork::{self, Guard};
use super::futex;
use super::lane::Lane;
use super::layout::Words;
use super::writer::LaneWriter;
use crate::Process;
use crate::queue::{QueueDir, QueueStats};

/// Whose lanes, and how many.
pub(super) struct Settings {
    pub(super) dir: QueueDir,
    pub(super) process: Process,
    pub(super) max_lanes: usize,
    /// The process that chose these settings.
    pub(super) made_in: u32,
}

impl Settings {
    /// Who writes a new lane: in a child not the parent, unless it was somebody else all along.
    fn writer(&self) -> Process {
        let mut process = self.process.clone();
        if process.id == self.made_in {
            process.id = std::process::id();
        }
        process
    }
}

/// The lanes of this process. Locked only while forks are held off, so it is whole in a child.
pub(super) struct Pool {
    generation: u64,
    bell: Option<Arc<Bell>>,
    lanes: Vec<Arc<Lane>>,
    /// Lanes that no thread has at the moment.
    free: Vec<LaneWriter>,
    /// The last lane, shared by the threads that found no other.
    common: Option<Arc<Common>>,
    /// Counts of lanes that are ours no more.
    retired: QueueStats,
    /// The connection to the listener, by which it sees our end.
    listener: Option<UnixStream>,
}

/// A place for a thread to write.
pub(super) enum Place {
    Own(LaneWriter),
    Common(Arc<Common>),
}

impl Place {
    pub(super) fn lane(&self) -> &Lane {
        match self {
            Place::Own(writer) => writer.lane(),
            Place::Common(common) => &common.lane,
        }
    }

    /// Runs `act` with the lane's writer, for the common one as soon as no other thread has it.
    pub(super) fn with_writer<R>(&mut self, act: impl FnOnce(&mut LaneWriter) -> R) -> R {
        match self {
            Place::Own(writer) => act(writer),
            Place::Common(common) => {
                act(&mut common.writer.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

/// A lane that several threads write in turn.
pub(super) struct Common {
    pub(super) lane: Arc<Lane>,
    pub(super) writer: Mutex<LaneWriter>,
}

impl Pool {
    pub(super) fn new() -> Pool {
        Pool {
            generation: fork::generation(),
            bell: None,
            lanes: Vec::new(),
            free: Vec::new(),
            common: None,
            retired: QueueStats::default(),
            listener: None,
        }
    }

    /// A place for a thread: a lane that another has left, a new one, or the common one.
    pub(super) fn take(
        &mut self,
        settings: &Settings,
        guard: &mut Guard,
    ) -> Result<Place, LaneError> {
        self.forget_retired(guard);
        if let Some(writer) = self.free.pop() {
            return Ok(Place::Own(writer));
        }
        if let Some(common) = &self.common {
            return Ok(Place::Common(Arc::clone(common)));
        }
        let writer = self.create(settings, guard)?;
        if self.lanes.len() < settings.max_lanes {
            return Ok(Place::Own(writer));
        }
        let lane = Arc::clone(writer.lane());
        let common = Arc::new(Common { lane, writer: Mutex::new(writer) });
        self.common = Some(Arc::clone(&common));
        Ok(Place::Common(common))
    }

    /// Makes the first lane, for the first thread that logs; its number.
    pub(super) fn stock(
        &mut self,
        settings: &Settings,
        guard: &mut Guard,
    ) -> Result<u64, LaneError> {
        let place = self.take(settings, guard)?;
        let id = place.lane().id;
        if let Place::Own(writer) = place {
            self.free.push(writer);
        }
        Ok(id)
    }

    /// Keeps the connection to a listener until the next one, or the end.
    pub(super) fn keep(&mut self, stream: UnixStream) {
        self.listener = Some(stream);
    }

    fn create(&mut self, settings: &Settings, guard: &mut Guard) -> Result<LaneWriter, LaneError> {
        let lane = Arc::new(Lane::create(&settings.dir, &settings.writer(), guard)?);
        let bell = match &self.bell {
            Some(bell) if !bell.is_unlinked() => Arc::clone(bell),
            _ => Arc::clone(self.bell.insert(Arc::new(Bell::open(&settings.dir)?))),
        };
        self.lanes.push(Arc::clone(&lane));
        Ok(LaneWriter::new(lane, bell))
    }

    /// Takes back the lane of a thread that has ended.
    pub(super) fn give_back(&mut self, mut writer: LaneWriter) {
        if self.lanes.iter().any(|lane| Arc::ptr_eq(lane, writer.lane())) {
            writer.part();
            self.free.push(writer);
        }
    }

    /// Forgets, in a child, the lanes of the parent.
    pub(super) fn follow_fork(&mut self) {
        if self.generation != fork::generation() {
            *self = Pool::new();
        }
    }

    /// Forgets lanes that nobody will read any more.
    pub(super) fn forget_retired(&mut self, guard: &mut Guard) {
        let retired = &mut self.retired;
        self.lanes.retain(|lane| {
            let is_retired = lane.check(guard);
            if is_retired {
                lane.end(guard);
                *retired = sum(*retired, stats(lane));
            }
            !is_retired
        });
        self.free.retain(|writer| !writer.lane().is_retired());
        self.common.take_if(|common| common.lane.is_retired());
    }

    /// Writes the marks of dropped calls that no thread would soon write.
    pub(super) fn mark_drops(&mut self) {
        self.free.iter_mut().for_each(LaneWriter::mark_drops);
        if let Some(common) = &self.common
            && let Ok(mut writer) = common.writer.try_lock()
        {
            writer.mark_drops();
        }
    }

    /// Ends all lanes and wakes those who wait for room.
    pub(super) fn end(&mut self, guard: &mut Guard) {
        self.mark_drops();
        for lane in &self.lanes {
            lane.end(guard);
            futex::wake_all(lane.head());
        }
        self.disconnect();
    }

    /// Whether a listener is there.
    pub(super) fn is_attached(&self) -> bool {
        self.listener.is_some()
    }

    /// Lets the listener see our end.
    pub(super) fn disconnect(&mut self) {
        // An error means that the listener has closed it before.
        let _closed = self.listener.take().map(|stream| stream.shutdown(Shutdown::Both));
    }

    pub(super) fn lanes(&self) -> &[Arc<Lane>] {
        &self.lanes
    }

    pub(super) fn bell(&self) -> Option<&Arc<Bell>> {
        self.bell.as_ref()
    }

    /// The listener's heartbeat; 0 before there is a bell.
    pub(super) fn heartbeat(&self) -> u64 {
        self.bell.as_ref().map_or(0, |bell| bell.heartbeat())
    }

    pub(super) fn stats(&self) -> QueueStats {
        self.lanes.iter().map(|lane| stats(lane)).fold(self.retired, sum)
    }
}

fn stats(lane: &Lane) -> QueueStats {
    use std::sync::atomic::Ordering::Relaxed;
    QueueStats { records: lane.records.load(Relaxed), dropped: lane.dropped.load(Relaxed) }
}

fn sum(a: QueueStats, b: QueueStats) -> QueueStats {
    QueueStats { records: a.records + b.records, dropped: a.dropped + b.dropped }
}
