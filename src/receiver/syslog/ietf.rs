//! RFC 5424.

use std::borrow::Cow;

use super::super::text::{BYTE_ORDER_MARK, mended};
use super::super::time;
use super::{Header, word};

/// The header behind the priority, if it is one of this form.
pub(super) fn header(bytes: &[u8]) -> Option<Header<'_>> {
    let rest = bytes.strip_prefix(b"1 ")?;
    let (stamp, rest) = word(rest)?;
    let time_ns = match stamp {
        b"-" => None,
        stamp => Some(time::rfc3339(str::from_utf8(stamp).ok()?)?),
    };
    let (host, rest) = word(rest)?;
    let (app_name, rest) = word(rest)?;
    let (process_id, rest) = word(rest)?;
    let (message_id, rest) = word(rest)?;
    let structured_data = rest;
    let rest = each_parameter(structured_data, |_, _, _| {})?;
    let message = match rest {
        [] => rest,
        _ => rest.strip_prefix(b" ")?,
    };
    let message = message.strip_prefix(BYTE_ORDER_MARK).unwrap_or(message);
    let known = |text| Some(text).filter(|text: &&[u8]| !text.is_empty() && *text != b"-");
    Some(Header {
        time_ns,
        host: known(host),
        app_name: known(app_name),
        process_id: known(process_id),
        message_id: known(message_id),
        structured_data,
        message,
    })
}

/// Hands ID, name and value of each parameter to `take`, as they stand there; gives what follows.
pub(super) fn each_parameter<'a>(
    bytes: &'a [u8],
    mut take: impl FnMut(&'a [u8], &'a [u8], &'a [u8]),
) -> Option<&'a [u8]> {
    if let Some(rest) = bytes.strip_prefix(b"-") {
        return Some(rest);
    }
    let mut rest = bytes.strip_prefix(b"[")?;
    loop {
        let id_end = rest.iter().position(|byte| matches!(byte, b' ' | b']'))?;
        let (id, mut behind) = rest.split_at(id_end);
        while let Some(parameter) = behind.strip_prefix(b" ") {
            let name_end = parameter.iter().position(|byte| *byte == b'=')?;
            let quoted = parameter[name_end + 1..].strip_prefix(b"\"")?;
            let value_end = value_end(quoted)?;
            take(id, &parameter[..name_end], &quoted[..value_end]);
            behind = &quoted[value_end + 1..];
        }
        behind = behind.strip_prefix(b"]")?;
        match behind.strip_prefix(b"[") {
            Some(next) => rest = next,
            None => return Some(behind),
        }
    }
}

/// Where the quote is that ends a value.
fn value_end(quoted: &[u8]) -> Option<usize> {
    let mut end = 0;
    while *quoted.get(end)? != b'"' {
        end += if is_escape(&quoted[end..]) { 2 } else { 1 };
    }
    Some(end)
}

/// The text of a value, in which `"`, `\` and `]` have a backslash before them.
pub(super) fn unescaped(value: &[u8]) -> Cow<'_, str> {
    if !value.contains(&b'\\') {
        return mended(value);
    }
    let (mut text, mut rest) = (Vec::with_capacity(value.len()), value);
    while let [first, behind @ ..] = rest {
        let (byte, behind) = match behind {
            [escaped, behind @ ..] if is_escape(rest) => (escaped, behind),
            behind => (first, behind),
        };
        text.push(*byte);
        rest = behind;
    }
    Cow::Owned(mended(&text).into_owned())
}

fn is_escape(bytes: &[u8]) -> bool {
    matches!(bytes, [b'\\', b'"' | b'\\' | b']', ..])
}
