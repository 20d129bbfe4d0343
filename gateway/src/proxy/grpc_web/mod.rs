//! gRPC-Web: what browsers speak instead of gRPC, translated on the client's side of an exchange.
//!
//! Everything behind [`Bridge`] sees a gRPC request; everything before it sees one of HTTP without
//! trailers, whose last part is a frame that holds them.

mod text;

use super::{
    exchange::{Exchange, Fate},
    headers,
    message::{Body, Downstream, Fault, Response},
    refusal::Refusal,
};
use crate::{
    context::{Context, Entered},
    view::Serving,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use std::{
    net::SocketAddr,
    rc::Rc,
    task::{self, Poll, ready},
};
use text::{Decoder, Encoder};

/// What the first byte of a frame says that holds trailers.
const TRAILERS: u8 = 0x80;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const BINARY: HeaderValue = HeaderValue::from_static("application/grpc-web+proto");
const TEXT: HeaderValue = HeaderValue::from_static("application/grpc-web-text+proto");

static GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// The two ways in which gRPC-Web writes a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it is.
    Binary,
    /// In Base64.
    Text,
}

impl Form {
    /// The form that a content type stands for.
    fn of(kind: &HeaderValue) -> Option<Self> {
        match kind.as_bytes() {
            b"application/grpc-web" | b"application/grpc-web+proto" => Some(Self::Binary),
            b"application/grpc-web-text" | b"application/grpc-web-text+proto" => Some(Self::Text),
            _ => None,
        }
    }
}

/// Whether the request is one of gRPC-Web, and the server it came to translates them.
pub(super) fn is_meant(parts: &Parts, client: &Entered<'_>, serving: &Rc<Serving>) -> bool {
    parts.method == Method::POST
        && parts.headers.get(header::CONTENT_TYPE).and_then(Form::of).is_some()
        && client.hosts(serving, host(parts)).is_some_and(|hosts| hosts.grpc_web)
}

fn host(parts: &Parts) -> &str {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.unwrap_or_default()
}

/// A request's life, in translation.
pub(super) async fn exchange(
    context: &Context,
    client: &Entered<'_>,
    serving: &Rc<Serving>,
    down: &mut dyn Downstream,
) -> Fate {
    let mut bridge = Bridge::new(down);
    // Other requests must not pay for this one with their size.
    Box::pin(Exchange::new(context, client, serving, &mut bridge).run()).await
}

/// The client's side of a gRPC request that comes as gRPC-Web.
struct Bridge<'d> {
    inner: &'d mut dyn Downstream,
    /// As an endpoint that speaks gRPC wants it.
    head: Parts,
    /// Of the request's body, if it comes as text.
    decoder: Option<Decoder>,
    /// The form of the response.
    form: Form,
    answer: Answer,
}

/// How the response's body is passed on.
enum Answer {
    /// As it is: it is none of gRPC, or has nothing but a head.
    Plain,
    /// With the trailers behind it.
    Binary,
    /// The same in Base64.
    Text(Encoder),
}

impl<'d> Bridge<'d> {
    fn new(inner: &'d mut dyn Downstream) -> Self {
        let mut head = inner.request().clone();
        let fields = &mut head.headers;
        let form = |name| fields.get(name).and_then(Form::of).unwrap_or(Form::Binary);
        let (request, form) = (form(header::CONTENT_TYPE), form(header::ACCEPT));
        let nothing = fields.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0");
        if !nothing && fields.remove(header::CONTENT_LENGTH).is_some() {
            // It was that of the translation.
            fields.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        fields.insert(header::CONTENT_TYPE, GRPC);
        fields.insert(header::TE, HeaderValue::from_static("trailers"));
        fields.insert(&GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity,deflate,gzip"));
        let decoder = (request == Form::Text).then(Decoder::default);
        Self { inner, head, decoder, form, answer: Answer::Plain }
    }

    /// The response's head in gRPC-Web's terms.
    fn translated(&mut self, response: &Response) -> Option<Response> {
        let kind = response.headers.get(header::CONTENT_TYPE)?;
        if response.status.is_informational() || !headers::is_grpc(kind) {
            return None;
        }
        let mut headers = response.headers.clone();
        let kind = if self.form == Form::Text { TEXT } else { BINARY };
        headers.insert(header::CONTENT_TYPE, kind);
        let body = match response.body {
            Body::Nothing | Body::Sized(0) => response.body,
            Body::Sized(_) | Body::Unsized => {
                headers.remove(header::CONTENT_LENGTH);
                self.answer = match self.form {
                    Form::Binary => Answer::Binary,
                    Form::Text => Answer::Text(Encoder::default()),
                };
                Body::Unsized
            }
        };
        Some(Response { status: response.status, headers, body })
    }
}

/// The frame that holds these fields.
fn frame(trailers: &HeaderMap) -> Vec<u8> {
    let mut frame = vec![TRAILERS, 0, 0, 0, 0];
    for (name, value) in trailers {
        frame.extend_from_slice(name.as_str().as_bytes());
        frame.push(b':');
        frame.extend_from_slice(value.as_bytes());
        frame.extend_from_slice(b"\r\n");
    }
    let length = u32::try_from(frame.len() - 5).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(place) = frame.get_mut(1..5) {
        place.copy_from_slice(&length);
    }
    frame
}

impl Downstream for Bridge<'_> {
    fn request(&self) -> &Parts {
        &self.head
    }

    fn refusal(&self) -> Option<Refusal> {
        self.inner.refusal()
    }

    fn peer(&self) -> SocketAddr {
        self.inner.peer()
    }

    fn peer_text(&self) -> &HeaderValue {
        self.inner.peer_text()
    }

    fn local(&self) -> Option<SocketAddr> {
        self.inner.local()
    }

    /// Text that breaks off within a group of letters shows only when its end is read.
    fn is_complete(&mut self) -> bool {
        self.inner.is_complete() && self.decoder.as_ref().is_none_or(Decoder::is_done)
    }

    fn poll_body(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        let part = ready!(self.inner.poll_body(cx))?;
        let Some(decoder) = &mut self.decoder else { return Poll::Ready(Ok(part)) };
        let bytes = match part {
            Some(part) => decoder.decode(&part).map(|bytes| Some(bytes.into())),
            None => decoder.end().map(|()| None),
        };
        Poll::Ready(bytes.map_err(|_| Fault::Protocol))
    }

    fn trailers(&mut self) -> Option<HeaderMap> {
        self.inner.trailers()
    }

    fn poll_gone(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        self.inner.poll_gone(cx)
    }

    fn poll_idle(&mut self, moved: u64, cx: &mut task::Context<'_>) -> Poll<()> {
        self.inner.poll_idle(moved, cx)
    }

    fn was_reset(&self) -> bool {
        self.inner.was_reset()
    }

    fn respond(&mut self, response: Response, close: bool) {
        match self.translated(&response) {
            Some(translated) => self.inner.respond(translated, close),
            None => self.inner.respond(response, close),
        }
    }

    fn send(&mut self, data: &[u8]) {
        match &mut self.answer {
            Answer::Plain | Answer::Binary => self.inner.send(data),
            Answer::Text(encoder) => self.inner.send(encoder.encode(data).as_bytes()),
        }
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) {
        let frame = trailers.as_ref().map(frame).unwrap_or_default();
        match &mut self.answer {
            Answer::Plain => return self.inner.finish(trailers),
            Answer::Binary => self.inner.send(&frame),
            Answer::Text(encoder) => {
                let rest = encoder.end() + &encoder.encode(&frame);
                self.inner.send(rest.as_bytes());
            }
        }
        self.inner.finish(None);
    }

    /// Cannot happen: a POST with a content type of gRPC-Web is no handshake.
    fn switch(&mut self) {
        self.inner.switch();
    }

    fn pending(&self) -> usize {
        self.inner.pending()
    }

    fn poll_flush(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_known_by_four_content_types() {
        for (kind, form) in [
            ("application/grpc-web", Some(Form::Binary)),
            ("application/grpc-web+proto", Some(Form::Binary)),
            ("application/grpc-web-text", Some(Form::Text)),
            ("application/grpc-web-text+proto", Some(Form::Text)),
            ("application/grpc-web+thrift", None),
            ("application/grpc", None),
            ("text/plain", None),
        ] {
            assert_eq!(Form::of(&HeaderValue::from_static(kind)), form, "{kind}");
        }
    }

    #[test]
    fn trailers_become_a_frame() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers.insert("x-a", HeaderValue::from_static("b"));
        let lines = b"grpc-status:0\r\nx-a:b\r\n";
        assert_eq!(frame(&trailers), [&[0x80, 0, 0, 0, 22], &lines[..]].concat());
    }
}
