//! Header operations, in Istio's order: remove, then set, then add.

use super::template::Template;
use http::HeaderName;
use serde::Serialize;

/// Operations on request and response.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HeaderOps {
    /// Before the request is sent.
    pub request: Ops,
    /// Before the response is sent.
    pub response: Ops,
}

/// Operations on one set of header fields.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ops {
    /// Dropped first.
    #[serde(serialize_with = "super::template::names")]
    pub remove: Vec<HeaderName>,
    /// Then replaced.
    #[serde(serialize_with = "super::template::pairs")]
    pub set: Vec<(HeaderName, Template)>,
    /// Then appended.
    #[serde(serialize_with = "super::template::pairs")]
    pub add: Vec<(HeaderName, Template)>,
    /// `Host` that this level asks for.
    pub host: Option<std::sync::Arc<str>>,
}

impl Ops {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}
