//! One record as one message of RFC 5424 or of the older RFC 3164.

use std::io::Write;

use super::Facility;
use crate::formatter::{Formatter, PatternFormatter};
use crate::{Record, Value};

/// Most characters of an application's name (RFC 5424, section 6).
const MAX_APP_NAME: usize = 48;
/// Most characters of a host's name.
const MAX_HOST: usize = 255;
/// Most characters of a parameter's name.
const MAX_PARAM_NAME: usize = 32;
/// Most characters of a tag (RFC 3164, section 4.1.3).
const MAX_TAG: usize = 32;

/// The number is the one that the IANA keeps for examples; a site may have its own.
const SD_ID: &str = "fields@32473";

/// The form of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogFormat {
    /// `<134>1 2026-11-22T04:48:23.123456Z host api 4711 - [fields@32473 user="7"] served`
    Rfc5424,
    /// `<134>Nov 22 04:48:23 host api[4711]: served`, with the local time; to a socket of this
    /// host without its name, as the C library writes it.
    Rfc3164,
}

/// Writes messages.
pub(super) struct MessageWriter {
    pub(super) format: SyslogFormat,
    pub(super) facility: Facility,
    /// Instead of the program of each record.
    pub(super) app_name: Option<String>,
    pub(super) host: Option<String>,
    pub(super) sd_id: String,
    pub(super) max_bytes: usize,
    time: PatternFormatter,
    text: Box<dyn Formatter>,
}

impl MessageWriter {
    pub(super) fn new(
        format: SyslogFormat,
        max_bytes: usize,
        text: Box<dyn Formatter>,
    ) -> MessageWriter {
        let time = PatternFormatter::new("%(asctime)s").expect("invariant: a pattern");
        let time = match format {
            SyslogFormat::Rfc5424 => time.utc().datefmt("%Y-%m-%dT%H:%M:%S."),
            SyslogFormat::Rfc3164 => time.datefmt("%b %e %H:%M:%S"),
        };
        MessageWriter {
            format,
            facility: Facility::USER,
            app_name: None,
            host: None,
            sd_id: SD_ID.to_owned(),
            max_bytes,
            time: time.expect("invariant: a format of dates"),
            text,
        }
    }

    /// Replaces what is in `out` by the message of `record`, cut to its greatest length.
    pub(super) fn write(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.clear();
        match self.format {
            SyslogFormat::Rfc5424 => self.write_5424_header(record, out),
            SyslogFormat::Rfc3164 => self.write_3164_header(record, out),
        }
        self.text.format(record, out);
        cut(self.max_bytes, out);
    }

    fn write_5424_header(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        push(out, format_args!("<{}>1 ", self.facility.priority(record.level)));
        let bare = Record::new(record.time_ns, record.level, "", "");
        self.time.format(&bare, out);
        // The RFC allows six digits.
        let microseconds = record.time_ns.rem_euclid(1_000_000_000) / 1000;
        push(out, format_args!("{microseconds:06}Z "));
        push_name(self.host.as_deref().unwrap_or_default(), MAX_HOST, out);
        out.push(b' ');
        let app_name = self.app_name.as_deref().unwrap_or(&record.process.program);
        push_name(app_name, MAX_APP_NAME, out);
        match record.process.id {
            0 => out.extend_from_slice(b" - - "),
            id => push(out, format_args!(" {id} - ")),
        }
        self.write_structured_data(record, out);
        out.push(b' ');
    }

    /// At most half of a message is structured data: what does not fit is left out.
    fn write_structured_data(&self, record: &Record<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        push(out, format_args!("[{}", self.sd_id));
        let names = [("logger", &*record.logger), ("worker", &*record.process.name)];
        for (name, value) in names.into_iter().filter(|(_, value)| !value.is_empty()) {
            self.write_param(name, &Value::Str(value.into()), out);
        }
        let of_spans = record.spans.iter().flat_map(|span| &span.fields);
        for field in of_spans.chain(&record.fields) {
            self.write_param(&field.key, &field.value, out);
        }
        if out.len() == start + 1 + self.sd_id.len() {
            out.truncate(start);
            out.push(b'-');
        } else {
            out.push(b']');
        }
    }

    fn write_param(&self, name: &str, value: &Value<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        out.push(b' ');
        push_name(name, MAX_PARAM_NAME, out);
        out.extend_from_slice(b"=\"");
        for c in value.to_string().chars() {
            match c {
                '"' | '\\' | ']' => push(out, format_args!("\\{c}")),
                '\n' => out.extend_from_slice(b"\\n"),
                c if c.is_control() => push(out, format_args!("\\x{:02x}", u32::from(c))),
                c => push(out, format_args!("{c}")),
            }
        }
        out.push(b'"');
        if out.len() >= self.max_bytes / 2 {
            out.truncate(start);
        }
    }

    fn write_3164_header(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        push(out, format_args!("<{}>", self.facility.priority(record.level)));
        let bare = Record::new(record.time_ns, record.level, "", "");
        self.time.format(&bare, out);
        out.push(b' ');
        if let Some(host) = &self.host {
            push_name(host, MAX_HOST, out);
            out.push(b' ');
        }
        let tag = self.app_name.as_deref().unwrap_or(&record.process.program);
        push_name(tag, MAX_TAG, out);
        match record.process.id {
            0 => out.extend_from_slice(b": "),
            id => push(out, format_args!("[{id}]: ")),
        }
    }
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("invariant: writing to memory does not fail");
}

/// Appends a name of printable ASCII; what may not stand in it is `_`, and none at all is `-`.
fn push_name(name: &str, max_chars: usize, out: &mut Vec<u8>) {
    if name.is_empty() {
        return out.push(b'-');
    }
    let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '=' | ']' | '[' | '"' | ':');
    let byte = |c: char| if allowed(c) { c as u8 } else { b'_' };
    out.extend(name.chars().take(max_chars).map(byte));
}

/// Cuts UTF-8 to at most `max_bytes`, between two characters.
fn cut(max_bytes: usize, out: &mut Vec<u8>) {
    let is_inside = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    if out.len() > max_bytes {
        let whole = (0..=max_bytes).rev().find(|at| !is_inside(out[*at]));
        out.truncate(whole.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, Level};

    fn writer(format: SyslogFormat, max_bytes: usize) -> MessageWriter {
        let text = PatternFormatter::new("%(message)s").unwrap();
        MessageWriter::new(format, max_bytes, Box::new(text))
    }

    fn record(message: &str) -> Record<'_> {
        let mut record = Record::new(1_795_322_903_123_456_789, Level::ERROR, "web", message);
        let process = record.process.to_mut();
        (process.name, process.program, process.id) = ("api-1".into(), "api server".into(), 4711);
        record
    }

    fn written(writer: &mut MessageWriter, record: &Record<'_>) -> String {
        let mut out = b"what was there".to_vec();
        writer.write(record, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_message_of_rfc_5424_has_all_its_parts() {
        let mut record = record("it failed");
        let value = Value::Str("a\"b]c\\d\n\x1b".into());
        record.fields.push(Field { key: "a key=\"]é".into(), value });
        record.fields.push(Field { key: "n".into(), value: Value::I64(-7) });
        let mut writer =
            MessageWriter { host: Some("a.host".into()), ..writer(SyslogFormat::Rfc5424, 2048) };
        let expected = concat!(
            "<11>1 2026-11-22T04:48:23.123456Z a.host api_server 4711 - ",
            r#"[fields@32473 logger="web" worker="api-1" a_key____="a\"b\]c\\d\n\x1b" n="-7"] "#,
            "it failed"
        );
        assert_eq!(written(&mut writer, &record), expected);
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        let record = Record::new(-1, Level::DEBUG, "", "x");
        let text = written(&mut writer(SyslogFormat::Rfc5424, 2048), &record);
        assert_eq!(text, "<15>1 1969-12-31T23:59:59.999999Z - - - - - x");
    }

    #[test]
    fn messages_are_cut_between_characters_and_fields_left_out() {
        let long = "é".repeat(2000);
        let mut record = record(&long);
        for key in ["big", "small"] {
            let text = if key == "big" { "x".repeat(1000) } else { "y".to_owned() };
            record.fields.push(Field { key: key.into(), value: Value::Str(text.into()) });
        }
        for max_bytes in 480..500 {
            let text = written(&mut writer(SyslogFormat::Rfc5424, max_bytes), &record);
            assert!(max_bytes - text.len() <= 1, "{} of {max_bytes}", text.len());
            assert!(text.contains(r#"small="y"] éé"#) && !text.contains("big"), "{text}");
        }
    }

    #[test]
    fn the_older_form_has_a_tag() {
        let mut writer = writer(SyslogFormat::Rfc3164, 1024);
        writer.time = writer.time.utc();
        assert_eq!(written(&mut writer, &record("x")), "<11>Nov 22 04:48:23 api_server[4711]: x");
        (writer.host, writer.app_name) = (Some("a.host".into()), Some("app".into()));
        let text = written(&mut writer, &Record::new(0, Level::INFO, "", "x"));
        assert_eq!(text, "<14>Jan  1 00:00:00 a.host app: x");
    }
}
