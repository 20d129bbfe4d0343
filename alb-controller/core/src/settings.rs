//! What desired things depend on beside objects: how the controller was started, and what was looked
//! up in AWS.

use crate::{
    limits::Limits,
    names,
    stack::{IpAddressType, Scheme, SecurityGroupRef},
    switches::Switch,
    tags::{self, Tags},
    target::{IpFamily, TargetType},
};
use ipnet::IpNet;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Controller of the classes that are Edgeway's own.
pub const EDGEWAY: &str = "edgeway.dev/alb";
/// Controller of the classes of the AWS Load Balancer Controller.
pub const AWS: &str = "ingress.k8s.aws/alb";

/// The class that annotations name it by.
pub const ANNOTATED: &str = "alb";

/// How the controller was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the cluster: part of every tag and of every name.
    pub cluster: String,
    /// The VPC that load balancers stand in.
    pub vpc: String,
    /// Names of the controllers whose classes are served.
    pub controllers: BTreeSet<String>,
    /// Whom load balancers are for that do not say it.
    pub default_scheme: Scheme,
    /// TLS versions and ciphers of listeners that name none.
    pub default_ssl_policy: String,
    /// What targets are that nobody says it of; nothing for what is usual for the class.
    pub default_target_type: Option<TargetType>,
    /// Whether all load balancers get one security group in common, which is let through to targets.
    pub shared_security_group: bool,
    /// The id of that group, where it is somebody else's.
    pub given_security_group: Option<String>,
    /// Tags of all that is made.
    pub default_tags: Tags,
    /// Tags that somebody else sets and removes.
    pub external_tags: BTreeSet<String>,
    /// Tags of those security groups of targets that are opened, where there are several.
    pub target_group_tags: Tags,
    /// The class that annotations name the AWS Load Balancer Controller's by. Without a name
    /// Ingresses that name no class are of it, too.
    pub annotated_class: String,
    /// Authorities whose certificates are found by name; none for all.
    pub authorities: BTreeSet<String>,
    /// What is done otherwise than usually.
    pub switches: BTreeSet<Switch>,
    /// Whether all that the AWS Load Balancer Controller has made for these classes is taken over.
    /// Otherwise it is what Ingresses ask for, stack by stack.
    pub adopt: bool,
    /// Namespaces whose objects are read; none for all.
    pub namespaces: BTreeSet<String>,
}

impl Settings {
    /// What the AWS Load Balancer Controller starts with, for Edgeway's own classes.
    pub fn new(cluster: impl Into<String>, vpc: impl Into<String>) -> Self {
        Self {
            cluster: cluster.into(),
            vpc: vpc.into(),
            controllers: BTreeSet::from([EDGEWAY.to_owned()]),
            default_scheme: Scheme::Internal,
            default_ssl_policy: "ELBSecurityPolicy-2016-08".to_owned(),
            default_target_type: None,
            shared_security_group: true,
            given_security_group: None,
            default_tags: Tags::new(),
            external_tags: BTreeSet::new(),
            target_group_tags: Tags::new(),
            annotated_class: ANNOTATED.to_owned(),
            authorities: BTreeSet::new(),
            switches: BTreeSet::new(),
            adopt: false,
            namespaces: BTreeSet::new(),
        }
    }
}

impl Settings {
    /// Whether things with these tags are ours to change and to delete.
    pub fn owns(&self, tags: &Tags) -> bool {
        tags.get(tags::CLUSTER).is_some_and(|cluster| *cluster == self.cluster)
            && self.controllers.contains(tags::controller(tags))
    }

    /// Whether something is done otherwise than usually.
    pub fn has(&self, switch: Switch) -> bool {
        self.switches.contains(&switch)
    }

    /// Tags that a user asks for, and the default ones.
    pub fn with_defaults(&self, mut own: Tags) -> Tags {
        for (key, value) in &self.default_tags {
            if !(self.has(Switch::TagsGiveWay) && own.contains_key(key)) {
                own.insert(key.clone(), value.clone());
            }
        }
        own
    }

    /// Why a tag is not for users to set. AWS would refuse whatever bears one of its own, and a tag of
    /// one member is on the load balancer of all.
    pub fn forbids_tag(&self, key: &str) -> Option<&'static str> {
        if self.external_tags.contains(key) {
            Some("is left to others by --external-managed-tags")
        } else if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            Some("is AWS's own, as all are that begin with \"aws:\"")
        } else {
            None
        }
    }

    /// The security group that all load balancers have in common.
    pub fn shared_group(&self) -> SecurityGroupRef {
        match &self.given_security_group {
            Some(id) => SecurityGroupRef::Id(id.clone()),
            None => SecurityGroupRef::Ours(self.shared_name()),
        }
    }

    /// Name of the security group that all load balancers have in common. It is the AWS Load
    /// Balancer Controller's only if its classes are served.
    pub fn shared_name(&self) -> String {
        if self.controllers.contains(AWS) {
            names::backend_security_group(&self.cluster)
        } else {
            names::own_security_group(&self.cluster)
        }
    }
}

/// A subnet of the VPC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its availability zone.
    pub zone: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// How many IPv4 addresses are free.
    pub free: u32,
    /// Whether it has IPv6 addresses.
    pub ipv6: bool,
    /// Whether it has a way to the internet; nothing if nobody asked.
    pub public: Option<bool>,
}

/// An issued certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Certificate {
    /// Its ARN.
    pub arn: String,
    /// The names it is for, some with `*.`.
    pub names: Vec<String>,
    /// The private authority that has issued it, as far as that matters.
    pub authority: Option<String>,
}

/// A security group of the VPC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupTags {
    /// Its id.
    pub id: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A network interface of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Addresses on it.
    pub addresses: BTreeSet<IpAddr>,
    /// Ranges on it that pods get addresses from.
    pub prefixes: Vec<IpNet>,
    /// Ids of its security groups.
    pub groups: Vec<String>,
    /// Whether it is the instance's first.
    pub primary: bool,
}

/// A target group of the account, for those who bind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundGroup {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// What its targets are.
    pub target_type: TargetType,
    /// Which addresses they have.
    pub family: IpFamily,
}

/// A load balancer of somebody else that rules are put on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Whom it is for.
    pub scheme: Scheme,
    /// Which addresses it has.
    pub ip_address_type: IpAddressType,
    /// Ids of its security groups.
    pub guards: Vec<String>,
}

/// What is to be looked up.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Whether certificates are to be found by name.
    pub certificates: bool,
    /// Instances whose interfaces matter.
    pub instances: BTreeSet<String>,
    /// Target groups of somebody else, by name.
    pub target_groups: BTreeSet<String>,
    /// Load balancers of somebody else, by name or ARN.
    pub hosts: BTreeSet<String>,
    /// Trust stores, by name.
    pub trust_stores: BTreeSet<String>,
    /// Whether access control lists are to be found by name.
    pub web_acls: bool,
    /// Whether target groups of somebody else are bound.
    pub bindings: bool,
    /// Whether any load balancer is wished at all.
    pub anything: bool,
}

impl Needs {
    /// Whether what was looked up for these will do for the other ones as well.
    pub fn cover(&self, other: &Self) -> bool {
        let Self {
            certificates,
            instances,
            target_groups,
            hosts,
            trust_stores,
            web_acls,
            bindings,
            anything,
        } = self;
        *certificates >= other.certificates
            && *web_acls >= other.web_acls
            && *bindings >= other.bindings
            && *anything >= other.anything
            && instances.is_superset(&other.instances)
            && target_groups.is_superset(&other.target_groups)
            && hosts.is_superset(&other.hosts)
            && trust_stores.is_superset(&other.trust_stores)
    }
}

/// What was looked up. Where nobody looked there is nothing, and nothing is missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    /// Subnets of the VPC.
    pub subnets: Option<Vec<Subnet>>,
    /// Issued certificates of the region.
    pub certificates: Option<Vec<Certificate>>,
    /// Security groups of the VPC.
    pub security_groups: Option<Vec<GroupTags>>,
    /// Addresses of the VPC.
    pub vpc_ranges: Vec<IpNet>,
    /// Interfaces by instance.
    pub instances: BTreeMap<String, Vec<Interface>>,
    /// ARNs of target groups of somebody else, by name; nothing if nobody looked.
    pub target_groups: Option<BTreeMap<String, String>>,
    /// Load balancers of somebody else, by what they were asked for by; nothing if nobody looked.
    pub hosts: Option<BTreeMap<String, Host>>,
    /// ARNs of trust stores, by name; nothing if nobody looked.
    pub trust_stores: Option<BTreeMap<String, String>>,
    /// ARNs of regional access control lists, by name; nothing if nobody looked.
    pub web_acls: Option<BTreeMap<String, String>>,
    /// Certificates and target groups of somebody else that AWS does not know, by ARN.
    pub refused: BTreeSet<String>,
    /// All target groups; nothing if nobody looked.
    pub bound_groups: Option<Vec<BoundGroup>>,
    /// What the account lets one load balancer have.
    pub limits: Limits,
}
