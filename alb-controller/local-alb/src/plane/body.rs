//! Bodies on their way through: watched for silence, cut where a target has to go.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::access::Record;
use super::live::InFlight;

/// Any body we answer with.
pub(crate) type Body = UnsyncBoxBody<Bytes, Broken>;

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The other side broke off.
    #[error("the connection broke off")]
    Connection(#[source] hyper::Error),
    /// Nothing came for the idle timeout.
    #[error("nothing came for the idle timeout")]
    Idle,
    /// The deregistration delay of the target is over.
    #[error("the target is gone: its deregistration delay is over")]
    Cut,
}

/// A body that is there already.
pub(crate) fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// When something last happened, and whether a request's body is through.
#[derive(Debug)]
pub(crate) struct Activity {
    start: Instant,
    last: AtomicU64,
    sent: AtomicBool,
    failed: AtomicBool,
    bytes: AtomicU64,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
            sent: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
        })
    }

    /// Notes that something happens now.
    pub(crate) fn touch(&self) {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    /// Waits until nothing has happened for so long.
    pub(crate) async fn quiet_for(&self, idle: Duration) {
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let until = self.start + last + idle;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// Whether the whole body of the request was read from the client.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether the client broke off in the middle of its body.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// How many bytes the client sent.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A request's body, noted as it passes.
#[derive(Debug)]
pub(crate) struct Watched {
    inner: Incoming,
    activity: Arc<Activity>,
}

impl Watched {
    pub(crate) fn new(inner: Incoming, activity: Arc<Activity>) -> Self {
        activity.sent.store(inner.is_end_stream(), Ordering::Relaxed);
        Self { inner, activity }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) => {
                self.activity.touch();
                let length = frame.data_ref().map_or(0, Buf::remaining);
                self.activity.bytes.fetch_add(length as u64, Ordering::Relaxed);
            }
            Poll::Ready(Some(Err(_))) => self.activity.failed.store(true, Ordering::Relaxed),
            Poll::Ready(None) => self.activity.sent.store(true, Ordering::Relaxed),
        }
        if self.inner.is_end_stream() {
            self.activity.sent.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body: it counts as in flight, and is written down, until it ends.
pub(crate) struct Relay {
    inner: Incoming,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    record: Record,
    _in_flight: InFlight,
}

impl Relay {
    pub(crate) fn new(
        inner: Incoming,
        idle: Duration,
        in_flight: InFlight,
        record: Record,
    ) -> Self {
        Self {
            inner,
            idle,
            deadline: Box::pin(tokio::time::sleep(idle)),
            cut: Box::pin(in_flight.cut().cancelled_owned()),
            record,
            _in_flight: in_flight,
        }
    }
}

impl HttpBody for Relay {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(Broken::Cut)));
        }
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Pending => {
                let over = self.deadline.as_mut().poll(context);
                over.map(|()| Some(Err(Broken::Idle)))
            }
            Poll::Ready(Some(Ok(frame))) => {
                let next = Instant::now() + self.idle;
                self.deadline.as_mut().reset(next);
                self.record.sent(frame.data_ref().map_or(0, Buf::remaining));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(why))) => Poll::Ready(Some(Err(Broken::Connection(why)))),
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
