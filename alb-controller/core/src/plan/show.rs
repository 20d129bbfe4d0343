//! How steps and plans look in print.

use super::{
    Plan,
    step::{Effect, ListenerChange, Op, Step},
};
use crate::{
    id::StackId,
    pairs::Pairs,
    stack::{Ingress, SecurityGroupRef, Source},
    target::{HealthCheck, Matcher},
};
use std::fmt;

/// More of a list than this is only counted.
const SHOWN: usize = 5;

/// The particulars, without the name of what it is done to; empty if there are none.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateSecurityGroup { .. }
            | Self::DeleteSecurityGroup
            | Self::DeleteTargetGroup
            | Self::DeleteLoadBalancer
            | Self::DeleteListener
            | Self::DeleteRule => Ok(()),
            Self::Authorize(ingress) | Self::Revoke(ingress) => f.write_str(&list(ingress)),
            Self::CreateTargetGroup(group) => {
                let kind = &group.kind;
                write!(f, "{} {} {}", kind.target_type, kind.protocol, kind.version)
            }
            Self::ModifyHealthCheck(check) => check.fmt(f),
            Self::ModifyTargetGroupAttributes(attributes)
            | Self::ModifyLoadBalancerAttributes(attributes)
            | Self::ModifyListenerAttributes(attributes)
            | Self::AddTags(attributes) => f.write_str(&pairs(attributes)),
            Self::Register(targets) => f.write_str(&list(targets.keys())),
            Self::Deregister(targets) => f.write_str(&list(targets)),
            Self::CreateLoadBalancer(balancer) => {
                write!(f, "{} in {}", balancer.scheme, list(&balancer.subnets))
            }
            Self::CreateFrontend(balancer) => {
                write!(f, "{} in {}", balancer.scheme, list(&balancer.subnets))
            }
            Self::CreateFrontGroup(group) => write!(f, "TCP {}", group.port),
            Self::RegisterBalancer(target) | Self::DeregisterBalancer(target) => target.fmt(f),
            Self::CreateFrontListener(listener) => write!(f, "TCP to {}", listener.group),
            Self::PointListener(group) => f.write_str(group),
            Self::SetSubnets(subnets) => f.write_str(&list(subnets)),
            Self::SetSecurityGroups(groups) => f.write_str(&list(groups)),
            Self::SetIpAddressType(kind) => kind.fmt(f),
            Self::SetWebAcl(acl) => acl.fmt(f),
            Self::SetShield(on) => f.write_str(if *on { "on" } else { "off" }),
            Self::ReserveCapacity(units) => write!(f, "{units} units"),
            Self::SetAddressPool(pool) => f.write_str(pool),
            Self::CreateListener(listener) => {
                write!(f, "{}, by default {}", listener.protocol, listener.default_action)
            }
            Self::ModifyListener(change) => change.fmt(f),
            Self::AddCertificate(certificate) | Self::RemoveCertificate(certificate) => {
                f.write_str(certificate)
            }
            Self::CreateRule(rule) | Self::ModifyRule(rule) => {
                let login = rule.authentication.iter().map(|login| format!("{login}, then "));
                write!(f, "{rule} → {}{}", login.collect::<String>(), rule.action)
            }
            Self::SetPriorities(moves) => {
                f.write_str(&list(moves.iter().map(|(old, new)| format!("{old}→{new}"))))
            }
            Self::RemoveTags(keys) => f.write_str(&list(keys)),
        }
    }
}

impl fmt::Display for ListenerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, ssl_policy, certificate, mutual_tls, default_action, authentication } =
            self;
        let parts = [
            protocol.map(|protocol| protocol.to_string()),
            ssl_policy.clone(),
            certificate.clone(),
            mutual_tls.as_ref().map(|tls| format!("mutual TLS {}", tls.mode())),
            authentication.as_ref().map(|login| format!("by default {login}")),
            default_action.as_ref().map(|action| format!("by default {action}")),
        ];
        f.write_str(&list(parts.into_iter().flatten()))
    }
}

impl fmt::Display for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, port, path, interval, timeout, healthy, unhealthy, matcher } = self;
        let (Matcher::Http(codes) | Matcher::Grpc(codes)) = matcher;
        write!(f, "{protocol} {port} {path} every {interval} s, {timeout} s to answer {codes}, ")?;
        write!(f, "{healthy} good, {unhealthy} bad")
    }
}

impl fmt::Display for SecurityGroupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Ours(name) | Self::Id(name)) = self;
        f.write_str(name)
    }
}

/// `80 from 0.0.0.0/0`.
impl fmt::Display for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, source, description: _ } = self;
        let ports = if from == to { from.to_string() } else { format!("{from}-{to}") };
        match source {
            Source::Ipv4(who) | Source::Ipv6(who) | Source::PrefixList(who) => {
                write!(f, "{ports} from {who}")
            }
            Source::Group(group) => write!(f, "{ports} from {group}"),
        }
    }
}

/// Steps by stack, and a summary.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last: Option<&Option<StackId>> = None;
        for step in &self.steps {
            if last != Some(&step.stack) {
                heading(f, step.stack.as_ref())?;
                last = Some(&step.stack);
            }
            line(f, step)?;
        }
        for blocked in &self.blocked {
            writeln!(f, "! {blocked}")?;
        }
        for pending in &self.pending {
            writeln!(f, "… {pending}")?;
        }
        writeln!(f, "{}", self.summary())
    }
}

fn heading(f: &mut fmt::Formatter<'_>, stack: Option<&StackId>) -> fmt::Result {
    match stack {
        Some(stack) => writeln!(f, "{stack}"),
        None => writeln!(f, "(all)"),
    }
}

fn line(f: &mut fmt::Formatter<'_>, step: &Step) -> fmt::Result {
    let sign = match step.op.effect() {
        Effect::Create => '+',
        Effect::Change => '~',
        Effect::Delete => '-',
    };
    writeln!(f, "  {sign} {step}")
}

/// The first few, and how many there are beyond.
fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let shown = items.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match items.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

fn pairs(map: &Pairs) -> String {
    list(map.iter().map(|(key, value)| format!("{key}={value}")))
}
