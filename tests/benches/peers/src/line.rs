//! The line of a record, written by hand as fast as is reasonable.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::record::{BETWEEN, Request};

/// Nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}

/// Writes times in local time; that of one second is kept.
pub(crate) struct LineClock {
    zone: TimeZone,
    second: u64,
    text: Vec<u8>,
}

impl LineClock {
    pub(crate) fn new() -> LineClock {
        LineClock { zone: TimeZone::system(), second: 0, text: Vec::new() }
    }

    /// `2026-11-22 04:48:23,123 `
    pub(crate) fn write(&mut self, ns: u64, to: &mut Vec<u8>) {
        let (second, ms) = (ns / 1_000_000_000, ns / 1_000_000 % 1000);
        if second != self.second || self.text.is_empty() {
            let time = Timestamp::from_second(second as i64).unwrap_or_default();
            let time = time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S,").to_string();
            (self.second, self.text) = (second, time.into_bytes());
        }
        to.extend_from_slice(&self.text);
        let digit = |value: u64| b'0' + (value % 10) as u8;
        to.extend_from_slice(&[digit(ms / 100), digit(ms / 10), digit(ms), b' ']);
    }
}

/// Writes a whole line; the way of those who format by hand.
pub(crate) fn write_line(
    clock: &mut LineClock,
    ns: u64,
    worker: u32,
    index: u64,
    request: &Request,
    to: &mut Vec<u8>,
) {
    let mut digits = itoa::Buffer::new();
    clock.write(ns, to);
    to.extend_from_slice(b"worker-");
    to.extend_from_slice(digits.format(worker).as_bytes());
    to.extend_from_slice(BETWEEN.as_bytes());
    to.extend_from_slice(b"worker ");
    to.extend_from_slice(digits.format(worker).as_bytes());
    to.extend_from_slice(b" handled request ");
    to.extend_from_slice(digits.format(index).as_bytes());
    to.extend_from_slice(b" for /api/v1/items/");
    to.extend_from_slice(digits.format(request.item).as_bytes());
    to.extend_from_slice(b" status=");
    to.extend_from_slice(digits.format(request.status).as_bytes());
    to.extend_from_slice(b" bytes=");
    to.extend_from_slice(digits.format(request.bytes).as_bytes());
    to.extend_from_slice(b" in 1.234ms\n");
}

/// Writes a whole line around a message that is there already.
pub(crate) fn write_around(
    clock: &mut LineClock,
    ns: u64,
    worker: &str,
    message: &[u8],
    to: &mut Vec<u8>,
) {
    clock.write(ns, to);
    to.extend_from_slice(worker.as_bytes());
    to.extend_from_slice(BETWEEN.as_bytes());
    to.extend_from_slice(message);
    to.push(b'\n');
}
