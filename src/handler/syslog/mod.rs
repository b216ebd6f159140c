//! Sends records to a syslog daemon.

mod facility;
mod message;
mod socket;

use std::io;

use self::message::MessageWriter;
use self::socket::Connection;
use super::{Handler, HandlerError};
use crate::Record;
use crate::formatter::Formatter;

pub use facility::{Facility, ParseFacilityError};
pub use message::SyslogFormat;
pub use socket::SyslogAddress;

/// What every receiver of RFC 5424 has to take, and what fits into one datagram of UDP.
const MESSAGE_BYTES: std::ops::RangeInclusive<usize> = 480..=65_507;

/// What a receiver of RFC 5424 should take at least.
const DEFAULT_MESSAGE_BYTES: usize = 2048;

/// Sends each record as one datagram to a syslog daemon of this host, or over UDP.
///
/// The severity is that of the record's level; the name of the application and the process id are
/// those of the worker. In [`SyslogFormat::Rfc5424`] the logger, the worker's name and the fields
/// are structured data. The text is the formatter's: `%(message)s` is usual, and
/// [`Multiline::Escape`](crate::formatter::Multiline::Escape) keeps it on one line.
///
/// A message is cut to 2048 bytes unless told otherwise, between two characters; fields that would
/// take more than half of them are left out. Nothing is buffered and nothing blocks: a daemon that
/// does not read, or is not there, is an error for each record. A socket whose daemon has gone is
/// opened anew, after a failure with pauses of 100 milliseconds up to 30 seconds. UDP promises
/// nothing: what is sent may still be lost.
///
/// ```no_run
/// use logboom::formatter::PatternFormatter;
/// use logboom::handler::{Facility, SyslogAddress, SyslogHandler};
///
/// let handler = SyslogHandler::builder(SyslogAddress::local())
///     .facility(Facility::DAEMON)
///     .open(PatternFormatter::new("%(name)s: %(message)s")?)?;
/// # let _ = handler;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SyslogHandler {
    writer: MessageWriter,
    connection: Connection,
    message: Vec<u8>,
}

/// The settings of a [`SyslogHandler`] that is not open yet.
#[derive(Clone, Debug)]
pub struct SyslogBuilder {
    address: SyslogAddress,
    format: SyslogFormat,
    facility: Facility,
    app_name: Option<String>,
    sd_id: Option<String>,
    max_bytes: usize,
}

impl SyslogHandler {
    /// Settings for the daemon at `address`.
    pub fn builder(address: SyslogAddress) -> SyslogBuilder {
        let format = match address {
            SyslogAddress::Path(_) => SyslogFormat::Rfc3164,
            SyslogAddress::Udp(_) => SyslogFormat::Rfc5424,
        };
        SyslogBuilder {
            address,
            format,
            facility: Facility::USER,
            app_name: None,
            sd_id: None,
            max_bytes: DEFAULT_MESSAGE_BYTES,
        }
    }
}

impl SyslogBuilder {
    /// The form of the messages. Default: RFC 3164 to a path, because daemons read it there, and
    /// RFC 5424 over UDP.
    pub fn format(mut self, format: SyslogFormat) -> SyslogBuilder {
        self.format = format;
        self
    }

    /// The facility. Default: [`Facility::USER`].
    pub fn facility(mut self, facility: Facility) -> SyslogBuilder {
        self.facility = facility;
        self
    }

    /// The name of the application. Default: the program of each record's worker.
    pub fn app_name(mut self, app_name: impl Into<String>) -> SyslogBuilder {
        self.app_name = Some(app_name.into());
        self
    }

    /// The name of the structured data of RFC 5424, such as `fields@32473`, the default.
    pub fn sd_id(mut self, sd_id: impl Into<String>) -> SyslogBuilder {
        self.sd_id = Some(sd_id.into());
        self
    }

    /// The length that messages are cut to, 480 to 65507 bytes. Default: 2048.
    pub fn max_bytes(mut self, max_bytes: usize) -> SyslogBuilder {
        self.max_bytes = max_bytes;
        self
    }

    /// Makes the handler. The socket is opened with the first record, so that a daemon may be
    /// started later.
    ///
    /// # Errors
    /// A setting cannot be used.
    pub fn open(self, formatter: impl Formatter + 'static) -> Result<SyslogHandler, HandlerError> {
        if !MESSAGE_BYTES.contains(&self.max_bytes) {
            let sentence = format!("a message of {} bytes: use 480 to 65507", self.max_bytes);
            return Err(HandlerError::other(sentence));
        }
        let mut writer = MessageWriter::new(self.format, self.max_bytes, Box::new(formatter));
        writer.facility = self.facility;
        writer.app_name = self.app_name;
        let is_local = matches!(self.address, SyslogAddress::Path(_));
        if !(is_local && self.format == SyslogFormat::Rfc3164) {
            writer.host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        }
        if let Some(sd_id) = self.sd_id {
            check_sd_id(&sd_id)?;
            writer.sd_id = sd_id;
        }
        let connection = Connection::new(self.address);
        Ok(SyslogHandler { writer, connection, message: Vec::new() })
    }
}

fn check_sd_id(sd_id: &str) -> Result<(), HandlerError> {
    let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '=' | ']' | '"');
    if (1..=32).contains(&sd_id.len()) && sd_id.chars().all(allowed) {
        return Ok(());
    }
    let advice = "use up to 32 printable ASCII characters, such as `fields@32473`";
    Err(HandlerError::other(format!("`{sd_id}` cannot name structured data: {advice}")))
}

impl Handler for SyslogHandler {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        self.writer.write(record, &mut self.message);
        self.connection.send(&self.message).map_err(|source: io::Error| HandlerError::Io {
            operation: "send to",
            path: self.connection.address().to_string().into(),
            source,
        })
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        Ok(())
    }
}
