//! Our names for what stands in AWS. No ARN gets past the shell.

use serde::{Serialize, Serializer};
use std::fmt;

/// Ingresses that share a load balancer: a group by its name, or a single Ingress.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StackId {
    /// All Ingresses that name this group.
    Group(String),
    /// One Ingress that names none.
    Ingress {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl StackId {
    /// The stack of an Ingress without a group.
    pub fn ingress(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self::Ingress { namespace: namespace.into(), name: name.into() }
    }

    /// Reads what [`fmt::Display`] wrote, as it stands in the stack tag.
    pub fn parse(text: &str) -> Self {
        match text.split_once('/') {
            Some((namespace, name)) => Self::ingress(namespace, name),
            None => Self::Group(text.to_owned()),
        }
    }
}

/// `name` or `namespace/name`: the value of the stack tag, and part of every hash.
impl fmt::Display for StackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => f.write_str(name),
            Self::Ingress { namespace, name } => write!(f, "{namespace}/{name}"),
        }
    }
}

impl Serialize for StackId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A listener: whose, and on which port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerKey {
    /// Name of the load balancer.
    pub load_balancer: String,
    /// The port it listens on.
    pub port: u16,
}

/// One thing in AWS. What a key means holds at the moment of the step that bears it: a rule is the
/// one that has this priority then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A security group of ours, by name.
    SecurityGroup(String),
    /// A security group of somebody else, in which we keep a rule, by id.
    ForeignSecurityGroup(String),
    /// A target group, by name.
    TargetGroup(String),
    /// A target group of somebody else whose targets are ours, by ARN.
    ForeignTargetGroup(String),
    /// A load balancer, by name.
    LoadBalancer(String),
    /// A listener.
    Listener(ListenerKey),
    /// A rule.
    Rule {
        /// Its listener.
        listener: ListenerKey,
        /// Its priority.
        priority: u32,
    },
}

impl Key {
    /// The noun, for sentences.
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::SecurityGroup(_) | Self::ForeignSecurityGroup(_) => "security group",
            Self::TargetGroup(_) | Self::ForeignTargetGroup(_) => "target group",
            Self::LoadBalancer(_) => "load balancer",
            Self::Listener(_) => "listener",
            Self::Rule { .. } => "rule",
        }
    }
}

impl fmt::Display for ListenerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.load_balancer, self.port)
    }
}

/// The name alone: `k8s-app-ing-3c5da52357:80/100` is the rule 100 of that listener.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecurityGroup(name)
            | Self::ForeignSecurityGroup(name)
            | Self::TargetGroup(name)
            | Self::ForeignTargetGroup(name)
            | Self::LoadBalancer(name) => f.write_str(name),
            Self::Listener(listener) => listener.fmt(f),
            Self::Rule { listener, priority } => write!(f, "{listener}/{priority}"),
        }
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_read_back_from_its_tag() {
        for id in [StackId::Group("shop".into()), StackId::ingress("app", "ing")] {
            assert_eq!(StackId::parse(&id.to_string()), id);
        }
    }
}
