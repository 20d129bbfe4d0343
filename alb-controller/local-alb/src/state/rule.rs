//! Rules: what a request must look like, what is done with it, and how it is rewritten.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;
use regex::bytes::Regex;

use super::ids::Arn;
use super::pattern::Pattern;

/// A rule of a listener, other than its default rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Its name.
    pub arn: Arn,
    /// Its turn; the lowest is asked first.
    pub priority: u32,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
    /// In the order they are carried out; the last one answers.
    pub actions: Vec<Action>,
    /// Changes to a request before it is forwarded.
    pub transforms: Vec<Transform>,
}

/// Texts of which one must fit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// Wildcard patterns.
    pub patterns: Vec<Pattern>,
    /// Regular expressions; they are searched for, not anchored.
    pub regexes: Vec<Regex>,
}

/// A condition; it holds if one of its values does.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// The host, without port, in any case.
    Host(Values),
    /// The path, without query.
    Path(Values),
    /// A request header; of a repeated one any value may fit.
    Header {
        /// The header as it was named.
        name: String,
        /// Its values, in any case.
        values: Values,
    },
    /// The method, exactly.
    Method(Vec<String>),
    /// A pair of the query.
    Query(Vec<QueryPair>),
    /// The address of the peer of the connection.
    Source(Vec<Network>),
}

/// A key and a value to look for in a query; without a key any pair will do.
#[derive(Clone, Debug)]
pub(crate) struct QueryPair {
    /// The key.
    pub key: Option<Pattern>,
    /// The value.
    pub value: Pattern,
}

/// A range of addresses, and how it was written.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// As it was written.
    pub text: String,
    /// What it means.
    pub range: IpNet,
}

/// One step of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    /// Its place among the steps.
    pub order: u32,
    /// What it does.
    pub kind: ActionKind,
}

/// What a step of a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ActionKind {
    /// Sends the request to a target.
    Forward(Forward),
    /// Sends the client elsewhere.
    Redirect(Redirect),
    /// Answers at once.
    Fixed(Fixed),
    /// Finds out who the client is, before another step answers.
    Identity(Identity),
}

/// Target groups, and the shares they get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    /// The groups in the order given.
    pub groups: Vec<WeightedGroup>,
    /// How long a client stays with the group it was given, in seconds.
    pub stickiness: Option<u32>,
}

/// A target group and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WeightedGroup {
    /// The group.
    pub arn: Arn,
    /// Its share among the weights of the action.
    pub weight: u32,
}

/// Where a client is sent; the parts may hold `#{host}` and the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub protocol: String,
    pub host: String,
    pub port: String,
    pub path: String,
    pub query: String,
    /// True for 301, false for 302.
    pub permanent: bool,
}

/// An answer given by the load balancer itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fixed {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub content_type: Option<String>,
    /// The body.
    pub body: Option<String>,
}

/// An `authenticate-oidc`, `authenticate-cognito` or `jwt-validation` step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Which of the three.
    pub kind: IdentityKind,
    /// Its plain settings, in the order they are reported.
    pub settings: Vec<(&'static str, String)>,
    /// The client's secret, which no reply shows.
    pub secret: Option<ClientSecret>,
    /// Parameters added to the request to the identity provider.
    pub extra: BTreeMap<String, String>,
    /// Claims that a token must have.
    pub claims: Vec<Claim>,
}

/// A secret that nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ClientSecret(String);

/// The kinds of identity steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdentityKind {
    Oidc,
    Cognito,
    Jwt,
}

/// A claim that a token must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub format: String,
    pub name: String,
    pub values: Vec<String>,
}

/// A change to a request: the first match of an expression is replaced.
#[derive(Clone, Debug)]
pub(crate) struct Transform {
    /// What is changed.
    pub part: Part,
    /// What is looked for.
    pub regex: Regex,
    /// What it becomes; `$1` to `$9` stand for groups.
    pub replace: String,
}

/// The part of a request that a transform changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The host.
    Host,
    /// Path and query.
    Url,
}

impl ClientSecret {
    /// Keeps a secret.
    pub(crate) fn new(secret: &str) -> Self {
        Self(secret.to_owned())
    }

    /// The secret itself, for the one request that needs it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ClientSecret")
    }
}

impl Identity {
    /// A setting; empty if it was not given and has no default.
    pub(crate) fn setting(&self, name: &str) -> &str {
        let found = self.settings.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }
}

impl IdentityKind {
    /// The name of the action type.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Oidc => "authenticate-oidc",
            Self::Cognito => "authenticate-cognito",
            Self::Jwt => "jwt-validation",
        }
    }
}

impl ActionKind {
    /// The name of the action type.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Forward(_) => "forward",
            Self::Redirect(_) => "redirect",
            Self::Fixed(_) => "fixed-response",
            Self::Identity(identity) => identity.kind.name(),
        }
    }
}

/// The target groups that actions forward to.
pub(crate) fn groups_of(actions: &[Action]) -> impl Iterator<Item = &Arn> {
    actions
        .iter()
        .flat_map(|action| match &action.kind {
            ActionKind::Forward(forward) => forward.groups.as_slice(),
            ActionKind::Redirect(_) | ActionKind::Fixed(_) | ActionKind::Identity(_) => &[],
        })
        .map(|group| &group.arn)
}

impl Condition {
    /// The name of the condition's field.
    pub(crate) const fn field(&self) -> &'static str {
        match self {
            Self::Host(_) => "host-header",
            Self::Path(_) => "path-pattern",
            Self::Header { .. } => "http-header",
            Self::Method(_) => "http-request-method",
            Self::Query(_) => "query-string",
            Self::Source(_) => "source-ip",
        }
    }

    /// How many values count towards the quota of a rule.
    pub(crate) fn values(&self) -> usize {
        match self {
            Self::Host(values) | Self::Path(values) | Self::Header { values, .. } => {
                values.patterns.len() + values.regexes.len()
            }
            Self::Method(methods) => methods.len(),
            Self::Query(pairs) => pairs.len(),
            Self::Source(networks) => networks.len(),
        }
    }

    /// How many wildcards count towards the quota of a rule.
    pub(crate) fn wildcards(&self) -> usize {
        match self {
            Self::Host(values) | Self::Path(values) | Self::Header { values, .. } => {
                values.patterns.iter().map(Pattern::wildcards).sum()
            }
            Self::Query(pairs) => pairs
                .iter()
                .map(|pair| {
                    pair.value.wildcards() + pair.key.as_ref().map_or(0, Pattern::wildcards)
                })
                .sum(),
            Self::Method(_) | Self::Source(_) => 0,
        }
    }
}
