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
//! where any user of the machine can connect. The crate believes what a peer says of the length of a
//! frame: one that claims more than there is memory ends the process. So where other users are not
//! trusted bind `ipc://`, or connect to what is.
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
mod handler;
mod room;
mod sender;
mod source;

pub use endpoint::{Endpoint, EndpointError};
pub use handler::{ZeromqBuilder, ZeromqHandler};
pub use source::ZeromqSource;
