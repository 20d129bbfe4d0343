//! The endpoint's side of a try over HTTP/2: one stream.

use super::{connection::poll_sent, drop_framing, websocket, wire::Wire, writing::Writing};
use crate::{
    io::{Conn, Io},
    live::{Session, Sessions, Stream, TlsName},
    proxy::{
        headers::X_FORWARDED_PROTO,
        message::{Body, Fault, Response, Upstream},
    },
};
use bytes::Bytes;
use edgeway_core::cluster::Http2;
use h2::{
    Ping, PingPong, Reason, RecvStream,
    client::{self, Builder, ResponseFuture},
    ext::Protocol,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header};
use pingora_http::RequestHeader;
use std::{
    future::{pending, poll_fn},
    pin::Pin,
    rc::{Rc, Weak},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    task::spawn_local,
    time::{sleep, timeout},
};

/// Largest head of a response, as Envoy.
const LARGEST_HEAD: u32 = 60 * 1024;

/// What an endpoint may send ahead on one stream.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// The same on all streams of a connection.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// How often a connection is looked at until it counts as silent.
const LOOKS: u32 = 4;

/// What is written and not yet sent, on one stream.
const SEND_BUFFER: usize = 64 * 1024;

/// Begins to speak HTTP/2 on a new connection, which from then on carries requests by itself.
pub(in crate::proxy) async fn open(
    (io, conn): (Box<Io>, Arc<Conn>),
    policy: Http2,
    sessions: &Sessions,
    name: TlsName,
) -> Result<Rc<Session>, Fault> {
    let handshake = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(LARGEST_HEAD)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_push(false)
        .handshake::<_, Bytes>(Wire::to_endpoint(io, &conn));
    let (sender, connection) = handshake.await.map_err(|error| fault(&error))?;
    let session = sessions.keep(sender, Arc::clone(&conn), name);
    // It keeps nobody from closing the connection.
    spawn_local(drive(connection, conn, policy.ping, Rc::downgrade(&session)));
    Ok(session)
}

/// Lets the connection work until it ends.
async fn drive(
    mut connection: client::Connection<Wire<'static>, Bytes>,
    conn: Arc<Conn>,
    ping: Option<(Duration, Duration)>,
    session: Weak<Session>,
) {
    let watch = watch(connection.ping_pong(), &conn, ping);
    let mut settled = false;
    let working = poll_fn(|cx| {
        let worked = Pin::new(&mut connection).poll(cx).map(drop);
        if !settled && conn.received() > 0 {
            // What comes first are the settings.
            settled = true;
            if let Some(session) = session.upgrade() {
                session.settle();
            }
        }
        if worked.is_ready() { worked } else { poll_sent(&conn, cx) }
    });
    tokio::select! {
        // How it ended is told on its streams.
        () = working => {}
        () = watch => {}
    }
    if let Some(session) = session.upgrade() {
        session.close();
    }
}

/// Returns when the endpoint has been silent and has not answered in time to the question whether
/// it lives.
async fn watch(pings: Option<PingPong>, conn: &Conn, policy: Option<(Duration, Duration)>) {
    let (Some(mut pings), Some((silence, patience))) = (pings, policy) else {
        return pending().await;
    };
    loop {
        // Looked at from time to time: a note on each read would cost every request.
        let mut quiet = 0;
        while quiet < LOOKS {
            let before = conn.received();
            sleep(silence / LOOKS).await;
            quiet = if conn.received() == before { quiet + 1 } else { 0 };
        }
        if !matches!(timeout(patience, pings.ping(Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}

/// How far a stream is that wants to be a connection of another protocol (RFC 8441).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tunnel {
    /// It does not.
    No,
    /// It has asked; what proves to the client that the endpoint has understood.
    Asked(Option<HeaderValue>),
    /// It is one.
    Open,
}

/// One request.
pub(in crate::proxy) struct Client {
    stream: Stream,
    /// Until its head has come.
    response: Option<ResponseFuture>,
    writing: Writing,
    recv: Option<RecvStream>,
    /// The part of the response that was given out last.
    part: Bytes,
    trailers: Option<HeaderMap>,
    is_head: bool,
    tunnel: Tunnel,
    has_spoken: bool,
    /// The endpoint said that it has not done anything about the request.
    unprocessed: bool,
}

impl Client {
    /// A request to come.
    pub(in crate::proxy) fn new(stream: Stream) -> Self {
        Self {
            stream,
            response: None,
            writing: Writing::new(),
            recv: None,
            part: Bytes::new(),
            trailers: None,
            is_head: false,
            tunnel: Tunnel::No,
            has_spoken: false,
            unprocessed: false,
        }
    }

    /// The pacing side of the connection.
    pub(in crate::proxy) fn conn(&self) -> &Arc<Conn> {
        self.stream.conn()
    }

    /// Whether the endpoint said that it has not done anything about the request.
    pub(in crate::proxy) fn is_unprocessed(&self) -> bool {
        self.unprocessed
    }

    /// Lets the session take what it can: a response may end before its request.
    pub(in crate::proxy) async fn end(mut self) {
        if !self.writing.is_told() {
            let _ = poll_fn(|cx| Poll::Ready(self.writing.poll_flush(cx))).await;
            let told = self.writing.is_told();
            if let (Some(stream), false) = (self.writing.stream(), told) {
                stream.send_reset(Reason::NO_ERROR);
            }
        }
    }

    fn failed(&mut self, error: &h2::Error) -> Fault {
        if error.is_go_away() || error.is_io() {
            self.stream.close();
        }
        let gone_away = error.is_go_away() && error.is_remote();
        self.unprocessed |= gone_away && error.reason() == Some(Reason::NO_ERROR);
        fault(error)
    }

    fn response(&self, head: http::Response<()>, ended: bool) -> Response {
        let (mut parts, ()) = head.into_parts();
        if let (Tunnel::Asked(accept), StatusCode::OK) = (&self.tunnel, parts.status) {
            // As the rest of the exchange knows it.
            if let Some(accept) = accept {
                parts.headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept.clone());
            }
            let status = StatusCode::SWITCHING_PROTOCOLS;
            return Response { status, headers: parts.headers, body: Body::Nothing };
        }
        let length = || parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
        let bodiless = self.is_head
            || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let body = match (bodiless, ended) {
            (true, _) => Body::Nothing,
            (false, true) => Body::Sized(0),
            (false, false) => length().map_or(Body::Unsized, Body::Sized),
        };
        Response { status: parts.status, headers: parts.headers, body }
    }
}

impl Upstream for Client {
    fn start(&mut self, request: Box<RequestHeader>) {
        self.is_head = request.method == Method::HEAD;
        if request.headers.contains_key(header::UPGRADE) {
            let key = request.headers.get(header::SEC_WEBSOCKET_KEY);
            self.tunnel = Tunnel::Asked(key.and_then(websocket::accept));
        }
        let ended = self.tunnel == Tunnel::No
            && !request.headers.contains_key(header::TRANSFER_ENCODING)
            && request.headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0");
        // Fails on bytes that a checked request cannot contain; then no answer will come.
        let Some(request) = in_http2(&request) else { return };
        match self.stream.sender().send_request(request, ended) {
            Ok((response, send)) => {
                self.response = Some(response);
                self.writing.begin(send, ended);
            }
            Err(error) => {
                // The session ended before anything was sent.
                self.stream.close();
                self.unprocessed = true;
                let _ = self.failed(&error);
            }
        }
    }

    fn send(&mut self, data: &[u8]) {
        self.writing.send(data);
    }

    fn finish(&mut self, trailers: Option<&HeaderMap>) {
        // The end of a handshake is none of the stream.
        if !matches!(self.tunnel, Tunnel::Asked(_)) {
            self.writing.finish(trailers.cloned());
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, Fault>> {
        let Some(response) = &mut self.response else { return Poll::Ready(Err(Fault::Gone)) };
        if let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
            self.has_spoken = true;
            return Poll::Ready(Ok(self.response(interim, true)));
        }
        match ready!(Pin::new(response).poll(cx)) {
            Ok(head) => {
                self.has_spoken = true;
                self.response = None;
                let (parts, recv) = head.into_parts();
                let head = http::Response::from_parts(parts, ());
                let response = self.response(head, recv.is_end_stream());
                self.recv = Some(recv);
                Poll::Ready(Ok(response))
            }
            Err(error) => Poll::Ready(Err(self.failed(&error))),
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<&[u8]>, Fault>> {
        let Some(recv) = &mut self.recv else { return Poll::Ready(Ok(None)) };
        if !self.part.is_empty() {
            // Fails only if more were released than came.
            let _ = recv.flow_control().release_capacity(self.part.len());
            self.part = Bytes::new();
        }
        loop {
            match ready!(recv.poll_data(cx)) {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => {
                    self.part = data;
                    return Poll::Ready(Ok(Some(&self.part)));
                }
                Some(Err(error)) => return Poll::Ready(Err(self.failed(&error))),
                None => break,
            }
        }
        match ready!(recv.poll_trailers(cx)) {
            Ok(trailers) => {
                self.trailers = trailers;
                Poll::Ready(Ok(None))
            }
            Err(error) => Poll::Ready(Err(self.failed(&error))),
        }
    }

    fn trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    fn switch(&mut self) {
        self.tunnel = Tunnel::Open;
    }

    fn pending(&self) -> usize {
        self.writing.pending()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.writing.poll_flush(cx)
    }
}

/// A head as HTTP/2 has it: `Host` becomes the authority, the scheme is the client's.
fn in_http2(request: &RequestHeader) -> Option<http::Request<()>> {
    let mut headers = request.headers.clone();
    let host = headers.remove(header::HOST)?;
    let scheme = headers.get(&X_FORWARDED_PROTO).is_some_and(|proto| proto == "https");
    let tunnel = headers.contains_key(header::UPGRADE);
    drop_framing(&mut headers);
    let uri = Uri::builder()
        .scheme(if scheme { "https" } else { "http" })
        .authority(host.as_bytes())
        .path_and_query(request.raw_path())
        .build()
        .ok()?;
    let mut new = http::Request::new(());
    *new.method_mut() = request.method.clone();
    *new.version_mut() = Version::HTTP_2;
    *new.uri_mut() = uri;
    if tunnel {
        headers.remove(header::SEC_WEBSOCKET_KEY);
        *new.method_mut() = Method::CONNECT;
        new.extensions_mut().insert(Protocol::from_static("websocket"));
    }
    *new.headers_mut() = headers;
    Some(new)
}

fn fault(error: &h2::Error) -> Fault {
    if error.is_reset() && error.is_remote() {
        let refused = error.reason() == Some(Reason::REFUSED_STREAM);
        return if refused { Fault::RefusedStream } else { Fault::Reset };
    }
    if error.is_io() || error.is_go_away() && error.is_remote() {
        Fault::Gone
    } else {
        Fault::Protocol
    }
}
