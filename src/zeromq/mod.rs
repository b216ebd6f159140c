//! Records by ZeroMQ: what the recipes of Python's logging cookbook send and take ("Subclassing
//! `QueueHandler`", "Subclassing `QueueListener`").
//!
//! A message has one frame, the body: the attributes of a Python record as JSON
//! ([`LogRecordFormatter`](crate::formatter::LogRecordFormatter)). One with two has a topic before
//! it. Sockets speak ZMTP 3.0 without encryption, by the crate `zeromq`.
//!
//! # Whom to trust
//!
//! There are `ipc://` sockets, which are for their own user, and `tcp://` on loopback addresses,
//! where any user of the machine can connect. What a peer says is looked at before the crate reads it: a
//! message has at most 4 MiB and 64 frames, and a subscriber at most 1000 topics of 1023 bytes; what has
//! begun, the greeting too, has to be there within 10 seconds; messages that have begun take at most
//! 64 MiB together; and there are at most 256 peers, or one for 16 descriptors of the process. At this
//! limit the one goes that came first and has not greeted. A source counts each by its reason.
//!
//! ```no_run
//! use logboom::formatter::LogRecordFormatter;
//! use logboom::handler::RotatingFileHandler;
//! use logboom::zeromq::{Endpoint, ZeromqHandler, ZeromqSource};
//! use logboom::{QueueDir, QueueListener};
//!
//! let file = RotatingFileHandler::builder("logs/app.log").open(LogRecordFormatter::new())?;
//! let published = Endpoint::bind("tcp://127.0.0.1:5556")?;
//! let others = Endpoint::connect("tcp://127.0.0.1:5557")?;
//! let listener = QueueListener::builder(QueueDir::named("app")?)
//!     .file(file)
//!     .handler("zeromq", ZeromqHandler::publish(published).open(LogRecordFormatter::new())?)
//!     .source(ZeromqSource::subscribe(others))
//!     .bind()?;
//! # let _ = listener;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod endpoint;
mod framing;
mod guard;
mod handler;
mod room;
mod sender;
mod source;

pub use endpoint::{Endpoint, EndpointError};
pub use handler::{ZeromqBuilder, ZeromqHandler};
pub use source::ZeromqSource;
