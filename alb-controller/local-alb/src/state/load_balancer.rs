//! Load balancers and their listeners.

use std::time::SystemTime;

use super::attributes::Set;
use super::ids::Arn;
use super::rule::{Action, Rule};

/// An application load balancer.
#[derive(Clone, Debug)]
pub(crate) struct LoadBalancer {
    pub(crate) arn: Arn,
    pub(crate) name: String,
    pub(crate) dns_name: String,
    pub(crate) scheme: Scheme,
    pub(crate) vpc: String,
    pub(crate) zones: Vec<Zone>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) ip_address_type: String,
    pub(crate) attributes: Set,
    pub(crate) created: SystemTime,
    /// The order of creation; the oldest is first where several share a port.
    pub(crate) serial: u64,
    /// Reserved capacity units.
    pub(crate) capacity: Option<u32>,
    /// The pool that its public addresses come from.
    pub(crate) pool: Option<String>,
    /// The web ACL that it is associated with.
    pub(crate) web_acl: Option<Arn>,
    /// Why part of it does not work.
    pub(crate) impaired: Option<String>,
}

/// A subnet that a load balancer has an address in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) name: String,
    pub(crate) subnet: String,
}

/// Whether a load balancer is reachable from the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    InternetFacing,
    Internal,
}

impl Scheme {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::InternetFacing => "internet-facing",
            Self::Internal => "internal",
        }
    }
}

impl LoadBalancer {
    /// `app/NAME/ID`, the end of its ARN.
    pub(crate) fn path(&self) -> &str {
        self.arn.after("loadbalancer/")
    }
}

/// What a listener speaks to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names of the protocols")]
pub enum Protocol {
    Http,
    Https,
}

impl Protocol {
    /// As AWS writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }

    /// As a URL writes it.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL need not name.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The protocol of that name.
    pub(crate) fn named(text: &str) -> Option<Self> {
        match text {
            "HTTP" => Some(Self::Http),
            "HTTPS" => Some(Self::Https),
            _ => None,
        }
    }
}

/// A port of a load balancer.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) arn: Arn,
    pub(crate) load_balancer: Arn,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    /// Present on HTTPS listeners only, as are the certificates.
    pub(crate) ssl_policy: Option<String>,
    pub(crate) certificate: Option<Arn>,
    /// Certificates chosen by server name; may repeat the default one.
    pub(crate) extra_certificates: Vec<Arn>,
    pub(crate) mutual: Option<Mutual>,
    pub(crate) default_rule: Arn,
    pub(crate) default_actions: Vec<Action>,
    /// In the order of their priorities.
    pub(crate) rules: Vec<Rule>,
    pub(crate) attributes: Set,
}

/// What is asked of a client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mutual {
    pub(crate) mode: String,
    /// Whose certificates are taken.
    pub(crate) trust_store: Option<Arn>,
    pub(crate) ignore_expiry: Option<bool>,
    pub(crate) advertise: Option<String>,
}

impl Listener {
    /// The ARN of a rule with the given id.
    pub(crate) fn rule_arn(&self, id: &str) -> Arn {
        rule_arn(&self.arn, id)
    }
}

/// The ARN of a rule of a listener.
pub(crate) fn rule_arn(listener: &Arn, id: &str) -> Arn {
    let base = listener.as_str().replacen(":listener/", ":listener-rule/", 1);
    format!("{base}/{id}").into()
}

/// The ARN of the listener that a rule is of, going by the rule's.
pub(crate) fn listener_arn(rule: &str) -> Option<String> {
    let (listener, _) = rule.rsplit_once('/')?;
    Some(listener.replacen(":listener-rule/", ":listener/", 1))
}
