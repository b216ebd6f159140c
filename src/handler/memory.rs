//! Keeps records back until something happens that makes them worth writing.

use std::collections::VecDeque;

use super::{Handler, HandlerError};
use crate::{Level, Record};

/// Most bytes of records that wait; one longer record is let in alone.
pub const MAX_MEMORY_BYTES: usize = 16 << 20;

/// Keeps records in memory and gives them to another handler all at once.
///
/// They are passed on, in their order, with a record of the flush level or above, when so many wait
/// that one more would reach the capacity or [`MAX_MEMORY_BYTES`], by
/// [`release`](Self::release), and by [`close`](Handler::close) unless
/// [`discard_on_close`](Self::discard_on_close) was chosen. [`flush`](Handler::flush) passes nothing
/// on: it flushes the target. Dropping the handler discards what waits.
///
/// A record that the target refuses is not offered to it again; the next
/// [`flush`](Handler::flush) says so.
///
/// ```
/// use logboom::Level;
/// use logboom::formatter::PatternFormatter;
/// use logboom::handler::{MemoryHandler, StreamHandler};
///
/// // Says nothing until there is an error, and then what led to it.
/// let target = StreamHandler::stderr(PatternFormatter::default());
/// let handler = MemoryHandler::new(1000, Level::ERROR, target).discard_on_close();
/// # let _ = handler;
/// ```
pub struct MemoryHandler<H> {
    capacity: usize,
    flush_level: Level,
    target: H,
    records: VecDeque<Record<'static>>,
    bytes: usize,
    on_close: OnClose,
    refused: Option<Refused>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnClose {
    Release,
    Discard,
}

/// Records that the target would not take.
struct Refused {
    count: u64,
    first: HandlerError,
}

impl<H: Handler> MemoryHandler<H> {
    /// A handler that keeps fewer than `capacity` records back, and passes all on with one of
    /// `flush_level` or above. With a capacity of 0 or 1 it keeps none.
    pub fn new(capacity: usize, flush_level: Level, target: H) -> MemoryHandler<H> {
        MemoryHandler {
            capacity,
            flush_level,
            target,
            records: VecDeque::new(),
            bytes: 0,
            on_close: OnClose::Release,
            refused: None,
        }
    }

    /// Discards what waits at the end, where nothing has made it worth writing.
    pub fn discard_on_close(mut self) -> MemoryHandler<H> {
        self.on_close = OnClose::Discard;
        self
    }

    /// Passes on what waits; Python's `MemoryHandler.flush`.
    ///
    /// # Errors
    /// As for [`flush`](Handler::flush).
    pub fn release(&mut self) -> Result<(), HandlerError> {
        self.pass_on();
        self.flush()
    }

    fn pass_on(&mut self) {
        self.bytes = 0;
        while let Some(record) = self.records.pop_front() {
            if let Err(error) = self.target.handle(&record) {
                let refused = self.refused.get_or_insert(Refused { count: 0, first: error });
                refused.count += 1;
            }
        }
    }
}

impl<H: Handler> Handler for MemoryHandler<H> {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        let bytes = self.bytes + record.memory_bytes();
        let is_full = self.records.len() + 1 >= self.capacity || bytes > MAX_MEMORY_BYTES;
        if is_full || record.level >= self.flush_level {
            self.pass_on();
            return self.target.handle(record);
        }
        self.records.push_back(record.clone().into_owned());
        self.bytes = bytes;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        let flushed = self.target.flush();
        match self.refused.take() {
            Some(Refused { count, first }) => {
                let sentence = format!("{count} records that were kept back were refused: {first}");
                Err(HandlerError::other(sentence))
            }
            None => flushed,
        }
    }

    fn close(&mut self) -> Result<(), HandlerError> {
        if self.on_close == OnClose::Release {
            self.pass_on();
        }
        let flushed = self.flush();
        self.target.close().and(flushed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps messages; refuses those that begin with `bad`.
    #[derive(Default)]
    struct Target {
        messages: Vec<String>,
        closed: bool,
    }

    impl Handler for Target {
        fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
            if record.message.starts_with("bad") {
                return Err(HandlerError::other("it is bad"));
            }
            self.messages.push(record.message.to_string());
            Ok(())
        }

        fn flush(&mut self) -> Result<(), HandlerError> {
            Ok(())
        }

        fn close(&mut self) -> Result<(), HandlerError> {
            self.closed = true;
            Ok(())
        }
    }

    fn handler(capacity: usize) -> MemoryHandler<Target> {
        MemoryHandler::new(capacity, Level::ERROR, Target::default())
    }

    fn info(message: &str) -> Record<'_> {
        Record::new(0, Level::INFO, "", message)
    }

    fn passed(handler: &MemoryHandler<Target>) -> Vec<&str> {
        handler.target.messages.iter().map(String::as_str).collect()
    }

    #[test]
    fn records_wait_for_a_severe_one_or_for_the_capacity() {
        let mut handler = handler(4);
        ["a", "b"].iter().for_each(|text| handler.handle(&info(text)).unwrap());
        handler.flush().unwrap();
        assert!(passed(&handler).is_empty());
        handler.handle(&Record::new(0, Level::ERROR, "", "c")).unwrap();
        assert_eq!(passed(&handler), ["a", "b", "c"]);
        ["d", "e", "f"].iter().for_each(|text| handler.handle(&info(text)).unwrap());
        assert_eq!(passed(&handler).len(), 3);
        handler.handle(&info("g")).unwrap();
        assert_eq!(passed(&handler), ["a", "b", "c", "d", "e", "f", "g"]);
        handler.handle(&info("h")).unwrap();
        handler.release().unwrap();
        assert_eq!(passed(&handler).len(), 8);
    }

    #[test]
    fn the_end_passes_on_or_discards() {
        let (mut releasing, mut discarding) = (handler(9), handler(9).discard_on_close());
        for handler in [&mut releasing, &mut discarding] {
            handler.handle(&info("a")).unwrap();
            handler.close().unwrap();
            assert!(handler.target.closed);
        }
        assert_eq!(passed(&releasing), ["a"]);
        assert!(passed(&discarding).is_empty());
    }

    #[test]
    fn what_the_target_refuses_is_told_once_and_keeps_nobody_back() {
        let mut handler = handler(9);
        ["bad 1", "a", "bad 2"].iter().for_each(|text| handler.handle(&info(text)).unwrap());
        let refusal = handler.release().unwrap_err().to_string();
        assert_eq!(refusal, "2 records that were kept back were refused: it is bad");
        assert_eq!(passed(&handler), ["a"]);
        handler.release().unwrap();
        assert!(handler.handle(&Record::new(0, Level::ERROR, "", "bad")).is_err());
    }

    #[test]
    fn memory_is_bounded_whatever_the_capacity() {
        let mut handler = handler(usize::MAX);
        let long = "x".repeat(1 << 20);
        for _ in 0..100 {
            handler.handle(&info(&long)).unwrap();
            assert!(handler.bytes <= MAX_MEMORY_BYTES);
        }
        assert!(passed(&handler).len() >= 100 - MAX_MEMORY_BYTES / long.len());
        handler.handle(&info(&"y".repeat(2 * MAX_MEMORY_BYTES))).unwrap();
        assert_eq!(passed(&handler).len(), 101);
    }
}
