//! Header operations, in Istio's order: remove, then set, then add.

use super::template::Template;
use http::HeaderName;
use serde::Serialize;

/// Operations on request and response.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HeaderOps {
    /// Before the request is sent.
    #[serde(skip_serializing_if = "Ops::is_empty")]
    pub request: Ops,
    /// Before the response is sent.
    #[serde(skip_serializing_if = "Ops::is_empty")]
    pub response: Ops,
}

impl HeaderOps {
    /// Whether there is nothing to do in either direction.
    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && self.response.is_empty()
    }
}

/// Operations on one set of header fields.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ops {
    /// Dropped first.
    #[serde(serialize_with = "super::template::names", skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<HeaderName>,
    /// Then replaced.
    #[serde(serialize_with = "super::template::pairs", skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(HeaderName, Template)>,
    /// Then appended.
    #[serde(serialize_with = "super::template::pairs", skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<(HeaderName, Template)>,
    /// `Host` that this level asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<std::sync::Arc<str>>,
}

impl Ops {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let Self { remove, set, add, host } = self;
        remove.is_empty() && set.is_empty() && add.is_empty() && host.is_none()
    }
}
