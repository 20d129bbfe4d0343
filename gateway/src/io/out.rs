//! The writing side of a connection: what waits for the socket, and TLS, which both sides need.

use super::tls::Tls;
use rustls::ProtocolVersion;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::AsyncWrite,
    net::{TcpStream, tcp::OwnedWriteHalf},
};

/// A write of at least this size goes to the socket at once instead of being copied.
const DIRECT: usize = 16 * 1024;

/// A write buffer larger than this is given back once it is empty.
const KEEP: usize = 16 * 1024;

/// What waits.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) socket: Writing,
    /// Boxed: plain connections must not pay for it with their size.
    pub(super) tls: Option<Box<Tls>>,
    pub(super) data: Vec<u8>,
    pub(super) at: usize,
    /// Close our direction once everything is written.
    pub(super) finish: bool,
    pub(super) broken: Option<io::ErrorKind>,
}

/// The writing half of a socket. Unlike tokio's it does not end its direction when it is dropped:
/// closing the socket does that, and a reset must not be preceded by it. It is there until then.
#[derive(Debug)]
pub(super) struct Writing(pub(super) Option<OwnedWriteHalf>);

impl Out {
    /// Ready when bytes have come (`true`) or nothing more does; only with TLS.
    pub(super) fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let Self { socket, tls, data, .. } = self;
        let (Some(stream), Some(tls)) = (socket.stream(), tls) else {
            return Poll::Ready(Ok(false));
        };
        let before = data.len();
        let received = tls.poll_received(stream, data, cx);
        // Nobody else may be about to flush: what the protocol itself has to say goes out now.
        if self.data.len() > before {
            self.write_now(&[]);
        }
        received
    }

    pub(super) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Self { socket, tls, data, .. } = &mut *self;
            let (Some(stream), Some(tls)) = (socket.stream(), tls) else {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            };
            match ready!(tls.poll_handshake(stream, data, cx)) {
                // What is left to say in TLS 1.3 can go with what comes next.
                Ok(true) if tls.state().protocol_version() == Some(ProtocolVersion::TLSv1_3) => {
                    return Poll::Ready(Ok(()));
                }
                Ok(over) => {
                    ready!(self.poll_flush(cx))?;
                    if over {
                        return Poll::Ready(Ok(()));
                    }
                }
                Err(error) => {
                    self.write_now(&[]);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        if let Some(tls) = &mut self.tls {
            return tls.push(data, &mut self.data);
        }
        let taken = if data.len() < DIRECT { 0 } else { self.write_now(data) };
        self.data.extend_from_slice(data.get(taken..).unwrap_or_default());
    }

    /// Offers what waits and then `data` to the socket; how much of `data` it took.
    fn write_now(&mut self, data: &[u8]) -> usize {
        let waiting = self.data.get(self.at..).unwrap_or_default();
        let slices = [IoSlice::new(waiting), IoSlice::new(data)];
        let stream = self.socket.stream();
        let written = stream.and_then(|s| s.try_write_vectored(&slices).ok()).unwrap_or(0);
        let of_waiting = written.min(waiting.len());
        self.advance(of_waiting);
        written - of_waiting
    }

    fn advance(&mut self, written: usize) {
        self.at += written;
        if self.at == self.data.len() {
            self.at = 0;
            if self.data.capacity() > KEEP { self.data = Vec::new() } else { self.data.clear() }
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(kind) = self.broken {
            return Poll::Ready(Err(kind.into()));
        }
        if let Some(tls) = &mut self.tls {
            if self.finish { tls.close(&mut self.data) } else { tls.seal(&mut self.data) }
        }
        while let Some(waiting) = self.data.get(self.at..).filter(|waiting| !waiting.is_empty()) {
            let written = ready!(self.socket.poll_write(cx, waiting));
            match written
                .and_then(|n| if n == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(n) })
            {
                Ok(written) => self.advance(written),
                Err(error) => {
                    self.broken = Some(error.kind());
                    self.data = Vec::new();
                    self.at = 0;
                    return Poll::Ready(Err(error));
                }
            }
        }
        if self.finish {
            self.finish = false;
            let _ = ready!(self.socket.poll_shutdown(cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl Writing {
    pub(super) fn stream(&self) -> Option<&TcpStream> {
        self.0.as_ref().map(AsRef::as_ref)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(half) => Pin::new(half).poll_write(cx, data),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(half) => Pin::new(half).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(half) = self.0.take() {
            half.forget();
        }
    }
}
