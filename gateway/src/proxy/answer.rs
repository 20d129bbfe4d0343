//! What the gateway itself answers, as Envoy words it.

use super::{
    failure::Failure,
    message::{Body, Response},
    refusal::Refusal,
};
use crate::flags::Flags;
use edgeway_core::action::{DirectResponse, HeaderOps};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::{borrow::Cow, fmt::Write};

/// The name that responses carry, whatever the endpoint calls itself.
pub(crate) const SERVER: HeaderValue = HeaderValue::from_static("istio-envoy");

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Not the endpoint is to blame, but the number of requests.
static OVERLOADED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-envoy-overloaded"), HeaderValue::from_static("true"));

/// As above, and it is the gateway itself.
static LOCALLY_OVERLOADED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-envoy-local-overloaded"), HeaderValue::from_static("true"));

/// A shortage that ends, ends soon.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// An answer before it is brought into the client's terms.
#[derive(Debug)]
pub(crate) struct Answer<'t> {
    status: StatusCode,
    location: Option<String>,
    body: Cow<'t, [u8]>,
    /// What the log says.
    pub(crate) flags: Flags,
    /// The same in words.
    pub(crate) details: Cow<'static, str>,
    /// Response operations of the route that it is given for.
    pub(crate) levels: Option<[&'t HeaderOps; 2]>,
    /// More fields.
    fields: Vec<(HeaderName, HeaderValue)>,
    /// The status for gRPC clients, if it is not the one that goes with the HTTP status.
    grpc_status: Option<u16>,
}

impl<'t> Answer<'t> {
    /// A bare status.
    pub(crate) fn new(
        status: StatusCode,
        flags: Flags,
        details: impl Into<Cow<'static, str>>,
    ) -> Self {
        let details = details.into();
        Self {
            status,
            location: None,
            body: Cow::default(),
            flags,
            details,
            levels: None,
            fields: Vec::new(),
            grpc_status: None,
        }
    }

    /// With a text.
    pub(crate) fn with_body(self, body: impl Into<Cow<'t, [u8]>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// With operations of a route.
    pub(crate) fn with_levels(self, levels: [&'t HeaderOps; 2]) -> Self {
        Self { levels: Some(levels), ..self }
    }

    /// With more fields.
    pub(crate) fn with_fields(mut self, fields: Vec<(HeaderName, HeaderValue)>) -> Self {
        self.fields.extend(fields);
        self
    }

    /// With a status for gRPC clients.
    pub(crate) fn with_grpc_status(self, status: u16) -> Self {
        Self { grpc_status: Some(status), ..self }
    }

    /// Nobody serves this.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Flags::NO_ROUTE, "route_not_found")
    }

    /// Go there.
    pub(crate) fn redirect(status: StatusCode, location: String) -> Self {
        let answer = Self::new(status, Flags::NONE, "direct_response");
        Self { location: Some(location), ..answer }
    }

    /// What the route says.
    pub(crate) fn direct(direct: &'t DirectResponse, none: &'t HeaderOps) -> Self {
        let status = StatusCode::from_u16(direct.status).unwrap_or(StatusCode::OK);
        Self::new(status, Flags::NONE, "direct_response")
            .with_body(&*direct.body)
            .with_levels([&direct.headers, none])
    }

    /// The route's destination does not exist.
    pub(crate) fn no_cluster() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Flags::NO_CLUSTER, "cluster_not_found")
    }

    /// It has no endpoints.
    pub(crate) fn no_endpoint() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Flags::NO_ENDPOINT, "no_healthy_upstream")
            .with_body(&b"no healthy upstream"[..])
    }

    /// Its last try failed.
    pub(crate) fn failed(failure: Failure, retried: bool, exhausted: bool) -> Self {
        let more = if exhausted { Flags::RETRIES_EXHAUSTED } else { Flags::NONE };
        let answer = Self::new(failure.status(), failure.flags() | more, failure.details(false))
            .with_body(failure.body(retried).into_bytes());
        if failure == Failure::Overflow {
            // A word for the breaker of whoever called.
            return answer.with_fields(vec![OVERLOADED.clone()]);
        }
        answer
    }

    /// The time for the request is up.
    pub(crate) fn timed_out() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, Flags::TIMEOUT, "response_timeout")
            .with_body(&b"upstream request timeout"[..])
    }

    /// Nothing of the request, which has come as a whole or not, or of its response moved.
    pub(crate) fn idle(complete: bool) -> Self {
        let status =
            if complete { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::REQUEST_TIMEOUT };
        Self::new(status, Flags::STREAM_IDLE, "stream_idle_timeout")
            .with_body(&b"stream timeout"[..])
    }

    /// There is no memory for the request now.
    pub(crate) fn overloaded() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Flags::OVERLOAD, "overload")
            .with_body(&b"envoy overloaded"[..])
            .with_fields(vec![(header::RETRY_AFTER, RETRY_AFTER), LOCALLY_OVERLOADED.clone()])
    }

    /// The request is refused.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        let status = refusal.status();
        let answer = Self::new(status, refusal.flags(), refusal.details());
        if refusal.is_protocol_error() {
            answer.with_body(status.canonical_reason().unwrap_or_default().as_bytes())
        } else {
            answer
        }
    }

    /// The answer for a client that speaks gRPC, whose errors are never HTTP's: a status among
    /// the headers and no body. Others get status and body as they are.
    pub(crate) fn response(&self, method: Option<&Method>, grpc: bool) -> Response {
        let mut response = if grpc { self.in_grpc() } else { self.in_http(method) };
        response.headers.extend(self.fields.iter().cloned());
        response
    }

    /// The body of [`Self::response`].
    pub(crate) fn body(&self, grpc: bool) -> &[u8] {
        if grpc { &[] } else { &self.body }
    }

    fn in_http(&self, method: Option<&Method>) -> Response {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::CONTENT_LENGTH, self.body.len().into());
        if !self.body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        if let Some(location) = self.location.as_deref().and_then(|text| text.try_into().ok()) {
            headers.insert(header::LOCATION, location);
        }
        let body = match (method, self.status) {
            (Some(&Method::HEAD), _) | (_, StatusCode::NOT_MODIFIED) => Body::Nothing,
            (_, StatusCode::NO_CONTENT) => {
                headers.remove(header::CONTENT_LENGTH);
                Body::Nothing
            }
            _ => Body::Sized(self.body.len() as u64),
        };
        Response { status: self.status, headers, body }
    }

    fn in_grpc(&self) -> Response {
        let status = self.grpc_status.unwrap_or(match self.status.as_u16() {
            200 => 0,
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502 | 503 | 504 => 14,
            _ => 2,
        });
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::CONTENT_LENGTH, 0.into());
        headers.insert(&GRPC_STATUS, status.into());
        if let Ok(message) = HeaderValue::try_from(percent_encoded(&self.body))
            && !message.is_empty()
        {
            headers.insert(&GRPC_MESSAGE, message);
        }
        Response { status: StatusCode::OK, headers, body: Body::Sized(0) }
    }
}

/// As gRPC writes messages: what is not printable ASCII, and `%`, is escaped.
fn percent_encoded(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        if (b' '..=b'~').contains(byte) && *byte != b'%' {
            out.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_how_long_they_are() {
        let answer = Answer::no_endpoint();
        let response = answer.response(Some(&Method::GET), false);
        assert_eq!(response.status, 503);
        assert_eq!(response.headers[header::CONTENT_LENGTH], "19");
        assert_eq!(response.headers[header::CONTENT_TYPE], "text/plain");
        assert_eq!(response.body, Body::Sized(19));
        let to_head = answer.response(Some(&Method::HEAD), false);
        assert_eq!(to_head.headers[header::CONTENT_LENGTH], "19");
        assert_eq!(to_head.body, Body::Nothing);
    }

    #[test]
    fn bare_statuses_have_no_content_type() {
        let response = Answer::not_found().response(None, false);
        assert!(!response.headers.contains_key(header::CONTENT_TYPE));
        assert_eq!(response.headers[header::CONTENT_LENGTH], "0");
    }

    #[test]
    fn grpc_clients_get_grpc_answers() {
        for (answer, status, message) in [
            (Answer::not_found(), "12", None),
            (Answer::no_endpoint(), "14", Some("no healthy upstream")),
            (
                Answer::new(StatusCode::FORBIDDEN, Flags::NONE, "")
                    .with_body("no \"ü\"\nx".as_bytes()),
                "7",
                Some("no \"%C3%BC\"%0Ax"),
            ),
            (Answer::redirect(StatusCode::FOUND, "/".into()), "2", None),
        ] {
            let response = answer.response(None, true);
            assert_eq!(response.status, 200);
            assert_eq!(response.headers[&GRPC_STATUS], status);
            let text = response.headers.get(&GRPC_MESSAGE).map(|text| text.to_str().unwrap());
            assert_eq!(text, message);
        }
    }
}
