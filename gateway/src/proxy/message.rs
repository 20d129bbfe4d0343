//! What both protocols' sides of an exchange have in common: messages, and how talking fails.
//!
//! HTTP/1 and HTTP/2 meet here. All writing is immediate and never waits: whoever relays looks at
//! `pending`, flushes, and stops reading from the other side meanwhile.

use super::refusal::Refusal;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, request::Parts};
use pingora_http::RequestHeader;
use std::{
    net::SocketAddr,
    task::{Context, Poll},
};

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Response {
    /// Any status; 1xx other than 101 is followed by another head.
    pub(crate) status: StatusCode,
    /// Without fields that only frame or concern one connection.
    pub(crate) headers: HeaderMap,
    /// What follows.
    pub(crate) body: Body,
}

/// What follows the head of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing, whatever `content-length` says: an answer to HEAD, 1xx, 204, 304.
    Nothing,
    /// So many bytes.
    Sized(u64),
    /// Bytes until there are no more.
    Unsized,
}

/// How talking to one side fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It closed or broke the connection.
    Gone,
    /// It did not keep to the protocol.
    Protocol,
    /// It called this one exchange off.
    Reset,
    /// It did so before it did anything about it.
    RefusedStream,
}

/// The client's side of one exchange.
pub(crate) trait Downstream {
    /// The request's head.
    fn request(&self) -> &Parts;

    /// Why the request is refused, if its protocol alone is reason enough.
    fn refusal(&self) -> Option<Refusal> {
        None
    }

    /// The client's address.
    fn peer(&self) -> SocketAddr;

    /// Its IP as text.
    fn peer_text(&self) -> &HeaderValue;

    /// Our address that the client speaks to.
    fn local(&self) -> Option<SocketAddr>;

    /// Whether the request's body has been read to its end.
    fn is_complete(&mut self) -> bool;

    /// The next part of the request's body; `None` at its end.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>>;

    /// The fields behind the request's body, once that has been read to its end.
    fn trailers(&mut self) -> Option<HeaderMap> {
        None
    }

    /// Ready when the client has gone; only for a request that is complete.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when a request of which this much has moved, both ways, has stood there for too long.
    fn poll_idle(&mut self, moved: u64, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether the client, which has gone, called this request off and no other.
    fn was_reset(&self) -> bool {
        false
    }

    /// Writes a head. `close` tells the client that the connection ends with this response.
    fn respond(&mut self, response: Response, close: bool);

    /// Writes a part of the body.
    fn send(&mut self, data: &[u8]);

    /// Ends the body; fields behind it are left out where the protocol has no place for them.
    fn finish(&mut self, trailers: Option<HeaderMap>);

    /// From here on, bodies are raw bytes: the response was 101.
    fn switch(&mut self);

    /// Bytes written and not yet sent.
    fn pending(&self) -> usize;

    /// Sends what is pending; ready when nothing is.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>>;
}

/// The endpoint's side of one try.
pub(crate) trait Upstream {
    /// Writes the request's head.
    fn start(&mut self, request: Box<RequestHeader>);

    /// Writes a part of the body.
    fn send(&mut self, data: &[u8]);

    /// Ends the body; fields behind it are left out where the protocol has no place for them.
    fn finish(&mut self, trailers: Option<&HeaderMap>);

    /// The next head.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, Fault>>;

    /// The next part of the response's body; `None` at its end.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<&[u8]>, Fault>>;

    /// The fields behind the response's body, once that has been read to its end.
    fn trailers(&mut self) -> Option<HeaderMap> {
        None
    }

    /// Whether anything has come back.
    fn has_spoken(&self) -> bool;

    /// From here on, bodies are raw bytes: the response was 101.
    fn switch(&mut self);

    /// Bytes written and not yet sent.
    fn pending(&self) -> usize;

    /// Sends what is pending; ready when nothing is.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>>;
}
