//! A connection that can be cut short, which HTTP libraries do not let one do.

use super::script::Cut;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What is to become of a connection; shared by the socket and the requests on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate(Arc<AtomicU8>);

const RESET: u8 = 1;
const CLOSE: u8 = 2;

impl Fate {
    /// Ends the connection: nothing more is written.
    pub(super) fn seal(&self, cut: Cut) {
        let code = match cut {
            Cut::Reset => RESET,
            Cut::Close => CLOSE,
        };
        self.0.store(code, Relaxed);
    }

    fn is_sealed(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    fn is_reset(&self) -> bool {
        self.0.load(Relaxed) == RESET
    }
}

/// A TCP connection that obeys its [`Fate`].
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    fate: Fate,
}

impl Line {
    pub(super) fn new(stream: TcpStream, fate: Fate) -> Self {
        Self { stream, fate }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.fate.is_reset() {
            // Closing with unsent data discarded is what makes the kernel send a reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.fate.is_sealed() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.fate.is_reset() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
