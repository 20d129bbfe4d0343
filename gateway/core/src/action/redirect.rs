//! Redirects, as Envoy makes them.

use super::headers::HeaderOps;
use crate::request::{Request, Scheme, host_of};
use serde::Serialize;
use std::sync::Arc;

/// `redirect`.
#[derive(Clone, Debug, Serialize)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// New scheme; `None` keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// New host name, possibly with a port; `None` keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<Arc<str>>,
    /// New port; `None` leaves the port as Envoy would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// New path; `None` keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathRedirect>,
    /// Response operations of the route.
    #[serde(skip_serializing_if = "HeaderOps::is_empty")]
    pub headers: HeaderOps,
}

/// How the path of the location comes about.
#[derive(Clone, Debug, Serialize)]
pub enum PathRedirect {
    /// The whole path; a query of its own takes the place of the request's.
    Full(Arc<str>),
    /// The matched prefix only.
    Prefix {
        /// Bytes of the path that the prefix match covered.
        matched: usize,
        /// What stands there instead.
        with: Arc<str>,
    },
}

impl Redirect {
    /// The `location` for `request`.
    pub fn location(&self, request: &Request<'_>) -> String {
        let scheme = self.scheme.unwrap_or(request.scheme);
        let authority = match &self.authority {
            Some(authority) => authority,
            None => self.kept_authority(request, scheme),
        };
        let mut location = format!("{}://{authority}", scheme.as_str());
        if let Some(port) = self.port {
            location.push(':');
            location.push_str(&port.to_string());
        }
        self.push_path(request, &mut location);
        location
    }

    /// The request's authority, without a port that a new one replaces or that was the default of
    /// the scheme that is left (Envoy: `processRequestHost`).
    fn kept_authority<'a>(&self, request: &Request<'a>, scheme: Scheme) -> &'a str {
        let host = host_of(request.authority);
        let port = request.authority.get(host.len()..).unwrap_or_default();
        let default_left = scheme != request.scheme && port == request.scheme.default_port_suffix();
        if self.port.is_some() || default_left { host } else { request.authority }
    }

    fn push_path(&self, request: &Request<'_>, location: &mut String) {
        let own_query = match &self.path {
            None => {
                location.push_str(request.path);
                false
            }
            Some(PathRedirect::Full(path)) => {
                if !path.starts_with('/') {
                    location.push('/');
                }
                location.push_str(path);
                path.contains('?')
            }
            Some(PathRedirect::Prefix { matched, with }) => {
                location.push_str(with);
                location.push_str(request.path.get(*matched..).unwrap_or_default());
                false
            }
        };
        if let (Some(query), false) = (request.query, own_query) {
            location.push('?');
            location.push_str(query);
        }
    }
}

/// The `location` of Gateway `httpsRedirect`: the authority as sent, port included.
pub fn https_location(request: &Request<'_>) -> String {
    let Request { authority, path, query, .. } = request;
    match query {
        Some(query) => format!("https://{authority}{path}?{query}"),
        None => format!("https://{authority}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn location(redirect: &Redirect, authority: &str, path: &str, query: Option<&str>) -> String {
        let headers = HeaderMap::new();
        let request = Request {
            method: "GET",
            scheme: Scheme::Http,
            authority,
            path,
            query,
            headers: &headers,
            made: None,
            claims: None,
        };
        redirect.location(&request)
    }

    fn plain() -> Redirect {
        Redirect {
            status: 301,
            scheme: None,
            authority: None,
            port: None,
            path: None,
            headers: HeaderOps::default(),
        }
    }

    #[test]
    fn ports_stay_as_envoy_leaves_them() {
        let https = Redirect { scheme: Some(Scheme::Https), ..plain() };
        let port = Redirect { port: Some(8443), ..plain() };
        for (redirect, authority, expected) in [
            (&https, "a.com", "https://a.com/x"),
            (&https, "a.com:80", "https://a.com/x"),
            (&https, "a.com:8080", "https://a.com:8080/x"),
            (&port, "a.com", "http://a.com:8443/x"),
            (&port, "a.com:80", "http://a.com:8443/x"),
            (&port, "[::1]:80", "http://[::1]:8443/x"),
            (&plain(), "a.com:80", "http://a.com:80/x"),
        ] {
            assert_eq!(location(redirect, authority, "/x", None), expected, "{authority}");
        }
    }

    #[test]
    fn queries_stay_unless_the_new_path_brings_one() {
        let full = |path: &str| Redirect { path: Some(PathRedirect::Full(path.into())), ..plain() };
        for (path, expected) in [
            ("/new", "http://a/new?q=1"),
            ("/new?z", "http://a/new?z"),
            ("/new#f", "http://a/new#f?q=1"),
            ("http://x/y", "http://a/http://x/y?q=1"),
        ] {
            assert_eq!(location(&full(path), "a", "/old", Some("q=1")), expected);
        }
        let prefix = PathRedirect::Prefix { matched: 4, with: "/b".into() };
        let prefix = Redirect { path: Some(prefix), ..plain() };
        assert_eq!(location(&prefix, "a", "/foo/x", Some("q")), "http://a/b/x?q");
    }
}
