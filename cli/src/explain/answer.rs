//! What is answered: one decision as JSON, and the story that led to it.

use serde::Serialize;

/// A hop that can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hop {
    /// The load balancer.
    Alb,
    /// The gateway.
    Gateway,
    /// A service behind it.
    Backend,
}

/// What the last hop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Sends the request on.
    Forward,
    /// Sends the client elsewhere.
    Redirect,
    /// Answers by itself.
    Direct,
    /// Has nothing for this request.
    None,
}

/// A share of a weighted route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// In Istio's naming.
    pub cluster: String,
    /// Relative to the others.
    pub weight: u32,
}

/// What the backend gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upstream {
    /// `Host`.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

/// One decision. The names are a contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The status, where a hop of ours answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Who answers.
    pub hop: Hop,
    /// The port that takes the connection, such as `HTTP 80`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// The ALB's rule, where there is an ALB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alb_rule: Option<String>,
    /// The Gateway, `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Port name of the Gateway's server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The virtual host that fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_service: Option<String>,
    /// Its rule, by name or position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// What is done.
    pub action: Action,
    /// Where it goes; of several, the one with the greatest weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// All of them, for weighted routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Share>,
    /// What the backend gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// Where a redirect leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Why there is no answer, or not the one that one would expect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Answer {
    /// `hop` has nothing for the request.
    pub fn nothing(hop: Hop, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::of(hop, Action::None) }
    }

    /// `hop` does `action`; all else is open.
    pub fn of(hop: Hop, action: Action) -> Self {
        Self {
            status: None,
            hop,
            listener: None,
            alb_rule: None,
            gateway: None,
            server: None,
            host: None,
            virtual_service: None,
            route: None,
            action,
            cluster: None,
            clusters: Vec::new(),
            upstream: None,
            location: None,
            reason: None,
        }
    }
}

/// One step of the story, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where it happens: `ALB`, `Gateway`, `Route`, `Backend`.
    pub place: &'static str,
    /// What happens.
    pub what: String,
    /// Why, or what else is worth knowing; a line each.
    pub why: Vec<String>,
}

/// A decision and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The decision.
    pub answer: Answer,
    /// The way to it.
    pub steps: Vec<Step>,
}
