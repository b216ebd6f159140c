//! The listener's side of its inlets: starts the sources, hands what they bring to the rounds, and
//! lets them end.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::{io, thread};

use super::RecordSource;
use super::arrivals::Arrivals;
use super::inlet::{ConnectionRoom, Inlet};
use super::receive::Event;
use super::round::{Chunk, LaneInput, Source};
use super::source_counts::SourceCounts;
use super::stop::Stop;
use crate::Thread;

/// Most sources of a listener.
pub(super) const MAX_SOURCES: usize = 32;

pub(super) struct Inlets {
    arrivals: Arc<Arrivals>,
    counts: Vec<Arc<SourceCounts>>,
    /// Sources that have ended; what others reach them by goes with them.
    ended: Receiver<Box<dyn RecordSource>>,
}

impl Inlets {
    /// Starts the thread of each source. They may have `max_connections` altogether.
    pub(super) fn start(
        sources: Vec<Box<dyn RecordSource>>,
        events: &SyncSender<Event>,
        stop: &Stop,
        max_connections: usize,
    ) -> io::Result<Inlets> {
        let arrivals = Arc::<Arrivals>::default();
        let (end, ended) = channel();
        let mut counts = Vec::new();
        let connections = ConnectionRoom::new(max_connections);
        for source in sources {
            let of_source = Arc::new(SourceCounts::new(source.name()));
            counts.push(Arc::clone(&of_source));
            let connections = Arc::clone(&connections);
            let inlet =
                Inlet::new(&arrivals, events.clone(), stop.clone(), of_source, connections)?;
            start(source, inlet, end.clone())?;
        }
        Ok(Inlets { arrivals, counts, ended })
    }

    /// What `ctl status` shows of each.
    pub(super) fn counts(&self) -> Vec<Arc<SourceCounts>> {
        self.counts.clone()
    }

    /// What a round has to merge, by lanes.
    pub(super) fn take(&self) -> Vec<LaneInput> {
        let mut inputs: Vec<LaneInput> = Vec::new();
        let mut places = HashMap::new();
        for arrival in self.arrivals.take() {
            let place = *places.entry(arrival.lane).or_insert_with(|| {
                inputs.push(LaneInput {
                    source: Source::Inlet,
                    lane: arrival.lane,
                    process: Arc::clone(&arrival.process),
                    thread: Thread::default(),
                    chunks: Vec::new(),
                });
                inputs.len() - 1
            });
            inputs[place].chunks.push(Chunk::Arrived(arrival));
        }
        inputs
    }

    /// Whether there is something for the next round.
    pub(super) fn have_waiting(&self) -> bool {
        self.arrivals.are_waiting()
    }

    /// How much has come by now.
    pub(super) fn tail(&self) -> u64 {
        self.arrivals.pushed()
    }

    /// Whether rounds have had all before `tail`.
    pub(super) fn have_passed(&self, tail: u64) -> bool {
        self.arrivals.has_taken(tail)
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.arrivals.close();
    }

    /// Whether nothing can come any more.
    pub(super) fn are_done(&self) -> bool {
        self.arrivals.are_done()
    }

    /// Takes nothing more; how many records are lost by that.
    pub(super) fn abandon(&self) -> u64 {
        self.arrivals.abandon()
    }

    /// Removes what others reach the sources by. One that has not ended by now is left behind.
    pub(super) fn remove(self) {
        self.ended.try_iter().for_each(drop);
    }
}

/// Also a listener that did not come to run lets its sources end.
impl Drop for Inlets {
    fn drop(&mut self) {
        self.arrivals.abandon();
    }
}

fn start(
    mut source: Box<dyn RecordSource>,
    inlet: Inlet,
    end: Sender<Box<dyn RecordSource>>,
) -> io::Result<()> {
    thread::Builder::new().name("logboom-source".into()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(|| source.run(&inlet))).is_err() {
            inlet.refuse("the source panicked");
        }
        // Whoever sees that the inlet is gone finds the source here.
        let _listener_gone = end.send(source);
        drop(inlet);
    })?;
    Ok(())
}
