//! Target groups: what requests are forwarded to.

use crate::{pairs::Pairs, tags::Tags, words::words};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

words! {
    /// What a group's targets are.
    TargetType {
        /// Nodes, by instance id.
        Instance = "instance",
        /// Pods, by address.
        Ip = "ip",
    }

    /// What is spoken with targets, and on listeners.
    Protocol {
        /// Plain HTTP.
        Http = "HTTP",
        /// HTTP over TLS.
        Https = "HTTPS",
    }

    /// Which HTTP is spoken with targets.
    Version {
        /// HTTP/1.1.
        Http1 = "HTTP1",
        /// HTTP/2.
        Http2 = "HTTP2",
        /// gRPC.
        Grpc = "GRPC",
    }

    /// Which addresses targets have.
    IpFamily {
        /// IPv4.
        V4 = "ipv4",
        /// IPv6.
        V6 = "ipv6",
    }
}

/// What cannot be changed once a group is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroupKind {
    /// What targets are.
    pub target_type: TargetType,
    /// What is spoken with them.
    pub protocol: Protocol,
    /// In which version.
    pub version: Version,
    /// The port of targets that name none. All of ours name one, so it may differ for ever.
    pub port: u16,
    /// Which addresses they have.
    pub family: IpFamily,
    /// Where an agent on the target tells how much it can take.
    pub control_port: Option<u16>,
}

impl TargetGroupKind {
    /// Whether a group of the one kind can do the other's work.
    pub fn serves(&self, other: &Self) -> bool {
        Self { port: 0, ..self.clone() } == Self { port: 0, ..other.clone() }
    }
}

/// Which answers mean that a target is well.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Matcher {
    /// HTTP status codes, such as `200` or `200-299,301`.
    Http(String),
    /// gRPC status codes, such as `12`.
    Grpc(String),
}

/// How a target is asked whether it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is spoken.
    pub protocol: Protocol,
    /// A number, or `traffic-port`.
    pub port: String,
    /// The path that is asked for.
    pub path: String,
    /// Seconds from one question to the next.
    pub interval: u32,
    /// Seconds until a question counts as unanswered.
    pub timeout: u32,
    /// Good answers until a target counts as well.
    pub healthy: u32,
    /// Bad ones until it counts as ill.
    pub unhealthy: u32,
    /// Which answers are good.
    pub matcher: Matcher,
}

/// One target. An address on two ports is two targets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId {
    /// An address or an instance id.
    pub id: String,
    /// The port.
    pub port: u16,
}

/// `10.0.0.1:8080`.
impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.id.contains(':') {
            write!(f, "[{}]:{}", self.id, self.port)
        } else {
            write!(f, "{}:{}", self.id, self.port)
        }
    }
}

/// Targets, each with the zone it is registered in: `all` for an address outside the VPC.
pub type Targets = BTreeMap<TargetId, Option<String>>;

/// A target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroup {
    /// Its name.
    pub name: String,
    /// What it is for, as its resource tag says: `app/ing-web:80`.
    pub resource: String,
    /// What cannot be changed.
    pub kind: TargetGroupKind,
    /// How targets are checked.
    pub health_check: HealthCheck,
    /// Attributes: wanted ones on the one side, those that were asked about on the other.
    pub attributes: Pairs,
    /// All its tags.
    pub tags: Tags,
    /// Its targets.
    pub targets: Targets,
    /// Where other clusters have targets in it, too: those that are this cluster's to send away.
    pub known: Option<BTreeSet<TargetId>>,
    /// Targets on their way out; nothing is wished to be on its way out.
    pub draining: BTreeSet<TargetId>,
    /// The load balancer that sends to it, by name; seen, never wished.
    pub attached: Option<String>,
}
