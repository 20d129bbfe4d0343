//! Messages as HTTP/1.1 writes them.
//!
//! Not by sessions: towards clients they would put their own `date` over the endpoint's and say
//! `connection` in every response, towards endpoints they copy what they write. Names of a response go
//! out in lower case, as Envoy sends them.

use crate::{
    io::Conn,
    proxy::message::{Body, Response},
};
use http::{HeaderMap, header};
use pingora_http::RequestHeader;
use std::io::Write;

/// Room for the head of a request as it usually is.
const USUAL: usize = 512;

/// How the body of a response is framed, and how much of it is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// No body.
    #[default]
    Nothing,
    /// So many bytes are left.
    Left(u64),
    /// In chunks.
    Chunked,
    /// As they come.
    Raw,
}

/// Writes the head of a response.
pub(crate) fn head(out: &mut Vec<u8>, response: &Response, close: bool) {
    framed(out, response, Framing::of(response.body), close);
}

/// The same, with the body framed like this.
pub(super) fn framed(out: &mut Vec<u8>, response: &Response, framing: Framing, close: bool) {
    let Response { status, headers, body: _ } = response;
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("Unknown").as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        field(out, name.as_str().as_bytes(), value.as_bytes());
    }
    if framing == Framing::Chunked {
        field(out, b"transfer-encoding", b"chunked");
    }
    if close {
        field(out, b"connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the head of a request; false if its target has bytes that would end it early.
pub(super) fn request(out: &mut Vec<u8>, request: &RequestHeader) -> bool {
    let target = request.raw_path();
    if target.iter().any(|byte| matches!(byte, b'\0' | b'\n' | b'\r' | b' ')) {
        return false;
    }
    out.reserve(USUAL);
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    request.header_to_h1_wire(out);
    out.extend_from_slice(b"\r\n");
    true
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

impl Framing {
    /// The framing that the fields of a request announce, which were found to be unambiguous.
    pub(super) fn of_request(headers: &HeaderMap) -> Self {
        if headers.contains_key(header::TRANSFER_ENCODING) {
            return Self::Chunked;
        }
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        length.and_then(|length| length.trim().parse().ok()).map_or(Self::Nothing, Self::Left)
    }

    /// The framing that [`head`] announces for `body`.
    pub(super) fn of(body: Body) -> Self {
        match body {
            Body::Nothing => Self::Nothing,
            Body::Sized(length) => Self::Left(length),
            Body::Unsized => Self::Chunked,
        }
    }

    /// Writes a part of the body; what exceeds the announced length is dropped.
    pub(super) fn send(&mut self, data: &[u8], conn: &Conn) {
        match self {
            Self::Nothing => {}
            Self::Raw => conn.send(data),
            Self::Chunked if data.is_empty() => {}
            Self::Chunked => {
                // Writing to a vector cannot fail.
                conn.write(|out| drop(write!(out, "{:x}\r\n", data.len())));
                conn.send(data);
                conn.write(|out| out.extend_from_slice(b"\r\n"));
            }
            Self::Left(left) => {
                let length = usize::try_from(*left).map_or(data.len(), |left| left.min(data.len()));
                conn.send(data.get(..length).unwrap_or_default());
                *left -= length as u64;
            }
        }
    }

    /// Ends the body; false if less was sent than announced, so that the connection must end.
    pub(super) fn finish(&mut self, conn: &Conn) -> bool {
        match std::mem::take(self) {
            Self::Nothing => true,
            Self::Left(left) => left == 0,
            Self::Chunked => {
                conn.write(|out| out.extend_from_slice(b"0\r\n\r\n"));
                true
            }
            Self::Raw => {
                conn.finish();
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io;
    use http::StatusCode;
    use std::{future::poll_fn, sync::Arc};
    use tokio::{
        io::AsyncReadExt,
        net::{TcpListener, TcpStream},
    };

    async fn written(write: impl FnOnce(&Conn)) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_io, conn): (_, Arc<Conn>) = io::open(ours.unwrap(), address);
        write(&conn);
        conn.finish();
        poll_fn(|cx| conn.poll_flush(cx)).await.unwrap();
        let mut text = String::new();
        theirs.unwrap().0.read_to_string(&mut text).await.unwrap();
        text
    }

    fn response(status: u16, body: Body) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert("x-a", "1".parse().unwrap());
        Response { status: StatusCode::from_u16(status).unwrap(), headers, body }
    }

    #[test]
    fn heads_say_what_follows() {
        for (status, body, close, expected) in [
            (200, Body::Sized(3), false, "HTTP/1.1 200 OK\r\nx-a: 1\r\n\r\n"),
            (
                999,
                Body::Unsized,
                false,
                "HTTP/1.1 999 Unknown\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            ),
            (
                204,
                Body::Nothing,
                true,
                "HTTP/1.1 204 No Content\r\nx-a: 1\r\nconnection: close\r\n\r\n",
            ),
        ] {
            let mut out = Vec::new();
            head(&mut out, &response(status, body), close);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn bodies_are_framed_as_announced() {
        for (body, whole, expected) in [
            (Body::Nothing, true, ""),
            (Body::Sized(5), true, "hello"),
            (Body::Sized(9), false, "hellowor"),
            (Body::Unsized, true, "5\r\nhello\r\n3\r\nwor\r\n0\r\n\r\n"),
        ] {
            let text = written(|conn| {
                let mut framing = Framing::of(body);
                for part in ["hello", "", "wor"] {
                    framing.send(part.as_bytes(), conn);
                }
                assert_eq!(framing.finish(conn), whole, "{body:?}");
            });
            assert_eq!(text.await, expected, "{body:?}");
        }
    }
}
