//! The endpoint's side of a try over HTTP/1.1.

use super::{fault, now};
use crate::{
    io::{Conn, Io},
    live::{Free, Life, Room, TlsName},
    proxy::{
        headers::with_room,
        message::{Body, Fault, Response, Upstream},
    },
};
use http::{HeaderMap, Method, StatusCode, header};
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_http::RequestHeader;
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// One request on a connection to an endpoint.
pub(crate) struct Client {
    session: Box<HttpSession>,
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

impl Client {
    /// A request on a connection.
    pub(crate) fn new(connection: Free) -> Self {
        let Free { io, conn, life, room, name } = connection;
        Self {
            session: Box::new(HttpSession::new(io)),
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
    pub(crate) fn release(mut self) -> Option<Free> {
        if self.raw || !self.finished || self.conn.pending() > 0 {
            return None;
        }
        self.session.respect_keepalive();
        let io = now(self.session.reuse())?.and_then(Io::from_stream)?;
        let life = Life { uses: self.life.uses.saturating_add(1), ..self.life };
        Some(Free { io, conn: self.conn, life, room: self.room, name: self.name })
    }

    fn response(&self) -> Option<Response> {
        let head = self.session.resp_header()?;
        let no_body = self.is_head
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
}

impl Upstream for Client {
    fn start(&mut self, request: Box<RequestHeader>) {
        self.is_head = request.method == Method::HEAD;
        // Fails only on bytes that a checked request cannot contain; then no answer will come.
        if !matches!(now(self.session.write_request_header(request)), Some(Ok(_))) {
            self.conn.finish();
        }
    }

    fn send(&mut self, data: &[u8]) {
        if self.raw {
            self.conn.send(data);
        } else {
            let _ = now(self.session.write_body(data));
        }
    }

    /// Trailers are dropped, as Envoy does.
    fn finish(&mut self, _: Option<&HeaderMap>) {
        if self.raw {
            self.conn.finish();
        } else {
            self.finished = matches!(now(self.session.finish_body()), Some(Ok(_)));
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, Fault>> {
        ready!(pin!(self.session.read_response()).poll(cx)).map_err(|error| fault(&error))?;
        Poll::Ready(self.response().ok_or(Fault::Protocol))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<&[u8]>, Fault>> {
        pin!(self.session.read_body_ref()).poll(cx).map_err(|error| fault(&error))
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
