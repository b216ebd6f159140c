//! The handlers beside the log files, and what is on its way to them.

use std::io;
use std::time::Duration;

use super::layout::NextHandler;
use super::outlet::{MAX_OUTLETS, Outlet, Part, Recipients, Told};
use super::stop::Stop;
use crate::Record;
use crate::handler::Handler;
use crate::queue::status::HandlerStatus;

/// Records are handed over when they take this much memory, and at the end of a round.
const MAX_PART_BYTES: usize = 1 << 20;

/// A handler of the next configuration.
pub(super) enum NextOutlet {
    /// The one at this place.
    Stays(usize),
    Comes(Outlet),
}

pub(super) struct Outlets {
    outlets: Vec<Outlet>,
    part: Vec<Told>,
    part_bytes: usize,
}

impl Outlets {
    /// Starts a thread for each handler.
    pub(super) fn start(handlers: Vec<(String, Box<dyn Handler>)>) -> io::Result<Outlets> {
        let handlers = handlers.into_iter().enumerate();
        let outlets = handlers.map(|(index, (name, handler))| Outlet::start(index, name, handler));
        let outlets = outlets.collect::<io::Result<_>>()?;
        Ok(Outlets { outlets, part: Vec::new(), part_bytes: 0 })
    }

    /// Starts the threads of the handlers that come; those that stay are as they were. Nothing has
    /// changed before [`exchange`](Self::exchange).
    pub(super) fn start_next(&self, next: Vec<NextHandler>) -> io::Result<Vec<NextOutlet>> {
        let staying = next.iter().filter_map(|next| match next {
            NextHandler::Stays(place) => self.outlets.get(*place).map(Outlet::index),
            NextHandler::Comes(..) => None,
        });
        let staying: Vec<_> = staying.collect();
        let mut free = (0..MAX_OUTLETS).filter(|index| !staying.contains(index));
        let start = |next| match next {
            NextHandler::Stays(place) => Ok(NextOutlet::Stays(place)),
            NextHandler::Comes(name, handler) => {
                let index = free.next().ok_or(io::ErrorKind::QuotaExceeded)?;
                Ok(NextOutlet::Comes(Outlet::start(index, name, handler)?))
            }
        };
        next.into_iter().map(start).collect()
    }

    /// Goes on with other handlers, when all that was taken is handed over; those that go are given
    /// back, and end when they have handled what waits for them.
    pub(super) fn exchange(&mut self, next: Vec<NextOutlet>) -> Vec<Outlet> {
        let mut before: Vec<_> = std::mem::take(&mut self.outlets).into_iter().map(Some).collect();
        for next in next {
            self.outlets.extend(match next {
                NextOutlet::Stays(place) => before.get_mut(place).and_then(Option::take),
                NextOutlet::Comes(outlet) => Some(outlet),
            });
        }
        let mut gone: Vec<_> = before.into_iter().flatten().collect();
        gone.iter_mut().for_each(Outlet::close);
        gone
    }

    /// The number under which the handler at `place` gets records.
    pub(super) fn index_of(&self, place: usize) -> usize {
        self.outlets.get(place).map_or(place, Outlet::index)
    }

    /// Takes a record for some of the handlers. They share one copy of it.
    pub(super) fn take(&mut self, record: &Record<'_>, recipients: Recipients) {
        if !self.outlets.is_empty() && recipients != Recipients::NONE {
            self.take_told(Told { record: record.clone().into_owned(), recipients });
        }
    }

    fn take_told(&mut self, told: Told) {
        self.part_bytes += told.record.memory_bytes();
        self.part.push(told);
        if self.part_bytes >= MAX_PART_BYTES {
            self.hand_over();
        }
    }

    /// Hands over what was taken, or drops it where a handler cannot follow.
    pub(super) fn hand_over(&mut self) {
        if !self.part.is_empty() {
            let told = std::mem::take(&mut self.part).into();
            let part = Part { told, bytes: std::mem::take(&mut self.part_bytes) };
            self.outlets.iter_mut().for_each(|outlet| outlet.offer(&part));
        }
    }

    /// What is to be said of the handlers, and to whom.
    pub(super) fn take_notices(&mut self) -> Vec<(String, Recipients)> {
        self.outlets.iter_mut().flat_map(Outlet::take_notices).collect()
    }

    pub(super) fn status(&self) -> Vec<HandlerStatus> {
        self.outlets.iter().map(Outlet::status).collect()
    }

    /// Ends the handlers when they have handled what waits, or the drain deadline has passed.
    pub(super) fn close(&mut self, stop: &Stop, drain_timeout: Duration) {
        self.outlets.iter_mut().for_each(Outlet::close);
        for outlet in &self.outlets {
            let _hangs = outlet.wait_ended(stop.left(drain_timeout));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Instant;

    use super::*;
    use crate::Level;
    use crate::handler::HandlerError;

    /// Holds every record until it is let go.
    struct Holding(Receiver<()>);

    impl Handler for Holding {
        fn handle(&mut self, _: &Record<'_>) -> Result<(), HandlerError> {
            let _let_go = self.0.recv();
            Ok(())
        }

        fn flush(&mut self) -> Result<(), HandlerError> {
            Ok(())
        }
    }

    #[test]
    fn what_waits_for_a_handler_is_bounded_in_bytes_however_large_a_round_is() {
        const RECORDS: u64 = 600;
        let (let_go, held) = channel();
        let mut outlets =
            Outlets::start(vec![("slow".to_owned(), Box::new(Holding(held)))]).expect("a thread");
        let text = "x".repeat(100_000);
        for _ in 0..RECORDS {
            outlets.take(&Record::new(0, Level::INFO, "l", text.as_str()), Recipients::ALL);
        }
        outlets.hand_over();
        let dropped = outlets.status()[0].dropped;
        // Those in the queue, and perhaps a part in the handler's hands.
        let waiting_bytes = (RECORDS - dropped) * 100_000;
        assert!((16 << 20..19 << 20).contains(&waiting_bytes), "{waiting_bytes}");
        drop(let_go);
    }

    #[test]
    fn a_handler_that_can_follow_again_is_told_how_much_it_has_missed() {
        let (let_go, held) = channel();
        let mut outlets =
            Outlets::start(vec![("slow".to_owned(), Box::new(Holding(held)))]).expect("a thread");
        let text = "x".repeat(100_000);
        let offer = |outlets: &mut Outlets| {
            outlets.take(&Record::new(0, Level::INFO, "l", text.as_str()), Recipients::ALL);
            outlets.hand_over();
        };
        while outlets.status()[0].dropped < 3 {
            offer(&mut outlets);
        }
        let others = Recipients::all_but(0);
        let text = "handler slow cannot follow: records for it are dropped".to_owned();
        assert_eq!(outlets.take_notices(), [(text, others)]);
        assert!(outlets.take_notices().is_empty());
        drop(let_go);
        let deadline = Instant::now() + Duration::from_secs(30);
        let told = loop {
            let told = outlets.take_notices();
            if !told.is_empty() {
                break told;
            }
            assert!(Instant::now() < deadline, "{:?}", outlets.status());
            std::thread::yield_now();
        };
        let text = "handler slow goes on: 3 records for it were dropped".to_owned();
        assert_eq!(told, [(text, Recipients::ALL)]);
        offer(&mut outlets);
        assert_eq!(outlets.status()[0].dropped, 3);
    }
}
