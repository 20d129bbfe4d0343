//! What an HTTP rule of a VirtualService does to requests, besides choosing where they go.

use crate::{
    duration::Duration,
    shape::{shape, words},
    string_match::{Percent, StringMatch},
    virtual_service::Destination,
};
use k8s_openapi::ByteString;

shape! {
    /// Another VirtualService, without hosts, whose rules take over.
    Delegate {
        /// Its name.
        name: String,
        /// Its namespace; absent is the object's own.
        namespace: Option<String>,
    }

    /// Where the client is sent instead.
    HttpRedirect {
        /// The whole new path.
        uri: Option<String>,
        /// What replaces the matched prefix.
        prefix_rewrite: Option<String>,
        /// The new authority.
        authority: Option<String>,
        /// The new port.
        port: Option<u32>,
        /// Where the new port comes from; not beside `port`.
        derive_port: Option<DerivePort>,
        /// The new scheme, `http` or `https`.
        scheme: Option<String>,
        /// The status; absent is 301.
        redirect_code: Option<u32>,
    }

    /// An answer of the gateway's own.
    HttpDirectResponse {
        /// The status.
        status: u32,
        /// The body.
        body: Option<HttpBody>,
    }

    /// A body, as text or as bytes, not both.
    HttpBody {
        /// As text.
        string: Option<String>,
        /// As bytes, written in base64.
        bytes: Option<ByteString>,
    }

    /// What becomes of path and authority on the way to the destination.
    HttpRewrite {
        /// Replaces what the condition on the path covered.
        uri: Option<String>,
        /// Replaces the authority.
        authority: Option<String>,
        /// Replaces parts of the path; not beside `uri`.
        uri_regex_rewrite: Option<RegexRewrite>,
    }

    /// A replacement by regular expression.
    RegexRewrite {
        /// An RE2 expression.
        #[serde(rename = "match")]
        match_: Option<String>,
        /// What takes its place; `\1` is the first group.
        rewrite: Option<String>,
    }

    /// When to try again, how often, how soon.
    HttpRetry {
        /// Tries after the first; zero and absent are none.
        attempts: Option<i32>,
        /// Limit of each try.
        per_try_timeout: Option<Duration>,
        /// Conditions and statuses, separated by commas.
        retry_on: Option<String>,
        /// May another locality be tried?
        retry_remote_localities: Option<bool>,
        /// Should endpoints that failed be avoided?
        retry_ignore_previous_hosts: Option<bool>,
        /// The first pause between tries.
        backoff: Option<Duration>,
    }

    /// Failures on purpose.
    HttpFaultInjection {
        /// Make requests wait.
        delay: Option<Delay>,
        /// Make requests fail.
        abort: Option<Abort>,
    }

    /// How long, and which share of, requests wait.
    Delay {
        /// The wait.
        fixed_delay: Option<Duration>,
        /// Never implemented by Istio.
        exponential_delay: Option<Duration>,
        /// The share, in whole per cent. Deprecated.
        percent: Option<i32>,
        /// The share; absent is none.
        percentage: Option<Percent>,
    }

    /// How, and which share of, requests fail.
    Abort {
        /// With an HTTP status.
        http_status: Option<i32>,
        /// With a gRPC status, by name or number.
        grpc_status: Option<String>,
        /// Never implemented by Istio.
        http2_error: Option<String>,
        /// The share; absent is none, so it never happens.
        percentage: Option<Percent>,
    }

    /// A place that gets copies of requests.
    HttpMirrorPolicy {
        /// Which.
        destination: Option<Destination>,
        /// Of which share; absent is everything.
        percentage: Option<Percent>,
    }

    /// Which pages of other origins may ask, and for what.
    CorsPolicy {
        /// Origins, exact or `*`. Deprecated.
        allow_origin: Vec<String>,
        /// Conditions on the origin.
        allow_origins: Vec<StringMatch>,
        /// Methods for `access-control-allow-methods`.
        allow_methods: Vec<String>,
        /// Headers for `access-control-allow-headers`.
        allow_headers: Vec<String>,
        /// Headers for `access-control-expose-headers`.
        expose_headers: Vec<String>,
        /// How long the answer to a preflight may be kept.
        max_age: Option<Duration>,
        /// May the caller send credentials?
        allow_credentials: Option<bool>,
        /// What becomes of a preflight of another origin.
        unmatched_preflights: Option<UnmatchedPreflights>,
    }
}

words! {
    /// Where a redirect's port comes from.
    DerivePort {
        /// 80 or 443, by scheme.
        FromProtocolDefault,
        /// The port that was asked.
        FromRequestPort,
    }

    /// What becomes of a preflight of an origin that is not allowed.
    UnmatchedPreflights {
        /// As `FORWARD`.
        Unspecified,
        /// It goes to the destination.
        Forward,
        /// It is answered without CORS headers.
        Ignore,
    }
}

impl HttpBody {
    /// The body's bytes, however they were written.
    pub fn bytes(&self) -> &[u8] {
        let text = self.string.as_ref().map(String::as_bytes);
        text.or(self.bytes.as_ref().map(|bytes| bytes.0.as_slice())).unwrap_or_default()
    }
}
