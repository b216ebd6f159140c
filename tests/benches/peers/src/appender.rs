//! tracing-appender: each process has a thread that writes; all append to one file. The buffer before
//! the file is given out between two lines only, so that no line of another process gets into one.

use std::cell::RefCell;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::NonBlockingBuilder;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::harness::{self, WRITE_BYTES};
use crate::line::{LineClock, now_ns};
use crate::record::{LOGGER, Request, worker_name};
use crate::{Producer, Run};

/// Between two looks at how much is written.
const LOOK_PAUSE: Duration = Duration::from_millis(1);

/// Makes the file that all open.
pub(crate) fn prepare(run: &Run) -> anyhow::Result<()> {
    let made = OpenOptions::new().append(true).create(true).open(&run.out);
    made.map(drop).with_context(|| format!("cannot make {}", run.out.display()))
}

pub(crate) fn produce(producer: &Producer) -> anyhow::Result<()> {
    let file = OpenOptions::new().append(true).open(&producer.address)?;
    // It begins to write a line only where the whole line fits, else it writes what it has.
    let file = BufWriter::with_capacity(WRITE_BYTES, file);
    let taken = Arc::new(AtomicU64::new(0));
    let file = Counted { file, taken: Arc::clone(&taken) };
    let (writer, guard) = NonBlockingBuilder::default().lossy(false).finish(file);
    let format = Line { worker: worker_name(producer.worker) };
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(writer).event_format(format);
    tracing::subscriber::set_global_default(subscriber.finish())?;
    let worker = producer.worker;
    harness::produce(producer, |_, share| {
        for index in share {
            let Request { item, status, bytes } = Request::new(index);
            tracing::info!(
                target: LOGGER,
                "worker {worker} handled request {index} for /api/v1/items/{item} \
                 status={status} bytes={bytes} in 1.234ms"
            );
        }
        Ok(())
    })?;
    // The guard gives up after about a second, however much its thread has still to write.
    while taken.load(Ordering::Relaxed) < producer.records {
        thread::sleep(LOOK_PAUSE);
    }
    drop(guard);
    Ok(())
}

/// Counts the lines that the writing thread has taken: it writes each of them by one call.
struct Counted {
    file: BufWriter<File>,
    taken: Arc<AtomicU64>,
}

impl Write for Counted {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.file.write_all(line)?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The line of `logboom bench`.
struct Line {
    worker: String,
}

thread_local! {
    static TIME: RefCell<(LineClock, Vec<u8>)> = RefCell::new((LineClock::new(), Vec::new()));
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        TIME.with_borrow_mut(|(clock, text)| {
            text.clear();
            clock.write(now_ns(), text);
            writer.write_str(std::str::from_utf8(text).map_err(|_| fmt::Error)?)
        })?;
        let metadata = event.metadata();
        write!(writer, "{} {} {} ", self.worker, metadata.target(), metadata.level())?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writer.write_char('\n')
    }
}
