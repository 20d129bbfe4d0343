//! What stands, or will, in words: for people as lines, for scripts as JSON, and line by line beside
//! what it was. What is as AWS gives it to all that is new is not told.

mod front;

use crate::{
    add_ons::MutualTls,
    defaults,
    goal::Standing,
    pairs::Pairs,
    rule::{Action, Authentication, Rule, TargetGroupRef},
    stack::{Listener, LoadBalancer, Ownership, SecurityGroup},
    tags::{Tags, is_reserved},
    target::TargetGroup,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A stack in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outline {
    /// Load balancers with their listeners.
    pub load_balancers: Vec<BalancerOutline>,
    /// Target groups.
    pub target_groups: Vec<GroupOutline>,
    /// Security groups.
    pub security_groups: Vec<GuardOutline>,
}

/// A load balancer in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BalancerOutline {
    /// Its name.
    pub name: String,
    /// Scheme, addresses, subnets, guards and whatever hangs on it: a word for each, and what it is.
    pub settings: BTreeMap<String, String>,
    /// Listeners by port.
    pub listeners: Vec<ListenerOutline>,
}

/// A listener in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerOutline {
    /// Its port.
    pub port: u16,
    /// What is spoken.
    pub protocol: &'static str,
    /// Policy, certificates, attributes: a word for each, and what it is.
    pub settings: BTreeMap<String, String>,
    /// Rules in their order, and what is done by default.
    pub rules: Vec<RuleOutline>,
}

/// A rule in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleOutline {
    /// What it asks of a request.
    pub when: String,
    /// What becomes of it.
    pub then: String,
    /// The Ingress that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// A target group in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupOutline {
    /// What it is for.
    pub resource: String,
    /// Its name.
    pub name: String,
    /// Protocol, health check, attributes: a word for each, and what it is.
    pub settings: BTreeMap<String, String>,
    /// Its targets.
    pub targets: Vec<String>,
}

/// A security group in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardOutline {
    /// Its name.
    pub name: String,
    /// Who is let through where.
    pub ingress: Vec<String>,
}

impl From<&Standing> for Outline {
    fn from(standing: &Standing) -> Self {
        let Standing { load_balancers, target_groups, security_groups, frontends, front_groups: _ } =
            standing;
        let fronts = frontends.values().map(|it| front::front(it, standing));
        Self {
            load_balancers: load_balancers
                .values()
                .map(|b| balancer(b, standing))
                .chain(fronts)
                .collect(),
            target_groups: target_groups.values().map(group).collect(),
            security_groups: security_groups.values().map(guard).collect(),
        }
    }
}

fn join<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// Words that have something to say.
fn settings(pairs: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn named(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn maybe<T: ToString>(name: &str, value: Option<T>) -> (String, String) {
    named(name, value.map(|value| value.to_string()).unwrap_or_default())
}

fn attributes(map: &Pairs) -> impl Iterator<Item = (String, String)> {
    map.iter().map(|(key, value)| (format!("attribute {key}"), value.clone()))
}

/// Tags of users: ours say nothing that is not said already.
fn tags(map: &Tags) -> impl Iterator<Item = (String, String)> {
    let own = map.iter().filter(|(key, _)| !is_reserved(key));
    own.map(|(key, value)| (format!("tag {key}"), value.clone()))
}

fn balancer(balancer: &LoadBalancer, standing: &Standing) -> BalancerOutline {
    let add_ons = &balancer.add_ons;
    let own = [
        named(
            "ours are",
            match balancer.ownership {
                Ownership::Full => "",
                Ownership::Rules => "rules alone",
            },
        ),
        named("scheme", balancer.scheme.as_str()),
        named("addresses", balancer.ip_address_type.as_str()),
        named("subnets", join(&balancer.subnets)),
        // The order means nothing to AWS.
        named("security groups", join(balancer.security_groups.iter().collect::<BTreeSet<_>>())),
        maybe("web ACL", add_ons.web_acl.as_ref()),
        maybe("shield", add_ons.shield),
        maybe("capacity units", add_ons.capacity),
        maybe("address pool", add_ons.address_pool.as_ref()),
    ];
    BalancerOutline {
        name: balancer.name.clone(),
        settings: settings(
            own.into_iter()
                .chain(attributes(&defaults::of_load_balancer(&balancer.attributes)))
                .chain(tags(&balancer.tags)),
        ),
        listeners: balancer.listeners.iter().map(|(p, l)| listener(*p, l, standing)).collect(),
    }
}

fn listener(port: u16, listener: &Listener, standing: &Standing) -> ListenerOutline {
    let own = [
        maybe("policy", listener.ssl_policy.as_ref()),
        maybe("certificate", listener.certificate.as_ref()),
        named("more certificates", join(&listener.more_certificates)),
        maybe("mutual TLS", listener.mutual_tls.as_ref().map(MutualTls::mode)),
    ];
    let rules = listener.rules.values().map(|rule| RuleOutline {
        when: rule.to_string(),
        then: then(rule.authentication.as_ref(), &rule.action, Some(rule), standing),
        from: rule.owner().map(str::to_owned),
    });
    let default = RuleOutline {
        when: "nothing else fits".to_owned(),
        then: then(listener.authentication.as_ref(), &listener.default_action, None, standing),
        from: None,
    };
    ListenerOutline {
        port,
        protocol: listener.protocol.as_str(),
        settings: settings(
            own.into_iter().chain(attributes(&listener.attributes)).chain(tags(&listener.tags)),
        ),
        rules: rules.chain([default]).collect(),
    }
}

/// Target groups by what they are for.
fn then(
    login: Option<&Authentication>,
    action: &Action,
    rule: Option<&Rule>,
    standing: &Standing,
) -> String {
    let mut action = action.clone();
    if let Action::Forward(forward) = &mut action {
        forward.shares.sort();
        for share in &mut forward.shares {
            let known = share.group.ours().and_then(|name| standing.target_groups.get(name));
            if let Some(group) = known {
                share.group = TargetGroupRef::Ours(group.resource.clone());
            }
        }
    }
    let login = login.map(|login| format!("{login}, then ")).unwrap_or_default();
    let rewrites = rule.map_or(0, |rule| rule.transforms.len());
    let rewritten =
        if rewrites == 0 { String::new() } else { format!("rewrite {rewrites}, then ") };
    format!("{login}{rewritten}{action}")
}

fn group(group: &TargetGroup) -> GroupOutline {
    let kind = &group.kind;
    let own = [
        named("targets are", format!("{} {} {}", kind.target_type, kind.protocol, kind.version)),
        named("health check", group.health_check.to_string()),
        named("draining", join(&group.draining)),
    ];
    GroupOutline {
        resource: group.resource.clone(),
        name: group.name.clone(),
        settings: settings(
            own.into_iter()
                .chain(attributes(&defaults::of_target_group(&group.attributes)))
                .chain(tags(&group.tags)),
        ),
        targets: group.targets.keys().map(ToString::to_string).collect(),
    }
}

fn guard(group: &SecurityGroup) -> GuardOutline {
    GuardOutline {
        name: group.name.clone(),
        ingress: group.ingress.iter().map(ToString::to_string).collect(),
    }
}

impl Outline {
    /// One line for each fact.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for balancer in &self.load_balancers {
            lines.push(format!("load balancer {}", balancer.name));
            lines.extend(facts(1, &balancer.settings));
            for listener in &balancer.listeners {
                lines.push(format!("  listener {} {}", listener.protocol, listener.port));
                lines.extend(facts(2, &listener.settings));
                let rules = listener.rules.iter();
                lines.extend(rules.map(|rule| format!("    {}: {}", rule.when, rule.then)));
            }
        }
        for group in &self.target_groups {
            lines.push(format!("target group {} ({})", group.name, group.resource));
            lines.extend(facts(1, &group.settings));
            lines.extend(group.targets.iter().map(|target| format!("  target {target}")));
        }
        for group in &self.security_groups {
            lines.push(format!("security group {}", group.name));
            lines.extend(group.ingress.iter().map(|door| format!("  open {door}")));
        }
        lines
    }
}

fn facts(depth: usize, settings: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    let indent = "  ".repeat(depth);
    settings.iter().map(move |(word, value)| format!("{indent}{word}: {value}"))
}

impl fmt::Display for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// What becomes of one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "change", content = "line")]
pub enum Change {
    /// It stays.
    Same(String),
    /// It goes.
    Gone(String),
    /// It comes.
    New(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(line) => write!(f, " {line}"),
            Self::Gone(line) => write!(f, "-{line}"),
            Self::New(line) => write!(f, "+{line}"),
        }
    }
}

/// The second beside the first, line by line; empty if they are the same.
pub fn compare(before: &Outline, after: &Outline) -> Vec<Change> {
    let (old, new) = (before.lines(), after.lines());
    if old == new {
        return Vec::new();
    }
    let same: Vec<(usize, usize)> = common(&old, &new);
    let mut changes = Vec::new();
    let (mut left, mut right) = (0, 0);
    for (at, there) in same.into_iter().chain([(old.len(), new.len())]) {
        changes.extend(old.iter().take(at).skip(left).cloned().map(Change::Gone));
        changes.extend(new.iter().take(there).skip(right).cloned().map(Change::New));
        changes.extend(old.get(at).cloned().map(Change::Same));
        (left, right) = (at + 1, there + 1);
    }
    changes
}

/// Places of the longest sequence of lines that both have.
fn common(old: &[String], new: &[String]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    let mut lengths = vec![0_usize; (old.len() + 1) * width];
    let at = |i: usize, j: usize| i * width + j;
    let get = |lengths: &[usize], i, j| lengths.get(at(i, j)).copied().unwrap_or(0);
    for (i, line) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            let best = if line == other {
                get(&lengths, i + 1, j + 1) + 1
            } else {
                get(&lengths, i + 1, j).max(get(&lengths, i, j + 1))
            };
            if let Some(slot) = lengths.get_mut(at(i, j)) {
                *slot = best;
            }
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while let (Some(line), Some(other)) = (old.get(i), new.get(j)) {
        if line == other {
            found.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if get(&lengths, i + 1, j) >= get(&lengths, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guards(doors: &[&str]) -> Outline {
        let ingress = doors.iter().map(|door| (*door).to_owned()).collect();
        let security_groups = vec![GuardOutline { name: "sg".into(), ingress }];
        Outline { security_groups, ..Outline::default() }
    }

    #[test]
    fn only_what_differs_is_marked() {
        let changes = compare(&guards(&["a", "b", "d"]), &guards(&["a", "c", "d"]));
        let text: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [" security group sg", "   open a", "-  open b", "+  open c", "   open d"]
        );
        assert_eq!(compare(&guards(&["a"]), &guards(&["a"])), []);
        let new = compare(&Outline::default(), &guards(&["a"]));
        assert!(new.iter().all(|change| matches!(change, Change::New(_))), "{new:?}");
    }
}
