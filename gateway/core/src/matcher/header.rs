//! Conditions on header fields, pseudo headers and token claims.

use super::Text;
use crate::request::{Made, Request};
use http::HeaderName;
use serde::Serialize;

/// A condition on one header.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderMatch {
    /// What is looked at.
    pub subject: Subject,
    /// What it must fit.
    pub text: Text,
    /// From `withoutHeaders`: it must not fit; an absent header counts as empty, except for
    /// [`Text::Present`].
    pub inverted: bool,
}

/// What a header condition looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// A header field; each of its lines is compared on its own.
    Header(#[serde(serialize_with = "name_as_text")] HeaderName),
    /// `:method`.
    Method,
    /// `:authority`.
    Authority,
    /// `:path`, with the query.
    Path,
    /// `:scheme`.
    Scheme,
    /// A field of which the gateway makes something of its own.
    Made(Made),
    /// A field that steers proxies or that concerns one connection: whatever a client sends is dropped
    /// before anything is compared.
    Dropped(#[serde(serialize_with = "name_as_text")] HeaderName),
    /// A claim of a verified token, by the path to it. What is not there fits nothing, so that an
    /// inverted condition holds.
    Claim(Vec<String>),
}

impl HeaderMatch {
    /// Whether `request` fits.
    pub fn matches(&self, request: &Request<'_>) -> bool {
        let found = match &self.subject {
            Subject::Header(name) => {
                let mut any = false;
                let fits = request.headers.get_all(name).iter().any(|value| {
                    any = true;
                    self.text.matches_bytes(value.as_bytes())
                });
                any.then_some(fits)
            }
            Subject::Made(field) => {
                let value = request.made.and_then(|edge| edge.made(*field));
                value.map(|value| self.text.matches_bytes(&value))
            }
            Subject::Dropped(_) => None,
            Subject::Method => Some(self.text.matches(request.method)),
            Subject::Authority => Some(self.text.matches(request.authority)),
            Subject::Scheme => Some(self.text.matches(request.scheme.as_str())),
            Subject::Path => Some(match request.query {
                Some(query) => self.text.matches(&format!("{}?{query}", request.path)),
                None => self.text.matches(request.path),
            }),
            Subject::Claim(path) => Some(
                request
                    .claims
                    .is_some_and(|claims| claims.any(path, |text| self.text.matches(text))),
            ),
        };
        match (found, self.inverted) {
            (Some(fits), inverted) => fits != inverted,
            (None, false) => false,
            (None, true) => matches!(self.text, Text::Present) || !self.text.matches(""),
        }
    }
}

/// What follows `x-` in the names of fields that steer or describe the mesh.
const STEERING: &[&str] = &[
    "envoy-attempt-count",
    "envoy-decorator-operation",
    "envoy-downstream-service-cluster",
    "envoy-downstream-service-node",
    "envoy-expected-rq-timeout-ms",
    "envoy-external-address",
    "envoy-force-trace",
    "envoy-hedge-on-per-try-timeout",
    "envoy-internal",
    "envoy-ip-tags",
    "envoy-max-retries",
    "envoy-original-host",
    "envoy-original-path",
    "envoy-original-url",
    "envoy-peer-metadata",
    "envoy-peer-metadata-id",
    "envoy-retriable-header-names",
    "envoy-retriable-status-codes",
    "envoy-retry-grpc-on",
    "envoy-retry-on",
    "envoy-upstream-alt-stat-name",
    "envoy-upstream-rq-per-try-timeout-ms",
    "envoy-upstream-rq-timeout-alt-response",
    "envoy-upstream-rq-timeout-ms",
    "envoy-upstream-stream-duration-ms",
    "forwarded-client-cert",
];

impl Subject {
    /// A header field by its name in lower case.
    pub fn field(name: HeaderName) -> Self {
        match Made::named(&name) {
            Some(made) => Self::Made(made),
            None if never_crosses(&name) => Self::Dropped(name),
            None => Self::Header(name),
        }
    }
}

/// Whether nobody behind the gateway's edge sees what a client sends in a field.
pub(crate) fn never_crosses(name: &HeaderName) -> bool {
    const OF_CONNECTIONS: [&str; 3] = ["keep-alive", "proxy-connection", "transfer-encoding"];
    is_steering(name) || OF_CONNECTIONS.contains(&name.as_str())
}

/// Whether a field steers or describes the mesh: nobody believes a client who sends one, and endpoints
/// do not see it.
pub fn is_steering(name: &HeaderName) -> bool {
    name.as_str().strip_prefix("x-").is_some_and(|rest| STEERING.contains(&rest))
}

fn name_as_text<S: serde::Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{claims::Claims, request::Edge};
    use http::{HeaderMap, HeaderValue};
    use std::borrow::Cow;

    fn request<'r>(headers: &'r HeaderMap, claims: Option<&'r Claims>) -> Request<'r> {
        let (scheme, query) = (crate::request::Scheme::Http, None);
        let made: Option<&dyn Edge> = Some(&Peer);
        Request { method: "GET", scheme, authority: "a", path: "/", query, headers, made, claims }
    }

    /// An edge that knows the client's address, and no more.
    #[derive(Debug)]
    struct Peer;

    impl Edge for Peer {
        fn made(&self, field: Made) -> Option<Cow<'_, [u8]>> {
            (field == Made::ForwardedFor).then(|| Cow::Borrowed(&b"v,10.0.0.1"[..]))
        }
    }

    fn fits(text: Text, inverted: bool, values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x", HeaderValue::from_static(value));
        }
        let subject = Subject::Header(HeaderName::from_static("x"));
        HeaderMatch { subject, text, inverted }.matches(&request(&headers, None))
    }

    #[test]
    fn claims_of_a_token_fit_and_missing_ones_do_not() {
        let payload = serde_json::from_str(r#"{"groups": ["a", "b"]}"#).unwrap();
        let (claims, headers) = (Claims::new(payload), HeaderMap::new());
        for (claim, text, token, fits) in [
            ("groups", Text::Exact("b".into()), true, true),
            ("groups", Text::Exact("c".into()), true, false),
            ("groups", Text::Present, true, true),
            ("other", Text::Present, true, false),
            ("groups", Text::Exact("b".into()), false, false),
            ("groups", Text::Exact("".into()), false, false),
        ] {
            let request = request(&headers, token.then_some(&claims));
            for inverted in [false, true] {
                let subject = Subject::Claim(vec![claim.to_owned()]);
                let condition = HeaderMatch { subject, text: text.clone(), inverted };
                assert_eq!(condition.matches(&request), fits != inverted, "{condition:?} {token}");
            }
        }
    }

    #[test]
    fn any_line_may_fit_and_any_line_may_exclude() {
        let exact = || Text::Exact("b".into());
        assert!(fits(exact(), false, &["a", "b"]));
        assert!(!fits(exact(), false, &["a,b"]));
        assert!(!fits(exact(), true, &["a", "b"]));
        assert!(fits(exact(), true, &["a"]));
    }

    #[test]
    fn nobody_is_believed_who_says_what_only_the_gateway_knows() {
        for (name, believed) in [
            ("x-forwarded-client-cert", false),
            ("x-request-id", false),
            ("x-envoy-internal", false),
            ("keep-alive", false),
            ("transfer-encoding", false),
            ("x-envoy-anything", true),
            ("x-forwarded-host", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(name, HeaderValue::from_static("v"));
            let subject = Subject::field(HeaderName::from_static(name));
            let condition = HeaderMatch { subject, text: Text::Present, inverted: false };
            assert_eq!(condition.matches(&request(&headers, None)), believed, "{name}");
        }
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("v"));
        for (text, is) in [("v", false), ("v,10.0.0.1", true)] {
            let subject = Subject::field(HeaderName::from_static("x-forwarded-for"));
            let condition =
                HeaderMatch { subject, text: Text::Exact(text.into()), inverted: false };
            assert_eq!(condition.matches(&request(&headers, None)), is, "{text}");
        }
    }

    #[test]
    fn presence_and_absence() {
        assert!(fits(Text::Present, false, &[""]));
        assert!(!fits(Text::Present, false, &[]));
        assert!(fits(Text::Present, true, &[]));
        assert!(!fits(Text::Present, true, &["a"]));
    }

    #[test]
    fn without_headers_takes_absence_for_emptiness() {
        let any = Text::Regex(super::super::re2::whole(".*").unwrap());
        assert!(!fits(any.clone(), true, &[]));
        assert!(!fits(any, true, &["a"]));
        assert!(fits(Text::Exact("a".into()), true, &[]));
        assert!(!fits(Text::Exact("".into()), true, &[]));
    }
}
