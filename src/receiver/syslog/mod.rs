//! Syslog datagrams: RFC 5424, RFC 3164 in the forms that are met, and text without any header.
//!
//! What cannot be read as a header is message, so nothing is refused but what is too long or empty.
//! The name of the program is that of logger and process; `facility`, `host` and `msgid` are fields.

mod bsd;
mod ietf;

use jiff::tz::TimeZone;

use super::names::Names;
use super::parts::Parts;
use super::text::mended;
use super::{DecodeError, MAX_FRAME_BYTES, MAX_NAME_BYTES, Received};
use crate::Value;
use crate::handler::Facility;

/// What a message without a priority has: facility user, severity notice (RFC 3164, section 4.3.3).
const DEFAULT_PRIORITY: u8 = 13;

/// Names of the severities as [`Parts`] reads levels.
const SEVERITIES: [&str; 8] =
    ["EMERG", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];

/// Reads one datagram. A time without a year or an offset is the nearest in the zone of this host.
///
/// # Errors
/// It is longer than [`MAX_FRAME_BYTES`], or empty.
pub fn decode(datagram: &[u8], arrived_ns: i64) -> Result<Received<'_>, DecodeError> {
    decode_in(datagram, arrived_ns, TimeZone::system)
}

fn decode_in(
    datagram: &[u8],
    arrived_ns: i64,
    zone: fn() -> TimeZone,
) -> Result<Received<'_>, DecodeError> {
    if datagram.len() > MAX_FRAME_BYTES {
        return Err(DecodeError::TooLong);
    }
    // Python's SysLogHandler ends a message with NUL, others with a newline.
    let end = datagram.iter().rposition(|byte| !matches!(byte, 0 | b'\n' | b'\r'));
    let bytes = &datagram[..end.ok_or(DecodeError::CutShort)? + 1];
    let (priority, bytes) = priority(bytes).unwrap_or((DEFAULT_PRIORITY, bytes));
    let header = ietf::header(bytes).unwrap_or_else(|| bsd::header(bytes, arrived_ns, zone));

    let mut parts = Parts::new(Names::Common, header.time_ns.unwrap_or(arrived_ns));
    parts.set("severity".into(), SEVERITIES[usize::from(priority % 8)].into());
    parts.set("message".into(), Value::Str(mended(header.message)));
    if let Some(app_name) = header.app_name {
        parts.set("logger".into(), Value::Str(mended(app_name)));
        parts.set("processName".into(), Value::Str(mended(app_name)));
    }
    if let Some(id) = header.process_id.map(mended) {
        match id.parse::<u32>() {
            Ok(id) => parts.set("pid".into(), id.into()),
            Err(_) => parts.field("procid".into(), Value::Str(id)),
        }
    }
    if let Some(facility) = Facility::numbered(priority / 8) {
        parts.field("facility".into(), facility.name().into());
    }
    for (key, text) in [("host", header.host), ("msgid", header.message_id)] {
        if let Some(text) = text {
            parts.field(key.into(), Value::Str(mended(text)));
        }
    }
    ietf::each_parameter(header.structured_data, |id, name, value| {
        if parts.admits_key() {
            let [id, name] = [id, name].map(|text| mended(&text[..text.len().min(MAX_NAME_BYTES)]));
            let key = format!("{id}.{name}");
            parts.field(key.into(), Value::Str(ietf::unescaped(value)));
        }
    });
    Ok(parts.finish())
}

/// What stands before a message, and the message.
#[derive(Debug, Default)]
struct Header<'a> {
    time_ns: Option<i64>,
    host: Option<&'a [u8]>,
    app_name: Option<&'a [u8]>,
    process_id: Option<&'a [u8]>,
    message_id: Option<&'a [u8]>,
    structured_data: &'a [u8],
    message: &'a [u8],
}

/// The number in angle brackets, and what follows.
fn priority(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let rest = bytes.strip_prefix(b"<")?;
    let end = rest.iter().take(4).position(|byte| *byte == b'>')?;
    let number: u8 = digits(&rest[..end])?;
    (number < 192).then_some((number, &rest[end + 1..]))
}

fn digits<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    let text = str::from_utf8(bytes).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Up to the next space, and what follows it.
fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b' ')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests;
