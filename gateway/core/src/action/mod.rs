//! What a route does with a request that fits it.

pub mod cors;
pub mod direct;
pub mod fault;
pub mod forward;
pub mod hash;
pub mod headers;
pub mod mirror;
pub mod redirect;
pub mod template;

pub use cors::Cors;
pub use direct::DirectResponse;
pub use fault::Fault;
pub use forward::{Destination, Forward, Retry, Rewrite, Upstream};
pub use hash::{Cookie, HashPolicy, HashSource, Key};
pub use headers::{HeaderOps, Ops};
pub use mirror::Mirror;
pub use redirect::Redirect;

use serde::Serialize;

/// What is done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Sent to an endpoint.
    Forward(Box<Forward>),
    /// Answered with another place to go.
    Redirect(Box<Redirect>),
    /// Answered here.
    Direct(Box<DirectResponse>),
}
