//! Writes records to a stream that is already open, such as standard error.

use std::io::{self, Stderr, Stdout, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::color::{Color, paint};
use super::line_buffer::LineBuffer;
use super::{Handler, HandlerError};
use crate::Record;
use crate::formatter::Formatter;

/// How long one call waits for a non-blocking stream to take everything.
const MAX_STALL: Duration = Duration::from_millis(50);

const STALL_STEP: Duration = Duration::from_millis(1);

/// Writes each record as a line to a stream.
///
/// At most 64 KiB of records (one longer record is let in alone) wait in memory until
/// [`flush`](Handler::flush). A blocking stream blocks the handler; a non-blocking one that has not
/// taken everything after 50 ms is an error, and so is a pipe that nobody reads any more. What
/// waits stays for the next call.
pub struct StreamHandler<W> {
    name: &'static str,
    out: W,
    color: Color,
    formatter: Box<dyn Formatter>,
    lines: LineBuffer,
}

impl StreamHandler<Stdout> {
    /// A handler for standard output, with colour by [`Color::auto`].
    pub fn stdout(formatter: impl Formatter + 'static) -> StreamHandler<Stdout> {
        let color = Color::auto(&io::stdout());
        StreamHandler { name: "<stdout>", ..StreamHandler::new(io::stdout(), color, formatter) }
    }
}

impl StreamHandler<Stderr> {
    /// A handler for standard error, with colour by [`Color::auto`].
    pub fn stderr(formatter: impl Formatter + 'static) -> StreamHandler<Stderr> {
        let color = Color::auto(&io::stderr());
        StreamHandler { name: "<stderr>", ..StreamHandler::new(io::stderr(), color, formatter) }
    }
}

impl<W: Write + Send> StreamHandler<W> {
    /// A handler for any stream, which errors call `<stream>`.
    pub fn new(out: W, color: Color, formatter: impl Formatter + 'static) -> StreamHandler<W> {
        StreamHandler {
            name: "<stream>",
            out,
            color,
            formatter: Box::new(formatter),
            lines: LineBuffer::default(),
        }
    }

    /// The same handler with this colour.
    pub fn color(mut self, color: Color) -> StreamHandler<W> {
        self.color = color;
        self
    }

    fn offer(&mut self, record: &Record<'_>) {
        self.lines.offer(|out| {
            let start = out.len();
            self.formatter.format(record, out);
            if self.color == Color::Always {
                let text = out.split_off(start);
                paint(record.level, &text, out);
            }
        });
    }

    fn write_lines(&mut self) -> Result<(), HandlerError> {
        wait_for_room(|| self.lines.write_to(&mut self.out)).map_err(refused_by(self.name))
    }
}

impl<W: Write + Send> Handler for StreamHandler<W> {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        self.offer(record);
        if self.lines.is_full() {
            self.write_lines()?;
        }
        self.lines.take();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        self.write_lines()?;
        wait_for_room(|| self.out.flush()).map_err(refused_by(self.name))
    }
}

fn refused_by(stream: &'static str) -> impl FnOnce(io::Error) -> HandlerError {
    move |source| HandlerError::Io { operation: "write to", path: stream.into(), source }
}

/// Repeats `attempt` while it would block, for a while, and while a signal interrupts it.
fn wait_for_room(mut attempt: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let deadline = Instant::now() + MAX_STALL;
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline =>
            {
                thread::sleep(STALL_STEP);
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::super::line_buffer::BUFFER_BYTES;
    use super::*;
    use crate::Level;

    struct Message;

    impl Formatter for Message {
        fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
            out.extend_from_slice(record.message.as_bytes());
        }
    }

    fn error(message: &str) -> Record<'_> {
        Record::new(0, Level::ERROR, "test", message)
    }

    fn handler<W: Write + Send>(out: W) -> StreamHandler<W> {
        StreamHandler::new(out, Color::Never, Box::new(Message))
    }

    #[test]
    fn each_record_is_a_line_in_its_order() {
        let mut out = Vec::new();
        let mut handler = handler(&mut out);
        handler.handle(&error("one")).unwrap();
        handler.handle(&error("two")).unwrap();
        handler.flush().unwrap();
        drop(handler);
        assert_eq!(out, b"one\ntwo\n");
    }

    #[test]
    fn colour_is_a_matter_of_asking() {
        let mut out = Vec::new();
        let mut handler = handler(&mut out).color(Color::Always);
        handler.handle(&error("one")).unwrap();
        handler.handle(&error("two")).unwrap();
        handler.flush().unwrap();
        drop(handler);
        assert_eq!(out, b"\x1b[31mone\x1b[0m\n\x1b[31mtwo\x1b[0m\n");
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_an_error_that_names_the_stream() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let mut handler = handler(ours);
        handler.handle(&error("one")).unwrap();
        let refusal = handler.flush().unwrap_err();
        assert_eq!(refusal.to_string(), "cannot write to <stream>");
        let HandlerError::Io { source, .. } = refusal else { panic!("{refusal:?}") };
        assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_full_stream_refuses_records_and_goes_on_at_the_right_byte() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut handler = handler(ours);
        let text = |number: usize| format!("{number}:{}", "x".repeat(BUFFER_BYTES / 3));
        let mut expected = String::new();
        let refusal = loop {
            let next = text(expected.len());
            match handler.handle(&error(&next)) {
                Ok(()) => expected += &format!("{next}\n"),
                Err(refusal) => break refusal,
            }
        };
        assert!(
            matches!(&refusal, HandlerError::Io { source, .. } if source.kind() == io::ErrorKind::WouldBlock)
        );

        let mut read = Vec::new();
        while handler.flush().is_err() {
            let _would_block = theirs.read_to_end(&mut read);
        }
        drop(handler);
        theirs.read_to_end(&mut read).unwrap();
        assert!(read == expected.as_bytes(), "{} bytes, not {}", read.len(), expected.len());
    }

    #[test]
    fn a_signal_or_a_moment_without_room_only_delays_a_write() {
        let full = || Err(io::ErrorKind::WouldBlock.into());
        let mut answers =
            [full(), Err(io::ErrorKind::Interrupted.into()), full(), Ok(())].into_iter();
        wait_for_room(|| answers.next().unwrap()).unwrap();
        assert!(answers.next().is_none());
    }
}
