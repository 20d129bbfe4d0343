//! Rules that lead hosts to gateways, as few as can be: paths are the gateway's to know, unless they are
//! spoken in another version of HTTP than others of their host.

use super::{member::Member, routes::Routes};
use crate::{
    glob,
    limits::{VALUES_PER_RULE, WILDCARDS_PER_RULE},
    rule::{Action, Condition, Patterns, Redirect, Rule},
    tags::Tags,
    target::{Protocol, Version},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// The place of a path among those of its host: what is there for the case that nothing fits comes last.
pub(super) type Rank = (bool, (u8, Reverse<usize>));

/// What a member leads to its gateway.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    /// Of an Ingress, in its order.
    pub(super) entries: Vec<Entry>,
    /// Where requests go that no version is asked for.
    pub(super) plain: Action,
    /// Where those of a version go.
    pub(super) by_version: BTreeMap<Version, Action>,
    /// The version that a Gateway asks for all its hosts, and an Ingress for what no rule is for.
    pub(super) default: Option<Version>,
}

/// A path of a host.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// An empty one is any.
    pub(super) host: String,
    /// As a load balancer writes it; none is every path.
    pub(super) paths: Vec<String>,
    pub(super) rank: Rank,
    pub(super) version: Option<Version>,
}

/// What is said of a host on one listener.
struct Said<'h> {
    member: &'h Member<'h>,
    hosts: &'h Hosts,
    paths: &'h [String],
    rank: Rank,
    version: Option<Version>,
    redirect: Option<Action>,
}

/// A rule to be.
enum Item<'h> {
    Host(&'h str, Action),
    Path(&'h str, Vec<String>, Action),
}

impl Hosts {
    fn action(&self, version: Option<Version>) -> Action {
        version.and_then(|version| self.by_version.get(&version)).unwrap_or(&self.plain).clone()
    }

    /// What becomes of requests that no rule is for. Only in TLS other versions are spoken.
    pub(super) fn default_action(&self, protocol: Protocol) -> Action {
        self.action(self.default.filter(|_| protocol == Protocol::Https))
    }

    /// What is said of each host at a port.
    fn at<'h>(
        &'h self,
        member: &'h Member<'_>,
        (port, protocol): (u16, Protocol),
    ) -> Vec<(&'h str, Said<'h>)> {
        let secure = protocol == Protocol::Https;
        let said = |paths, rank, version: Option<Version>, redirect| {
            let version = version.filter(|_| secure);
            Said { member, hosts: self, paths, rank, version, redirect }
        };
        let Some(joined) = member.joined else {
            let of = |entry: &'h Entry| {
                (&*entry.host, said(&entry.paths, entry.rank, entry.version, None))
            };
            return self.entries.iter().map(of).collect();
        };
        let last = (false, (u8::MAX, Reverse(0)));
        let of = |(host, is_redirect): (&'h str, bool)| {
            let redirect = (is_redirect && !secure).then(|| to_https(member));
            (host, said(&[], last, self.default, redirect))
        };
        joined.at(port).into_iter().map(of).collect()
    }
}

/// To the port where the member speaks TLS.
fn to_https(member: &Member<'_>) -> Action {
    let mut secure = member.wish.ports.iter().filter(|(_, theirs)| **theirs == Protocol::Https);
    let port = secure.next().map_or(443, |(port, _)| *port).to_string();
    Action::Redirect(Redirect {
        protocol: Protocol::Https.to_string(),
        port,
        ..Redirect::default()
    })
}

/// The rules of all members of a listener that lead to gateways: hosts first, then wildcards from the
/// longest on, then any. A member that comes later changes no rule before.
pub(super) fn rules<'m, 'a: 'm>(
    members: impl Iterator<Item = (&'m Member<'a>, &'m Routes)>,
    spot: (u16, Protocol),
) -> Vec<Rule> {
    let mut members: Vec<(&Member<'_>, &Hosts)> =
        members.filter_map(|(member, routes)| Some((member, routes.hosts.as_ref()?))).collect();
    members.sort_by_key(|(member, _)| {
        let born = member.ingress.metadata.creation_timestamp.clone();
        (born, member.reference.namespace.clone(), member.reference.name.clone())
    });
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all: Vec<(&str, Vec<Said<'_>>)> = Vec::new();
    for (host, said) in members.iter().flat_map(|(member, hosts)| hosts.at(member, spot)) {
        let place = *places.entry(host).or_insert(all.len());
        match all.get_mut(place) {
            Some((_, more)) => more.push(said),
            None => all.push((host, vec![said])),
        }
    }
    let (mut wild, plain): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(host, _)| host.is_empty() || host.starts_with('*'));
    wild.sort_by_key(|(host, _)| Reverse(host.len()));
    let plain = plain.into_iter().flat_map(|(host, said)| items(host, said));
    let (paths, plain): (Vec<_>, Vec<_>) = plain.partition(|item| matches!(item, Item::Path(..)));
    let wild = wild.into_iter().flat_map(|(host, said)| items(host, said));
    let mut packed = Vec::new();
    pack(paths, true, &mut packed);
    pack(plain, false, &mut packed);
    pack(wild, true, &mut packed);
    packed
}

/// The rules of a host: one, unless its paths are spoken in several versions.
fn items<'h>(host: &'h str, mut said: Vec<Said<'_>>) -> Vec<Item<'h>> {
    let Some(hosts) = said.first().map(|first| first.hosts) else { return Vec::new() };
    // One that asks for it is enough, as at a gateway.
    if let Some(redirect) = said.iter().find_map(|said| said.redirect.clone()) {
        return vec![Item::Host(host, redirect)];
    }
    let versions: BTreeSet<Option<Version>> = said.iter().map(|said| said.version).collect();
    // No version comes first: it takes all clients.
    let usual = versions.first().copied().flatten();
    // As the gateway tries them.
    said.sort_by_key(|said| (said.rank.0, said.member.order, said.rank.1));
    while said.last().is_some_and(|last| last.version == usual) {
        said.pop();
    }
    let paths = said.into_iter().map(|said| {
        let every = || vec!["/*".to_owned()];
        let paths = if said.paths.is_empty() { every() } else { said.paths.to_vec() };
        Item::Path(host, paths, said.hosts.action(said.version))
    });
    paths.chain([Item::Host(host, hosts.action(usual))]).collect()
}

/// As many hosts in a rule as AWS takes, and paths of a host. Where their order means nothing, those of
/// one action come together.
fn pack<'h>(items: impl IntoIterator<Item = Item<'h>>, in_order: bool, rules: &mut Vec<Rule>) {
    let start = rules.len();
    for item in items {
        let new = match item {
            Item::Host(host, action) => rule(host, Vec::new(), action),
            Item::Path(host, paths, action) => rule(host, paths, action),
        };
        let mut before = rules.iter_mut().skip(start).rev();
        let last = before.find(|rule| in_order || rule.action == new.action);
        if !last.is_some_and(|last| joins(last, &new)) {
            rules.push(new);
        }
    }
}

/// Puts a rule's last values to those of the one before, if one rule can say both.
fn joins(last: &mut Rule, new: &Rule) -> bool {
    let wildcards = |rule: &Rule| -> usize {
        rule.conditions.iter().flat_map(Condition::texts).map(glob::wildcards).sum()
    };
    let count = wildcards(last) + wildcards(new);
    if last.action != new.action || last.conditions.len() != new.conditions.len() {
        return false;
    }
    let (Some((old, before)), Some((more, same))) =
        (last.conditions.split_last_mut(), new.conditions.split_last())
    else {
        return false;
    };
    if *before != *same {
        return false;
    }
    let others: usize = before.iter().map(Condition::len).sum();
    let room = VALUES_PER_RULE.saturating_sub(others);
    match (old, more) {
        (Condition::Host(Patterns::Text(values)), Condition::Host(Patterns::Text(more)))
        | (Condition::Path(Patterns::Text(values)), Condition::Path(Patterns::Text(more)))
            if values.len() + more.len() <= room && count <= WILDCARDS_PER_RULE =>
        {
            values.extend(more.iter().cloned());
            true
        }
        _ => false,
    }
}

/// Hosts come first; every host and every path is a path.
fn rule(host: &str, mut paths: Vec<String>, action: Action) -> Rule {
    if host.is_empty() && paths.is_empty() {
        paths.push("/*".to_owned());
    }
    let host = Some(host.to_owned()).filter(|host| !host.is_empty());
    let host = host.map(|host| Condition::Host(Patterns::Text(vec![host])));
    let paths = Some(paths).filter(|paths| !paths.is_empty());
    let paths = paths.map(|paths| Condition::Path(Patterns::Text(paths)));
    Rule {
        conditions: host.into_iter().chain(paths).collect(),
        authentication: None,
        action,
        transforms: Vec::new(),
        tags: Tags::new(),
    }
}
