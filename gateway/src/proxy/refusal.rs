//! Why a request is refused before any route is looked for, and what the client is told.

use crate::flags::Flags;
use http::StatusCode;

/// The reasons, a closed set: they are labels of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not HTTP, or not as HTTP/1.1 writes it.
    Malformed,
    /// A byte that no head may contain.
    Characters,
    /// HTTP/1.0 and other versions.
    Version,
    /// Neither a path nor a URL.
    Target,
    /// A URL of another scheme.
    TargetScheme,
    /// A URL with https on a plain-text port.
    TargetHttps,
    /// `OPTIONS *`, `http://host?query`, CONNECT: nothing that a route could match.
    NoPath,
    /// The target is too long.
    TargetTooLong,
    /// The head has too many bytes.
    HeadTooLarge,
    /// The head has too many fields.
    TooManyFields,
    /// The head was not complete in time.
    HeadTimeout,
    /// `Content-Length` and `Transfer-Encoding` together.
    LengthAndEncoding,
    /// `Content-Length` twice, or not a number.
    Length,
    /// `Transfer-Encoding` is not exactly `chunked`.
    Encoding,
    /// No `Host`.
    NoHost,
    /// `Host` twice, or not a host.
    Host,
    /// `Connection` names a field that must not vanish.
    Connection,
    /// An upgrade to something else than WebSocket.
    Upgrade,
    /// QUERY without `Content-Type`.
    QueryType,
    /// A field has an underscore in its name.
    Underscore,
    /// The path cannot be normalised.
    Path,
    /// The body is not framed as its head says.
    Body,
}

impl Refusal {
    /// The status of the answer.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::TargetHttps | Self::Upgrade => StatusCode::FORBIDDEN,
            Self::NoPath => StatusCode::NOT_FOUND,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge | Self::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::HeadTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Encoding => StatusCode::NOT_IMPLEMENTED,
            Self::Malformed
            | Self::Characters
            | Self::Target
            | Self::TargetScheme
            | Self::LengthAndEncoding
            | Self::Length
            | Self::NoHost
            | Self::Host
            | Self::Connection
            | Self::QueryType
            | Self::Underscore
            | Self::Path
            | Self::Body => StatusCode::BAD_REQUEST,
        }
    }

    /// What the access log says, in Envoy's words.
    pub(crate) const fn details(self) -> &'static str {
        match self {
            Self::Malformed | Self::Length | Self::Body => "http1.codec_error",
            Self::Characters => "http1.invalid_characters",
            Self::Version => "low_version",
            Self::Target => "http1.invalid_url",
            Self::TargetScheme => "http1.invalid_scheme",
            Self::TargetHttps => "scheme_mismatch",
            Self::NoPath => "route_not_found",
            Self::TargetTooLong => "request_target_too_long",
            Self::HeadTooLarge => "http1.headers_too_large",
            Self::TooManyFields => "http1.too_many_headers",
            Self::HeadTimeout => "request_header_timeout",
            Self::LengthAndEncoding => "http1.content_length_and_chunked_not_allowed",
            Self::Encoding => "http1.invalid_transfer_encoding",
            Self::NoHost => "missing_host_header",
            Self::Host => "http.invalid_authority",
            Self::Connection => "http1.connection_header_rejected",
            Self::Upgrade => "upgrade_failed",
            Self::QueryType => "query_missing_content_type",
            Self::Underscore => "http1.unexpected_underscore",
            Self::Path => "path_normalization_failed",
        }
    }

    /// The label of the metric.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Characters => "characters",
            Self::Version => "version",
            Self::Target => "target",
            Self::TargetScheme => "target_scheme",
            Self::TargetHttps => "target_https",
            Self::NoPath => "no_path",
            Self::TargetTooLong => "target_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyFields => "too_many_fields",
            Self::HeadTimeout => "head_timeout",
            Self::LengthAndEncoding => "length_and_encoding",
            Self::Length => "length",
            Self::Encoding => "encoding",
            Self::NoHost => "no_host",
            Self::Host => "host",
            Self::Connection => "connection",
            Self::Upgrade => "upgrade",
            Self::QueryType => "query_type",
            Self::Underscore => "underscore",
            Self::Path => "path",
            Self::Body => "body",
        }
    }

    /// Whether the message itself was bad (flag `DPE`); the answer then says so in words.
    pub(crate) const fn is_protocol_error(self) -> bool {
        !matches!(self, Self::NoPath | Self::NoHost | Self::Upgrade | Self::QueryType | Self::Path)
    }

    /// The flags of the access log.
    pub(crate) const fn flags(self) -> Flags {
        if matches!(self, Self::NoPath) {
            Flags::NO_ROUTE
        } else if self.is_protocol_error() {
            Flags::CLIENT_PROTOCOL
        } else {
            Flags::NONE
        }
    }
}
