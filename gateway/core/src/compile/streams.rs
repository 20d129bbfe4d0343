//! TCP and TLS passthrough: which clusters a connection goes to.

use super::{
    binding::{Bound, gateway_name},
    lookup::{Found, Lookup},
    member::Member,
    report::Report,
};
use crate::{
    action::{HashPolicy, HashSource},
    table::TcpRoute,
};
use edgeway_api::{Resource, virtual_service::RouteDestination};
use std::collections::BTreeSet;

/// The route of a whole TCP server: the first rule, of the first VirtualService, that counts for
/// its port. Hosts must merely overlap (as Istio: `buildGatewayNetworkFiltersFromTCPRoutes`).
pub(super) fn tcp(
    lookup: &mut Lookup<'_>,
    report: &mut Report,
    all: &[Bound],
    member: &Member,
) -> Option<TcpRoute> {
    for bound in bound_to(all, member) {
        let namespace = bound.service.namespace();
        for (index, rule) in bound.service.spec.tcp.iter().enumerate() {
            let counts = rule.matches.is_empty()
                || rule
                    .matches
                    .iter()
                    .any(|entry| counts(entry.port, &entry.gateways, namespace, member));
            if counts {
                let field = format!("spec.tcp[{index}].route");
                let rule = Rule { bound, field, destinations: &rule.route };
                return Some(route(lookup, report, &rule, member));
            }
        }
    }
    None
}

/// The routes of a passthrough server, each with its SNI patterns; an SNI that an earlier rule on
/// the port has taken is left out.
pub(super) fn passthrough(
    lookup: &mut Lookup<'_>,
    report: &mut Report,
    all: &[Bound],
    member: &Member,
    taken: &mut BTreeSet<String>,
) -> Vec<(Vec<String>, TcpRoute)> {
    let mut routes = Vec::new();
    for bound in bound_to(all, member) {
        let namespace = bound.service.namespace();
        for (index, rule) in bound.service.spec.tls.iter().enumerate() {
            for entry in &rule.matches {
                if !counts(entry.port, &entry.gateways, namespace, member) {
                    continue;
                }
                let offered = entry.sni_hosts.iter();
                let offered = offered.filter(|sni| member.hosts.overlaps(sni, namespace));
                let sni: Vec<String> = offered
                    .map(|sni| sni.to_ascii_lowercase())
                    .filter(|sni| taken.insert(sni.clone()))
                    .collect();
                if !sni.is_empty() {
                    let field = format!("spec.tls[{index}].route");
                    let rule = Rule { bound, field, destinations: &rule.route };
                    routes.push((sni, route(lookup, report, &rule, member)));
                }
            }
        }
    }
    routes
}

/// A tls or tcp rule, and where it stands.
struct Rule<'r> {
    bound: &'r Bound,
    field: String,
    destinations: &'r [RouteDestination],
}

fn bound_to<'s>(all: &'s [Bound], member: &'s Member) -> impl Iterator<Item = &'s Bound> {
    all.iter().filter(|bound| {
        let namespace = bound.service.namespace();
        let mut hosts = bound.hosts.iter();
        bound.gateways.contains(&member.through.gateway)
            && hosts.any(|own| member.hosts.overlaps(own, namespace))
    })
}

fn counts(port: Option<u32>, gateways: &[String], namespace: &str, member: &Member) -> bool {
    let through = &member.through;
    let named = |name: &String| gateway_name(name, namespace).as_ref() == Some(&through.gateway);
    port.is_none_or(|port| port == 0 || port == u32::from(through.port))
        && (gateways.is_empty() || gateways.iter().any(named))
}

fn route(
    lookup: &mut Lookup<'_>,
    report: &mut Report,
    rule: &Rule<'_>,
    member: &Member,
) -> TcpRoute {
    let Rule { bound, field: path, destinations } = rule;
    let namespace = bound.service.namespace();
    let lone = destinations.len() == 1;
    let mut field = report.object(bound.service.reference());
    let mut resolved = Vec::new();
    let mut keys = Vec::new();
    for (index, to) in destinations.iter().enumerate() {
        let weight = u32::try_from(to.weight.unwrap_or(0)).unwrap_or(0);
        let Some(weight) = (lone || weight > 0).then_some(weight.max(1)) else { continue };
        let found = lookup.resolve(&to.destination, namespace, member.through.port);
        keys.extend(found.hash.filter(|source| *source == HashSource::ClientAddress));
        let cluster = match found.found {
            Found::Cluster(position) => Some(position),
            Found::NoService | Found::NoPort | Found::NoSubset => {
                field.of(&format!("{path}[{index}].destination"), |field| {
                    field.error(
                        "destination-not-found",
                        format!("there is no cluster `{}`: connections are reset", found.name),
                        "create the service, port or subset, or correct the name",
                    );
                });
                None
            }
        };
        resolved.push((cluster, weight));
    }
    let virtual_service = bound.name.clone();
    TcpRoute { virtual_service, clusters: resolved, hash: HashPolicy::new(keys) }
}
