//! The request's body on its way to an endpoint, kept as long as another try may need it.

use super::{
    message::{Downstream, Fault},
    mirror::Tee,
};
use bytes::Bytes;
use http::HeaderMap;
use std::task::{Context, Poll, ready};

/// The body of one request, over all its tries.
#[derive(Debug)]
pub(crate) struct Upload {
    /// The largest body that is kept.
    limit: usize,
    kept: Vec<Bytes>,
    kept_bytes: usize,
    /// Parts of `kept` that this try has got.
    sent: usize,
    /// Something was sent that was not kept.
    lost: bool,
    /// The client has sent all of it.
    complete: bool,
    /// What followed it.
    trailers: Option<HeaderMap>,
    this_try: ThisTry,
    bytes: u64,
    /// Mirrors that get what comes.
    copies: Vec<Tee>,
}

/// What the endpoint of this try has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ThisTry {
    /// Not all of it.
    #[default]
    Part,
    /// All of it.
    All,
    /// As much as it takes.
    Enough,
}

impl Upload {
    /// A body of which so many bytes can be sent again.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: Vec::new(),
            kept_bytes: 0,
            sent: 0,
            lost: false,
            complete: false,
            trailers: None,
            this_try: ThisTry::default(),
            bytes: 0,
            copies: Vec::new(),
        }
    }

    /// Begins another try.
    pub(crate) fn restart(&mut self) {
        (self.sent, self.this_try) = (0, ThisTry::Part);
    }

    /// Begins anew with what comes after the request: the protocol was switched.
    pub(crate) fn reopen(&mut self) {
        (self.complete, self.this_try) = (false, ThisTry::Part);
    }

    /// Lets a mirror have what comes from here on.
    pub(crate) fn copy_to(&mut self, mirror: Tee) {
        self.copies.push(mirror);
    }

    /// Whether another try can get the same.
    pub(crate) fn is_repeatable(&self) -> bool {
        !self.lost
    }

    /// Whether the client has sent all of it.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether there is nothing left to do for this try.
    pub(crate) fn is_over(&self) -> bool {
        self.this_try != ThisTry::Part
    }

    /// Notes that this try has got all of it.
    pub(crate) fn finish(&mut self) {
        self.this_try = ThisTry::All;
    }

    /// Notes that the endpoint does not take more.
    pub(crate) fn stop(&mut self) {
        self.this_try = ThisTry::Enough;
    }

    /// Keeps nothing from here on: what follows is for this try alone.
    pub(crate) fn commit(&mut self) {
        self.lost = true;
        self.kept.drain(..self.sent.min(self.kept.len()));
        self.sent = 0;
    }

    /// The fields behind the body, once it is complete.
    pub(crate) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// What the client has sent.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next part for this try; `None` at the end.
    pub(crate) fn poll_next<D: Downstream>(
        &mut self,
        down: &mut D,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Fault>> {
        if let Some(part) = self.kept.get(self.sent) {
            self.sent += 1;
            return Poll::Ready(Ok(Some(part.clone())));
        }
        if !self.complete && !down.is_complete() {
            while let Some(part) = ready!(down.poll_body(cx))? {
                if !part.is_empty() {
                    self.keep(&part);
                    return Poll::Ready(Ok(Some(part)));
                }
            }
        }
        if !self.complete {
            self.complete = true;
            self.trailers = down.trailers();
            self.copies.drain(..).for_each(Tee::finish);
        }
        Poll::Ready(Ok(None))
    }

    fn keep(&mut self, part: &Bytes) {
        self.bytes += part.len() as u64;
        self.copies.retain(|copy| copy.send(part));
        if self.lost {
            return;
        }
        self.kept_bytes += part.len();
        if self.kept_bytes > self.limit {
            self.commit();
        } else {
            self.kept.push(part.clone());
            self.sent += 1;
        }
    }
}
