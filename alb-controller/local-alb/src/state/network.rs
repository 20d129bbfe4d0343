//! The network that a region starts with: one VPC, its subnets, its security groups.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::undo::UndoMap;

/// The VPC of a region and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) vpc: String,
    pub(crate) range: Ipv4Net,
    pub(crate) subnets: BTreeMap<String, Subnet>,
    pub(crate) groups: UndoMap<String, SecurityGroup>,
    pub(crate) default_group: String,
}

/// A subnet.
#[derive(Clone, Debug)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) zone: String,
    pub(crate) range: Ipv4Net,
}

/// A security group. Its rules are kept and reported; the data plane lets everything through.
#[derive(Clone, Debug)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) ingress: Vec<Permission>,
}

/// One rule of a security group: ports of a protocol, open to one peer.
#[derive(Clone, Debug)]
pub(crate) struct Permission {
    pub(crate) id: String,
    pub(crate) ports: Ports,
    pub(crate) peer: Peer,
    pub(crate) description: Option<String>,
}

/// Ports of a protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ports {
    pub(crate) protocol: String,
    pub(crate) from: Option<i32>,
    pub(crate) to: Option<i32>,
}

/// Who is let in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    V4(String),
    V6(String),
    Group(String),
    PrefixList(String),
}

impl Permission {
    /// Two rules are the same if they open the same ports to the same peer.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.ports == other.ports && self.peer == other.peer
    }
}

/// How many subnets a region starts with, one in each of as many zones.
pub(crate) const ZONES: [char; 3] = ['a', 'b', 'c'];

impl Network {
    /// The network of a region before anybody touched it.
    pub(crate) fn new(region: &str, vpc: &str, range: Ipv4Net) -> Self {
        let default_group = "sg-10ca1def".to_owned();
        let group = SecurityGroup {
            id: default_group.clone(),
            name: "default".to_owned(),
            description: "default VPC security group".to_owned(),
            ingress: vec![Permission {
                id: "sgr-10ca1def".to_owned(),
                ports: Ports { protocol: "-1".to_owned(), from: None, to: None },
                peer: Peer::Group(default_group.clone()),
                description: None,
            }],
        };
        let length = (range.prefix_len() + 4).min(28).max(range.prefix_len());
        let ranges = range.subnets(length).into_iter().flatten();
        let subnets = ZONES.into_iter().zip(ranges).map(|(zone, range)| {
            let id = format!("subnet-10ca1a1{zone}");
            (id.clone(), Subnet { id, zone: format!("{region}{zone}"), range })
        });
        Self {
            vpc: vpc.to_owned(),
            range,
            subnets: subnets.collect(),
            groups: [(default_group.clone(), group)].into_iter().collect(),
            default_group,
        }
    }
}

/// The tags of the subnets of a new region: fit for public and for internal load balancers.
pub(crate) fn subnet_tags(zone: &str) -> BTreeMap<String, String> {
    [("Name", zone), ("kubernetes.io/role/elb", "1"), ("kubernetes.io/role/internal-elb", "1")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}
