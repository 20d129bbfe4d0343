//! The answer: what the server saw of a request, or a body of the size that was asked for.

use super::{Identity, script::Script};
use bytes::Bytes;
use http::{HeaderMap, Response, Version, header, request::Parts};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, SizeHint};
use serde::Serialize;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

/// The body of an answer.
pub(super) type Answer = Response<Either<Full<Bytes>, Filler>>;

/// What the server saw, as it is sent back.
#[derive(Debug, Serialize)]
struct Seen<'a> {
    service: &'a str,
    labels: &'a BTreeMap<String, String>,
    protocol: &'static str,
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    /// In the order of arrival; a name that came twice stands here twice.
    headers: Vec<(&'a str, Cow<'a, str>)>,
    body_bytes: u64,
    remote: SocketAddr,
}

/// What is known of a request once its body has been read.
#[derive(Debug)]
pub(super) struct Arrival {
    /// The head.
    pub head: Parts,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// The client's address.
    pub remote: SocketAddr,
}

/// The JSON answer of `identity`, or filler if the script wants a size.
pub(super) fn answer(identity: &Identity, arrival: &Arrival, script: &Script) -> Answer {
    let (kind, body) = match script.size {
        Some(size) => ("application/octet-stream", Either::Right(Filler { left: size })),
        None => ("application/json", Either::Left(Full::new(describe(identity, arrival)))),
    };
    respond(script.status, kind, body)
}

/// A plain text answer.
pub(super) fn refuse(status: http::StatusCode, reason: String) -> Answer {
    respond(status, "text/plain; charset=utf-8", Either::Left(Full::new((reason + "\n").into())))
}

fn respond(status: http::StatusCode, kind: &str, body: Either<Full<Bytes>, Filler>) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Ok(kind) = kind.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

fn describe(identity: &Identity, arrival: &Arrival) -> Bytes {
    let Parts { method, uri, version, headers, .. } = &arrival.head;
    let seen = Seen {
        service: &identity.service,
        labels: &identity.labels,
        protocol: if *version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" },
        method: method.as_str(),
        path: uri.path(),
        query: uri.query(),
        headers: pairs(uri, headers),
        body_bytes: arrival.body_bytes,
        remote: arrival.remote,
    };
    let mut json = serde_json::to_vec(&seen).unwrap_or_default();
    json.push(b'\n');
    json.into()
}

/// All fields; under HTTP/2, where the host is no field, it is shown as one.
fn pairs<'a>(uri: &'a http::Uri, headers: &'a HeaderMap) -> Vec<(&'a str, Cow<'a, str>)> {
    let authority = uri.authority().filter(|_| !headers.contains_key(header::HOST));
    let host = authority.map(|authority| ("host", authority.as_str().into()));
    let fields = headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    host.into_iter().chain(fields).collect()
}

/// A body of so many bytes, made as it is sent.
#[derive(Debug)]
pub(super) struct Filler {
    left: u64,
}

static CHUNK: &[u8] = &[b'.'; 16 * 1024];

impl Body for Filler {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK.len());
        if chunk == 0 {
            return Poll::Ready(None);
        }
        self.left -= chunk as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(CHUNK).slice(..chunk)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
