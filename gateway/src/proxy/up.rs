//! The endpoint's side of a try, whatever it speaks.

use super::{
    h1, h2,
    message::{Fault, Response, Upstream},
};
use crate::{io::Conn, live::EndpointLive, view::Target};
use http::HeaderMap;
use pingora_http::RequestHeader;
use std::{
    sync::Arc,
    task::{Context, Poll},
};

/// One of the protocols.
pub(super) enum Up {
    /// HTTP/1.1.
    One(h1::Client),
    /// HTTP/2.
    Two(Box<h2::Client>),
}

impl Up {
    /// The pacing side of the connection.
    pub(super) fn conn(&self) -> &Arc<Conn> {
        match self {
            Self::One(up) => up.conn(),
            Self::Two(up) => up.conn(),
        }
    }

    /// Whether the endpoint said that it has not done anything about the request.
    pub(super) fn is_unprocessed(&self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Two(up) => up.is_unprocessed(),
        }
    }

    /// Ends the exchange, and keeps the connection for the next if it can be.
    pub(super) async fn end(self, endpoint: &EndpointLive, target: &Target) {
        match self {
            Self::One(up) => {
                if let Some(free) = up.release() {
                    target.keep(endpoint, free);
                }
            }
            Self::Two(up) => up.end().await,
        }
    }
}

impl Upstream for Up {
    fn start(&mut self, request: Box<RequestHeader>) {
        match self {
            Self::One(up) => up.start(request),
            Self::Two(up) => up.start(request),
        }
    }

    fn send(&mut self, data: &[u8]) {
        match self {
            Self::One(up) => up.send(data),
            Self::Two(up) => up.send(data),
        }
    }

    fn finish(&mut self, trailers: Option<&HeaderMap>) {
        match self {
            Self::One(up) => up.finish(trailers),
            Self::Two(up) => up.finish(trailers),
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, Fault>> {
        match self {
            Self::One(up) => up.poll_head(cx),
            Self::Two(up) => up.poll_head(cx),
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<&[u8]>, Fault>> {
        match self {
            Self::One(up) => up.poll_body(cx),
            Self::Two(up) => up.poll_body(cx),
        }
    }

    fn trailers(&mut self) -> Option<HeaderMap> {
        match self {
            Self::One(up) => up.trailers(),
            Self::Two(up) => up.trailers(),
        }
    }

    fn has_spoken(&self) -> bool {
        match self {
            Self::One(up) => up.has_spoken(),
            Self::Two(up) => up.has_spoken(),
        }
    }

    fn switch(&mut self) {
        match self {
            Self::One(up) => up.switch(),
            Self::Two(up) => up.switch(),
        }
    }

    fn pending(&self) -> usize {
        match self {
            Self::One(up) => up.pending(),
            Self::Two(up) => up.pending(),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        match self {
            Self::One(up) => up.poll_flush(cx),
            Self::Two(up) => up.poll_flush(cx),
        }
    }
}
