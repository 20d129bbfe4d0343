//! How the gateway meets whoever connects: whom it believes and what it allows.
//!
//! Settings and the rules that follow from them; nothing here reads from a connection.

mod limits;
pub mod proxy_protocol;
mod trust;
mod underscores;

pub use limits::{HeadLimits, Http2Limits, Limits, MemoryLimit};
pub(crate) use trust::network;
pub use trust::{ForwardedFor, Trust};
pub use underscores::Underscores;

use edgeway_core::{path::Normalisation, table::ProxyPorts};

/// All that is set about clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Who is believed about the client.
    pub trust: Trust,
    /// Where connections begin with a PROXY header, unless manifests say otherwise.
    pub proxy_protocol: ProxyPorts,
    /// How far the paths that they ask for are normalised.
    pub paths: Normalisation,
    /// What becomes of header fields with underscores in their names.
    pub underscores: Underscores,
    /// Whether HTTP/1.0 is spoken.
    pub http10: bool,
    /// What they may cost.
    pub limits: Limits,
}

/// A value that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSetting {
    /// No way to treat `X-Forwarded-For`.
    #[error("`{0}` is no way to treat X-Forwarded-For; write append, preserve or remove")]
    ForwardedFor(String),
    /// No way to treat underscores.
    #[error("`{0}` is no way to treat underscores; write allow, drop or reject")]
    Underscores(String),
    /// No network.
    #[error("`{0}` is no network; write 10.0.0.0/8, 10.1.2.3 or fd00::/8")]
    Network(String),
    /// No amount of memory.
    #[error("`{0}` is no amount of memory; write auto, off, 512Mi, 2Gi or a number of bytes")]
    Memory(String),
    /// No time.
    #[error("`{0}` is no time; write 300, 1.5s, 500ms, 5m or 1h")]
    Time(String),
}
