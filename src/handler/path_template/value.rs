//! What a record says, as a part of a path that can be nothing else.

use std::fmt::Write;

use super::MAX_VALUE_BYTES;
use crate::checksum::checksum;

/// Where in a path a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Where dots are escaped, so that it is never the name of a file.
    Directory,
    FileName,
}

/// What stands for a value that is missing or empty, as in the common log format.
const NOTHING: &str = "-";

/// Signs that are taken as they are, beside letters and digits.
const PLAIN: [char; 7] = ['-', '_', '@', '+', '=', ':', ','];

/// Behind a value that was cut: a sign that no other value has, and the hash.
const HASH_BYTES: usize = 1 + 16;

/// Adds the value. Different values have different forms, but for those whose hashes are the same.
pub(super) fn push(value: &str, place: Place, name: &mut String) {
    match value {
        "" => return name.push_str(NOTHING),
        NOTHING => return name.push_str("%2D"),
        _ => {}
    }
    let begin = name.len();
    // Where it ends if it has to be cut.
    let mut cut = begin;
    for (at, sign) in value.char_indices() {
        let is_dot = sign == '.' && place == Place::FileName && at > 0;
        if sign.is_alphanumeric() || PLAIN.contains(&sign) || is_dot {
            name.push(sign);
        } else {
            let mut bytes = [0; 4];
            for byte in sign.encode_utf8(&mut bytes).bytes() {
                // A text takes all.
                let _written = write!(name, "%{byte:02X}");
            }
        }
        if name.len() - begin <= MAX_VALUE_BYTES - HASH_BYTES {
            cut = name.len();
        }
        if name.len() - begin > MAX_VALUE_BYTES {
            name.truncate(cut);
            let _written = write!(name, "~{:016x}", checksum(value.as_bytes()));
            return;
        }
    }
}
