//! The virtual hosts of one route table: which names are served, with which routes.

use super::{
    Scope,
    binding::Bound,
    clusters::Clusters,
    names::{ServerHost, intersection},
    report::Report,
    routes::{Through, routes},
};
use crate::table::{Hosts, Route, VirtualHost};
use edgeway_api::gateway::Server;
use std::collections::{BTreeMap, btree_map::Entry};

/// A server of a Gateway that shares a route table.
#[derive(Clone, Debug)]
pub(super) struct Member<'o> {
    /// The Gateway's server.
    pub server: &'o Server,
    /// Where it stands among the Gateway's servers.
    pub position: usize,
    /// Its hosts, read.
    pub hosts: Vec<ServerHost<'o>>,
    /// What its routes are built for.
    pub through: Through<'o>,
    /// Whether plain text is sent to https.
    pub https_redirect: bool,
}

/// The route table of `members`, in order of precedence.
pub(super) fn hosts(
    scope: &Scope<'_>,
    clusters: &mut Clusters,
    report: &mut Report,
    name: String,
    members: &[Member<'_>],
) -> Hosts {
    let mut table: BTreeMap<String, VirtualHost> = BTreeMap::new();
    // Routes of a VirtualService are built once per Gateway, for the first server that needs them.
    let mut built: BTreeMap<(usize, String), Vec<Route>> = BTreeMap::new();
    for member in members {
        for (index, bound) in scope.services.iter().enumerate() {
            if !bound.gateways.contains(&member.through.gateway) {
                continue;
            }
            let domains = domains(member, bound);
            if domains.is_empty() {
                continue;
            }
            let routes = match built.entry((index, member.through.gateway.to_string())) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    entry.insert(routes(scope, clusters, report, bound, &member.through))
                }
            };
            if routes.is_empty() {
                continue;
            }
            for domain in domains {
                let host = virtual_host(&mut table, &domain);
                host.https_redirect |= member.https_redirect;
                host.routes.extend(routes.iter().cloned());
            }
        }
        if member.https_redirect {
            for host in &member.hosts {
                virtual_host(&mut table, &host.name.to_ascii_lowercase()).https_redirect = true;
            }
        }
    }
    for host in table.values_mut() {
        // Stable: the written order of all others is kept.
        host.routes.sort_by_key(|route| route.matcher.is_catch_all());
    }
    let grpc_web = members.iter().any(|member| {
        let port = member.server.port.as_ref();
        port.is_some_and(|port| port.protocol.eq_ignore_ascii_case("GRPC-WEB"))
    });
    Hosts { grpc_web, ..Hosts::new(name, table.into_values()) }
}

fn virtual_host<'t>(
    table: &'t mut BTreeMap<String, VirtualHost>,
    domain: &str,
) -> &'t mut VirtualHost {
    table.entry(domain.to_owned()).or_insert_with(|| VirtualHost::new(domain))
}

/// What a VirtualService serves at a server: the narrower of each pair of hosts that overlap.
pub(super) fn domains(member: &Member<'_>, bound: &Bound<'_>) -> Vec<String> {
    use edgeway_api::Resource;
    let namespace = bound.service.namespace();
    let mut domains = Vec::new();
    for host in member.hosts.iter().filter(|host| host.admits(namespace)) {
        for own in &bound.hosts {
            if let Some(narrower) = intersection(own, host.name) {
                let domain = narrower.to_ascii_lowercase();
                if !domains.contains(&domain) {
                    domains.push(domain);
                }
            }
        }
    }
    domains
}
