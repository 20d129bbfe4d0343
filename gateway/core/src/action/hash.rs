//! What requests are told apart by, so that like goes to like (`consistentHash`).
//!
//! The hash is xxHash64 without a seed: all gateways agree on it, whatever their version.

use crate::request::{Made, Request};
use http::{HeaderName, HeaderValue, header::COOKIE};
use serde::Serialize;
use std::{hash::Hasher, net::IpAddr, sync::Arc, time::Duration};
use twox_hash::XxHash64;

/// The hash of some bytes.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    XxHash64::oneshot(0, bytes)
}

/// Where a route's requests have their key: the first of these that a request has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HashPolicy(Vec<HashSource>);

/// One place of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HashSource {
    /// All lines of a header, in whatever order.
    Header(#[serde(serialize_with = "name_as_text")] HeaderName),
    /// A header of which the gateway makes something of its own.
    Made(Made),
    /// `:authority`, which is `Host`.
    Authority,
    /// `:path`, with the query.
    Path,
    /// `:method`.
    Method,
    /// `:scheme`.
    Scheme,
    /// The first query parameter of this name, as sent.
    Query(Arc<str>),
    /// A cookie.
    Cookie(Cookie),
    /// The client's address, without the port.
    ClientAddress,
}

/// A cookie that tells clients apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cookie {
    /// Its name, as sent.
    pub name: Arc<str>,
    /// What a new one says after its value; `None`: clients bring it, it is never made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh: Option<Arc<str>>,
}

/// What a request is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'p> {
    /// Nothing: any endpoint will do.
    Absent,
    /// This.
    Of(u64),
    /// The client is to get this cookie, see [`Cookie::bake`].
    NewCookie(&'p Cookie),
}

impl HashPolicy {
    /// Looks at `sources` in order; one given twice counts once.
    pub fn new(sources: impl IntoIterator<Item = HashSource>) -> Self {
        let mut list: Vec<HashSource> = Vec::new();
        for source in sources {
            if !list.contains(&source) {
                list.push(source);
            }
        }
        Self(list)
    }

    /// Whether no request has a key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of `request` from a client at the trusted address `client`.
    pub fn key(&self, request: &Request<'_>, client: IpAddr) -> Key<'_> {
        let keys = self.0.iter().map(|source| source.key(request, client));
        keys.into_iter().find(|key| *key != Key::Absent).unwrap_or(Key::Absent)
    }

    /// The key of a connection from a client at `client`, which has an address and nothing else.
    pub fn connection_key(&self, client: IpAddr) -> Option<u64> {
        self.0.contains(&HashSource::ClientAddress).then(|| of_address(client))
    }
}

impl HashSource {
    fn key(&self, request: &Request<'_>, client: IpAddr) -> Key<'_> {
        let found = match self {
            Self::Header(name) => of_lines(request.headers.get_all(name).iter()),
            Self::Made(field) => {
                let value = request.made.and_then(|edge| edge.made(*field));
                value.map(|value| hash(&value))
            }
            Self::Authority => Some(hash(request.authority.as_bytes())),
            Self::Path => Some(of_path(request)),
            Self::Method => Some(hash(request.method.as_bytes())),
            Self::Scheme => Some(hash(request.scheme.as_str().as_bytes())),
            Self::Query(name) => parameter(request, name).map(|value| hash(value.as_bytes())),
            Self::Cookie(cookie) => match cookie.value(request) {
                Some(value) => Some(hash(value)),
                None if cookie.fresh.is_some() => return Key::NewCookie(cookie),
                None => None,
            },
            Self::ClientAddress => Some(of_address(client)),
        };
        found.map_or(Key::Absent, Key::Of)
    }
}

/// Sums do not depend on the order, and unlike differences do not lose what stands there twice.
fn of_lines<'v>(lines: impl Iterator<Item = &'v HeaderValue>) -> Option<u64> {
    lines.map(|line| hash(line.as_bytes())).reduce(u64::wrapping_add)
}

fn of_path(request: &Request<'_>) -> u64 {
    let mut hasher = XxHash64::with_seed(0);
    hasher.write(request.path.as_bytes());
    if let Some(query) = request.query {
        hasher.write(b"?");
        hasher.write(query.as_bytes());
    }
    hasher.finish()
}

fn of_address(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => hash(&address.octets()),
        IpAddr::V6(address) => hash(&address.octets()),
    }
}

fn parameter<'r>(request: &Request<'r>, name: &str) -> Option<&'r str> {
    let pairs = request.query?.split('&');
    let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

impl Cookie {
    /// A cookie that is made where a client has none: for the browser's session if `ttl` is zero,
    /// never without `ttl`. An attribute without a value is one word.
    pub fn new<'a>(
        name: &str,
        path: &str,
        ttl: Option<Duration>,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let fresh = ttl.map(|ttl| {
            let mut rest = String::new();
            let mut add = |name: &str, value: &str| {
                let equals = if value.is_empty() { "" } else { "=" };
                rest.extend(["; ", name, equals, value]);
            };
            if !ttl.is_zero() {
                add("Max-Age", &ttl.as_secs().to_string());
            }
            if !path.is_empty() {
                add("Path", path);
            }
            attributes.into_iter().for_each(|(name, value)| add(name, value));
            add("HttpOnly", "");
            rest.into()
        });
        Self { name: name.into(), fresh }
    }

    /// A new cookie of a number drawn by chance: what `Set-Cookie` says, and the key that the client
    /// has from now on, this request included.
    pub fn bake(&self, drawn: u64) -> (String, u64) {
        let value = format!("{drawn:016x}");
        let rest = self.fresh.as_deref().unwrap_or_default();
        (format!("{}=\"{value}\"{rest}", self.name), hash(value.as_bytes()))
    }

    /// What a client sent; an empty value is none.
    fn value<'r>(&self, request: &Request<'r>) -> Option<&'r [u8]> {
        let lines = request.headers.get_all(COOKIE).iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        let value = pairs.map(<[u8]>::trim_ascii).find_map(|pair| {
            pair.strip_prefix(self.name.as_bytes())?.strip_prefix(b"=").map(unquoted)
        })?;
        (!value.is_empty()).then_some(value)
    }
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

fn name_as_text<S: serde::Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Scheme;
    use http::HeaderMap;
    use std::borrow::Cow;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn plain(headers: &HeaderMap) -> Request<'_> {
        Request {
            method: "GET",
            scheme: Scheme::Http,
            authority: "h",
            path: "/p",
            query: None,
            headers,
            made: Some(&Edge),
            claims: None,
        }
    }

    /// One that knows the client's certificate, and no more.
    #[derive(Debug)]
    struct Edge;

    impl crate::request::Edge for Edge {
        fn made(&self, field: Made) -> Option<Cow<'_, [u8]>> {
            (field == Made::ClientCertificate).then(|| Cow::Borrowed(&b"a"[..]))
        }
    }

    fn key(
        source: &HashSource,
        query: Option<&str>,
        lines: &[(&'static str, &str)],
    ) -> Key<'static> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let request = Request { query, ..plain(&headers) };
        match source.key(&request, CLIENT) {
            Key::Absent => Key::Absent,
            Key::Of(key) => Key::Of(key),
            Key::NewCookie(cookie) => Key::NewCookie(Box::leak(Box::new(cookie.clone()))),
        }
    }

    fn of(text: &str) -> Key<'static> {
        Key::Of(hash(text.as_bytes()))
    }

    #[test]
    fn the_hash_is_the_same_everywhere_and_for_ever() {
        assert_eq!(hash(b""), 0xef46_db37_51d8_e999);
        assert_eq!(hash(b"a"), 0xd24e_c4f1_a98c_6e5b);
    }

    #[test]
    fn headers_count_with_all_their_lines_in_any_order() {
        let source = HashSource::Header(HeaderName::from_static("x"));
        assert_eq!(key(&source, None, &[]), Key::Absent);
        assert_eq!(key(&source, None, &[("x", "")]), of(""));
        assert_eq!(key(&source, None, &[("x", "a")]), of("a"));
        let both = key(&source, None, &[("x", "a"), ("x", "b")]);
        assert_eq!(both, key(&source, None, &[("x", "b"), ("x", "a")]));
        assert!(both != of("a") && both != of("b"));
        assert_ne!(key(&source, None, &[("x", "a"), ("x", "a")]), key(&source, None, &[]));
    }

    #[test]
    fn parameters_count_as_sent_and_the_first_of_a_name() {
        let source = HashSource::Query("q".into());
        for (query, expected) in [
            (None, Key::Absent),
            (Some("Q=1"), Key::Absent),
            (Some("q="), of("")),
            (Some("q"), of("")),
            (Some("a=0&q=1&q=2"), of("1")),
            (Some("q=%31"), of("%31")),
        ] {
            assert_eq!(key(&source, query, &[]), expected, "{query:?}");
        }
        assert_eq!(key(&HashSource::Path, Some("q=1"), &[]), of("/p?q=1"));
        assert_eq!(key(&HashSource::Authority, None, &[]), of("h"));
    }

    #[test]
    fn cookies_are_found_among_others_and_made_only_with_a_ttl() {
        let brought = HashSource::Cookie(Cookie::new("c", "", None, []));
        for (cookie, expected) in [
            ("c=abc", of("abc")),
            ("b=1; c=\"abc\"; d=2", of("abc")),
            ("cc=1;c=abc", of("abc")),
            ("c=", Key::Absent),
            ("C=abc", Key::Absent),
            ("c", Key::Absent),
        ] {
            assert_eq!(key(&brought, None, &[("cookie", cookie)]), expected, "{cookie}");
        }
        let lines = [("cookie", "a=1"), ("cookie", "c=x")];
        assert_eq!(key(&brought, None, &lines), of("x"));
        let made = Cookie::new("c", "", Some(Duration::ZERO), []);
        let source = HashSource::Cookie(made.clone());
        for lines in [vec![], vec![("cookie", "c=")]] {
            assert_eq!(key(&source, None, &lines), Key::NewCookie(&made));
        }
    }

    #[test]
    fn a_new_cookie_leads_back_to_where_it_was_given() {
        let minute = Some(Duration::from_secs(60));
        let same_site = [("SameSite", "Lax"), ("Secure", "")];
        let text = |cookie: Cookie| cookie.bake(255).0;
        let value = "c=\"00000000000000ff\"";
        for (cookie, expected) in [
            (Cookie::new("c", "", minute, []), "; Max-Age=60; HttpOnly"),
            (Cookie::new("c", "", Some(Duration::ZERO), []), "; HttpOnly"),
            (Cookie::new("c", "/x", minute, []), "; Max-Age=60; Path=/x; HttpOnly"),
            (
                Cookie::new("c", "/x", minute, same_site),
                "; Max-Age=60; Path=/x; SameSite=Lax; Secure; HttpOnly",
            ),
        ] {
            assert_eq!(text(cookie), format!("{value}{expected}"));
        }
        let cookie = Cookie::new("c", "/", minute, []);
        let (line, first) = cookie.bake(7);
        let sent = line.split(';').next().unwrap();
        let again = key(&HashSource::Cookie(cookie), None, &[("cookie", sent)]);
        assert_eq!(again, Key::Of(first));
    }

    #[test]
    fn what_the_gateway_makes_of_a_field_counts() {
        let forged = [("x-forwarded-client-cert", "b"), ("x-request-id", "b")];
        let key = |made| key(&HashSource::Made(made), None, &forged);
        assert_eq!(key(Made::ClientCertificate), of("a"));
        assert_eq!(key(Made::RequestId), Key::Absent);
    }

    #[test]
    fn the_first_source_that_a_request_has_decides() {
        let x = HashSource::Header(HeaderName::from_static("x"));
        let policy = HashPolicy::new([x.clone(), HashSource::ClientAddress, x, HashSource::Method]);
        assert_eq!(policy.0.len(), 3);
        let mut headers = HeaderMap::new();
        let ask = |headers: &HeaderMap, client: &str| {
            policy.key(&plain(headers), client.parse().unwrap())
        };
        let address = ask(&headers, "192.0.2.7");
        assert_eq!(address, ask(&headers, "::ffff:192.0.2.7"));
        assert_ne!(address, ask(&headers, "192.0.2.8"));
        assert_eq!(policy.connection_key(CLIENT).map(Key::Of), Some(address));
        headers.insert("x", HeaderValue::from_static("a"));
        assert_eq!(ask(&headers, "192.0.2.7"), of("a"));
        assert_eq!(HashPolicy::default().connection_key(CLIENT), None);
    }
}
