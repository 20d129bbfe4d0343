//! The endpoint's side of a try over HTTP/1.1.

use super::{
    fault, now,
    plain::{self, Plain},
    wire::{self, Framing},
};
use crate::{
    io::{Conn, Io},
    live::{Free, Life, Room, TlsName},
    proxy::{
        headers::with_room,
        message::{Body, Fault, Response, Upstream},
    },
};
use bytes::Buf;
use http::{HeaderMap, Method, StatusCode, header};
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_http::RequestHeader;
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Room made for the first read of a response.
const HEAD: usize = 4096;

/// Room made for each read of a body, at the most.
const READ: u64 = 64 * 1024;

/// One request on a connection to an endpoint.
pub(crate) struct Client {
    /// Unless a session has it.
    io: Option<Box<Io>>,
    /// Until a session has it.
    request: Option<Box<RequestHeader>>,
    reading: Reading,
    framing: Framing,
    conn: Arc<Conn>,
    life: Life,
    room: Room,
    name: TlsName,
    /// Bytes that had come over the connection before this request.
    received_before: u64,
    is_head: bool,
    finished: bool,
    raw: bool,
}

/// How far the response is.
enum Reading {
    /// Its head is to come.
    Head,
    /// So many bytes of the body are to come, and so many were given out last.
    Body { left: u64, given: usize, keeps: bool },
    /// It is not plain: a session reads it.
    Session(Box<HttpSession>),
}

impl Client {
    /// A request on a connection.
    pub(crate) fn new(connection: Free) -> Self {
        let Free { io, conn, life, room, name } = connection;
        Self {
            io: Some(io),
            request: None,
            reading: Reading::Head,
            framing: Framing::Nothing,
            received_before: conn.received(),
            conn,
            life,
            room,
            name,
            is_head: false,
            finished: false,
            raw: false,
        }
    }

    /// Ends the connection; the right to have another in its place.
    pub(crate) fn into_room(self) -> Room {
        self.room
    }

    /// The pacing side of the connection.
    pub(crate) fn conn(&self) -> &Arc<Conn> {
        &self.conn
    }

    /// The connection; `None` if it cannot serve another request.
    pub(crate) fn release(self) -> Option<Free> {
        if self.raw || !self.finished || self.conn.pending() > 0 {
            return None;
        }
        let io = match self.reading {
            Reading::Head => return None,
            Reading::Body { left, given, keeps } => {
                let mut io = self.io?;
                if !keeps || left > 0 || given > 0 || !io.unread().is_empty() {
                    return None;
                }
                io.give_room_back();
                io
            }
            Reading::Session(mut session) => {
                session.respect_keepalive();
                now(session.reuse())?.and_then(Io::from_stream)?
            }
        };
        let life = Life { uses: self.life.uses.saturating_add(1), ..self.life };
        Some(Free { io, conn: self.conn, life, room: self.room, name: self.name })
    }

    /// Leaves the response to a session, which must know what was asked: what it writes goes nowhere.
    fn hand_over(&mut self) {
        if let (Some(io), Some(request)) = (self.io.take(), self.request.take()) {
            let mut session = Box::new(HttpSession::new(io));
            let _ = now(session.write_request_header(request));
            self.reading = Reading::Session(session);
        }
    }

    /// What has come of a response that nothing is known of; `None` if it is not plain.
    fn poll_plain(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Response>, Fault>> {
        let Some(io) = &mut self.io else { return Poll::Ready(Err(Fault::Protocol)) };
        ready!(poll_more(io, &self.conn, HEAD, cx))?;
        let Some(plain) = plain::take(io.unread(), self.is_head) else {
            return Poll::Ready(Ok(None));
        };
        let Plain { response, length, keeps } = plain;
        self.reading = Reading::Body { left: length, given: 0, keeps };
        Poll::Ready(Ok(Some(response)))
    }
}

/// Ready when there is something that was not asked for yet.
fn poll_more(
    io: &mut Io,
    conn: &Conn,
    room: usize,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Fault>> {
    if !io.unread().is_empty() {
        return Poll::Ready(Ok(()));
    }
    // What waits has no room to read into.
    ready!(conn.poll_readable(cx));
    match ready!(io.poll_fill(room, cx)) {
        Ok(read) if read > 0 => Poll::Ready(Ok(())),
        Ok(_) | Err(_) => Poll::Ready(Err(Fault::Gone)),
    }
}

/// What a session has read.
fn response(session: &HttpSession, is_head: bool) -> Option<Response> {
    let head = session.resp_header()?;
    let no_body = is_head
        || head.status.is_informational()
        || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let length = || {
        let value = head.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
        // A list was found to hold the same number throughout.
        value.split(',').next()?.trim().parse().ok()
    };
    let body = match (no_body, length()) {
        (true, _) => Body::Nothing,
        (false, Some(length)) => Body::Sized(length),
        (false, None) => Body::Unsized,
    };
    Some(Response { status: head.status, headers: with_room(&head.headers), body })
}

impl Upstream for Client {
    fn start(&mut self, request: Box<RequestHeader>) {
        self.is_head = request.method == Method::HEAD;
        self.framing = Framing::of_request(&request.headers);
        let upgrades = request.headers.contains_key(header::UPGRADE);
        if !self.conn.write(|out| wire::request(out, &request)) {
            // Bytes that a checked request cannot contain: no answer will come.
            self.conn.finish();
        }
        self.request = Some(request);
        if upgrades {
            self.hand_over();
        }
    }

    fn send(&mut self, data: &[u8]) {
        if self.raw {
            self.conn.send(data);
        } else {
            self.framing.send(data, &self.conn);
        }
    }

    /// Trailers are dropped, as Envoy does.
    fn finish(&mut self, _: Option<&HeaderMap>) {
        if self.raw {
            self.conn.finish();
        } else {
            self.finished = self.framing.finish(&self.conn);
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, Fault>> {
        if matches!(self.reading, Reading::Head) {
            if let Some(response) = ready!(self.poll_plain(cx))? {
                return Poll::Ready(Ok(response));
            }
            self.hand_over();
        }
        let Reading::Session(session) = &mut self.reading else {
            return Poll::Ready(Err(Fault::Protocol));
        };
        ready!(pin!(session.read_response()).poll(cx)).map_err(|error| fault(&error))?;
        Poll::Ready(response(session, self.is_head).ok_or(Fault::Protocol))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<&[u8]>, Fault>> {
        let (left, given) = match &mut self.reading {
            Reading::Head => return Poll::Ready(Ok(None)),
            Reading::Body { left, given, .. } => (left, given),
            Reading::Session(session) => {
                return pin!(session.read_body_ref()).poll(cx).map_err(|error| fault(&error));
            }
        };
        let Some(io) = &mut self.io else { return Poll::Ready(Ok(None)) };
        io.unread().advance(std::mem::take(given));
        if *left == 0 {
            return Poll::Ready(Ok(None));
        }
        let room = usize::try_from(READ.min(*left)).unwrap_or(HEAD);
        ready!(poll_more(io, &self.conn, room, cx))?;
        let there = io.unread().len();
        *given = usize::try_from(*left).map_or(there, |left| left.min(there));
        *left -= *given as u64;
        Poll::Ready(Ok(io.unread().get(..*given)))
    }

    fn has_spoken(&self) -> bool {
        self.conn.received() > self.received_before
    }

    fn switch(&mut self) {
        self.raw = true;
    }

    fn pending(&self) -> usize {
        self.conn.pending()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.conn.poll_flush(cx).map_err(|_| Fault::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::open;
    use std::future::poll_fn;
    use tokio::{
        io::AsyncWriteExt,
        net::{TcpListener, TcpStream},
    };

    /// What came of a request: the head, the body, and whether the connection can be used again.
    type Outcome = (Result<(u16, HeaderMap, Body), Fault>, Result<Vec<u8>, Fault>, bool);

    /// Asks an endpoint that says `said`, and whether that was plain; with a session from the start if
    /// that is wanted.
    async fn ask(method: &str, said: &[u8], by_session: bool) -> (Outcome, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (io, conn) = open(ours.unwrap(), address);
        let mut client = Client::new(Free::new(io, conn, None, TlsName::default()));
        let request = http::Request::builder().method(method).uri("/").body(()).unwrap();
        client.start(Box::new(RequestHeader::from(request.into_parts().0)));
        client.finish(None);
        poll_fn(|cx| client.poll_flush(cx)).await.unwrap();
        if by_session {
            client.hand_over();
        }
        let mut endpoint = theirs.unwrap().0;
        endpoint.write_all(said).await.unwrap();
        endpoint.shutdown().await.unwrap();
        let head = loop {
            match poll_fn(|cx| client.poll_head(cx)).await {
                Ok(head) if head.status.is_informational() => {}
                Ok(head) => break Ok((head.status.as_u16(), head.headers, head.body)),
                Err(fault) => break Err(fault),
            }
        };
        let is_plain = matches!(client.reading, Reading::Body { .. });
        let mut all = Vec::new();
        let body = loop {
            if head.is_err() {
                break Ok(all);
            }
            match poll_fn(|cx| client.poll_body(cx).map_ok(|it| it.map(<[u8]>::to_vec))).await {
                Ok(Some(part)) => all.extend(part),
                Ok(None) => break Ok(all),
                Err(fault) => break Err(fault),
            }
        };
        ((head, body, client.release().is_some()), is_plain)
    }

    #[tokio::test]
    async fn plain_responses_are_what_a_session_makes_of_them() {
        let many = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "x: 1\r\n".repeat(99));
        let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n{:50000}", "");
        for (method, said, plain) in [
            ("GET", "HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:\t 2 \r\nContent-Length: 3\r\n\r\nabc", true),
            ("GET", "HTTP/1.1 404\r\nEmpty:\r\nContent-Length: 0\r\n\r\n", true),
            ("GET", "HTTP/1.1 599 \r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", true),
            ("GET", "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx", true),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy", true),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx", true),
            ("GET", &large, true),
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true),
            ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", true),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\n", true),
            ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", true),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\nx", true),
            ("GET", &many, false),
            ("GET", "HTTP/1.1 200 OK\r\n\r\nto the end", false),
            (
                "GET",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
                false,
            ),
            (
                "GET",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
                false,
            ),
            ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 200 OK\r\nConnection: a, close\r\nContent-Length: 1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy", false),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", false),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\nx\r\n\r\n", false),
            ("GET", "HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 200 OK\r\nX-A: \u{1}\r\nContent-Length: 1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 20 OK\r\nContent-Length: 1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 999 Odd\r\nContent-Length: 1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 200 O\u{1}\r\nContent-Length: 1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Le", false),
            ("GET", "", false),
        ] {
            let (outcome, is_plain) = ask(method, said.as_bytes(), false).await;
            let (expected, _) = ask(method, said.as_bytes(), true).await;
            assert_eq!(outcome, expected, "{said:?}");
            assert_eq!(is_plain, plain, "{said:?}");
        }
    }
}
