//! The body of a request, taken out of its framing.
//!
//! Not by the session: its parser takes an empty chunk size for the last chunk and a bare line feed
//! for part of an extension, either of which lets two servers disagree about where a request ends.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, header};

/// A line of framing longer than this is refused.
const LONGEST_LINE: usize = 8 * 1024;

/// So are trailers that are larger in all.
const MOST_TRAILERS: usize = 16 * 1024;

/// The framing is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadFraming;

/// What a decoder has made of the bytes it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// A part of the body.
    Part(Bytes),
    /// Nothing yet: more bytes are needed.
    More,
    /// The end.
    End,
}

/// Where a body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoder {
    /// So many bytes are to come.
    Length(u64),
    /// The line with the size of a chunk is to come.
    Size,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// The end of a chunk is to come.
    ChunkEnd,
    /// Trailers are to come, of which there have been so many bytes; they are dropped.
    Trailers(usize),
}

impl Decoder {
    /// The decoder for a request whose head was checked.
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        if headers.contains_key(header::TRANSFER_ENCODING) {
            return Self::Size;
        }
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        Self::Length(length.and_then(|length| length.trim().parse().ok()).unwrap_or(0))
    }

    /// Whether nothing is to come.
    pub(crate) fn is_done(self) -> bool {
        self == Self::Length(0)
    }

    /// Takes what is there of the next part.
    pub(crate) fn decode(&mut self, bytes: &mut BytesMut) -> Result<Decoded, BadFraming> {
        loop {
            match *self {
                Self::Length(0) => return Ok(Decoded::End),
                Self::Length(left) => return Ok(part(left, bytes, self, Self::Length)),
                Self::Chunk(0) => *self = Self::ChunkEnd,
                Self::Chunk(left) => return Ok(part(left, bytes, self, Self::Chunk)),
                Self::Size => match line(bytes)? {
                    Some(line) => {
                        *self = match chunk_size(&line)? {
                            0 => Self::Trailers(0),
                            size => Self::Chunk(size),
                        };
                    }
                    None => return Ok(Decoded::More),
                },
                Self::ChunkEnd => match bytes.get(..2) {
                    Some(b"\r\n") => {
                        bytes.advance(2);
                        *self = Self::Size;
                    }
                    Some(_) => return Err(BadFraming),
                    None => return Ok(Decoded::More),
                },
                Self::Trailers(before) => match line(bytes)? {
                    Some(line) if line.is_empty() => *self = Self::Length(0),
                    Some(line) => {
                        let size = before + line.len();
                        if size > MOST_TRAILERS || !super::super::head::is_field(&line) {
                            return Err(BadFraming);
                        }
                        *self = Self::Trailers(size);
                    }
                    None => return Ok(Decoded::More),
                },
            }
        }
    }
}

/// What is there of `left` bytes.
fn part(
    left: u64,
    bytes: &mut BytesMut,
    state: &mut Decoder,
    next: impl Fn(u64) -> Decoder,
) -> Decoded {
    if bytes.is_empty() {
        return Decoded::More;
    }
    let length = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    // Copied, so that what is kept of a body never keeps more than itself alive.
    let part = Bytes::copy_from_slice(bytes.get(..length).unwrap_or_default());
    bytes.advance(length);
    *state = next(left - length as u64);
    Decoded::Part(part)
}

/// The next line without its end, if it is complete.
fn line(bytes: &mut BytesMut) -> Result<Option<BytesMut>, BadFraming> {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        return if bytes.len() > LONGEST_LINE { Err(BadFraming) } else { Ok(None) };
    };
    let mut line = bytes.split_to(end + 1);
    line.truncate(end);
    if line.last() != Some(&b'\r') || line.len() > LONGEST_LINE {
        return Err(BadFraming);
    }
    line.truncate(end - 1);
    Ok(Some(line))
}

/// The size at the start of a line; blanks and extensions behind it are ignored.
fn chunk_size(line: &[u8]) -> Result<u64, BadFraming> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, rest) = line.split_at(digits);
    let rest = rest.trim_ascii_start();
    let extension = rest.first().is_none_or(|byte| *byte == b';');
    if !extension || rest.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(BadFraming);
    }
    let size = std::str::from_utf8(size).map_err(|_| BadFraming)?;
    u64::from_str_radix(size, 16).map_err(|_| BadFraming)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The whole body, however the bytes are cut, and what is left over.
    fn decode(
        mut decoder: Decoder,
        bytes: &[u8],
        cut: usize,
    ) -> Result<(Vec<u8>, usize), BadFraming> {
        let (mut buffer, mut body, mut rest) = (BytesMut::new(), Vec::new(), bytes);
        loop {
            match decoder.decode(&mut buffer)? {
                Decoded::Part(part) => body.extend_from_slice(&part),
                Decoded::End => {
                    assert!(decoder.is_done());
                    return Ok((body, buffer.len() + rest.len()));
                }
                Decoded::More => {
                    assert!(!rest.is_empty(), "incomplete");
                    let (next, others) = rest.split_at(cut.min(rest.len()));
                    buffer.extend_from_slice(next);
                    rest = others;
                }
            }
        }
    }

    #[test]
    fn bodies_are_found_however_they_are_cut() {
        for (decoder, bytes, body) in [
            (Decoder::Length(0), "next", ""),
            (Decoder::Length(5), "hellonext", "hello"),
            (Decoder::Size, "5\r\nhello\r\n0\r\n\r\nnext", "hello"),
            (
                Decoder::Size,
                "0003 \r\nabc\r\nA;x=y\r\n0123456789\r\n000\r\nx-t: 1\r\n\r\nnext",
                "abc0123456789",
            ),
            (Decoder::Size, "0\r\n\r\nnext", ""),
        ] {
            for cut in 1..=bytes.len() {
                let decoded = decode(decoder, bytes.as_bytes(), cut);
                assert_eq!(decoded, Ok((body.as_bytes().to_vec(), 4)), "{bytes:?} by {cut}");
            }
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for bytes in [
            "\r\nabc\r\n0\r\n\r\n",
            "3;a\nabc\r\n0\r\n\r\n",
            "3\nabc\r\n0\r\n\r\n",
            "3;a\rb\r\nabc\r\n",
            " 3\r\nabc\r\n",
            "+3\r\nabc\r\n",
            "-3\r\nabc\r\n",
            "0x3\r\nabc\r\n",
            "3x\r\nabc\r\n",
            "fffffffffffffffff\r\nabc\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\nx: 1\n\r\n",
        ] {
            let refused = decode(Decoder::Size, bytes.as_bytes(), bytes.len());
            assert_eq!(refused, Err(BadFraming), "{bytes:?}");
        }
    }

    #[test]
    fn framing_has_limits() {
        let long = format!("3;{}", "a".repeat(LONGEST_LINE));
        assert_eq!(decode(Decoder::Size, long.as_bytes(), 4096), Err(BadFraming));
        let trailers = format!("0\r\n{}\r\n", "x: 1\r\n".repeat(MOST_TRAILERS));
        assert_eq!(decode(Decoder::Size, trailers.as_bytes(), 4096), Err(BadFraming));
    }

    proptest! {
        #[test]
        fn no_framing_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::Size;
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Decoded::Part(_)) = decoder.decode(&mut buffer) {}
        }

        #[test]
        fn chunks_give_back_what_was_put_in(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..8),
            cut in 1_usize..50,
        ) {
            let mut bytes = Vec::new();
            for chunk in &chunks {
                bytes.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(decode(Decoder::Size, &bytes, cut), Ok((chunks.concat(), 0)));
        }
    }
}
