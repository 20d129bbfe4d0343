//! Rules: which requests, and what becomes of them.

mod authentication;
mod condition;
pub(crate) mod packed;

pub use authentication::{
    Authentication, Claim, ClaimFormat, ClientSecret, Cognito, Jwt, Login, Oidc, Unauthenticated,
    same,
};
pub use condition::{Condition, Patterns, QueryPair};

use crate::tags::{self, Tags};
use std::fmt;

/// One rule of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// All must hold; of each, one value must.
    pub conditions: Vec<Condition>,
    /// What a client must show first.
    pub authentication: Option<Authentication>,
    /// What becomes of the request.
    pub action: Action,
    /// What is rewritten on its way.
    pub transforms: Vec<Transform>,
    /// All its tags.
    pub tags: Tags,
}

impl Rule {
    /// The Ingress it comes from, `namespace/name`, if a tag says so.
    pub fn owner(&self) -> Option<&str> {
        self.tags.get(tags::OWNER).map(String::as_str)
    }

    /// Its conditions in a form that depends on nothing but their content.
    pub fn normal_conditions(&self) -> Vec<Condition> {
        let mut conditions: Vec<_> = self.conditions.iter().map(Condition::normal).collect();
        conditions.sort();
        conditions
    }

    /// Whether both do the same with a request.
    pub fn acts_like(&self, other: &Self) -> bool {
        let transforms = |rule: &Self| {
            let mut transforms = rule.transforms.clone();
            transforms.sort();
            transforms
        };
        self.action.equals(&other.action)
            && transforms(self) == transforms(other)
            && same(self.authentication.as_ref(), other.authentication.as_ref())
            && self.tags.get(tags::SECRET) == other.tags.get(tags::SECRET)
    }

    /// How many values its conditions have together.
    pub fn values(&self) -> usize {
        self.conditions.iter().map(Condition::len).sum()
    }
}

/// A target group that is forwarded to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetGroupRef {
    /// One of ours, by name.
    Ours(String),
    /// One that somebody else looks after, by ARN, as the user wrote it.
    Foreign(String),
}

impl TargetGroupRef {
    /// Name of the group, if it is ours.
    pub fn ours(&self) -> Option<&str> {
        match self {
            Self::Ours(name) => Some(name),
            Self::Foreign(_) => None,
        }
    }
}

/// One of the groups that requests are divided among.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    /// The group.
    pub group: TargetGroupRef,
    /// Its part of all weights. Of a lone group it means nothing.
    pub weight: u16,
}

/// Where requests are forwarded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The groups.
    pub shares: Vec<Share>,
    /// For how many seconds a client stays with its group.
    pub stickiness: Option<u32>,
}

/// Where clients are sent to. All fields may have placeholders such as `#{host}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Of the new URL.
    pub protocol: String,
    /// Of the new URL.
    pub host: String,
    /// Of the new URL.
    pub port: String,
    /// Of the new URL.
    pub path: String,
    /// Of the new URL.
    pub query: String,
    /// `HTTP_301` or `HTTP_302`.
    pub status: String,
}

/// All of the URL stays as it is.
impl Default for Redirect {
    fn default() -> Self {
        Self {
            protocol: "#{protocol}".to_owned(),
            host: "#{host}".to_owned(),
            port: "#{port}".to_owned(),
            path: "/#{path}".to_owned(),
            query: "#{query}".to_owned(),
            status: "HTTP_301".to_owned(),
        }
    }
}

/// What the load balancer answers by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FixedResponse {
    /// The status, such as `404`.
    pub status: String,
    /// The content type.
    pub content_type: Option<String>,
    /// The body.
    pub body: Option<String>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes on.
    Forward(Forward),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// It is answered here.
    Fixed(FixedResponse),
    /// Something that we never make: a kind of action, for instance `authenticate-oidc`.
    Unknown(String),
}

impl Action {
    /// A plain answer with `status`, and `body` if there is one to give.
    pub fn answer(status: u16, body: Option<&str>) -> Self {
        Self::Fixed(FixedResponse {
            status: status.to_string(),
            content_type: Some("text/plain".to_owned()),
            body: body.map(str::to_owned),
        })
    }

    /// A forward to one group.
    pub fn forward(group: TargetGroupRef) -> Self {
        Self::Forward(Forward { shares: vec![Share { group, weight: 1 }], stickiness: None })
    }

    /// Names of the groups of ours that it sends to.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.shares().iter().filter_map(|share| share.group.ours())
    }

    /// ARNs of the groups of somebody else that it sends to.
    pub fn foreign_groups(&self) -> impl Iterator<Item = &str> {
        self.shares().iter().filter_map(|share| match &share.group {
            TargetGroupRef::Ours(_) => None,
            TargetGroupRef::Foreign(arn) => Some(arn.as_str()),
        })
    }

    fn shares(&self) -> &[Share] {
        match self {
            Self::Forward(forward) => forward.shares.as_slice(),
            Self::Redirect(_) | Self::Fixed(_) | Self::Unknown(_) => &[],
        }
    }

    /// Gives groups of ours the names that `rename` knows for them.
    pub fn rename_groups(&mut self, rename: impl Fn(&str) -> Option<String>) {
        if let Self::Forward(forward) = self {
            for share in &mut forward.shares {
                if let Some(name) = share.group.ours().and_then(&rename) {
                    share.group = TargetGroupRef::Ours(name);
                }
            }
        }
    }

    /// Whether both do the same: groups in any order, and the weight of a lone one left aside.
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Forward(one), Self::Forward(other)) => {
                let normal = |forward: &Forward| {
                    let mut shares = forward.shares.clone();
                    shares.sort();
                    if let [only] = shares.as_mut_slice() {
                        only.weight = 1;
                    }
                    shares
                };
                normal(one) == normal(other) && one.stickiness == other.stickiness
            }
            _ => self == other,
        }
    }
}

/// A replacement by regular expression.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rewrite {
    /// What is replaced.
    pub regex: String,
    /// By what; `$1` is the first group.
    pub replace: String,
}

/// What is rewritten before a request is forwarded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transform {
    /// Path and query.
    Url(Vec<Rewrite>),
    /// The host header.
    Host(Vec<Rewrite>),
}

/// Such as `host a.example.com and path /x or /x/*`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, condition) in self.conditions.iter().enumerate() {
            let and = if index == 0 { "" } else { " and " };
            write!(f, "{and}{condition}")?;
        }
        Ok(())
    }
}

/// Such as `forward to k8s-app-web-0123456789`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(forward) => {
                let many = forward.shares.len() > 1;
                let shares = forward.shares.iter().map(|Share { group, weight }| {
                    let (TargetGroupRef::Ours(name) | TargetGroupRef::Foreign(name)) = group;
                    if many { format!("{name} ({weight})") } else { name.clone() }
                });
                write!(f, "forward to {}", shares.collect::<Vec<_>>().join(", "))
            }
            Self::Redirect(redirect) => {
                let Redirect { protocol, host, port, path, query, status } = redirect;
                write!(f, "redirect to {protocol}://{host}:{port}{path}?{query} ({status})")
            }
            Self::Fixed(fixed) => write!(f, "answer {}", fixed.status),
            Self::Unknown(kind) => write!(f, "{kind}"),
        }
    }
}
