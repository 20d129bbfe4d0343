//! Heads of requests as they were sent: whoever reads them for us mends what desync mitigation is about,
//! and answers what it cannot read in words of its own.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pages::whole;

/// Bytes that are kept, at most: more than any head that is let through.
const MOST: usize = 256 * 1024;

/// How whoever reads HTTP for us begins its answer to what it cannot read.
const UNREAD: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n";

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

    /// Why what is kept cannot be read; nothing, if nothing is.
    fn fault(&self) -> Option<u16> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!kept.is_empty()).then(|| fault(&kept))
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

/// Why a head cannot be read, as the status that AWS answers.
fn fault(head: &[u8]) -> u16 {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let version = lines.find_map(|line| {
        let last = line.rsplit(|byte| *byte == b' ').next()?;
        last.strip_prefix(b"HTTP/").filter(|_| last.len() < line.len())
    });
    match version {
        None => return 400,
        Some(b"1.1" | b"1.0") => {}
        Some(_) => return 505,
    }
    let foreign = lines.take_while(|line| !line.is_empty()).any(|line| {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"transfer-encoding")
            && parts.next().is_some_and(|value| !is_known_encoding(value))
    });
    if foreign { 501 } else { 400 }
}

/// Whether AWS takes in a body of this transfer encoding.
pub(crate) fn is_known_encoding(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    [&b"chunked"[..], b"identity"].iter().any(|known| value.eq_ignore_ascii_case(known))
}

/// A stream that keeps what is read from it.
#[derive(Debug)]
pub(crate) struct Tap<S> {
    inner: S,
    sent: Sent,
    /// What is written in place of an answer that is not ours.
    instead: Option<Vec<u8>>,
}

impl<S> Tap<S> {
    pub(crate) fn new(inner: S) -> (Self, Sent) {
        let sent = Sent::default();
        (Self { inner, sent: sent.clone(), instead: None }, sent)
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
        // An answer to nothing that was sent cannot be one to what cannot be read.
        if self.instead.is_none() && bytes.starts_with(UNREAD) {
            self.instead = self.sent.fault().map(whole);
        }
        let Self { inner, instead, .. } = &mut *self;
        let Some(page) = instead else { return Pin::new(inner).poll_write(context, bytes) };
        while !page.is_empty() {
            match ready!(Pin::new(&mut *inner).poll_write(context, page))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(page.drain(..written)),
            }
        }
        // The connection ends with it.
        Poll::Ready(Ok(bytes.len()))
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
    fn a_head_that_cannot_be_read_has_the_status_of_its_fault() {
        let rows: &[(&[u8], u16)] = &[
            (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
            (b"GET / HTTP/1.2\r\n", 505),
            (b"abcGET / HTTP/0.9\r\n", 505),
            (b"POST / HTTP/1.1\r\ntransfer-Encoding: gzip\r\n\r\n", 501),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding:Chunked\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nBad Header\r\n\r\ntransfer-encoding: x", 400),
            (b"HTTP/3\r\n", 400),
            (b"nonsense", 400),
            (b"", 400),
        ];
        for (head, status) in rows {
            assert_eq!(fault(head), *status, "{}", head.escape_ascii());
        }
    }

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
