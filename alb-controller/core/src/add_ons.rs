//! What hangs on a load balancer from other services, and what it has been promised. What nobody
//! wishes stays as it is.

use crate::words::words;
use std::fmt;

words! {
    /// Whether clients of a listener show certificates.
    MutualTlsMode {
        /// They are not asked.
        Off = "off",
        /// What they show is passed on unchecked.
        Passthrough = "passthrough",
        /// They must show one that is trusted.
        Verify = "verify",
    }
}

/// What is done about certificates of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MutualTls {
    /// They are not asked.
    Off,
    /// What they show is passed on unchecked.
    Passthrough,
    /// They must show one that is trusted.
    Verify {
        /// ARN of the authorities.
        trust_store: String,
        /// Whether one whose time is up will do.
        ignore_expiry: bool,
        /// Whether clients are told who is trusted.
        advertise: bool,
    },
}

impl MutualTls {
    /// Its mode.
    pub const fn mode(&self) -> MutualTlsMode {
        match self {
            Self::Off => MutualTlsMode::Off,
            Self::Passthrough => MutualTlsMode::Passthrough,
            Self::Verify { .. } => MutualTlsMode::Verify,
        }
    }
}

/// The access control list that a load balancer is behind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WebAcl {
    /// None.
    Nothing,
    /// This one, by ARN.
    Arn(String),
}

/// Of a wish: what is wished. Of what stands: what was asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddOns {
    /// The access control list.
    pub web_acl: Option<WebAcl>,
    /// Whether Shield Advanced protects it.
    pub shield: Option<Shield>,
    /// Capacity units that are kept ready; 0 for none.
    pub capacity: Option<u32>,
    /// The IPAM pool that its public addresses come from.
    pub address_pool: Option<String>,
    /// The pool of a customer's own addresses, on an outpost. Cannot be changed.
    pub customer_pool: Option<String>,
}

words! {
    /// Whether Shield Advanced protects a load balancer.
    Shield {
        /// It does not.
        Off = "off",
        /// It does, and that is our doing.
        Ours = "on",
        /// It does, and that is somebody else's doing.
        Foreign = "by another",
        /// The account has no subscription.
        Unavailable = "not subscribed",
    }
}

impl fmt::Display for WebAcl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Arn(arn) => f.write_str(arn),
        }
    }
}
