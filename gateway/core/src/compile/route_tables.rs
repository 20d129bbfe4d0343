//! The route tables of HTTP servers: which VirtualServices take part in which virtual host.
//!
//! A change is noted at the domains that it touches; only their virtual hosts are put together anew.

use super::{
    binding::{Bound, Order},
    member::Member,
    routes::Through,
};
use crate::{
    id::ObjectName,
    table::{Hosts, Route, VirtualHost},
};
use hashbrown::HashMap;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

type Routes = Arc<[Arc<Route>]>;

/// All route tables.
#[derive(Debug, Default)]
pub(super) struct RouteTables {
    list: Vec<RouteTable>,
    /// Tables and positions of the members that are servers of a Gateway, in order of precedence.
    of_gateway: HashMap<ObjectName, Vec<(usize, usize)>>,
    /// Tables, by position, in which something has changed.
    touched: BTreeSet<usize>,
}

/// One route table.
#[derive(Debug)]
struct RouteTable {
    slot: Slot,
    /// In order of precedence.
    members: Vec<Member>,
    /// Domains that are sent to https, whoever has routes there.
    redirected: BTreeSet<String>,
    domains: HashMap<Arc<str>, Vec<Part>>,
    touched: BTreeSet<Arc<str>>,
    hosts: Hosts,
}

/// Where a route table is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Position of the listener.
    pub listener: usize,
    /// Position of the TLS server; `None`: in plain text.
    pub server: Option<usize>,
}

/// The routes of a VirtualService through a member, at one domain.
#[derive(Debug)]
struct Part {
    member: usize,
    order: Arc<Order>,
    routes: Routes,
}

/// Where a VirtualService takes part.
#[derive(Debug)]
pub(super) struct Place {
    table: usize,
    domain: Arc<str>,
}

impl RouteTables {
    /// Adds a route table of `members`, in order of precedence.
    pub(super) fn add(&mut self, slot: Slot, name: String, members: Vec<Member>) {
        let table = self.list.len();
        let mut redirected = BTreeSet::new();
        for (at, member) in members.iter().enumerate() {
            let of_gateway = self.of_gateway.entry(member.through.gateway.clone()).or_default();
            of_gateway.push((table, at));
            if member.https_redirect {
                redirected.extend(member.hosts.names().map(str::to_ascii_lowercase));
            }
        }
        let mut hosts = Hosts::new(name, []);
        hosts.grpc_web = members.iter().any(Member::speaks_grpc_web);
        self.list.push(RouteTable {
            slot,
            members,
            touched: redirected.iter().map(|domain| domain.as_str().into()).collect(),
            redirected,
            domains: HashMap::new(),
            hosts,
        });
        self.touched.insert(table);
    }

    /// Lets a VirtualService take part wherever it is bound. Its routes are built once per table and
    /// Gateway, for the first server that needs them.
    pub(super) fn admit(
        &mut self,
        bound: &Bound,
        mut routes_for: impl FnMut(&Through) -> Vec<Arc<Route>>,
    ) -> Vec<Place> {
        let mut places = Vec::new();
        for gateway in &bound.gateways {
            let mut built: BTreeMap<usize, Routes> = BTreeMap::new();
            for (at, position) in self.of_gateway.get(gateway).into_iter().flatten() {
                let Some(table) = self.list.get_mut(*at) else { continue };
                let Some(member) = table.members.get(*position) else { continue };
                let domains = member.domains(bound);
                if domains.is_empty() {
                    continue;
                }
                let routes = built.entry(*at).or_insert_with(|| routes_for(&member.through).into());
                if routes.is_empty() {
                    continue;
                }
                self.touched.insert(*at);
                for domain in domains {
                    let order = Arc::clone(&bound.order);
                    let part = Part { member: *position, order, routes: Arc::clone(routes) };
                    places.push(Place { table: *at, domain: table.put(&domain, part) });
                }
            }
        }
        places
    }

    /// Takes a VirtualService out of all its places.
    pub(super) fn dismiss(&mut self, order: &Order, places: &[Place]) {
        for Place { table: at, domain } in places {
            let Some(table) = self.list.get_mut(*at) else { continue };
            if let Some(parts) = table.domains.get_mut(domain) {
                parts.retain(|part| *part.order != *order);
                if parts.is_empty() {
                    table.domains.remove(domain);
                }
            }
            table.touched.insert(Arc::clone(domain));
            self.touched.insert(*at);
        }
    }

    /// The tables in which something has changed since this was asked last.
    pub(super) fn changed(&mut self) -> Vec<(Slot, Arc<Hosts>)> {
        let touched = std::mem::take(&mut self.touched).into_iter();
        let mut changed = Vec::new();
        for at in touched {
            if let Some(table) = self.list.get_mut(at) {
                table.refresh();
                changed.push((table.slot, Arc::new(table.hosts.clone())));
            }
        }
        changed
    }
}

impl RouteTable {
    fn put(&mut self, domain: &str, part: Part) -> Arc<str> {
        let known = self.domains.get_key_value(domain).map(|(domain, _)| Arc::clone(domain));
        let domain = known.unwrap_or_else(|| domain.into());
        let parts = self.domains.entry(Arc::clone(&domain)).or_default();
        let before = |other: &Part| (other.member, &*other.order) < (part.member, &*part.order);
        let at = parts.partition_point(before);
        parts.insert(at, part);
        self.touched.insert(Arc::clone(&domain));
        domain
    }

    fn refresh(&mut self) {
        for domain in std::mem::take(&mut self.touched) {
            let redirected = self.redirected.contains(&*domain);
            let parts = self.domains.get(&domain).map(Vec::as_slice).unwrap_or_default();
            if parts.is_empty() && !redirected {
                self.hosts.remove(&domain);
                continue;
            }
            let asks =
                |part: &Part| self.members.get(part.member).is_some_and(|m| m.https_redirect);
            let redirect = redirected || parts.iter().any(asks);
            let mut routes: Vec<_> = parts.iter().flat_map(|part| &*part.routes).cloned().collect();
            // Stable: the written order of all others is kept.
            routes.sort_by_key(|route| route.matcher.is_catch_all());
            self.hosts.set(VirtualHost::of(domain, redirect, routes));
        }
    }
}
