//! What happens, one readable line each.

use std::fmt;
use std::net::SocketAddr;

use crate::state::Protocol;

/// Something that happened to a load balancer or to what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A load balancer was made, changed or removed.
    LoadBalancer {
        /// Its name.
        name: String,
        /// What was done.
        change: Change,
        /// Its DNS name.
        dns_name: String,
    },
    /// A target group was made, changed or removed.
    TargetGroup {
        /// Its name.
        name: String,
        /// What was done.
        change: Change,
    },
    /// A rule of a listener was made, changed or removed.
    Rule {
        /// The load balancer.
        load_balancer: String,
        /// The port of the listener.
        port: u16,
        /// The rule's priority; nothing for the default rule.
        priority: Option<u32>,
        /// What was done.
        change: Change,
    },
    /// A listener began or stopped to answer, or could not begin.
    Listener {
        /// The load balancer.
        load_balancer: String,
        /// The port of the listener, as AWS would have it.
        port: u16,
        /// What it speaks.
        protocol: Protocol,
        /// How it stands now.
        state: ListenerState,
    },
    /// The state of a target changed.
    Target {
        /// The target group.
        group: String,
        /// Address and port.
        target: String,
        /// The new state, in AWS's words.
        state: &'static str,
        /// Why.
        reason: Option<String>,
    },
}

/// What was done to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "plain words")]
pub enum Change {
    Created,
    Changed,
    Deleted,
}

/// How a listener stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerState {
    /// It answers there.
    Open(SocketAddr),
    /// It is gone.
    Closed,
    /// It cannot answer.
    Failed(String),
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoadBalancer { name, change, dns_name } => {
                write!(out, "load balancer {name} {change} ({dns_name})")
            }
            Self::TargetGroup { name, change } => write!(out, "target group {name} {change}"),
            Self::Rule { load_balancer, port, priority: Some(priority), change } => {
                write!(out, "rule {priority} of {load_balancer} port {port} {change}")
            }
            Self::Rule { load_balancer, port, priority: None, change } => {
                write!(out, "default rule of {load_balancer} port {port} {change}")
            }
            Self::Listener { load_balancer, port, protocol, state } => {
                write!(out, "listener {} {port} of {load_balancer} ", protocol.name())?;
                match state {
                    ListenerState::Open(address) => {
                        write!(out, "answers on {}://{address}", protocol.scheme())
                    }
                    ListenerState::Closed => out.write_str("closed"),
                    ListenerState::Failed(why) => write!(out, "cannot answer: {why}"),
                }
            }
            Self::Target { group, target, state, reason } => {
                write!(out, "target {target} of {group} is {state}")?;
                reason.as_ref().map_or(Ok(()), |reason| write!(out, " ({reason})"))
            }
        }
    }
}
