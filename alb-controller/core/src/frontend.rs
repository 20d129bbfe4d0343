//! A network load balancer before the one that routes: it has addresses that do not change, and sends
//! connections on as they are. One shape for what is wished and for what is there.

use crate::{
    pairs::Pairs,
    stack::{IpAddressType, Scheme, SecurityGroupRef},
    tags::Tags,
    target::HealthCheck,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The network load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontend {
    /// Its name.
    pub name: String,
    /// Whom it is for. Cannot be changed.
    pub scheme: Scheme,
    /// Which addresses it has.
    pub ip_address_type: IpAddressType,
    /// Where it stands.
    pub subnets: BTreeSet<String>,
    /// Ids of the public addresses that it is made with, by subnet; wished, never seen.
    pub allocations: BTreeMap<String, String>,
    /// Who guards it, in order.
    pub security_groups: Vec<SecurityGroupRef>,
    /// Attributes: wanted ones on the one side, all on the other.
    pub attributes: Pairs,
    /// All its tags.
    pub tags: Tags,
    /// Listeners by port.
    pub listeners: BTreeMap<u16, FrontListener>,
}

/// A port of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontListener {
    /// Name of the target group that connections go to.
    pub group: String,
    /// All its tags.
    pub tags: Tags,
}

/// The load balancer that routes, as a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrontTarget {
    /// Its name.
    pub balancer: String,
    /// The port that it listens on.
    pub port: u16,
}

/// `k8s-…:80`.
impl fmt::Display for FrontTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.balancer, self.port)
    }
}

/// A target group whose only target is the load balancer that routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontGroup {
    /// Its name.
    pub name: String,
    /// What it is for, as its resource tag says: `FrontendNlb-tg-TCP-80`.
    pub resource: String,
    /// The port that connections come to.
    pub port: u16,
    /// How the target is checked.
    pub check: HealthCheck,
    /// All its tags.
    pub tags: Tags,
    /// Its target; one at most is wished.
    pub targets: BTreeSet<FrontTarget>,
}

/// What is wished of a network load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontWish {
    /// Itself.
    pub balancer: Frontend,
    /// Whether its subnets were named. Found ones matter only when it is made.
    pub subnets_named: bool,
    /// Target groups by name.
    pub groups: BTreeMap<String, FrontGroup>,
}

/// Whether one is wished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Front {
    /// None: one that stands goes.
    #[default]
    Nothing,
    /// It cannot be told: what stands stays.
    Unclear,
    /// This one.
    Wish(Box<FrontWish>),
}
