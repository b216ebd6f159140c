//! Sends records to a listener elsewhere, and keeps them until they are written there.

mod connect;
mod kept;
mod link;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use self::kept::Kept;
use self::link::Link;
use super::{Handler, HandlerError};
use crate::codec::{Draft, RecordAttributes, encode_record_again};
use crate::relay::{OriginEncoder, SocketAddress};
use crate::{Process, Record, Thread, record};

const MAX_BYTES: usize = 16 << 20;
const FULL_TIMEOUT: Duration = Duration::from_secs(5);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Sends records to a listener elsewhere, which writes them as if they had been logged there: with
/// their worker, thread, lane and number.
///
/// The listener acknowledges what is written to its log files ([`ListenerBuilder::socket`], `logboom
/// listen --logboom-socket`). What is not acknowledged is kept here, and sent again when the connection
/// was broken or the listener was started anew, from the record on that it expects: nothing is lost and
/// nothing is doubled, as long as this handler lives. What it keeps goes with its process: a listener
/// that relays and is killed loses what was on its way, and its successor may repeat its last batch.
///
/// | setting | default |
/// |---|---|
/// | [`max_bytes`](SocketBuilder::max_bytes) that are kept | 16 MiB |
/// | [`full_timeout`](SocketBuilder::full_timeout) | 5 s |
/// | [`close_timeout`](SocketBuilder::close_timeout) | 3 s |
/// | [`back_off`](SocketBuilder::back_off) | 100 ms to 10 s |
///
/// When as much is kept as may be, [`handle`](Handler::handle) waits for room while the listener goes on
/// to acknowledge. In a listener that holds back the queue of this handler alone, which then drops and
/// counts. When nothing was acknowledged for the timeout, records are refused at once until there is room
/// again. Messages are cut to the 128 KiB that a record of a lane has,
/// and the function of a call becomes a field. [`flush`](Handler::flush) does not
/// wait, and fails while there is no connection; [`close`](Handler::close) waits for acknowledgements, and so
/// does dropping it.
///
/// ```no_run
/// use logboom::handler::{Handler, SocketAddress, SocketHandler};
/// use logboom::{Level, Record};
///
/// let address: SocketAddress = "/run/app/central.sock".parse()?;
/// let mut handler = SocketHandler::builder(address).start()?;
/// handler.handle(&Record::new(0, Level::INFO, "app", "started"))?;
/// handler.close()?; // it is in the log there
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`ListenerBuilder::socket`]: crate::ListenerBuilder::socket
pub struct SocketHandler {
    shared: Arc<Shared>,
    address: SocketAddress,
    origins: OriginEncoder,
    full_timeout: Duration,
    close_timeout: Duration,
}

/// The settings of a [`SocketHandler`] that is not started yet.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `start`"]
pub struct SocketBuilder {
    address: SocketAddress,
    max_bytes: usize,
    full_timeout: Duration,
    close_timeout: Duration,
    back_off: (Duration, Duration),
}

/// What handler and thread share.
struct Shared {
    state: Mutex<State>,
    /// Something is to be sent, was acknowledged, or has ended.
    changed: Condvar,
    /// Wakes the thread where it waits for its connection.
    wake: UnixStream,
}

struct State {
    kept: Kept,
    /// The thread waits for its connection, and has nothing to send.
    is_waiting: bool,
    acknowledged_at: Instant,
    /// Nothing was acknowledged for too long: nobody waits any more.
    is_outage: bool,
    /// What is kept is the last that there will be.
    is_closed: bool,
    /// Nobody waits for the thread any more.
    is_abandoned: bool,
    has_ended: bool,
    /// Why there is no connection.
    trouble: Option<String>,
}

impl SocketHandler {
    /// Settings for a listener that receives at `address`.
    pub fn builder(address: SocketAddress) -> SocketBuilder {
        SocketBuilder {
            address,
            max_bytes: MAX_BYTES,
            full_timeout: FULL_TIMEOUT,
            close_timeout: CLOSE_TIMEOUT,
            back_off: BACK_OFF,
        }
    }
}

impl SocketBuilder {
    /// Most bytes of records that are not acknowledged; one longer record is let in alone.
    pub fn max_bytes(mut self, max_bytes: usize) -> SocketBuilder {
        self.max_bytes = max_bytes;
        self
    }

    /// How long a record waits for room while nothing is acknowledged, once in an outage.
    pub fn full_timeout(mut self, full_timeout: Duration) -> SocketBuilder {
        self.full_timeout = full_timeout;
        self
    }

    /// How long the end waits for acknowledgements.
    pub fn close_timeout(mut self, close_timeout: Duration) -> SocketBuilder {
        self.close_timeout = close_timeout;
        self
    }

    /// The shortest and longest pause before it connects again, each shortened by up to a half by
    /// chance, so that those who have lost one listener do not all come back at once.
    pub fn back_off(mut self, shortest: Duration, longest: Duration) -> SocketBuilder {
        self.back_off = (shortest, longest.max(shortest));
        self
    }

    /// Starts the thread that sends. It connects with the first record, so that the listener may be
    /// started later.
    ///
    /// # Errors
    /// The system has no thread, socket or random number to give.
    pub fn start(self) -> Result<SocketHandler, HandlerError> {
        let address = self.address;
        let started = |operation| {
            let path = address.to_string().into();
            move |source| HandlerError::Io { operation, path, source }
        };
        let number =
            getrandom::u64().map_err(|error| started("number the sender to")(error.into()))?;
        let pair = UnixStream::pair().and_then(|(wake, woken)| {
            wake.set_nonblocking(true)?;
            woken.set_nonblocking(true)?;
            Ok((wake, woken))
        });
        let (wake, woken) = pair.map_err(started("start the sender to"))?;
        let state = State {
            kept: Kept::new(self.max_bytes),
            is_waiting: false,
            acknowledged_at: Instant::now(),
            is_outage: false,
            is_closed: false,
            is_abandoned: false,
            has_ended: false,
            trouble: None,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), wake });
        let link = Link {
            shared: Arc::clone(&shared),
            address: address.clone(),
            woken,
            // 0 is nobody.
            sender: number.max(1),
            process: own_process(),
            back_off: self.back_off,
        };
        let thread = thread::Builder::new().name("logboom-socket".into());
        thread.spawn(move || link.run()).map_err(started("start the sender to"))?;
        Ok(SocketHandler {
            shared,
            address,
            origins: OriginEncoder::default(),
            full_timeout: self.full_timeout,
            close_timeout: self.close_timeout,
        })
    }
}

/// The origin that the receiver's lane has.
fn own_process() -> Arc<[u8]> {
    let program = record::own_program();
    let mut record = Record::new(0, crate::Level::INFO, "", "");
    record.process = std::borrow::Cow::Owned(Process {
        name: Arc::clone(&program),
        id: std::process::id(),
        program,
        started_ns: record::now_ns(),
        context: Arc::default(),
    });
    OriginEncoder::default().encode(&record)
}

fn encode(record: &Record<'_>) -> Vec<u8> {
    let attributes = RecordAttributes(record);
    let mut entry = Vec::new();
    encode_record_again(
        &Draft {
            time_ns: record.time_ns,
            level: record.level,
            logger: &record.logger,
            message: format_args!("{}", record.message),
            file: record.file.as_deref(),
            line: record.line,
            exception: record.exception.as_ref().map(|text| text as &dyn std::fmt::Display),
            attributes: (!attributes.is_empty()).then_some(&attributes),
            thread: Thread::default(),
        },
        record.seq,
        &mut entry,
    );
    entry
}

impl Handler for SocketHandler {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        let (origin, entry) = (self.origins.encode(record), encode(record));
        let mut state = self.shared.wait_for_room(entry.len(), self.full_timeout);
        if state.is_closed || !state.kept.has_room(entry.len()) {
            let why = if state.is_closed { "it is closed".to_owned() } else { state.why_full() };
            let sentence = format!("a record for {} was dropped: {why}", self.address);
            return Err(HandlerError::other(sentence));
        }
        state.is_outage = false;
        state.kept.push(origin, entry);
        self.shared.wake(state);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        let state = self.shared.lock();
        match &state.trouble {
            Some(why) if !state.kept.is_empty() => {
                let (waiting, address) = (state.kept.len(), &self.address);
                let sentence = format!("{waiting} records for {address} wait: {why}");
                Err(HandlerError::other(sentence))
            }
            _ => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), HandlerError> {
        let mut state = self.shared.lock();
        state.is_closed = true;
        self.shared.wake(state);
        let is_sending = |state: &mut State| !state.has_ended;
        let waited = self.shared.changed.wait_timeout_while(
            self.shared.lock(),
            self.close_timeout,
            is_sending,
        );
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.is_abandoned = true;
        let left = state.kept.len();
        let why = state.why_full();
        self.shared.wake(state);
        if left > 0 {
            let sentence =
                format!("{left} records for {} are not acknowledged: {why}", self.address);
            return Err(HandlerError::other(sentence));
        }
        Ok(())
    }
}

impl Drop for SocketHandler {
    fn drop(&mut self) {
        // Whoever wants to know closes it.
        let is_closed = self.shared.lock().is_abandoned;
        let _reported = if is_closed { Ok(()) } else { self.close() };
    }
}

impl State {
    fn why_full(&self) -> String {
        let trouble = self.trouble.as_deref();
        trouble.unwrap_or("what is sent there is not written").to_owned()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while too much is kept, as long as something is acknowledged within every `timeout`.
    fn wait_for_room(&self, bytes: usize, timeout: Duration) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        let began = Instant::now();
        while !state.kept.has_room(bytes) && !state.is_closed && !state.is_outage {
            let since = state.acknowledged_at.max(began).elapsed();
            state.is_outage = since >= timeout;
            let left = timeout.saturating_sub(since);
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// Tells whoever waits of a change.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let is_waiting = std::mem::take(&mut state.is_waiting);
        drop(state);
        self.changed.notify_all();
        if is_waiting {
            // Full of wakes, it is awake.
            let _full = (&self.wake).write(&[1]);
        }
    }
}
