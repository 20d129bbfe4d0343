//! What an HTTP/2 session reads from and writes to: one of our connections.

use crate::{
    context::Entered,
    io::{Conn, Io},
};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A session that has written this much waits until the socket has taken it.
const HIGH: usize = 64 * 1024;

/// A connection. Unlike HTTP/1.1's, the session decides when bytes leave.
pub(super) struct Wire<'c> {
    io: Box<Io>,
    conn: Arc<Conn>,
    /// The client at the other end, if it is one.
    client: Option<&'c Entered<'c>>,
}

impl<'c> Wire<'c> {
    /// A connection to a client.
    pub(super) fn to_client(io: Box<Io>, conn: &Arc<Conn>, client: &'c Entered<'c>) -> Self {
        Self { io, conn: Arc::clone(conn), client: Some(client) }
    }

    /// A connection to an endpoint.
    pub(super) fn to_endpoint(io: Box<Io>, conn: &Arc<Conn>) -> Self {
        Self { io, conn: Arc::clone(conn), client: None }
    }

    /// Whether the end was made by us, to get an unused connection's attention: it must still be
    /// said farewell to.
    fn is_our_end(&self) -> bool {
        self.client.is_some_and(|client| client.is_idle() && client.must_go())
    }
}

impl AsyncRead for Wire<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut *self.io).poll_read(cx, buf))?;
        if buf.filled().len() == before && self.is_our_end() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.conn.pending() >= HIGH {
            ready!(self.conn.poll_flush(cx))?;
        }
        self.conn.send(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.conn.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.conn.finish();
        self.conn.poll_flush(cx)
    }
}
