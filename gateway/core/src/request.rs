//! The parts of a request that a decision may look at.

use crate::claims::Claims;
use http::HeaderMap;
use serde::Serialize;

/// `http` or `https`, as the client's connection (or the trusted hop before it) had it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain text.
    #[default]
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// `:80` or `:443`.
    pub(crate) const fn default_port_suffix(self) -> &'static str {
        match self {
            Self::Http => ":80",
            Self::Https => ":443",
        }
    }
}

/// A request as the shell presents it: borrowed, already normalised, ready to be compared.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// As sent.
    pub method: &'a str,
    /// The effective scheme.
    pub scheme: Scheme,
    /// The `Host` header or `:authority` as sent, port included; empty if there was none.
    pub authority: &'a str,
    /// The path after [`crate::path::Normalisation`], without query and fragment.
    pub path: &'a str,
    /// What follows the first `?`, without it; `None` if there was no `?`.
    pub query: Option<&'a str>,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// What the client's token says, once verified; `None` without one.
    pub claims: Option<&'a Claims>,
}

/// An authority without its port, as Envoy cuts it: at the last `:` that is not inside brackets,
/// whatever follows.
pub fn host_of(authority: &str) -> &str {
    let after_brackets = authority.rfind(']').unwrap_or(0);
    match authority.rfind(':') {
        Some(colon) if colon >= after_brackets => authority.get(..colon).unwrap_or(authority),
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn ports_are_cut_off() {
        for (authority, host) in [
            ("a.com", "a.com"),
            ("a.com:80", "a.com"),
            ("a.com:", "a.com"),
            ("a.com:abc", "a.com"),
            ("[::1]", "[::1]"),
            ("[::1]:80", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(host_of(authority), host, "{authority}");
        }
    }
}
