//! TLS towards endpoints.

use crate::id::ObjectName;
use serde::Serialize;
use std::sync::Arc;

/// TLS towards endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum UpstreamTls {
    /// Plain text.
    #[default]
    Disabled,
    /// The endpoint shows a certificate, and perhaps we too.
    Originate(Arc<Origination>),
    /// TLS that cannot be made, for which there is a problem: requests answer 503 rather than go out
    /// in clear.
    Unsupported,
}

/// How TLS is begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Origination {
    /// The DestinationRule that says so: for problems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<ObjectName>,
    /// Server name to ask for; `None`: the request's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<Arc<str>>,
    /// Names of which the endpoint's certificate must have one; empty: the server name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_alt_names: Vec<Arc<str>>,
    /// Who vouches for the endpoint.
    pub trust: Trust,
    /// Our own certificate, where the endpoint wants one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// Who vouches for endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Trust {
    /// The public authorities.
    #[default]
    Public,
    /// Those of a Secret in the gateway's namespace.
    Secret(Arc<str>),
    /// Those of a file, less those that a second file revokes.
    File {
        /// PEM bundle.
        authorities: Arc<str>,
        /// Revocation list.
        #[serde(skip_serializing_if = "Option::is_none")]
        revoked: Option<Arc<str>>,
    },
    /// Nobody: any certificate is taken (`insecureSkipVerify`).
    Anybody,
}

/// Our own certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Identity {
    /// Of a Secret in the gateway's namespace.
    Secret(Arc<str>),
    /// Of files.
    Files {
        /// PEM chain.
        certificate: Arc<str>,
        /// PEM key.
        key: Arc<str>,
    },
}
