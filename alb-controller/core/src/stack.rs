//! Load balancers and what hangs on them: one shape for what is wished and for what is there.

use crate::{
    add_ons::{AddOns, MutualTls},
    frontend::Front,
    id::StackId,
    pairs::Pairs,
    rule::{Action, Authentication, Rule},
    tags::Tags,
    target::{Protocol, TargetGroup},
    words::words,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

words! {
    /// Whom a load balancer is for.
    Scheme {
        /// The VPC.
        Internal = "internal",
        /// The world.
        InternetFacing = "internet-facing",
    }

    /// Which addresses a load balancer has.
    IpAddressType {
        /// IPv4 alone.
        Ipv4 = "ipv4",
        /// Both.
        Dualstack = "dualstack",
        /// Both, but public ones of IPv6 only.
        DualstackWithoutPublicIpv4 = "dualstack-without-public-ipv4",
    }
}

words! {
    /// How much of a load balancer is ours.
    Ownership {
        /// All of it, but for listeners and rules that others have added.
        Full = "full",
        /// Rules of ours on listeners of somebody else.
        Rules = "rules",
    }
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurityGroupRef {
    /// One of ours, by name.
    Ours(String),
    /// One of somebody else, by id.
    Id(String),
}

/// Who is let through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A range of IPv4 addresses.
    Ipv4(String),
    /// A range of IPv6 addresses.
    Ipv6(String),
    /// A prefix list.
    PrefixList(String),
    /// Whatever is in a security group.
    Group(SecurityGroupRef),
}

/// TCP ports that are open to somebody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ingress {
    /// The first port.
    pub from: u16,
    /// The last port.
    pub to: u16,
    /// For whom.
    pub source: Source,
    /// Why; empty for most.
    pub description: String,
}

/// A security group of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroup {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who is let through.
    pub ingress: BTreeSet<Ingress>,
    /// All its tags.
    pub tags: Tags,
}

/// A port that a load balancer listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What is spoken.
    pub protocol: Protocol,
    /// TLS versions and ciphers; absent on plain HTTP.
    pub ssl_policy: Option<String>,
    /// Certificate for names that no other has; absent on plain HTTP.
    pub certificate: Option<String>,
    /// More certificates, chosen by name.
    pub more_certificates: BTreeSet<String>,
    /// Attributes: wanted ones on the one side, those that were asked about on the other.
    pub attributes: Pairs,
    /// What is done about certificates of clients; nothing leaves it as it is.
    pub mutual_tls: Option<MutualTls>,
    /// What a client must show where no rule is for its request.
    pub authentication: Option<Authentication>,
    /// What becomes of requests that no rule is for.
    pub default_action: Action,
    /// Rules by priority. What is wished has the priorities of a fresh listener.
    pub rules: BTreeMap<u32, Rule>,
    /// Rules that are not ours, by priority, with the target groups of ours that they send to.
    pub foreign: BTreeMap<u32, BTreeSet<String>>,
    /// All its tags.
    pub tags: Tags,
}

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Its name.
    pub name: String,
    /// Whom it is for. Cannot be changed.
    pub scheme: Scheme,
    /// Which addresses it has.
    pub ip_address_type: IpAddressType,
    /// Where it stands.
    pub subnets: BTreeSet<String>,
    /// Who guards it, in order.
    pub security_groups: Vec<SecurityGroupRef>,
    /// Attributes: wanted ones on the one side, those that were asked about on the other.
    pub attributes: Pairs,
    /// What hangs on it from other services.
    pub add_ons: AddOns,
    /// All its tags.
    pub tags: Tags,
    /// Listeners by port.
    pub listeners: BTreeMap<u16, Listener>,
    /// Ports of listeners that are not ours.
    pub foreign: BTreeSet<u16>,
    /// How much of it is ours.
    pub ownership: Ownership,
}

impl Listener {
    /// One of somebody else, before rules of ours are put on it: of all else nothing is wished, and
    /// nothing is looked at.
    pub fn attached(protocol: Protocol) -> Self {
        Self {
            protocol,
            ssl_policy: None,
            certificate: None,
            more_certificates: BTreeSet::new(),
            attributes: Pairs::new(),
            mutual_tls: None,
            authentication: None,
            default_action: Action::Unknown("as its owner says".to_owned()),
            rules: BTreeMap::new(),
            foreign: BTreeMap::new(),
            tags: Tags::new(),
        }
    }

    /// Names of all target groups of ours that anything on it sends to.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        let rules = self.rules.values().flat_map(|rule| rule.action.groups());
        let foreign = self.foreign.values().flatten().map(String::as_str);
        self.default_action.groups().chain(rules).chain(foreign)
    }
}

impl LoadBalancer {
    /// One of somebody else, before listeners with rules of ours are put on it.
    pub fn attached(name: &str, scheme: Scheme, ip_address_type: IpAddressType) -> Self {
        Self {
            name: name.to_owned(),
            scheme,
            ip_address_type,
            subnets: BTreeSet::new(),
            security_groups: Vec::new(),
            attributes: Pairs::new(),
            add_ons: AddOns::default(),
            tags: Tags::new(),
            listeners: BTreeMap::new(),
            foreign: BTreeSet::new(),
            ownership: Ownership::Rules,
        }
    }

    /// How many rules it has, default ones not counted.
    pub fn rules(&self) -> usize {
        self.listeners.values().map(|listener| listener.rules.len() + listener.foreign.len()).sum()
    }

    /// Names of all target groups of ours that anything on it sends to.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.listeners.values().flat_map(Listener::groups)
    }
}

/// The Service behind a target group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Backend {
    /// Namespace of the Service.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// Its port, as the Ingress spells it.
    pub port: String,
}

/// `default/reviews:http`.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.namespace, self.service, self.port)
    }
}

/// All that one Ingress, or a group of them, wishes for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Whose it is.
    pub id: StackId,
    /// The load balancer.
    pub load_balancer: LoadBalancer,
    /// Whether its subnets were named. Found ones matter only when it is made.
    pub subnets_named: bool,
    /// The group that guards it, if we look after that.
    pub security_group: Option<SecurityGroup>,
    /// Target groups by name.
    pub target_groups: BTreeMap<String, TargetGroup>,
    /// The Service behind each target group.
    pub backends: BTreeMap<String, Backend>,
    /// Members that cannot be understood, `namespace/name`: their last good rules stay.
    pub broken: BTreeSet<String>,
    /// Names of load balancers whose making, in place of another, a user has approved.
    pub approved: BTreeSet<String>,
    /// Whether it may be taken over from the AWS Load Balancer Controller.
    pub adopts: bool,
    /// What must be open to it in security groups of targets, by id of the group.
    pub doors: BTreeMap<String, BTreeSet<Ingress>>,
    /// The network load balancer before it.
    pub frontend: Front,
}
