//! The handlers beside the log files, and what is on its way to them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::outlet::{Outlet, Recipients, Told};
use super::stop::Stop;
use crate::Record;
use crate::handler::Handler;
use crate::queue::status::HandlerStatus;

/// Records are handed over when they take this much memory, and at the end of a round. As only so
/// many parts wait for a handler, what waits is bounded in bytes as well.
const MAX_PART_BYTES: usize = 1 << 20;

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
            let part: Arc<[Told]> = std::mem::take(&mut self.part).into();
            self.part_bytes = 0;
            self.outlets.iter_mut().for_each(|outlet| outlet.offer(&part));
        }
    }

    /// What the log should say of the handlers, each with its number.
    pub(super) fn take_notices(&self) -> Vec<(usize, String)> {
        let of = |(index, outlet): (usize, &Outlet)| {
            outlet.take_notices().into_iter().map(move |text| (index, text))
        };
        self.outlets.iter().enumerate().flat_map(of).collect()
    }

    pub(super) fn status(&self) -> Vec<HandlerStatus> {
        self.outlets.iter().map(Outlet::status).collect()
    }

    /// Ends the handlers when they have handled what waits, or the drain deadline has passed.
    pub(super) fn close(&mut self, stop: &Stop, drain_timeout: Duration) {
        self.outlets.iter_mut().for_each(Outlet::close);
        self.outlets.iter().for_each(|outlet| outlet.wait_ended(stop.left(drain_timeout)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

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
}
