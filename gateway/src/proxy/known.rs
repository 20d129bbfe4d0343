//! Which of the fields that the gateway asks for are among some headers, found out in one pass:
//! nearly none of them is, and to look for one that is not there costs what finding it would.

use http::HeaderMap;
use std::ops::{BitOr, BitOrAssign};

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known(u16);

impl Known {
    /// `connection`.
    pub(crate) const CONNECTION: Self = Self(1);
    /// What else concerns one connection only: `keep-alive`, `proxy-connection`, `te`.
    pub(crate) const HOP: Self = Self(1 << 1);
    /// `upgrade`.
    pub(crate) const UPGRADE: Self = Self(1 << 2);
    /// `transfer-encoding`.
    pub(crate) const ENCODING: Self = Self(1 << 3);
    /// `content-length`.
    pub(crate) const LENGTH: Self = Self(1 << 4);
    /// `content-type`.
    pub(crate) const KIND: Self = Self(1 << 5);
    /// `x-forwarded-for`.
    pub(crate) const FORWARDED_FOR: Self = Self(1 << 6);
    /// `x-forwarded-proto`.
    pub(crate) const FORWARDED_PROTO: Self = Self(1 << 7);
    /// `x-envoy-…`, `x-forwarded-client-cert`.
    pub(crate) const STEERING: Self = Self(1 << 8);
    /// `grpc-status`.
    pub(crate) const GRPC_STATUS: Self = Self(1 << 9);

    /// Those of `headers`.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        headers.keys().fold(Self::default(), |all, name| all | Self::named(name.as_str()))
    }

    /// The set that a field in lower case is in.
    fn named(name: &str) -> Self {
        match name {
            "connection" => Self::CONNECTION,
            "te" | "keep-alive" | "proxy-connection" => Self::HOP,
            "upgrade" => Self::UPGRADE,
            "transfer-encoding" => Self::ENCODING,
            "content-length" => Self::LENGTH,
            "content-type" => Self::KIND,
            "x-forwarded-for" => Self::FORWARDED_FOR,
            "x-forwarded-proto" => Self::FORWARDED_PROTO,
            "x-forwarded-client-cert" => Self::STEERING,
            "grpc-status" => Self::GRPC_STATUS,
            name if name.starts_with("x-envoy-") => Self::STEERING,
            _ => Self::default(),
        }
    }

    /// Whether one of `some` is among them.
    pub(crate) fn has(self, some: Self) -> bool {
        self.0 & some.0 != 0
    }
}

impl BitOr for Known {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Known {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn fields_are_known_by_their_names() {
        for (names, expected) in [
            (&[][..], Known::default()),
            (&["host", "accept", "x-forwarded-host", "x-env"], Known::default()),
            (&["TE"], Known::HOP),
            (&["Content-Length", "Keep-Alive"], Known::LENGTH | Known::HOP),
            (&["x-envoy-foo"], Known::STEERING),
            (&["X-Forwarded-Client-Cert", "grpc-status"], Known::STEERING | Known::GRPC_STATUS),
        ] {
            let field = |name: &&str| (name.parse::<HeaderName>().unwrap(), HeaderValue::from(1));
            let headers = names.iter().map(field).collect();
            assert_eq!(Known::of(&headers), expected, "{names:?}");
        }
    }
}
