//! The client's side of an exchange over HTTP/1.1.

use super::{
    body::{Decoded, Decoder},
    wire::{self, Framing},
};
use crate::{
    io::{Conn, Io, Peer},
    proxy::{
        clock::Stall,
        message::{Downstream, Fault, Response},
    },
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Version, request::Parts};
use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Room made for each read of a body.
const READ: usize = 32 * 1024;

/// One request on a connection.
pub(crate) struct Server<'c> {
    io: Box<Io>,
    conn: Arc<Conn>,
    head: Parts,
    body: Decoder,
    framing: Framing,
    /// Bodies are raw bytes in both directions.
    raw: bool,
    /// The body was not framed as announced or broke off, or the response fell short of what it
    /// announced: nothing can follow.
    broken: bool,
    /// The client sent more than this request, so that its going would go unnoticed.
    pipelined: bool,
    idle: &'c mut Stall,
}

impl<'c> Server<'c> {
    /// A request whose head has been read; `io` stands right behind it. `idle` is the connection's.
    pub(crate) fn new(io: Box<Io>, conn: Arc<Conn>, head: Parts, idle: &'c mut Stall) -> Self {
        Self {
            io,
            conn,
            body: Decoder::new(&head.headers),
            head,
            framing: Framing::Nothing,
            raw: false,
            broken: false,
            pipelined: false,
            idle,
        }
    }

    /// The connection, ready for the next request; `None` if it cannot be used again.
    pub(crate) fn reuse(mut self) -> Option<Box<Io>> {
        if self.broken || self.raw || !self.body.is_done() {
            return None;
        }
        self.idle.rest();
        self.io.give_room_back();
        Some(self.io)
    }

    /// The connection, to be ended.
    #[expect(clippy::unnecessary_box_returns, reason = "it is in a box all its life")]
    pub(crate) fn into_io(self) -> Box<Io> {
        self.io
    }
}

impl Downstream for Server<'_> {
    fn request(&self) -> &Parts {
        &self.head
    }

    fn peer(&self) -> SocketAddr {
        self.conn.peer()
    }

    fn peer_text(&self) -> &HeaderValue {
        self.conn.peer_text()
    }

    fn local(&self) -> Option<SocketAddr> {
        self.conn.local()
    }

    fn is_complete(&mut self) -> bool {
        self.body.is_done() && !self.broken && !self.raw
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        loop {
            if self.raw && !self.io.unread().is_empty() {
                return Poll::Ready(Ok(Some(std::mem::take(self.io.unread()).freeze())));
            }
            if !self.raw {
                match self.body.decode(self.io.unread()) {
                    _ if self.broken => return Poll::Ready(Err(Fault::Protocol)),
                    Ok(Decoded::Part(part)) => return Poll::Ready(Ok(Some(part))),
                    Ok(Decoded::End) => return Poll::Ready(Ok(None)),
                    Ok(Decoded::More) => {}
                    Err(_) => {
                        self.broken = true;
                        return Poll::Ready(Err(Fault::Protocol));
                    }
                }
            }
            match ready!(self.io.poll_fill(READ, cx)) {
                Ok(0) if self.raw => return Poll::Ready(Ok(None)),
                Ok(0) | Err(_) => {
                    self.broken = true;
                    return Poll::Ready(Err(Fault::Gone));
                }
                Ok(_) => {}
            }
        }
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.pipelined {
            return Poll::Pending;
        }
        match ready!(self.conn.poll_peer(cx)) {
            Peer::Gone => Poll::Ready(()),
            Peer::Talking => {
                self.pipelined = true;
                Poll::Pending
            }
        }
    }

    fn poll_idle(&mut self, moved: u64, cx: &mut Context<'_>) -> Poll<()> {
        self.idle.poll(moved, cx)
    }

    fn respond(&mut self, response: Response, close: bool) {
        let mut framing = Framing::of(response.body);
        if self.head.version == Version::HTTP_10 {
            if response.status.is_informational() {
                return;
            }
            // The end of the connection is that of the body.
            framing = if framing == Framing::Chunked { Framing::Raw } else { framing };
        }
        self.conn.write(|out| wire::framed(out, &response, framing, close));
        self.framing = framing;
    }

    fn send(&mut self, data: &[u8]) {
        self.framing.send(data, &self.conn);
    }

    /// Trailers are dropped, as Envoy does.
    fn finish(&mut self, _: Option<HeaderMap>) {
        self.broken |= !self.framing.finish(&self.conn);
    }

    fn switch(&mut self) {
        self.framing = Framing::Raw;
        self.raw = true;
    }

    fn pending(&self) -> usize {
        self.conn.pending()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.conn.poll_flush(cx).map_err(|_| Fault::Gone)
    }
}
