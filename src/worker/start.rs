//! How a worker begins: find the queue, attach, install.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::choice::TransportChoice;
use super::connect::{Connected, Wish, connect};
use super::facts::this_process;
#[cfg(feature = "formatter")]
use super::handler::Origin;
use super::levels::Levels;
use super::{GLOBAL, QueueHandler, panic};
use crate::codec::Draft;
#[cfg(feature = "config")]
use crate::queue::Transport;
use crate::queue::channel::DEFAULT_CAPACITY_BYTES;
use crate::queue::rendezvous::AttachError;
use crate::queue::{Certainty, FlushReport, Overflow, QueueDir};
use crate::record::now_ns;
use crate::{Context, Field, Level, Process, context};

/// How long a dropped [`Guard`] waits for the last records to be written.
const GUARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Attaches this process to the queue named by `LOGBOOM_QUEUE` and installs it as the logger of the
/// `log` crate.
///
/// Blocks for the rendezvous, usually well under a millisecond; a listener that stands still may
/// take 5 s for each of its few steps. Keep the guard until the end of
/// `main`: dropping it waits for the last records.
///
/// # Errors
/// No queue, no listener where the transport needs one, or a logger was installed before; see
/// [`AttachError`].
///
/// ```no_run
/// let _guard = logboom::init()?;
/// log::info!(user = 7; "hello");
/// # Ok::<(), logboom::AttachError>(())
/// ```
pub fn init() -> Result<Guard, AttachError> {
    builder().init()
}

/// A [`Builder`] with the defaults of [`init`].
pub fn builder() -> Builder {
    Builder::default()
}

/// Settings of a worker.
///
/// | setting | default |
/// |---|---|
/// | queue | the queue directory in `LOGBOOM_QUEUE` |
/// | name | `LOGBOOM_WORKER`, else the name of the program |
/// | context | what `LOGBOOM_CONTEXT` says |
/// | transport | `LOGBOOM_TRANSPORT`, else [`TransportChoice::Auto`] |
/// | overflow | wait 50 ms once per outage, then drop ([`Overflow::BlockFor`]) |
/// | capacity | with Channel 1 MiB of encoded records, at least 256 KiB; with Ring always 256 KiB for each thread |
/// | filter | `LOGBOOM_FILTER`, else what the listener says, else `RUST_LOG`, else `info` |
/// | panic hook | installed |
#[derive(Debug)]
#[must_use = "a builder does nothing until `init`, `layer` or `attach`"]
pub struct Builder {
    queue: Option<QueueDir>,
    process: ProcessChoice,
    context: Vec<Field<'static>>,
    transport: Option<TransportChoice>,
    overflow: Overflow,
    capacity_bytes: usize,
    default_filter: String,
    pinned_filter: Option<String>,
    panic_hook: bool,
    #[cfg(feature = "formatter")]
    or_stderr: bool,
    #[cfg(feature = "config")]
    local: Option<Local>,
}

/// Makes the transport of a worker that needs no queue.
#[cfg(feature = "config")]
struct Local(Box<dyn FnOnce(Process) -> Box<dyn Transport> + Send>);

#[cfg(feature = "config")]
impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Local")
    }
}

#[derive(Debug)]
enum ProcessChoice {
    This { name: Option<String> },
    Other(Process),
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            queue: None,
            process: ProcessChoice::This { name: None },
            context: Vec::new(),
            transport: None,
            overflow: Overflow::default(),
            capacity_bytes: DEFAULT_CAPACITY_BYTES,
            default_filter: "info".to_owned(),
            pinned_filter: None,
            panic_hook: true,
            #[cfg(feature = "formatter")]
            or_stderr: false,
            #[cfg(feature = "config")]
            local: None,
        }
    }
}

impl Builder {
    /// Attaches to this queue, whatever the environment says.
    pub fn queue(mut self, queue: QueueDir) -> Builder {
        self.queue = Some(queue);
        self
    }

    /// The display name of this worker.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.process = ProcessChoice::This { name: Some(name.into()) };
        self
    }

    /// Adds fields that go with every record of this process, and of the children that
    /// [`inherit`](crate::inherit) them; they replace those with the same key that it has inherited.
    /// They travel once, not with each record. Beyond 32 fields and 1000 bytes of text they are left
    /// out, which a record says.
    pub fn context(mut self, context: &Context) -> Builder {
        self.context.extend_from_slice(context.fields());
        self
    }

    /// Logs in the name of another process, which has a context of its own, as a supervisor does with
    /// what its children print.
    pub fn on_behalf_of(mut self, process: Process) -> Builder {
        self.process = ProcessChoice::Other(process);
        self
    }

    /// How records travel, whatever the environment says.
    pub fn transport(mut self, transport: TransportChoice) -> Builder {
        self.transport = Some(transport);
        self
    }

    /// What a log call does when the queue is full.
    pub fn overflow(mut self, overflow: Overflow) -> Builder {
        self.overflow = overflow;
        self
    }

    /// Most bytes of encoded records that wait in this process, at least 256 KiB. For the Channel
    /// transport; lanes of Ring have a size of their own.
    pub fn capacity_bytes(mut self, capacity_bytes: usize) -> Builder {
        self.capacity_bytes = capacity_bytes;
        self
    }

    /// The level table where neither the environment nor the listener names one, as in `RUST_LOG`:
    /// `info,my_crate::part=debug`.
    pub fn default_filter(mut self, filter: impl Into<String>) -> Builder {
        self.default_filter = filter.into();
        self
    }

    /// The level table, whatever environment and listener say: for records that are not this
    /// program's own. What the listener filters out it still filters out.
    pub fn pinned_filter(mut self, filter: impl Into<String>) -> Builder {
        self.pinned_filter = Some(filter.into());
        self
    }

    /// Leaves the panic hook alone.
    pub fn without_panic_hook(mut self) -> Builder {
        self.panic_hook = false;
        self
    }

    /// Logs to standard error, in the text form of the log file, where no queue is named.
    #[cfg(feature = "formatter")]
    pub fn or_stderr(mut self) -> Builder {
        self.or_stderr = true;
        self
    }

    /// Logs by this transport, without a queue.
    #[cfg(feature = "config")]
    pub(crate) fn local(
        mut self,
        transport: impl FnOnce(Process) -> Box<dyn Transport> + Send + 'static,
    ) -> Builder {
        self.local = Some(Local(Box::new(transport)));
        self
    }

    /// Attaches and installs as the logger of the `log` crate; see [`init`].
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn init(self) -> Result<Guard, AttachError> {
        let panic_hook = self.panic_hook;
        let reservation = Reservation::make()?;
        let handler = self.attach()?;
        log::set_boxed_logger(Box::new(handler.clone())).map_err(|_| AttachError::LoggerSet)?;
        Ok(reservation.install(handler, panic_hook))
    }

    /// Attaches and gives a layer for `tracing-subscriber`; events become records, spans their
    /// context.
    ///
    /// # Errors
    /// See [`AttachError`].
    #[cfg(feature = "tracing")]
    pub fn layer<S>(
        self,
    ) -> Result<(impl tracing_subscriber::Layer<S> + use<S>, Guard), AttachError>
    where
        S: tracing_core::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    {
        let panic_hook = self.panic_hook;
        let reservation = Reservation::make()?;
        let handler = self.attach()?;
        let layer = super::layer::queue_layer(handler.clone());
        Ok((layer, reservation.install(handler, panic_hook)))
    }

    /// Attaches and installs nothing: for a program that drives its handler itself. The lane ends
    /// when the last clone of the handler is dropped.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(self) -> Result<QueueHandler, AttachError> {
        let (process, mut complaints) = match self.process {
            ProcessChoice::This { name } => {
                let (context, complaints) = context::of_process(&self.context);
                (this_process(name, context), complaints)
            }
            ProcessChoice::Other(process) => (process, Vec::new()),
        };
        let levels = match &self.pinned_filter {
            Some(filter) => Levels::pinned(filter, "the pinned filter")?,
            None => Levels::from_env(&self.default_filter)?,
        };
        let levels = Arc::new(levels);
        complaints.extend(levels.complaint.clone());
        #[cfg(feature = "config")]
        if let Some(Local(transport)) = self.local {
            let origin = Origin { queue: None, context: Arc::clone(&process.context).into() };
            let handler = QueueHandler::new(transport(process), levels, origin);
            complain(&handler, complaints);
            return Ok(handler);
        }
        let named = match self.queue {
            Some(queue) => Some(queue),
            None => QueueDir::from_env()?,
        };
        let queue = match named {
            Some(queue) => queue,
            #[cfg(feature = "formatter")]
            None if self.or_stderr => {
                let origin = Origin { queue: None, context: Arc::clone(&process.context).into() };
                let stderr = Box::new(super::stderr::Stderr::new(process));
                let handler = QueueHandler::new(stderr, levels, origin);
                complain(&handler, complaints);
                return Ok(handler);
            }
            None => return Err(AttachError::NoQueue),
        };
        let choice = self.transport.map_or_else(TransportChoice::from_env, Ok)?;
        let Builder { overflow, capacity_bytes, .. } = self;
        let wish = Wish { queue, process, overflow, capacity_bytes };
        let Connected { handler, notice } = connect(wish, choice, levels)?;
        complain(&handler, notice.into_iter().chain(complaints));
        Ok(handler)
    }
}

/// Says in the log what is not as it was wished.
fn complain(handler: &QueueHandler, complaints: impl IntoIterator<Item = String>) {
    for text in complaints {
        let text = format_args!("{text}");
        handler.send(Draft::new(now_ns(), Level::WARNING, "logboom", text));
    }
}

/// Keeps a worker's last records from being lost: dropping it waits, at most two seconds, until they
/// are in the log file. With the Ring transport it does not wait where no listener is attached:
/// the records are in shared memory, for the next one.
#[must_use = "bind it to a name such as `_guard`: dropped at once it guards nothing"]
pub struct Guard {
    handler: QueueHandler,
}

/// Whether this process has its one worker, or somebody is about to attach it.
static RESERVED: AtomicBool = AtomicBool::new(false);

/// The right to install the one worker of this process. It is had before anything is attached, so
/// that a start that is refused changes nothing; dropped, it is free for another attempt.
struct Reservation(());

impl Reservation {
    fn make() -> Result<Reservation, AttachError> {
        if RESERVED.swap(true, Ordering::AcqRel) {
            return Err(AttachError::LoggerSet);
        }
        Ok(Reservation(()))
    }

    fn install(self, handler: QueueHandler, panic_hook: bool) -> Guard {
        // Reserved for good.
        std::mem::forget(self);
        let installed = GLOBAL.get_or_init(|| handler.clone());
        installed.worker.levels.install();
        if panic_hook {
            panic::install(handler.clone());
        }
        Guard { handler }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        RESERVED.store(false, Ordering::Release);
    }
}

impl Guard {
    /// The handler, to be asked or driven directly.
    pub fn handler(&self) -> &QueueHandler {
        &self.handler
    }

    /// Waits until all records are as certain as asked, or `timeout` has passed.
    pub fn flush(&self, certainty: Certainty, timeout: Duration) -> FlushReport {
        self.handler.flush(certainty, timeout)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.handler.worker.transport.settle(GUARD_TIMEOUT);
    }
}
