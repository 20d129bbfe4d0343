//! Answers that the gateway itself gives.

use super::headers::HeaderOps;
use serde::Serialize;
use std::sync::Arc;

/// `directResponse`.
#[derive(Clone, Debug, Serialize)]
pub struct DirectResponse {
    /// 200 to 600.
    pub status: u16,
    /// Sent as `text/plain` if not empty.
    #[serde(skip)]
    pub body: Arc<[u8]>,
    /// Response operations of the route.
    #[serde(skip_serializing_if = "HeaderOps::is_empty")]
    pub headers: HeaderOps,
}
