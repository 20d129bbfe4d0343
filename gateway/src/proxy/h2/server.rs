//! The client's side of an exchange over HTTP/2: one stream.

use super::{drop_framing, writing::Writing};
use crate::{
    context::Entered,
    edge::HeadLimits,
    io::Conn,
    proxy::{
        clock::Stall,
        headers,
        message::{Body, Downstream, Fault, Response},
        refusal::Refusal,
    },
};
use bytes::Bytes;
use h2::{Reason, RecvStream, ext::Protocol, server::SendResponse};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header,
    request::{self, Parts},
};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// What the streams of a connection share.
pub(super) struct Shared<'c> {
    pub(super) conn: &'c Arc<Conn>,
    pub(super) client: &'c Entered<'c>,
    /// A response went out while the gateway asks clients to go elsewhere.
    pub(super) leave: Cell<bool>,
    /// Timers of streams that have ended, for those to come.
    stalls: RefCell<Vec<Stall>>,
}

impl<'c> Shared<'c> {
    /// Those of a new connection share nothing yet.
    pub(super) fn new(conn: &'c Arc<Conn>, client: &'c Entered<'c>) -> Self {
        Self { conn, client, leave: Cell::new(false), stalls: RefCell::default() }
    }

    /// Gives back what an unused connection has no use for.
    pub(super) fn rest(&self) {
        *self.stalls.borrow_mut() = Vec::new();
    }

    /// A timer for a stream: to set one for each, which nearly always ends before, would cost more than
    /// to keep those that are set.
    fn stall(&self) -> Stall {
        let limit = self.client.edge().limits.stream_idle_timeout;
        self.stalls.borrow_mut().pop().unwrap_or_else(|| Stall::new(limit))
    }
}

/// How far a stream is that wants to be a connection of another protocol (RFC 8441).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tunnel {
    /// It does not.
    No,
    /// It has asked: what the client sends already is for the endpoint that agrees.
    Asked,
    /// It is one.
    Open,
}

/// One request.
pub(super) struct Server<'c> {
    shared: &'c Shared<'c>,
    head: Parts,
    refusal: Option<Refusal>,
    recv: RecvStream,
    respond: SendResponse<Bytes>,
    writing: Writing,
    /// What the client may send more once the endpoint has taken it.
    unreleased: usize,
    tunnel: Tunnel,
    complete: bool,
    trailers: Option<HeaderMap>,
    reset: bool,
    idle: Stall,
}

impl<'c> Server<'c> {
    /// A request that has come.
    pub(super) fn new(
        request: http::Request<RecvStream>,
        respond: SendResponse<Bytes>,
        shared: &'c Shared<'c>,
    ) -> Self {
        let (mut head, recv) = request.into_parts();
        let tunnel =
            if head.extensions.get::<Protocol>().is_some() { Tunnel::Asked } else { Tunnel::No };
        let limits = shared.client.edge().limits.head;
        let refusal = canonical(&mut head, recv.is_end_stream(), limits)
            .and_then(|()| headers::screen(&mut head.headers, shared.client))
            .err();
        Self {
            shared,
            head,
            refusal,
            recv,
            respond,
            writing: Writing::new(),
            unreleased: 0,
            tunnel,
            complete: false,
            trailers: None,
            reset: false,
            idle: shared.stall(),
        }
    }

    /// Ends the stream: a response that is not complete is reset. Whether the client has done so.
    pub(super) async fn end(mut self) -> bool {
        if !self.writing.is_told() && !self.reset {
            let _ = poll_fn(|cx| Poll::Ready(self.writing.poll_flush(cx))).await;
            // A reset overtakes what the session has not sent yet: let it send what has come.
            tokio::task::yield_now().await;
            match self.writing.stream() {
                Some(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
                None => self.respond.send_reset(Reason::INTERNAL_ERROR),
            }
        }
        self.idle.rest();
        self.shared.stalls.borrow_mut().push(self.idle);
        self.reset
    }

    fn begin(&mut self, head: http::Response<()>, bodiless: bool) {
        if self.shared.client.is_leaving() {
            self.shared.leave.set(true);
        }
        if let Ok(send) = self.respond.send_response(head, bodiless) {
            self.writing.begin(send, bodiless);
        }
    }

    fn failed(&mut self, error: &h2::Error) -> Fault {
        self.reset |= error.is_reset() && error.is_remote();
        Fault::Gone
    }
}

impl Downstream for Server<'_> {
    fn request(&self) -> &Parts {
        &self.head
    }

    fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    fn peer(&self) -> SocketAddr {
        self.shared.conn.peer()
    }

    fn peer_text(&self) -> &HeaderValue {
        self.shared.conn.peer_text()
    }

    fn local(&self) -> Option<SocketAddr> {
        self.shared.conn.local()
    }

    fn is_complete(&mut self) -> bool {
        self.tunnel == Tunnel::Asked || self.complete || self.recv.is_end_stream()
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        if self.unreleased > 0 {
            let taken = std::mem::take(&mut self.unreleased);
            // Fails only if more were released than came.
            let _ = self.recv.flow_control().release_capacity(taken);
        }
        if self.complete || self.tunnel == Tunnel::Asked {
            return Poll::Ready(Ok(None));
        }
        match ready!(self.recv.poll_data(cx)) {
            Some(Ok(data)) => {
                self.unreleased = data.len();
                return Poll::Ready(Ok(Some(data)));
            }
            Some(Err(error)) => return Poll::Ready(Err(self.failed(&error))),
            None => {}
        }
        match ready!(self.recv.poll_trailers(cx)) {
            Ok(trailers) => {
                self.trailers = trailers;
                self.complete = true;
                Poll::Ready(Ok(None))
            }
            Err(error) => Poll::Ready(Err(self.failed(&error))),
        }
    }

    fn trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let gone = match self.writing.stream() {
            Some(stream) => stream.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        };
        gone.map(|reset| self.reset |= reset.is_ok())
    }

    fn poll_idle(&mut self, moved: u64, cx: &mut Context<'_>) -> Poll<()> {
        self.idle.poll(moved, cx)
    }

    fn was_reset(&self) -> bool {
        self.reset
    }

    fn respond(&mut self, response: Response, _: bool) {
        let mut head = http::Response::new(());
        *head.status_mut() = response.status;
        *head.version_mut() = Version::HTTP_2;
        *head.headers_mut() = response.headers;
        drop_framing(head.headers_mut());
        if self.tunnel == Tunnel::Asked && response.status == StatusCode::SWITCHING_PROTOCOLS {
            *head.status_mut() = StatusCode::OK;
            head.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
            self.begin(head, false);
            return;
        }
        if response.status.is_informational() {
            // A client that is gone is noticed elsewhere.
            let _ = self.respond.send_informational(head);
            return;
        }
        self.begin(head, matches!(response.body, Body::Nothing | Body::Sized(0)));
    }

    fn send(&mut self, data: &[u8]) {
        self.writing.send(data);
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) {
        self.writing.finish(trailers);
    }

    fn switch(&mut self) {
        self.tunnel = Tunnel::Open;
    }

    fn pending(&self) -> usize {
        self.writing.pending()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let flushed = ready!(self.writing.poll_flush(cx));
        if flushed.is_err() {
            let _ = self.poll_gone(cx);
        }
        Poll::Ready(flushed)
    }
}

/// Brings a head into the form that it would have in HTTP/1.1, which the rest of the exchange
/// knows: the authority as `Host`, one `Cookie`, a word on whether a body follows, and a handshake
/// for what wants to be a WebSocket.
fn canonical(head: &mut Parts, ended: bool, limits: HeadLimits) -> Result<(), Refusal> {
    let request::Parts { method, uri, headers, extensions, .. } = head;
    let count = |name| headers.get_all(name).iter().count();
    if headers.len() > limits.fields {
        return Err(Refusal::TooManyFields);
    }
    if count(header::HOST) > 1 {
        return Err(Refusal::Host);
    }
    if count(header::CONTENT_LENGTH) > 1 {
        return Err(Refusal::Length);
    }
    if count(header::COOKIE) > 1
        && let Some(joined) = joined(headers)
    {
        headers.insert(header::COOKIE, joined);
    }
    if let Some(authority) = uri.authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::Host)?;
        headers.insert(header::HOST, host);
    }
    let protocol = extensions.get::<Protocol>().filter(|_| *method == Method::CONNECT);
    if let Some(protocol) = protocol {
        let protocol = HeaderValue::from_str(protocol.as_str()).map_err(|_| Refusal::Upgrade)?;
        *method = Method::GET;
        headers.insert(header::UPGRADE, protocol);
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    }
    if *method != Method::CONNECT {
        let path = uri.path_and_query().filter(|path| is_plain(path.as_str()));
        if path.is_some_and(|path| path.as_str().len() > limits.target) {
            return Err(Refusal::TargetTooLong);
        }
        *uri = Uri::from(path.cloned().ok_or(Refusal::Target)?);
    }
    if !ended && protocol.is_none() && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    Ok(())
}

/// Whether it is a path as HTTP/1.1 could write it.
fn is_plain(path: &str) -> bool {
    (path.starts_with('/') || path == "*") && path.bytes().all(|byte| byte.is_ascii_graphic())
}

/// All cookies in one field: what serves HTTP/1.1 expects no more.
fn joined(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines: Vec<&[u8]> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&lines.join(&b"; "[..])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 1000, fields: 100, target: 100 };

    fn head(uri: &str, lines: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri).version(Version::HTTP_2);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_head_takes_the_form_of_http1() {
        let lines = [("host", "other"), ("cookie", "a=1"), ("cookie", "b=2")];
        let mut parts = head("https://A.example.com:80/p?q", &lines);
        canonical(&mut parts, true, LIMITS).unwrap();
        assert_eq!(parts.uri, "/p?q");
        assert_eq!(parts.headers[header::HOST], "A.example.com:80");
        assert_eq!(parts.headers[header::COOKIE], "a=1; b=2");
        assert_eq!(parts.headers.len(), 2);
    }

    #[test]
    fn a_body_of_unknown_size_is_announced() {
        for (lines, ended, chunked) in
            [(&[][..], true, false), (&[], false, true), (&[("content-length", "3")], false, false)]
        {
            let mut parts = head("http://a/", lines);
            canonical(&mut parts, ended, LIMITS).unwrap();
            let announced = parts.headers.contains_key(header::TRANSFER_ENCODING);
            assert_eq!(announced, chunked, "{lines:?} {ended}");
        }
    }

    #[test]
    fn a_tunnel_is_asked_for_as_a_handshake() {
        let mut parts = head("https://a.example.com/chat", &[("sec-websocket-version", "13")]);
        parts.method = Method::CONNECT;
        parts.extensions.insert(Protocol::from_static("websocket"));
        canonical(&mut parts, false, LIMITS).unwrap();
        assert_eq!((parts.method, parts.uri), (Method::GET, Uri::from_static("/chat")));
        assert_eq!(parts.headers[header::UPGRADE], "websocket");
        assert_eq!(parts.headers[header::CONNECTION], "Upgrade");
        assert!(!parts.headers.contains_key(header::TRANSFER_ENCODING));
    }

    #[test]
    fn what_has_two_meanings_is_refused() {
        let many: Vec<_> = (0..=LIMITS.fields).map(|_| ("x", "1")).collect();
        for (lines, expected) in [
            (&[("host", "a"), ("host", "b")][..], Refusal::Host),
            (&[("content-length", "1"), ("content-length", "2")], Refusal::Length),
            (&many, Refusal::TooManyFields),
        ] {
            assert_eq!(canonical(&mut head("/", lines), true, LIMITS), Err(expected));
        }
    }

    #[test]
    fn a_target_has_a_limit() {
        let with = |length: usize| head(&format!("/{}", "x".repeat(length)), &[]);
        assert_eq!(canonical(&mut with(99), true, LIMITS), Ok(()));
        assert_eq!(canonical(&mut with(100), true, LIMITS), Err(Refusal::TargetTooLong));
    }

    #[test]
    fn paths_are_those_of_http1() {
        for (path, plain) in
            [("/", true), ("/a?b", true), ("*", true), ("http://a/", false), ("/\u{e4}", false)]
        {
            assert_eq!(is_plain(path), plain, "{path}");
        }
    }
}
