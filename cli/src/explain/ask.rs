//! A request that somebody wants explained: from a command line or from a line of JSON.

use edgeway_core::request::Scheme;
use serde::{Deserialize, Deserializer};
use std::net::IpAddr;
use thiserror::Error;

/// A request as JSON: `{"url","method","headers":[["k","v"],…],"port","sni"}`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Ask {
    /// Where to; `http://` is assumed where no scheme is given. Beside [`Self::port`], an address as the
    /// host only says where the client connects to: it sends the `Host` that is in the headers, or none.
    pub url: String,
    /// GET if absent.
    #[serde(default)]
    pub method: Option<String>,
    /// Header fields in order; a `host` wins over the URL's.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Wins over the URL's port.
    #[serde(default)]
    pub port: Option<u16>,
    /// What a TLS client asks for.
    #[serde(default)]
    pub sni: Sni,
}

/// The name that a TLS client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sni {
    /// The URL's host; where the field is absent.
    #[default]
    Host,
    /// None; where the field is `null`.
    Nothing,
    /// This one.
    Name(String),
}

impl<'de> Deserialize<'de> for Sni {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Nothing, Self::Name))
    }
}

/// A request, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// As it is written on the request line.
    pub method: String,
    /// Whether the client speaks TLS.
    pub scheme: Scheme,
    /// Path and query as they are written on the request line.
    pub target: String,
    /// Header fields, `Host` included.
    pub headers: Vec<(String, String)>,
    /// Where the client connects to; nothing if it follows from the scheme.
    pub port: Option<u16>,
    /// The name that a TLS client asks for.
    pub sni: Option<String>,
    /// How many proxies that the gateway trusts have passed it on.
    pub trusted_hops: usize,
}

/// Why a request cannot be asked about.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum BadAsk {
    /// Not http or https.
    #[error("{0}: only http:// and https:// are explained")]
    Scheme(String),
    /// Nothing to connect to.
    #[error("{0}: the URL has no host")]
    Host(String),
    /// The port is no number of a port.
    #[error("{0}: the port is not a number from 1 to 65535")]
    Port(String),
    /// A byte that would end a line of the request.
    #[error("a line break cannot be part of a request: {0:?}")]
    LineBreak(String),
}

impl Question {
    /// Takes `ask` apart.
    pub fn new(ask: Ask) -> Result<Self, BadAsk> {
        let Ask { url, method, mut headers, port, sni } = ask;
        let method = method.unwrap_or_else(|| "GET".to_owned());
        let texts = headers.iter().flat_map(|(name, value)| [name, value]).chain([&url, &method]);
        if let Some(text) = texts.into_iter().find(|text| text.contains(['\r', '\n'])) {
            return Err(BadAsk::LineBreak(text.clone()));
        }
        let (scheme, authority, target) = split(&url)?;
        let (host, url_port) = host_and_port(&url, &authority)?;
        let sni = match sni {
            Sni::Host => Some(host.trim_matches(['[', ']']).to_owned()),
            Sni::Nothing => None,
            Sni::Name(name) => Some(name),
        };
        let is_told = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
        let only_where = port.is_some() && is_address(host);
        if !is_told && !only_where {
            headers.insert(0, ("host".to_owned(), authority));
        }
        Ok(Self { method, scheme, target, headers, port: port.or(url_port), sni, trusted_hops: 0 })
    }

    /// The port that the client connects to.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }

    /// The first `Host` field, empty if there is none.
    pub fn host(&self) -> &str {
        let host = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        host.map_or("", |(_, value)| value)
    }
}

fn is_address(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// Scheme, authority without user, and the rest.
fn split(url: &str) -> Result<(Scheme, String, String), BadAsk> {
    let end = url.find(['/', '?', '#']).unwrap_or(url.len());
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.len() < end => (scheme, rest),
        _ => ("http", url),
    };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(BadAsk::Scheme(url.to_owned())),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let authority = authority.rsplit('@').next().unwrap_or_default();
    if authority.is_empty() {
        return Err(BadAsk::Host(url.to_owned()));
    }
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Ok((scheme, authority.to_owned(), target))
}

fn host_and_port<'a>(url: &str, authority: &'a str) -> Result<(&'a str, Option<u16>), BadAsk> {
    let host = edgeway_core::request::host_of(authority);
    match authority.get(host.len()..).and_then(|rest| rest.strip_prefix(':')) {
        None | Some("") => Ok((host, None)),
        Some(text) => match text.parse() {
            Ok(port) if port > 0 => Ok((host, Some(port))),
            _ => Err(BadAsk::Port(url.to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(json: &str) -> Result<Question, BadAsk> {
        Question::new(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_url_is_taken_apart_as_it_stands() {
        for (url, host, port, target) in [
            ("http://a.com/x?y=1", "a.com", None, "/x?y=1"),
            ("http://a.com", "a.com", None, "/"),
            ("http://a.com?q", "a.com", None, "/?q"),
            ("a.com/x", "a.com", None, "/x"),
            ("a.com?to=http://b.com", "a.com", None, "/?to=http://b.com"),
            ("http://me@a.com:81/..\\%2e", "a.com:81", Some(81), "/..\\%2e"),
            ("http://[::1]:8080/", "[::1]:8080", Some(8080), "/"),
        ] {
            let question = question(&format!(r#"{{"url": {url:?}}}"#)).unwrap();
            assert_eq!((question.host(), question.port), (host, port), "{url}");
            assert_eq!(question.target, target, "{url}");
        }
    }

    #[test]
    fn host_header_port_and_sni_win_over_the_url() {
        let given = question(
            r#"{"url": "https://10.0.0.1:443/", "headers": [["Host", "a.com"]], "port": 8443, "sni": "b.com"}"#,
        );
        let given = given.unwrap();
        assert_eq!((given.host(), given.port), ("a.com", Some(8443)));
        assert_eq!(given.sni.as_deref(), Some("b.com"));
        assert_eq!(
            question(r#"{"url": "https://a.com:1/"}"#).unwrap().sni.as_deref(),
            Some("a.com")
        );
        assert_eq!(question(r#"{"url": "https://a.com/", "sni": null}"#).unwrap().sni, None);
    }

    #[test]
    fn an_address_beside_a_port_is_no_host() {
        for (url, port, host) in [
            ("http://10.0.0.1:80/", "8080", ""),
            ("http://[::1]/", "8080", ""),
            ("http://10.0.0.1:80/", "null", "10.0.0.1:80"),
            ("http://a.com/", "8080", "a.com"),
        ] {
            let given = question(&format!(r#"{{"url": {url:?}, "port": {port}}}"#)).unwrap();
            assert_eq!(given.host(), host, "{url}, port {port}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_told_apart() {
        for (url, error) in [
            ("ftp://a.com", BadAsk::Scheme("ftp://a.com".into())),
            ("http:///x", BadAsk::Host("http:///x".into())),
            ("http://a:99999/", BadAsk::Port("http://a:99999/".into())),
            ("http://a/\n", BadAsk::LineBreak("http://a/\n".into())),
        ] {
            assert_eq!(question(&format!(r#"{{"url": {url:?}}}"#)), Err(error), "{url}");
        }
    }
}
