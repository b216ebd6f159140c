//! Frames: four bytes of length, most significant first, and as many bytes of content. Python's
//! `SocketHandler` and `DatagramHandler` send them, and clients of [`wire`](super::wire).

use super::{DecodeError, MAX_FRAME_BYTES};

/// Beyond this a length is taken for other bytes: text, a pickle and a map of MessagePack all begin
/// with a byte that is not zero.
const MAX_LIKELY_BYTES: usize = 0x00ff_ffff;

/// A frame and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the frame holds.
    pub content: &'a [u8],
    /// The bytes behind the frame.
    pub rest: &'a [u8],
}

/// The frame at the beginning of `bytes`; none where it is not there as a whole yet.
///
/// # Errors
/// The frame is longer than [`MAX_FRAME_BYTES`], or, where its length is beyond all that could be
/// meant, none: where the next one begins is not known.
pub fn first(bytes: &[u8]) -> Result<Option<Frame<'_>>, DecodeError> {
    first_within(bytes, MAX_FRAME_BYTES)
}

/// The same where a frame may have at most `max_bytes`.
pub(super) fn first_within(
    bytes: &[u8],
    max_bytes: usize,
) -> Result<Option<Frame<'_>>, DecodeError> {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Ok(None) };
    match u32::from_be_bytes(*length) as usize {
        length if length > MAX_LIKELY_BYTES => Err(DecodeError::NoFrame),
        length if length > max_bytes.min(MAX_FRAME_BYTES) => Err(DecodeError::TooLong),
        length => Ok(rest.split_at_checked(length).map(|(content, rest)| Frame { content, rest })),
    }
}

/// The content of the frame that fills `datagram`.
///
/// # Errors
/// It is too long, not whole, or not alone.
pub fn only(datagram: &[u8]) -> Result<&[u8], DecodeError> {
    match first(datagram)? {
        Some(Frame { content, rest: [] }) => Ok(content),
        Some(_) => Err(DecodeError::Trailing),
        None => Err(DecodeError::CutShort),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_follow_each_other() {
        let bytes = b"\0\0\0\x02ab\0\0\0\0\0\0\0\x03c";
        let Frame { content, rest } = first(bytes).unwrap().unwrap();
        assert_eq!(content, b"ab");
        let Frame { content, rest } = first(rest).unwrap().unwrap();
        assert_eq!((content, rest), (&b""[..], &b"\0\0\0\x03c"[..]));
        assert_eq!(first(rest), Ok(None));
        assert_eq!(first(b"\0\0"), Ok(None));
    }

    #[test]
    fn a_datagram_is_one_whole_frame() {
        assert_eq!(only(b"\0\0\0\x02ab"), Ok(&b"ab"[..]));
        assert_eq!(only(b"\0\0\0\x02abc"), Err(DecodeError::Trailing));
        assert_eq!(only(b"\0\0\0\x02a"), Err(DecodeError::CutShort));
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_anything_is_read() {
        let length = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
        assert_eq!(first(&length(MAX_FRAME_BYTES)), Ok(None));
        assert_eq!(first(&length(MAX_FRAME_BYTES + 1)), Err(DecodeError::TooLong));
        assert_eq!(first(&length(MAX_LIKELY_BYTES)), Err(DecodeError::TooLong));
        for bytes in
            [b"GET / HTTP/1.1", &b"{\"msg\":\"hi\"}\n"[..], b"\x80\x04\x95\0", &[1, 0, 0, 0]]
        {
            assert_eq!(first(bytes), Err(DecodeError::NoFrame));
        }
    }
}
