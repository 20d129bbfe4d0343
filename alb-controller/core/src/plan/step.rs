//! One step of a plan: what is done to what, why, and what it may cost.

use crate::{
    add_ons::{MutualTls, WebAcl},
    frontend::{FrontGroup, FrontListener, FrontTarget, Frontend},
    id::{Key, StackId},
    pairs::Pairs,
    rule::{Action, Authentication, Rule},
    stack::{Ingress, IpAddressType, Listener, LoadBalancer, SecurityGroupRef},
    tags::Tags,
    target::{HealthCheck, Protocol, TargetGroup, TargetId, Targets},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What those notice who use the thing meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Nothing.
    InPlace,
    /// Perhaps something, for a moment.
    Brief,
    /// Another thing takes its place, or none.
    Replace,
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InPlace => "in place",
            Self::Brief => "brief",
            Self::Replace => "replace",
        })
    }
}

/// Whether a thing appears, changes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It appears.
    Create,
    /// It changes.
    Change,
    /// It goes.
    Delete,
}

/// What changes about a listener; the rest stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerChange {
    /// What is spoken.
    pub protocol: Option<Protocol>,
    /// TLS versions and ciphers.
    pub ssl_policy: Option<String>,
    /// The default certificate.
    pub certificate: Option<String>,
    /// What is done about certificates of clients.
    pub mutual_tls: Option<MutualTls>,
    /// What becomes of requests that no rule is for.
    pub default_action: Option<Action>,
    /// What a client must show before that; part of the default action.
    pub authentication: Option<Authentication>,
}

/// What is done. Everything that the call needs is here, but for ARNs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Makes a security group that lets nobody through.
    CreateSecurityGroup {
        /// What it is for.
        description: String,
        /// All its tags.
        tags: Tags,
    },
    /// Lets somebody through.
    Authorize(BTreeSet<Ingress>),
    /// Lets somebody through no more.
    Revoke(BTreeSet<Ingress>),
    /// Deletes a security group.
    DeleteSecurityGroup,
    /// Makes a target group without targets and with AWS's attributes.
    CreateTargetGroup(Box<TargetGroup>),
    /// Changes how targets are checked.
    ModifyHealthCheck(HealthCheck),
    /// Sets attributes.
    ModifyTargetGroupAttributes(Pairs),
    /// Adds targets.
    Register(Targets),
    /// Sends targets on their way out.
    Deregister(BTreeSet<TargetId>),
    /// Deletes a target group.
    DeleteTargetGroup,
    /// Makes a load balancer without listeners and with AWS's attributes.
    CreateLoadBalancer(Box<LoadBalancer>),
    /// Replaces its subnets.
    SetSubnets(BTreeSet<String>),
    /// Replaces its security groups.
    SetSecurityGroups(Vec<SecurityGroupRef>),
    /// Changes which addresses it has.
    SetIpAddressType(IpAddressType),
    /// Sets attributes.
    ModifyLoadBalancerAttributes(Pairs),
    /// Puts it behind an access control list, or behind none.
    SetWebAcl(WebAcl),
    /// Puts it under the protection of Shield Advanced, or takes it from there.
    SetShield(bool),
    /// Keeps capacity units ready; 0 for none.
    ReserveCapacity(u32),
    /// Takes public addresses from a pool.
    SetAddressPool(String),
    /// Makes a network load balancer without listeners and with AWS's attributes.
    CreateFrontend(Box<Frontend>),
    /// Makes a target group for a load balancer that routes.
    CreateFrontGroup(Box<FrontGroup>),
    /// Sends connections on to a load balancer that routes.
    RegisterBalancer(FrontTarget),
    /// Sends no more of them there.
    DeregisterBalancer(FrontTarget),
    /// Makes a listener of a network load balancer.
    CreateFrontListener(Box<FrontListener>),
    /// Points one to another target group.
    PointListener(String),
    /// Deletes a load balancer, its listeners and their rules.
    DeleteLoadBalancer,
    /// Makes a listener with its default certificate and action, without rules.
    CreateListener(Box<Listener>),
    /// Changes a listener.
    ModifyListener(Box<ListenerChange>),
    /// Sets attributes.
    ModifyListenerAttributes(Pairs),
    /// Adds a certificate beside the default one.
    AddCertificate(String),
    /// Removes such a certificate.
    RemoveCertificate(String),
    /// Deletes a listener and its rules.
    DeleteListener,
    /// Makes a rule.
    CreateRule(Box<Rule>),
    /// Replaces action and transforms of a rule.
    ModifyRule(Box<Rule>),
    /// Gives rules of a listener other priorities, at once: from the old to the new.
    SetPriorities(BTreeMap<u32, u32>),
    /// Deletes a rule.
    DeleteRule,
    /// Sets tags.
    AddTags(Tags),
    /// Removes tags.
    RemoveTags(BTreeSet<String>),
}

impl Op {
    /// Its stable name.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CreateSecurityGroup { .. } => "create-security-group",
            Self::Authorize(_) => "authorize-ingress",
            Self::Revoke(_) => "revoke-ingress",
            Self::DeleteSecurityGroup => "delete-security-group",
            Self::CreateTargetGroup(_) => "create-target-group",
            Self::ModifyHealthCheck(_) => "modify-health-check",
            Self::ModifyTargetGroupAttributes(_) => "modify-target-group-attributes",
            Self::Register(_) => "register-targets",
            Self::Deregister(_) => "deregister-targets",
            Self::DeleteTargetGroup => "delete-target-group",
            Self::CreateLoadBalancer(_) => "create-load-balancer",
            Self::SetSubnets(_) => "set-subnets",
            Self::SetSecurityGroups(_) => "set-security-groups",
            Self::SetIpAddressType(_) => "set-ip-address-type",
            Self::ModifyLoadBalancerAttributes(_) => "modify-load-balancer-attributes",
            Self::SetWebAcl(_) => "set-web-acl",
            Self::SetShield(_) => "set-shield",
            Self::ReserveCapacity(_) => "reserve-capacity",
            Self::SetAddressPool(_) => "set-address-pool",
            Self::CreateFrontend(_) => "create-network-load-balancer",
            Self::CreateFrontGroup(_) => "create-load-balancer-target-group",
            Self::RegisterBalancer(_) => "register-load-balancer",
            Self::DeregisterBalancer(_) => "deregister-load-balancer",
            Self::CreateFrontListener(_) => "create-network-listener",
            Self::PointListener(_) => "point-network-listener",
            Self::DeleteLoadBalancer => "delete-load-balancer",
            Self::CreateListener(_) => "create-listener",
            Self::ModifyListener(_) => "modify-listener",
            Self::ModifyListenerAttributes(_) => "modify-listener-attributes",
            Self::AddCertificate(_) => "add-certificate",
            Self::RemoveCertificate(_) => "remove-certificate",
            Self::DeleteListener => "delete-listener",
            Self::CreateRule(_) => "create-rule",
            Self::ModifyRule(_) => "modify-rule",
            Self::SetPriorities(_) => "set-rule-priorities",
            Self::DeleteRule => "delete-rule",
            Self::AddTags(_) => "add-tags",
            Self::RemoveTags(_) => "remove-tags",
        }
    }

    /// Whether a thing appears, changes or goes.
    pub const fn effect(&self) -> Effect {
        match self {
            Self::CreateSecurityGroup { .. }
            | Self::CreateTargetGroup(_)
            | Self::CreateLoadBalancer(_)
            | Self::CreateFrontend(_)
            | Self::CreateFrontGroup(_)
            | Self::CreateFrontListener(_)
            | Self::CreateListener(_)
            | Self::CreateRule(_) => Effect::Create,
            Self::DeleteSecurityGroup
            | Self::DeleteTargetGroup
            | Self::DeleteLoadBalancer
            | Self::DeleteListener
            | Self::DeleteRule => Effect::Delete,
            Self::Authorize(_)
            | Self::Revoke(_)
            | Self::ModifyHealthCheck(_)
            | Self::ModifyTargetGroupAttributes(_)
            | Self::Register(_)
            | Self::Deregister(_)
            | Self::SetSubnets(_)
            | Self::SetSecurityGroups(_)
            | Self::SetIpAddressType(_)
            | Self::ModifyLoadBalancerAttributes(_)
            | Self::SetWebAcl(_)
            | Self::SetShield(_)
            | Self::ReserveCapacity(_)
            | Self::SetAddressPool(_)
            | Self::RegisterBalancer(_)
            | Self::DeregisterBalancer(_)
            | Self::PointListener(_)
            | Self::ModifyListener(_)
            | Self::ModifyListenerAttributes(_)
            | Self::AddCertificate(_)
            | Self::RemoveCertificate(_)
            | Self::ModifyRule(_)
            | Self::SetPriorities(_)
            | Self::AddTags(_)
            | Self::RemoveTags(_) => Effect::Change,
        }
    }

    /// Whether nothing else depends on it: its failure is no reason to stop.
    pub const fn is_aside(&self) -> bool {
        matches!(
            self,
            Self::ModifyTargetGroupAttributes(_)
                | Self::ModifyLoadBalancerAttributes(_)
                | Self::ModifyListenerAttributes(_)
                | Self::SetWebAcl(_)
                | Self::SetShield(_)
                | Self::ReserveCapacity(_)
                | Self::SetAddressPool(_)
                | Self::AddTags(_)
                | Self::RemoveTags(_)
        )
    }

    /// What users may notice, unless the planner knows better.
    pub(super) fn risk(&self) -> Risk {
        let protocol = matches!(self, Self::ModifyListener(change) if change.protocol.is_some());
        let brief = matches!(
            self,
            Self::SetSubnets(_)
                | Self::SetSecurityGroups(_)
                | Self::SetIpAddressType(_)
                | Self::Revoke(_)
                | Self::DeleteListener
        );
        if matches!(self, Self::DeleteLoadBalancer) {
            Risk::Replace
        } else if protocol || brief {
            Risk::Brief
        } else {
            Risk::InPlace
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The stack it is for; nothing for what all have in common.
    pub stack: Option<StackId>,
    /// What it is done to.
    pub key: Key,
    /// What is done.
    pub op: Op,
    /// Why.
    pub reason: String,
    /// What users may notice.
    pub risk: Risk,
}

/// `create-rule k8s-…:80/100 host a and path /* → forward to k8s-…: the Ingress has it (in place)`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = self.op.to_string();
        let space = if detail.is_empty() { "" } else { " " };
        let kind = self.op.kind();
        write!(f, "{kind} {}{space}{detail}: {} ({})", self.key, self.reason, self.risk)
    }
}

/// Kind, key, detail, reason and risk.
impl Serialize for Step {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            stack: &'a Option<StackId>,
            kind: &'static str,
            key: &'a Key,
            detail: String,
            reason: &'a str,
            risk: Risk,
        }
        let Self { stack, key, op, reason, risk } = self;
        let (kind, detail) = (op.kind(), op.to_string());
        Shown { stack, kind, key, detail, reason, risk: *risk }.serialize(serializer)
    }
}
