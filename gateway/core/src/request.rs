//! The parts of a request that a decision may look at.

use crate::claims::Claims;
use http::{HeaderMap, HeaderName};
use serde::Serialize;
use std::{borrow::Cow, fmt::Debug};

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
    /// All header fields, as sent.
    pub headers: &'a HeaderMap,
    /// What the gateway makes of some of them before it routes; without it nothing is there of those.
    pub made: Option<&'a dyn Edge>,
    /// What the client's token says, once verified; `None` without one.
    pub claims: Option<&'a Claims>,
}

/// A field of which a gateway makes something of its own before it routes: conditions look at that,
/// whatever a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Made {
    /// `x-forwarded-for`: the peer is added.
    ForwardedFor,
    /// `x-request-id`: always a new one.
    RequestId,
    /// `x-envoy-external-address`: the client.
    ExternalAddress,
    /// `x-forwarded-client-cert`: the certificate that the client showed.
    ClientCertificate,
    /// `connection`: only where a WebSocket is asked for.
    Connection,
    /// `upgrade`: the same.
    Upgrade,
    /// `te`: only `trailers` crosses a proxy.
    Te,
}

impl Made {
    /// The one of this name.
    pub fn named(name: &HeaderName) -> Option<Self> {
        Some(match name.as_str() {
            "x-forwarded-for" => Self::ForwardedFor,
            "x-request-id" => Self::RequestId,
            "x-envoy-external-address" => Self::ExternalAddress,
            "x-forwarded-client-cert" => Self::ClientCertificate,
            "connection" => Self::Connection,
            "upgrade" => Self::Upgrade,
            "te" => Self::Te,
            _ => return None,
        })
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForwardedFor => "x-forwarded-for",
            Self::RequestId => "x-request-id",
            Self::ExternalAddress => "x-envoy-external-address",
            Self::ClientCertificate => "x-forwarded-client-cert",
            Self::Connection => "connection",
            Self::Upgrade => "upgrade",
            Self::Te => "te",
        }
    }
}

/// The gateway at its edge: asked only where a route asks for such a field.
pub trait Edge: Debug {
    /// The value that the field has behind the edge; `None` if it is not there.
    fn made(&self, field: Made) -> Option<Cow<'_, [u8]>>;
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
    use super::{Made, host_of};
    use http::HeaderName;

    #[test]
    fn made_fields_are_found_by_their_names() {
        use Made::{
            ClientCertificate, Connection, ExternalAddress, ForwardedFor, RequestId, Te, Upgrade,
        };
        for made in
            [ForwardedFor, RequestId, ExternalAddress, ClientCertificate, Connection, Upgrade, Te]
        {
            let name = HeaderName::from_static(made.name());
            assert_eq!(Made::named(&name), Some(made));
        }
        assert_eq!(Made::named(&HeaderName::from_static("x-forwarded-host")), None);
    }

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
