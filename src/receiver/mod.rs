//! Records that other programs send: the doors by which they reach a listener, and the decoders,
//! each of which takes the bytes of one record and says what is in them, or why they are none.
//!
//! The bytes are from anybody: nothing panics, recurses or allocates by what they say, and the text
//! of a record is cut to 1 MiB. `arrived_ns` is the time of a record that has none.

mod door;
#[doc(hidden)]
pub mod frame;
mod into_record;
#[doc(hidden)]
pub mod json;
mod levels;
mod names;
mod parts;
#[doc(hidden)]
pub mod pickle;
#[doc(hidden)]
pub mod syslog;
mod text;
mod time;
#[doc(hidden)]
pub mod wire;

use std::borrow::Cow;

pub use self::door::{Door, DoorError, DoorForm, DoorPlace};
use crate::record::now_ns;
use crate::{Field, Level, Record};

/// Most bytes of one frame or datagram.
pub const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;

/// Most bytes of text in one record; longer text is cut and says so.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// Most bytes of all fields of one record together.
const MAX_FIELDS_BYTES: usize = MAX_RECORD_BYTES / 2;

/// Most bytes of the name of a logger, thread, file and the like, and of a key.
const MAX_NAME_BYTES: usize = 1024;

/// Most keys of one record.
const MAX_KEYS: usize = 512;

/// Deepest nesting of what a field holds.
const MAX_DEPTH: usize = 64;

/// Reads one record from a JSON object: with the keys of Python's records, as
/// [`LogRecordFormatter`](crate::formatter::LogRecordFormatter) writes them and `json.dumps` the
/// `__dict__` of one, those that programs commonly use, or those of
/// [`JsonFormatter`](crate::formatter::JsonFormatter). For a [`RecordSource`](crate::RecordSource) of
/// one's own.
///
/// The body may be from anybody. Text is cut to 1 MiB, and says so; unknown keys are fields. A record
/// that has no time has the present one.
///
/// # Errors
/// It is longer than [`MAX_FRAME_BYTES`], or no JSON object.
pub fn decode_json(body: &[u8]) -> Result<Record<'_>, DecodeError> {
    let arrived_ns = now_ns();
    match json::decode(body, arrived_ns) {
        Err(DecodeError::Malformed) => {
            let body = json::strict(body)?;
            let received = json::decode(&body, arrived_ns)?;
            let process = received.process();
            Ok(received.into_record(process).into_owned())
        }
        received => {
            let received = received?;
            let process = received.process();
            Ok(received.into_record(process))
        }
    }
}

/// What somebody has said about one record.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub struct Received<'a> {
    /// When it was made, nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// How severe it is; `INFO` where that was not said.
    pub level: Level,
    /// The sender's own name of the level, where it is not a usual one.
    pub level_name: Option<Cow<'a, str>>,
    /// The name of the logger; empty where it has none.
    pub logger: Cow<'a, str>,
    /// The message.
    pub message: Cow<'a, str>,
    /// Text of an exception with its traceback.
    pub exception: Option<Cow<'a, str>>,
    /// The stack of the call, where the sender was asked to show it.
    pub stack_info: Option<Cow<'a, str>>,
    /// Source file of the call.
    pub file: Option<Cow<'a, str>>,
    /// Line of the call.
    pub line: Option<u32>,
    /// Function of the call.
    pub function: Option<Cow<'a, str>>,
    /// Process id of the sender, as it says.
    pub process_id: Option<u32>,
    /// Name of its process.
    pub process_name: Option<Cow<'a, str>>,
    /// When it began to log, nanoseconds since the Unix epoch.
    pub started_ns: Option<i64>,
    /// Number of the thread, of whichever kind the sender has.
    pub thread_id: Option<u64>,
    /// Name of the thread.
    pub thread_name: Option<Cow<'a, str>>,
    /// Name of the task in the thread.
    pub task_name: Option<Cow<'a, str>>,
    /// All else, typed; what is nested is JSON text. Of the same key the last counts.
    pub fields: Vec<Field<'a>>,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The frame is longer than [`MAX_FRAME_BYTES`].
    #[error("longer than {MAX_FRAME_BYTES} bytes: send shorter messages")]
    TooLong,
    /// Where a frame begins there is no length, or one of 16 MiB and more.
    #[error(
        "no frame: put the length of each record before it, in four bytes, most significant first"
    )]
    NoFrame,
    /// It ends too early.
    #[error("cut short: send each record whole")]
    CutShort,
    /// Something follows its end.
    #[error("bytes follow its end: send one record in each frame")]
    Trailing,
    /// It cannot be read.
    #[error("damaged: compare the sender's format with that of this socket")]
    Malformed,
    /// It can be read, and is no dictionary, object or map.
    #[error("no dictionary of a record: send one with keys such as `levelname`, `name` and `msg`")]
    NotARecord,
    /// What is in it is nested too deep.
    #[error("nested deeper than {MAX_DEPTH} levels: log it as text")]
    TooDeep,
    /// A pickle with an opcode that Python's logging handlers do not write.
    #[error("pickle opcode {0:#04x} is refused: send what logging.handlers.SocketHandler sends")]
    Opcode(u8),
    /// A pickle of more values than are read.
    #[error("too many values in one record: log less in its extra fields")]
    TooManyValues,
    /// A pickle with a number of more digits than are read.
    #[error("a number of more than 4300 digits: log it as text")]
    TooManyDigits,
}
