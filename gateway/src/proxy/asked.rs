//! A request as routing sees it, once everything about it has been checked.

use super::{
    headers::{self, X_FORWARDED_PROTO},
    known::Known,
    refusal::Refusal,
};
use crate::edge::Edge;
use edgeway_core::request::{Request, Scheme};
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use std::net::{IpAddr, SocketAddr};

/// What the rest of the exchange needs of a request, in its final form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// As the connection, or the trusted proxy before us, has it.
    pub(crate) scheme: Scheme,
    /// `Host` as sent; empty if it was.
    pub(crate) authority: Box<str>,
    /// Normalised.
    pub(crate) path: Box<str>,
    /// What follows the first `?`.
    pub(crate) query: Option<Box<str>>,
    /// The client: the peer, or whom trusted proxies vouch for.
    pub(crate) client: IpAddr,
    /// A WebSocket handshake.
    pub(crate) websocket: bool,
    /// A gRPC request: errors must be put in gRPC's terms.
    pub(crate) grpc: bool,
    /// Which fields it has, of those that mean something to us.
    pub(crate) known: Known,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'e> {
    /// Scheme of the connection.
    pub(crate) scheme: Scheme,
    /// The other end of the connection.
    pub(crate) peer: IpAddr,
    /// How clients are met.
    pub(crate) edge: &'e Edge,
}

impl Asked {
    /// Checks a request.
    pub(crate) fn new(parts: &Parts, origin: Origin<'_>) -> Result<Self, Refusal> {
        let fields = &parts.headers;
        let known = Known::of(fields);
        if known.has(Known::CONNECTION) {
            headers::check_connection(fields)?;
        }
        if parts.method.as_str() == "QUERY" && !known.has(Known::KIND) {
            return Err(Refusal::QueryType);
        }
        if parts.method == Method::CONNECT || parts.uri.path() == "*" {
            return Err(Refusal::NoPath);
        }
        let path = origin.edge.paths.apply(parts.uri.path()).map_err(|_| Refusal::Path)?;
        Ok(Self {
            scheme: scheme(fields, known, origin),
            authority: authority(fields)?.into(),
            path: path.into(),
            query: parts.uri.query().map(Into::into),
            client: if known.has(Known::FORWARDED_FOR) {
                origin.edge.trust.client(fields, origin.peer)
            } else {
                origin.peer
            },
            websocket: known.has(Known::UPGRADE) && is_websocket(fields)?,
            grpc: known.has(Known::KIND)
                && fields.get(header::CONTENT_TYPE).is_some_and(headers::is_grpc),
            known,
        })
    }

    /// The client as an address, with the port that `peer` has: the client's own is known to
    /// nobody but the first proxy.
    pub(crate) fn from(&self, peer: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.client, peer.port())
    }

    /// As the table wants it, but for what [`super::made`] makes of it.
    pub(crate) fn request<'a>(&'a self, parts: &'a Parts) -> Request<'a> {
        Request {
            method: parts.method.as_str(),
            scheme: self.scheme,
            authority: &self.authority,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &parts.headers,
            made: None,
            claims: None,
        }
    }
}

fn authority(headers: &HeaderMap) -> Result<&str, Refusal> {
    let host = headers.get(header::HOST).ok_or(Refusal::NoHost)?;
    let host = host.to_str().map_err(|_| Refusal::Host)?;
    let odd = |character| matches!(character, ' ' | '\t' | '/' | '"' | '\\' | '@' | '?' | '#');
    if host.contains(odd) { Err(Refusal::Host) } else { Ok(host) }
}

fn scheme(headers: &HeaderMap, known: Known, origin: Origin<'_>) -> Scheme {
    let told = known.has(Known::FORWARDED_PROTO);
    let trusted = told && origin.edge.trust.believes(origin.peer);
    let told = if trusted { headers.get(&X_FORWARDED_PROTO) } else { None };
    match told.map(HeaderValue::as_bytes) {
        Some(b"https") => Scheme::Https,
        Some(_) => Scheme::Http,
        None => origin.scheme,
    }
}

/// Whether the request wants a WebSocket. Upgrades to anything else are refused, except to HTTP/2,
/// which is ignored, as a server may.
fn is_websocket(fields: &HeaderMap) -> Result<bool, Refusal> {
    let Some(wanted) = fields.get(header::UPGRADE) else { return Ok(false) };
    if !headers::has_token(fields, &header::CONNECTION, "upgrade") {
        return Ok(false);
    }
    match wanted.as_bytes().to_ascii_lowercase().as_slice() {
        b"websocket" => Ok(true),
        b"h2c" => Ok(false),
        _ => Err(Refusal::Upgrade),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::Trust;

    fn parts(method: &str, path: &str, lines: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn origin(edge: &Edge) -> Origin<'_> {
        Origin { scheme: Scheme::Http, peer: [10, 0, 0, 1].into(), edge }
    }

    fn get(lines: &[(&str, &str)]) -> Result<Asked, Refusal> {
        Asked::new(&parts("GET", "/a/../b?q", lines), origin(&Edge::default()))
    }

    #[test]
    fn a_request_takes_its_final_form() {
        let asked = get(&[("host", "A.example.com:80"), ("x-forwarded-proto", "https")]).unwrap();
        let expected = Asked {
            scheme: Scheme::Http,
            authority: "A.example.com:80".into(),
            path: "/b".into(),
            query: Some("q".into()),
            client: [10, 0, 0, 1].into(),
            websocket: false,
            grpc: false,
            known: Known::FORWARDED_PROTO,
        };
        assert_eq!(asked, expected);
    }

    #[test]
    fn hosts_are_checked() {
        for (host, expected) in [
            ("a.example.com", None),
            ("", None),
            ("[::1]:80", None),
            ("a:abc", None),
            ("a,b", None),
            ("a, b", Some(Refusal::Host)),
            ("a b", Some(Refusal::Host)),
            ("a/x", Some(Refusal::Host)),
            ("\"a\"", Some(Refusal::Host)),
            ("u@a", Some(Refusal::Host)),
        ] {
            assert_eq!(get(&[("host", host)]).err(), expected, "{host}");
        }
        assert_eq!(get(&[]).err(), Some(Refusal::NoHost));
    }

    #[test]
    fn upgrades_are_to_websocket_or_refused() {
        for (upgrade, connection, expected) in [
            ("websocket", "Upgrade", Ok(true)),
            ("WebSocket", "keep-alive, upgrade", Ok(true)),
            ("websocket", "keep-alive", Ok(false)),
            ("h2c", "upgrade", Ok(false)),
            ("foo", "upgrade", Err(Refusal::Upgrade)),
            ("websocket, foo", "upgrade", Err(Refusal::Upgrade)),
        ] {
            let asked = get(&[("host", "a"), ("upgrade", upgrade), ("connection", connection)]);
            assert_eq!(asked.map(|asked| asked.websocket), expected, "{upgrade} {connection}");
        }
    }

    #[test]
    fn trusted_proxies_tell_scheme_and_client() {
        let lines = [("host", "a"), ("x-forwarded-proto", "https"), ("x-forwarded-for", "1.1.1.1")];
        let edge = Edge { trust: Trust::hops(1), ..Edge::default() };
        let asked = Asked::new(&parts("GET", "/", &lines), origin(&edge)).unwrap();
        assert_eq!((asked.scheme, asked.client), (Scheme::Https, [1, 1, 1, 1].into()));
    }

    #[test]
    fn what_no_route_could_serve_is_refused() {
        let lines = [("host", "a")];
        let edge = Edge::default();
        let refused = |method, path| Asked::new(&parts(method, path, &lines), origin(&edge)).err();
        assert_eq!(refused("OPTIONS", "*"), Some(Refusal::NoPath));
        assert_eq!(refused("QUERY", "/"), Some(Refusal::QueryType));
        assert_eq!(refused("GET", "/%00"), Some(Refusal::Path));
    }

    #[test]
    fn grpc_is_known_by_its_content_type() {
        for (kind, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", false),
            ("application/grpcx", false),
            ("text/plain", false),
        ] {
            let asked = get(&[("host", "a"), ("content-type", kind)]).unwrap();
            assert_eq!(asked.grpc, grpc, "{kind}");
        }
    }
}
