//! What a peer may say: in ZMTP 3 a greeting, READY, and then messages. It is looked at before the
//! crate sees it, which believes each length and keeps whatever comes.

/// Longest message of records, with all its frames.
const MAX_MESSAGE_BYTES: u64 = 4 << 20;

/// Most frames of a message.
const MAX_FRAMES: u32 = 64;

/// Longest topic of a subscription, with the byte that says what it is.
const MAX_TOPIC_BYTES: u64 = 1024;

/// Most topics that a peer subscribes to, or gives up, on one connection. Each message is compared
/// with all of them, and the crate keeps them.
const MAX_TOPICS: u32 = 1000;

/// Longest READY.
const MAX_READY_BYTES: u64 = 1024;

const GREETING_BYTES: usize = 64;
const MECHANISM: std::ops::Range<usize> = 12..32;
const NULL: &[u8; 20] = b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

const NO_GREETING: &str = "no greeting of ZeroMQ: connect with a socket of ZeroMQ";
const OLD: &str = "an old version of ZMTP: use version 3, as of libzmq 4";
const ENCRYPTED: &str = "encryption or a password: use the mechanism NULL";
const NO_READY: &str = "damaged: the greeting is not followed by READY";
const OTHER_TYPE: &str = "a socket of another type: PUB and SUB belong together, PUSH and PULL";
const LATE_COMMAND: &str = "a command after READY: use version 3.0 of ZMTP, without heartbeats";
const NO_FRAME: &str = "damaged: no such flags of a frame";
const TOO_LONG: &str = "a message of more than 4 MiB: send shorter ones";
const LONG_TOPIC: &str = "a topic of more than 1023 bytes: use shorter ones";
const TOO_MANY_FRAMES: &str = "more than 64 frames in a message: send a topic and a body";
const TOO_MANY_TOPICS: &str = "more than 1000 subscriptions on one connection";
const NOT_ASKED: &str = "a message to PUSH, which takes none";

/// What the peers of a socket may be and say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Publish,
    Push,
    Subscribe,
    Pull,
}

impl Side {
    /// READY of `socket_type` where that may be at the other end, as the crate is told of it: without
    /// an identity, by which it could take the place of another peer.
    fn ready(self, socket_type: &[u8]) -> Option<&'static [u8]> {
        let (may_be, ready): (&[&[u8]], &[u8]) = match self {
            Side::Publish => (&[b"SUB", b"XSUB"], b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB"),
            Side::Subscribe => {
                (&[b"PUB", b"XPUB"], b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB")
            }
            Side::Push => (&[b"PULL"], b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL"),
            Side::Pull => (&[b"PUSH"], b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH"),
        };
        may_be.contains(&socket_type).then_some(ready)
    }
}

/// How far a peer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Greeting,
    Header,
    Ready { length: usize },
    Frame { left_bytes: u64, more: bool },
}

/// Looks at what one peer says.
pub(super) struct Framing {
    side: Side,
    place: Place,
    is_ready: bool,
    /// What has come of a greeting, a header or READY: the crate gets each as a whole.
    held: Vec<u8>,
    /// Of the message that has begun.
    frames: u32,
    message_bytes: u64,
    /// Whole messages.
    messages: u64,
}

impl Framing {
    pub(super) fn new(side: Side) -> Framing {
        Framing {
            side,
            place: Place::Greeting,
            is_ready: false,
            held: Vec::new(),
            frames: 0,
            message_bytes: 0,
            messages: 0,
        }
    }

    /// Whether the peer has greeted.
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether it is in the midst of something, the greeting or a message.
    pub(super) fn has_begun(&self) -> bool {
        !self.is_ready || self.place != Place::Header || !self.held.is_empty() || self.frames > 0
    }

    /// What the message that has begun may take at the crate by now.
    pub(super) fn begun_bytes(&self) -> u64 {
        let left_bytes = match self.place {
            Place::Frame { left_bytes, .. } => left_bytes,
            _ => 0,
        };
        self.message_bytes - left_bytes
    }

    /// Whole messages that have come.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Takes what the peer says next, and puts into `out` what the crate may have of it.
    ///
    /// # Errors
    /// Why the connection has to end. What may pass before is in `out`.
    pub(super) fn take(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            bytes = match self.place {
                Place::Greeting => self.greeting(bytes, out)?,
                Place::Header => self.header(bytes, out)?,
                Place::Ready { length } => self.ready(length, bytes, out)?,
                Place::Frame { left_bytes, more } => self.content(left_bytes, more, bytes, out),
            };
        }
        Ok(())
    }

    /// Holds bytes until there are `length`; what follows them.
    fn hold<'b>(&mut self, length: usize, bytes: &'b [u8]) -> &'b [u8] {
        let missing = length.saturating_sub(self.held.len()).min(bytes.len());
        let (held, rest) = bytes.split_at(missing);
        self.held.extend_from_slice(held);
        rest
    }

    fn greeting<'b>(
        &mut self,
        bytes: &'b [u8],
        out: &mut Vec<u8>,
    ) -> Result<&'b [u8], &'static str> {
        let rest = self.hold(GREETING_BYTES, bytes);
        let is =
            |at: usize, may_be: fn(u8) -> bool| self.held.get(at).is_none_or(|byte| may_be(*byte));
        // Peers of old versions wait here for an answer.
        if !is(0, |byte| byte == 0xff) || !is(9, |byte| byte == 0x7f) {
            return Err(NO_GREETING);
        }
        if !is(10, |major| major >= 3) {
            return Err(OLD);
        }
        if self.held.len() == GREETING_BYTES {
            if self.held[MECHANISM] != *NULL {
                return Err(ENCRYPTED);
            }
            out.append(&mut self.held);
            self.place = Place::Header;
        }
        Ok(rest)
    }

    fn header<'b>(&mut self, bytes: &'b [u8], out: &mut Vec<u8>) -> Result<&'b [u8], &'static str> {
        let flags = *self.held.first().unwrap_or(&bytes[0]);
        let rest = self.hold(if flags & LONG == 0 { 2 } else { 9 }, bytes);
        let length = match *self.held {
            [_, length] if flags & LONG == 0 => length.into(),
            [_, l0, l1, l2, l3, l4, l5, l6, l7] => {
                u64::from_be_bytes([l0, l1, l2, l3, l4, l5, l6, l7])
            }
            _ => return Ok(rest),
        };
        if !self.is_ready {
            if flags & !LONG != COMMAND || length > MAX_READY_BYTES {
                return Err(NO_READY);
            }
            self.held.clear();
            self.place = Place::Ready { length: length as usize };
            // One of no bytes is none.
            return if length == 0 { Err(NO_READY) } else { Ok(rest) };
        }
        self.begin_frame(flags, length)?;
        out.append(&mut self.held);
        let more = flags & MORE != 0;
        self.place = Place::Frame { left_bytes: length, more };
        Ok(if length == 0 { self.content(0, more, rest, out) } else { rest })
    }

    /// Looks whether a frame may come after those before it.
    fn begin_frame(&mut self, flags: u8, length: u64) -> Result<(), &'static str> {
        if flags & COMMAND != 0 {
            return Err(LATE_COMMAND);
        }
        if flags & !(MORE | LONG) != 0 {
            return Err(NO_FRAME);
        }
        let (max_bytes, why) = match self.side {
            Side::Push => return Err(NOT_ASKED),
            Side::Publish if self.messages >= MAX_TOPICS.into() => return Err(TOO_MANY_TOPICS),
            Side::Publish => (MAX_TOPIC_BYTES, LONG_TOPIC),
            Side::Subscribe | Side::Pull => (MAX_MESSAGE_BYTES, TOO_LONG),
        };
        if length > max_bytes - self.message_bytes {
            return Err(why);
        }
        if self.frames >= MAX_FRAMES {
            return Err(TOO_MANY_FRAMES);
        }
        self.message_bytes += length;
        self.frames += 1;
        Ok(())
    }

    fn ready<'b>(
        &mut self,
        length: usize,
        bytes: &'b [u8],
        out: &mut Vec<u8>,
    ) -> Result<&'b [u8], &'static str> {
        let rest = self.hold(length, bytes);
        if self.held.len() == length {
            let socket_type = socket_type(&self.held).ok_or(NO_READY)?;
            out.extend_from_slice(self.side.ready(socket_type).ok_or(OTHER_TYPE)?);
            self.held = Vec::new();
            self.is_ready = true;
            self.place = Place::Header;
        }
        Ok(rest)
    }

    fn content<'b>(
        &mut self,
        left_bytes: u64,
        more: bool,
        bytes: &'b [u8],
        out: &mut Vec<u8>,
    ) -> &'b [u8] {
        let length = usize::try_from(left_bytes).map_or(bytes.len(), |left| left.min(bytes.len()));
        let (content, rest) = bytes.split_at(length);
        out.extend_from_slice(content);
        let left_bytes = left_bytes - length as u64;
        self.place = Place::Frame { left_bytes, more };
        if left_bytes == 0 {
            self.place = Place::Header;
            if !more {
                (self.frames, self.message_bytes) = (0, 0);
                self.messages += 1;
            }
        }
        rest
    }
}

/// The value of `Socket-Type` in a READY.
fn socket_type(command: &[u8]) -> Option<&[u8]> {
    let mut rest = command.strip_prefix(b"\x05READY")?;
    let mut found = None;
    while let Some((length, after)) = rest.split_first() {
        let (name, after) = after.split_at_checked((*length).into())?;
        let (length, after) = after.split_first_chunk()?;
        let (value, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            found = Some(value);
        }
        rest = after;
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::zeromq) fn greeting() -> Vec<u8> {
        let mut bytes = vec![0; GREETING_BYTES];
        (bytes[0], bytes[9], bytes[10]) = (0xff, 0x7f, 3);
        bytes[12..16].copy_from_slice(b"NULL");
        bytes
    }

    pub(in crate::zeromq) fn ready(kind: &str) -> Vec<u8> {
        let length = kind.len() as u8;
        let text = [b"\x05READY\x0bSocket-Type\0\0\0", &[length][..], kind.as_bytes()].concat();
        [&[COMMAND, text.len() as u8], &text[..]].concat()
    }

    fn long(flags: u8, length: u64) -> Vec<u8> {
        [&[flags | LONG][..], &length.to_be_bytes()].concat()
    }

    /// What passes of `bytes`, said in pieces of so many, and why it ends.
    fn passed(side: Side, bytes: &[u8], piece: usize) -> (Vec<u8>, Result<bool, &'static str>) {
        let (mut framing, mut out) = (Framing::new(side), Vec::new());
        for piece in bytes.chunks(piece) {
            if let Err(reason) = framing.take(piece, &mut out) {
                return (out, Err(reason));
            }
            assert!(framing.held.capacity() <= 2 * MAX_READY_BYTES as usize);
        }
        (out, Ok(framing.has_begun()))
    }

    #[test]
    fn messages_pass_as_they_are_however_they_come() {
        let messages =
            [b"\0\x01a\0\0\x01\x02to\x01\0".to_vec(), long(0, 300), vec![7; 300]].concat();
        let bytes = [greeting(), ready("PUSH"), messages].concat();
        for piece in [1, 2, 7, 63, 1000] {
            assert_eq!(passed(Side::Pull, &bytes, piece), (bytes.clone(), Ok(false)));
            let (part, begun) = passed(Side::Pull, &bytes[..bytes.len() - 1], piece);
            assert_eq!((part.len(), begun), (bytes.len() - 1, Ok(true)));
        }
        let subscription = [greeting(), ready("SUB"), b"\0\x04\x01web".to_vec()].concat();
        assert_eq!(passed(Side::Publish, &subscription, 5), (subscription.clone(), Ok(false)));
    }

    #[test]
    fn an_identity_does_not_reach_the_crate() {
        let text = b"\x05READY\x08Identity\0\0\0\x02me\x0bsocket-type\0\0\0\x04XPUB";
        let command = [&[COMMAND, text.len() as u8], &text[..]].concat();
        let (out, _) = passed(Side::Subscribe, &[greeting(), command].concat(), 9);
        assert_eq!(out, [greeting(), ready("PUB")].concat());
    }

    #[test]
    fn what_is_no_peer_ends_with_its_first_wrong_byte() {
        let with = |at: usize, byte: u8| {
            let mut bytes = greeting();
            bytes[at] = byte;
            bytes
        };
        let after = |bytes: &[u8]| [greeting(), bytes.to_vec()].concat();
        for (bytes, reason) in [
            (b"GET / HTTP/1.1\r\n".to_vec(), NO_GREETING),
            (with(9, 0), NO_GREETING),
            (with(10, 1)[..11].to_vec(), OLD),
            (with(15, b'\0'), ENCRYPTED),
            (with(16, b'X'), ENCRYPTED),
            (after(b"\0\x01a"), NO_READY),
            (after(&long(COMMAND, 1 << 46)), NO_READY),
            (after(b"\x04\0"), NO_READY),
            (after(b"\x04\x05\x05ERROR"), NO_READY),
            (after(b"\x04\x07\x05READY\x09"), NO_READY),
            (after(b"\x04\x0a\x05READY\x01a\0\0"), NO_READY),
            (after(&ready("SUB")), OTHER_TYPE),
        ] {
            for piece in [1, 5, 1000] {
                let (out, end) = passed(Side::Pull, &bytes, piece);
                assert_eq!(end, Err(reason), "{}", bytes.escape_ascii());
                assert!(out.is_empty() || out == greeting());
            }
        }
    }

    #[test]
    fn what_is_too_much_ends_before_its_first_byte() {
        let pull = |bytes: &[u8]| [greeting(), ready("PUSH"), bytes.to_vec()].concat();
        let publish = |bytes: &[u8]| [greeting(), ready("SUB"), bytes.to_vec()].concat();
        let push = |bytes: &[u8]| [greeting(), ready("PULL"), bytes.to_vec()].concat();
        let parts = [long(MORE, MAX_MESSAGE_BYTES), vec![0; MAX_MESSAGE_BYTES as usize]].concat();
        for (side, bytes, reason) in [
            (Side::Pull, pull(&long(0, MAX_MESSAGE_BYTES + 1)), TOO_LONG),
            (Side::Pull, pull(&long(0, 1 << 46)), TOO_LONG),
            (Side::Pull, pull(&long(0, 1 << 63)), TOO_LONG),
            (Side::Pull, pull(&long(0, u64::MAX)), TOO_LONG),
            (Side::Pull, pull(&[parts, b"\0\x01".to_vec()].concat()), TOO_LONG),
            (Side::Pull, pull(&b"\x01\0".repeat(65)), TOO_MANY_FRAMES),
            (Side::Pull, pull(&ready("PUSH")), LATE_COMMAND),
            (Side::Pull, pull(b"\x08\0"), NO_FRAME),
            (Side::Publish, publish(&long(0, MAX_TOPIC_BYTES + 1)), LONG_TOPIC),
            (Side::Publish, publish(&b"\0\x01\x01".repeat(1001)), TOO_MANY_TOPICS),
            (Side::Push, push(b"\0\0"), NOT_ASKED),
        ] {
            let (out, end) = passed(side, &bytes, 1000);
            assert_eq!(end, Err(reason));
            assert!(out.len() < bytes.len());
            assert!(bytes.starts_with(&out));
        }
        let largest = [long(0, MAX_MESSAGE_BYTES), vec![0; MAX_MESSAGE_BYTES as usize]].concat();
        assert_eq!(passed(Side::Pull, &pull(&largest), 1 << 16).1, Ok(false));
        assert_eq!(
            passed(Side::Pull, &pull(&[b"\x01\0".repeat(63), vec![0, 0]].concat()), 9).1,
            Ok(false)
        );
    }
}
