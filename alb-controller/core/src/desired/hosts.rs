//! Rules that lead hosts to gateways, as few as can be: paths are the gateway's to know, unless they are
//! spoken in another version of HTTP than others of their host.

use super::{member::Member, routes::Routes};
use crate::{
    rule::{
        Action, Redirect, Rule,
        packed::{Claims, Piece, pack},
    },
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
    pack(all.into_iter().flat_map(|(host, said)| pieces(host, said)).collect())
}

/// What a host has rules for: itself, and paths if they are spoken in several versions.
fn pieces(host: &str, mut said: Vec<Said<'_>>) -> Vec<Piece> {
    let Some(hosts) = said.first().map(|first| first.hosts) else { return Vec::new() };
    let names: Vec<String> = said.iter().map(|said| said.member.name()).collect();
    let all = Claims::of(names.iter().map(String::as_str));
    let piece = |paths, action, claims| Piece { host: host.to_owned(), paths, action, claims };
    // One that asks for it is enough, as at a gateway.
    if let Some(redirect) = said.iter().find_map(|said| said.redirect.clone()) {
        return vec![piece(Vec::new(), redirect, all)];
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
        let claims = Claims::of([said.member.name().as_str()]);
        piece(paths, said.hosts.action(said.version), claims)
    });
    paths.chain([piece(Vec::new(), hosts.action(usual), all.clone())]).collect()
}
