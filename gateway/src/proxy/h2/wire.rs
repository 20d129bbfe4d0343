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

/// With less than this, bytes wait for what else the same poll of the session has to say.
const BATCH: usize = 16 * 1024;

/// A connection. Unlike HTTP/1.1's, the session decides when bytes leave: when it has written much, and
/// at its end. It flushes behind each part of a body, though, which would cost every response a record
/// and a call: what is little leaves when whoever polls the session flushes the [`Conn`] after it.
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
        if self.conn.pending() < BATCH { Poll::Ready(Ok(())) } else { self.conn.poll_flush(cx) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.conn.finish();
        self.conn.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::open;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    #[tokio::test]
    async fn what_little_is_said_in_one_poll_leaves_together() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (io, conn) = open(ours.unwrap(), address);
        let mut wire = Wire::to_endpoint(io, &conn);
        for _ in 0..2 {
            wire.write_all(b"frame").await.unwrap();
            wire.flush().await.unwrap();
        }
        assert_eq!(conn.pending(), 10);
        // Much does not wait, and neither does the end.
        wire.write_all(&[b'x'; BATCH]).await.unwrap();
        wire.flush().await.unwrap();
        assert_eq!(conn.pending(), 0);
        wire.write_all(b"last").await.unwrap();
        wire.shutdown().await.unwrap();
        assert_eq!(conn.pending(), 0);
        let mut all = Vec::new();
        theirs.unwrap().0.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 10 + BATCH + 4);
    }
}
