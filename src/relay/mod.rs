//! What a [`SocketHandler`](crate::handler::SocketHandler) and the listener that receives from it say
//! to each other.
//!
//! The sender greets, and is welcomed with the number of the record that is expected next. Then it
//! sends frames of records, numbered without gaps, and hears now and then how many of them are
//! written. After a broken connection it begins again at the number it is welcomed with: so nothing is
//! lost, because it keeps what is not acknowledged, and nothing is doubled.

mod address;
mod message;
mod origin;
mod records;

pub use address::{ParseSocketAddressError, SocketAddress};
pub(crate) use message::{
    ANSWER_BYTES, Answer, FRAME_HEADER_BYTES, Frame, FrameKind, GREETING_BYTES, Greeting,
    MAX_FRAME_BYTES, MAX_ORIGINS, NoGreeting, SOFT_FRAME_BYTES, begin_frame, end_frame, put_origin,
    put_record,
};
#[cfg(test)]
pub(crate) use message::{Item, Items};
pub(crate) use origin::{Origin, OriginEncoder};
#[doc(hidden)]
pub use records::read;
pub(crate) use records::{FrameReader, Intake, Untaken};

use std::time::Duration;

/// Each end says something at least so often, so that the other knows of a connection that is dead.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long the other end may be silent.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);
