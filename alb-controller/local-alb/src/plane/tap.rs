//! Heads of requests as they were sent: whoever reads them for us mends what desync mitigation is about.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are kept, at most: more than any head that is let through.
const MOST: usize = 256 * 1024;

/// The last bytes that a client sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(Arc<Mutex<Vec<u8>>>);

/// How often a request tells how long its body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Framing {
    pub(crate) lengths: usize,
    pub(crate) encodings: usize,
}

impl Sent {
    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let surplus = kept.len().saturating_sub(MOST);
        kept.drain(..surplus);
    }

    /// What the next head with this method says; what came before it is forgotten.
    pub(crate) fn framing(&self, method: &str) -> Option<Framing> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = format!("{method} ");
        let (mut framing, mut inside, mut end) = (Framing::default(), false, None);
        let mut position = 0;
        for line in kept.split_inclusive(|byte| *byte == b'\n') {
            position += line.len();
            let line = line.trim_ascii();
            if !inside {
                let version = line.len().checked_sub(8).and_then(|at| line.get(at..));
                // The end of a body before it may stand on the same line.
                inside = line.windows(begin.len()).any(|part| part == begin.as_bytes())
                    && version.is_some_and(|version| version.starts_with(b"HTTP/1."));
            } else if line.is_empty() {
                end = Some(position);
                break;
            } else {
                let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
                let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
                framing.lengths += usize::from(is("content-length"));
                framing.encodings += usize::from(is("transfer-encoding"));
            }
        }
        kept.drain(..end?);
        Some(framing)
    }
}

/// A stream that keeps what is read from it.
#[derive(Debug)]
pub(crate) struct Tap<S> {
    inner: S,
    sent: Sent,
}

impl<S> Tap<S> {
    pub(crate) fn new(inner: S) -> (Self, Sent) {
        let sent = Sent::default();
        (Self { inner, sent: sent.clone() }, sent)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.sent.keep(buffer.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_head_is_read_once_whatever_stands_between() {
        let sent = Sent::default();
        sent.keep(b"POST /a HTTP/1.1\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\nabc");
        sent.keep(b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n");
        let framing = |lengths, encodings| Some(Framing { lengths, encodings });
        assert_eq!(sent.framing("POST"), framing(2, 0));
        assert_eq!(sent.framing("POST"), framing(1, 1));
        sent.keep(b"0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(sent.framing("GET"), framing(0, 0));
        assert_eq!(sent.framing("GET"), None);
    }
}
