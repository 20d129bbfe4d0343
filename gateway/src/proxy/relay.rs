//! Both directions of a try at once: the request's body goes up while the response comes down.
//!
//! Neither direction waits for the other, and each stops reading while its far side has too much
//! pending. All waiting of an exchange happens in the polls below.

use super::{
    clock::Clock,
    failure::{Failure, Interrupt, Stop},
    headers,
    known::Known,
    message::{Downstream, Fault, Response, Upstream},
    tries,
    upload::Upload,
};
use http::StatusCode;
use std::task::{Context, Poll};

/// Nothing more is read for a side that has this much pending.
const HIGH: usize = 64 * 1024;

/// A try under way.
pub(crate) struct Relay<'a, D, U> {
    /// The client.
    pub(crate) down: &'a mut D,
    /// The endpoint.
    pub(crate) up: &'a mut U,
    /// The request's body.
    pub(crate) upload: &'a mut Upload,
    /// The deadlines.
    pub(crate) clock: &'a mut Clock,
    /// Size of the response's body so far.
    pub(crate) sent: &'a mut u64,
    /// The status in gRPC's terms, which may come behind the body.
    pub(crate) grpc_status: &'a mut Option<u16>,
    /// The protocol was switched: a client that ends its direction has not gone.
    pub(crate) raw: bool,
}

impl<D: Downstream, U: Upstream> Relay<'_, D, U> {
    /// The head of the response; interim ones are passed on.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, Stop>> {
        self.poll_upload(cx)?;
        loop {
            match self.up.poll_head(cx) {
                Poll::Ready(Ok(response)) if is_interim(response.status) => self.interim(response),
                Poll::Ready(Ok(response)) => return Poll::Ready(Ok(response)),
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(Failure::from(fault).into())),
                Poll::Pending => break,
            }
        }
        self.poll_stop(cx).map(Err)
    }

    /// The body of the response: ready when all of it is written, though perhaps not yet sent.
    pub(crate) fn poll_tail(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        loop {
            let over = self.download(cx)?;
            self.poll_upload(cx)?;
            if over {
                return Poll::Ready(Ok(()));
            }
            let was_full = self.down.pending() >= HIGH;
            match self.down.poll_flush(cx) {
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Interrupt::ClientGone.into())),
                // There is room again.
                Poll::Ready(Ok(())) if was_full => {}
                Poll::Ready(Ok(())) | Poll::Pending => return self.poll_stop(cx).map(Err),
            }
        }
    }

    /// Passes on what of the response has come; true at its end.
    fn download(&mut self, cx: &mut Context<'_>) -> Result<bool, Stop> {
        while self.down.pending() < HIGH {
            match self.up.poll_body(cx) {
                Poll::Ready(Ok(Some(part))) => {
                    *self.sent += part.len() as u64;
                    self.down.send(part);
                }
                Poll::Ready(Ok(None)) => {
                    let trailers = self.up.trailers();
                    if let Some(trailers) = &trailers {
                        *self.grpc_status = tries::grpc_status(trailers).or(*self.grpc_status);
                    }
                    self.down.finish(trailers);
                    return Ok(true);
                }
                Poll::Ready(Err(fault)) => return Err(Failure::from(fault).into()),
                Poll::Pending => break,
            }
        }
        Ok(false)
    }

    /// Passes on what of the request has come.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        while !self.upload.is_over() {
            if self.up.pending() >= HIGH && self.flush_up(cx).is_pending() {
                return Ok(());
            }
            match self.upload.poll_next(self.down, cx) {
                Poll::Ready(Ok(Some(part))) => self.up.send(&part),
                Poll::Ready(Ok(None)) => {
                    self.up.finish(self.upload.trailers());
                    self.upload.finish();
                    self.clock.request.start();
                    self.clock.attempt.start();
                }
                Poll::Ready(Err(Fault::Gone | Fault::Reset | Fault::RefusedStream)) => {
                    return Err(Interrupt::ClientGone.into());
                }
                Poll::Ready(Err(Fault::Protocol)) => return Err(Interrupt::BadBody.into()),
                Poll::Pending => break,
            }
        }
        let _ = self.flush_up(cx);
        Ok(())
    }

    /// An endpoint that takes no more may still answer, so that this is not a failure yet.
    fn flush_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.up.poll_flush(cx).map(|result| {
            if result.is_err() {
                self.upload.stop();
            }
        })
    }

    fn interim(&mut self, mut response: Response) {
        let known = Known::of(&response.headers);
        headers::drop_connection_fields(&mut response.headers, known);
        self.down.respond(response, false);
    }

    /// What ends a try from outside.
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        if self.down.pending() > 0 {
            match self.down.poll_flush(cx) {
                Poll::Ready(Err(_)) => return Poll::Ready(Interrupt::ClientGone.into()),
                Poll::Ready(Ok(())) => self.clock.write.rest(),
                Poll::Pending => {
                    let taken = self.sent.wrapping_sub(self.down.pending() as u64);
                    if self.clock.write.poll(taken, cx).is_ready() {
                        return Poll::Ready(Interrupt::Stalled.into());
                    }
                }
            }
        }
        let complete = self.upload.is_complete() && !self.raw;
        if complete && self.down.poll_gone(cx).is_ready() {
            return Poll::Ready(Interrupt::ClientGone.into());
        }
        if self.clock.request.poll(cx).is_ready() {
            return Poll::Ready(Interrupt::Deadline.into());
        }
        let moved = self.upload.bytes().wrapping_add(*self.sent);
        if self.down.poll_idle(moved, cx).is_ready() {
            return Poll::Ready(Interrupt::Idle.into());
        }
        self.clock.attempt.poll(cx).map(|()| Failure::TryTimeout.into())
    }
}

fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}
