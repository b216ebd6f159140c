//! A stream of records: what was read of it and is no whole record yet, and what is wrong with it.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use super::peer::{Peer, decode};
use super::{Door, DoorForm, DoorPlace};
use crate::Record;
use crate::receiver::{DecodeError, frame, json};
use crate::record::now_ns;

pub(super) struct Connection {
    stream: File,
    pub(super) peer: Peer,
    /// The beginning of a record, where that has come so far.
    begun: Vec<u8>,
    /// In so many bytes of it no line ends.
    searched: usize,
    /// When it began.
    pub(super) begun_at: Option<Instant>,
    /// Whether a record has come.
    pub(super) has_sent: bool,
}

/// What came by one read.
pub(super) struct Heard {
    pub(super) records: Vec<Record<'static>>,
    /// Whether there was anything to read.
    pub(super) is_any: bool,
    pub(super) end: Option<End>,
}

/// Why a connection is over.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// The peer has closed it.
    Closed,
    Refused(Cow<'static, str>),
}

impl Connection {
    pub(super) fn new(stream: OwnedFd, peer: Peer) -> Connection {
        Connection {
            stream: stream.into(),
            peer,
            begun: Vec::new(),
            searched: 0,
            begun_at: None,
            has_sent: false,
        }
    }

    /// What the record that has begun takes.
    pub(super) fn begun_bytes(&self) -> usize {
        self.begun.capacity()
    }

    /// The peer has had no chance to go on before `now`.
    pub(super) fn excuse(&mut self, now: Instant) {
        self.peer.heard_at = now;
        self.begun_at = self.begun_at.map(|_| now);
    }

    /// Reads once, into `scratch`. Does not block where the stream does not.
    pub(super) fn read(&mut self, scratch: &mut [u8], door: &Door, now: Instant) -> Heard {
        match (&self.stream).read(scratch) {
            Ok(0) => self.end(door),
            Ok(length) => {
                self.peer.heard_at = now;
                self.take(&scratch[..length], door, now)
            }
            Err(error) if is_nothing_yet(&error) => Heard::nothing(),
            Err(error) => Heard {
                end: Some(End::Refused(format!("cannot be read: {}", error.kind()).into())),
                ..Heard::nothing()
            },
        }
    }

    fn take(&mut self, bytes: &[u8], door: &Door, now: Instant) -> Heard {
        let mut begun = std::mem::take(&mut self.begun);
        let mut heard = Heard { is_any: true, ..Heard::nothing() };
        if begun.is_empty() {
            let used = self.take_records(bytes, door, &mut heard);
            begun.extend_from_slice(&bytes[used..]);
        } else {
            begun.extend_from_slice(bytes);
            let used = self.take_records(&begun, door, &mut heard);
            begun.drain(..used);
        }
        if heard.end.is_none() && !begun.is_empty() {
            let is_new = !heard.records.is_empty();
            self.begun_at = self.begun_at.filter(|_| !is_new).or(Some(now));
            self.begun = begun;
        } else {
            self.begun_at = None;
        }
        self.has_sent |= !heard.records.is_empty();
        heard
    }

    /// Takes the whole records at the beginning of `bytes`; how many bytes they have.
    fn take_records(&mut self, bytes: &[u8], door: &Door, heard: &mut Heard) -> usize {
        let (arrived_ns, mut used) = (now_ns(), 0);
        let mut searched = std::mem::take(&mut self.searched);
        loop {
            let rest = &bytes[used..];
            let first = match door.form {
                DoorForm::Json => line(rest, searched, door),
                _ => whole_frame(rest, door.max_frame_bytes),
            };
            searched = 0;
            let error = match first {
                Ok(Some((content, length))) => {
                    used += length;
                    match self.record(content, door, arrived_ns) {
                        Ok(record) => {
                            heard.records.extend(record);
                            continue;
                        }
                        Err(error) => error,
                    }
                }
                Ok(None) => {
                    self.searched = bytes.len() - used;
                    return used;
                }
                Err(error) => error,
            };
            heard.end = Some(End::Refused(reason(error, door)));
            return bytes.len();
        }
    }

    /// The record in `content`; a line may have none.
    fn record(
        &mut self,
        content: &[u8],
        door: &Door,
        arrived_ns: i64,
    ) -> Result<Option<Record<'static>>, DecodeError> {
        if door.form == DoorForm::Json && content.trim_ascii().is_empty() {
            return Ok(None);
        }
        let mut spare = Vec::new();
        let received = match decode(door.form, content, arrived_ns, &mut spare) {
            // Nobody could be refused, and what a program prints besides is worth keeping.
            Err(_) if door.place == DoorPlace::Stdin => json::of_text(content, arrived_ns),
            received => received?,
        };
        Ok(Some(self.peer.record(received, door)))
    }

    /// The stream has ended. A last line need not.
    fn end(&mut self, door: &Door) -> Heard {
        let begun = std::mem::take(&mut self.begun);
        self.begun_at = None;
        let mut heard = Heard { is_any: true, end: Some(End::Closed), ..Heard::nothing() };
        if begun.is_empty() {
            return heard;
        }
        let last = match door.form {
            DoorForm::Json => self.record(&begun, door, now_ns()),
            _ => Err(DecodeError::CutShort),
        };
        match last {
            Ok(record) => heard.records.extend(record),
            Err(error) => heard.end = Some(End::Refused(reason(error, door))),
        }
        heard
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Heard {
    fn nothing() -> Heard {
        Heard { records: Vec::new(), is_any: false, end: None }
    }
}

/// The content of the frame that begins `bytes`, and its length with its head.
fn whole_frame(bytes: &[u8], max_bytes: usize) -> Result<Option<(&[u8], usize)>, DecodeError> {
    let frame = frame::first_within(bytes, max_bytes)?;
    Ok(frame.map(|frame| (frame.content, bytes.len() - frame.rest.len())))
}

/// The line that begins `bytes`, and its length with its end. Of one that is too long, standard input
/// gives a piece: nobody could be refused.
fn line<'b>(
    bytes: &'b [u8],
    searched: usize,
    door: &Door,
) -> Result<Option<(&'b [u8], usize)>, DecodeError> {
    let max_bytes = door.max_frame_bytes;
    let end = bytes[searched..].iter().position(|byte| *byte == b'\n');
    match end.map(|end| searched + end) {
        Some(end) if end <= max_bytes => Ok(Some((&bytes[..end], end + 1))),
        None if bytes.len() <= max_bytes => Ok(None),
        _ if door.place == DoorPlace::Stdin => Ok(Some((&bytes[..max_bytes], max_bytes))),
        _ => Err(DecodeError::TooLong),
    }
}

/// Why bytes are refused, for people.
pub(super) fn reason(error: DecodeError, door: &Door) -> Cow<'static, str> {
    match error {
        DecodeError::TooLong => {
            let max_bytes = door.max_frame_bytes;
            format!("longer than {max_bytes} bytes: send shorter messages").into()
        }
        error => error.to_string().into(),
    }
}

pub(super) fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::receiver::door::peer::Identity;

    /// What arrives when `bytes` are sent and the stream ends, by reads of so many bytes.
    fn heard(form: DoorForm, bytes: &[u8], read_bytes: usize) -> (Vec<String>, Option<End>) {
        heard_by(Door::new(form, DoorPlace::Socket("/x".into())).unwrap(), bytes, read_bytes)
    }

    fn heard_by(door: Door, bytes: &[u8], read_bytes: usize) -> (Vec<String>, Option<End>) {
        let door = door.max_frame_bytes(40);
        let (mut sender, stream) = UnixStream::pair().unwrap();
        sender.write_all(bytes).unwrap();
        drop(sender);
        let now = Instant::now();
        let peer = Peer::new(Identity::Process { id: 7, user: 8 }, &door, now).unwrap();
        let mut connection = Connection::new(stream.into(), peer);
        let (mut messages, mut scratch) = (Vec::new(), vec![0; read_bytes]);
        loop {
            let heard = connection.read(&mut scratch, &door, now);
            assert_eq!(connection.begun_at.is_some(), connection.begun_bytes() > 0);
            messages.extend(heard.records.iter().map(|record| record.message.to_string()));
            if heard.end.is_some() {
                return (messages, heard.end);
            }
        }
    }

    #[test]
    fn lines_are_records_however_they_are_read() {
        let text = b"{\"msg\":\"a\"}\r\n\n  \n{\"msg\":\"b\"}\n{\"msg\":\"c\"}";
        for read_bytes in 1..text.len() + 1 {
            let (messages, end) = heard(DoorForm::Json, text, read_bytes);
            assert_eq!((messages.concat().as_str(), end), ("abc", Some(End::Closed)));
        }
    }

    #[test]
    fn damage_ends_a_stream_behind_what_came_before_it() {
        let refused = |error: DecodeError| Some(End::Refused(error.to_string().into()));
        let good = b"{\"msg\":\"a\"}\n".as_slice();
        let long = Some(End::Refused("longer than 40 bytes: send shorter messages".into()));
        for (bad, expected) in [
            (
                b"POST / HTTP/1.1\r\n\r\n{\"msg\":\"b\"}\n".as_slice(),
                refused(DecodeError::Malformed),
            ),
            (b"{\"msg\":\"b\"", refused(DecodeError::CutShort)),
            (&[b'x'; 41], long),
        ] {
            for read_bytes in [1, 7, 1000] {
                let (messages, end) = heard(DoorForm::Json, &[good, bad].concat(), read_bytes);
                assert_eq!(messages, ["a"]);
                assert_eq!(end, expected);
            }
        }
    }

    #[test]
    fn standard_input_goes_on_behind_a_line_that_is_too_long() {
        let text = [&[b'x'; 90][..], b"\n{\"msg\":\"a\"}\n", &[b'y'; 40], b"\nb"].concat();
        let pieces = ["x".repeat(40), "x".repeat(40), "x".repeat(10)];
        for read_bytes in 1..text.len() + 1 {
            let door = Door::new(DoorForm::Json, DoorPlace::Stdin).unwrap();
            let (messages, end) = heard_by(door, &text, read_bytes);
            assert_eq!(messages[..3], pieces);
            assert_eq!(messages[3..], ["a", &"y".repeat(40), "b"]);
            assert_eq!(end, Some(End::Closed));
        }
    }

    #[test]
    fn frames_are_records_however_they_are_read() {
        let frame = |message: &str| {
            let text =
                [b"\x81\xa3msg".as_slice(), &[0xa0 + message.len() as u8], message.as_bytes()];
            let text = text.concat();
            [&(text.len() as u32).to_be_bytes(), text.as_slice()].concat()
        };
        let bytes = [frame("one"), frame(""), frame("three")].concat();
        for read_bytes in 1..bytes.len() + 1 {
            let (messages, end) = heard(DoorForm::Wire, &bytes, read_bytes);
            assert_eq!((messages.join(","), end), ("one,,three".to_owned(), Some(End::Closed)));
        }
        let (messages, end) = heard(DoorForm::Wire, &bytes[..bytes.len() - 1], 5);
        assert_eq!(messages.len(), 2);
        assert_eq!(end, Some(End::Refused(DecodeError::CutShort.to_string().into())));
        assert!(matches!(heard(DoorForm::Wire, &[0, 0, 0, 41], 9).1, Some(End::Refused(_))));
    }
}
