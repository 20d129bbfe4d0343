//! Heads of responses as nearly all of them are: whole, in order, before a body of known length.
//!
//! They are taken apart without a copy, in one pass. What is not like that is left to the session,
//! which knows what else endpoints say.

use crate::proxy::{
    head::{first_line, split_field},
    headers::OURS,
    message::{Body, Response},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// A head with more fields than this is not plain.
const MOST: usize = 64;

/// Room for as many fields as responses usually have.
const USUAL: usize = 8;

/// A response that has begun.
pub(crate) struct Plain {
    /// Its head.
    pub(crate) response: Response,
    /// Size of its body.
    pub(crate) length: u64,
    /// The connection can be used again.
    pub(crate) keeps: bool,
}

/// The fields that say how a message is framed and what becomes of the connection.
#[derive(Default)]
struct Terms {
    length: Option<u64>,
    keeps: Option<bool>,
}

/// Takes a head from where `bytes` begin if all of it is there and it is plain; else nothing.
pub(crate) fn take(bytes: &mut BytesMut, is_head: bool) -> Option<Plain> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let head = bytes.split_to(end).freeze();
    let plain = parse(&head, is_head);
    if plain.is_none() {
        // Nobody else has a part of it any more.
        let mut whole = head.try_into_mut().unwrap_or_else(|head| BytesMut::from(&head[..]));
        whole.unsplit(std::mem::take(bytes));
        *bytes = whole;
    }
    plain
}

fn parse(head: &Bytes, is_head: bool) -> Option<Plain> {
    let line = first_line(head)?;
    let status = status(line.strip_suffix(b"\r")?)?;
    let mut headers = HeaderMap::with_capacity(USUAL + OURS);
    let mut terms = Terms::default();
    let mut rest = head.get(line.len() + 1..)?;
    while rest != b"\r\n" {
        let line = first_line(rest)?;
        rest = rest.get(line.len() + 1..)?;
        let (name, value) = split_field(line.strip_suffix(b"\r")?).ok()?;
        let (name, value) = (HeaderName::from_bytes(name).ok()?, value.trim_ascii());
        terms.note(&name, value)?;
        if headers.len() == MOST {
            return None;
        }
        headers.append(name, HeaderValue::from_maybe_shared(head.slice_ref(value)).ok()?);
    }
    let bodiless = is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let (length, body) = match (bodiless, terms.length) {
        (true, _) => (0, Body::Nothing),
        (false, length) => (length?, Body::Sized(length?)),
    };
    let response = Response { status, headers, body };
    Some(Plain { response, length, keeps: terms.keeps.unwrap_or(true) })
}

/// The status of a final answer in HTTP/1.1.
fn status(line: &[u8]) -> Option<StatusCode> {
    let (code, reason) = line.strip_prefix(b"HTTP/1.1 ")?.split_at_checked(3)?;
    let is_text = |byte: &u8| !byte.is_ascii_control() || *byte == b'\t';
    if !matches!(reason.first(), None | Some(b' ')) || !reason.iter().all(is_text) {
        return None;
    }
    StatusCode::from_bytes(code).ok().filter(|status| matches!(status.as_u16(), 200..600))
}

impl Terms {
    /// Notes what a field says; `None` if it is not for us to understand.
    fn note(&mut self, name: &HeaderName, value: &[u8]) -> Option<()> {
        if *name == header::CONTENT_LENGTH {
            let digits = value.iter().all(u8::is_ascii_digit);
            let length = str::from_utf8(value).ok().filter(|_| digits && self.length.is_none())?;
            self.length = Some(length.parse().ok()?);
        } else if *name == header::CONNECTION {
            let keeps = value.eq_ignore_ascii_case(b"keep-alive");
            let known = keeps || value.eq_ignore_ascii_case(b"close");
            self.keeps = Some(keeps).filter(|_| known && self.keeps.is_none());
            self.keeps?;
        } else if *name == header::TRANSFER_ENCODING {
            return None;
        }
        Some(())
    }
}
