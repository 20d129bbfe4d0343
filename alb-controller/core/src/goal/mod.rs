//! The two sides that a plan lies between.

mod front;
mod question;
mod take;

pub use question::Question;

use crate::{
    frontend::{Front, FrontGroup, Frontend},
    id::StackId,
    limits::Limits,
    stack::{Backend, Ingress, LoadBalancer, SecurityGroup, Stack},
    target::{IpFamily, TargetGroup, TargetGroupKind, TargetId, TargetType, Targets},
};
use edgeway_api::{ObjectRef, Problem};
use std::collections::{BTreeMap, BTreeSet};

/// What is wished.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// What each group of Ingresses wishes for.
    pub stacks: BTreeMap<StackId, Stack>,
    /// The Ingresses of each stack that are served, in their order.
    pub members: BTreeMap<StackId, Vec<ObjectRef>>,
    /// The security group that all load balancers have in common.
    pub shared: Option<SecurityGroup>,
    /// Whose targets we look after in groups of somebody else, by ARN.
    pub bindings: BTreeMap<String, Binding>,
    /// What must be open in security groups of targets, by id of the group, for all stacks and
    /// bindings.
    pub doors: BTreeMap<String, BTreeSet<Ingress>>,
    /// Ports that may be in use though no target is known now: what is open stays open.
    pub uncertain_ports: BTreeSet<u16>,
    /// Stacks of which no member can be understood at present, with these members. What they had stays;
    /// what is known to be of members that are gone goes.
    pub held: BTreeMap<StackId, BTreeSet<String>>,
    /// Ingresses, `namespace/name`, of which cannot be told whether they are ours, and in which stack.
    pub adrift: BTreeSet<String>,
    /// Endpoints of Services that Ingresses name which cannot be understood, by the resource that a target
    /// group of theirs is for.
    pub followed: BTreeMap<String, Followed>,
    /// Why nothing may be taken for gone at present; nothing, if all objects could be read.
    pub incomplete: Option<String>,
    /// Namespaces that were looked at; none for all. What is for others is none of ours.
    pub namespaces: BTreeSet<String>,
    /// The id of the security group that load balancers have in common, where it is somebody else's.
    pub given: Option<String>,
    /// Tags that somebody else sets and removes.
    pub external_tags: BTreeSet<String>,
    /// What the account lets one load balancer have.
    pub limits: Limits,
    /// What users should mend, sorted.
    pub problems: Vec<Problem>,
}

/// Endpoints of a Service's port, for a target group that stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Pods, by IPv4 address.
    pub v4: Targets,
    /// Pods, by IPv6 address.
    pub v6: Targets,
    /// Nodes, where they can be reached.
    pub nodes: Option<Targets>,
    /// Where other clusters may have targets in it, too: those that are this cluster's to send away.
    pub known: Option<BTreeSet<TargetId>>,
}

impl Followed {
    /// Those that a group of a kind is for.
    pub(crate) fn targets(&self, kind: &TargetGroupKind) -> Option<&Targets> {
        match (kind.target_type, kind.family) {
            (TargetType::Instance, _) => self.nodes.as_ref(),
            (TargetType::Ip, IpFamily::V4) => Some(&self.v4),
            (TargetType::Ip, IpFamily::V6) => Some(&self.v6),
        }
    }
}

/// The targets that a group of somebody else shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Who wishes it.
    pub owner: ObjectRef,
    /// Its targets.
    pub targets: Targets,
    /// The Service whose pods they are; nothing where they are nodes.
    pub pods: Option<Backend>,
    /// Where other clusters have targets in it, too: those that are this cluster's to send away.
    pub known: Option<BTreeSet<TargetId>>,
}

/// The targets that a group of somebody else has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Without those on their way out.
    pub targets: Targets,
}

/// What stands of one stack. More than one load balancer only while one replaces another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Load balancers by name.
    pub load_balancers: BTreeMap<String, LoadBalancer>,
    /// Target groups by name.
    pub target_groups: BTreeMap<String, TargetGroup>,
    /// Security groups by name.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// Network load balancers by name.
    pub frontends: BTreeMap<String, Frontend>,
    /// Target groups of these, by name.
    pub front_groups: BTreeMap<String, FrontGroup>,
}

impl Standing {
    /// Whether nothing stands.
    pub fn is_empty(&self) -> bool {
        let Self { load_balancers, target_groups, security_groups, frontends, front_groups } = self;
        load_balancers.is_empty()
            && target_groups.is_empty()
            && security_groups.is_empty()
            && frontends.is_empty()
            && front_groups.is_empty()
    }
}

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// What stands of each stack, found by its tags.
    pub stacks: BTreeMap<StackId, Standing>,
    /// The security group that all load balancers have in common.
    pub shared: Option<SecurityGroup>,
    /// What we opened in security groups of somebody else, by id of the group.
    pub doors: BTreeMap<String, BTreeSet<Ingress>>,
    /// Targets of groups of somebody else, by ARN, as far as they are asked for.
    pub bindings: BTreeMap<String, Bound>,
    /// DNS name of each load balancer.
    pub addresses: BTreeMap<String, String>,
    /// Load balancers that take no requests yet, by name.
    pub provisioning: BTreeSet<String>,
    /// Names that are wished for load balancers, and that those of somebody else have.
    pub taken: BTreeSet<String>,
    /// How the targets of each target group are, by its name.
    pub health: BTreeMap<String, Health>,
}

/// How the targets of a group are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Those that are sent requests.
    pub healthy: usize,
    /// All that are registered.
    pub registered: usize,
}

impl From<&Stack> for Standing {
    /// What would stand if a wish were fulfilled to the letter.
    fn from(stack: &Stack) -> Self {
        let balancer = stack.load_balancer.clone();
        let guards = stack.security_group.iter();
        let front = match &stack.frontend {
            Front::Wish(wish) => Some(wish),
            Front::Nothing | Front::Unclear => None,
        };
        let frontends =
            front.iter().map(|wish| (wish.balancer.name.clone(), wish.balancer.clone()));
        Self {
            frontends: frontends.collect(),
            front_groups: front.map(|wish| wish.groups.clone()).unwrap_or_default(),
            load_balancers: [(balancer.name.clone(), balancer)].into(),
            target_groups: stack.target_groups.clone(),
            security_groups: guards.map(|group| (group.name.clone(), group.clone())).collect(),
        }
    }
}
