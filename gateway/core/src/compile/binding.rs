//! Which VirtualServices are bound to which Gateway, and in what order.

use super::{
    Scope, Workload,
    age::oldest_first,
    delegate::{self, Rules},
    names::{ServerHost, intersection, qualified},
    report::Report,
    visibility::Visibility,
};
use crate::id::ObjectName;
use edgeway_api::{Objects, Resource, VirtualService};

/// A VirtualService that may be bound, with its hosts and gateways read.
#[derive(Clone, Debug)]
pub(super) struct Bound<'o> {
    /// The object.
    pub service: &'o VirtualService,
    /// Its http rules, delegates resolved.
    pub rules: Rules<'o>,
    /// Qualified hosts, in written order.
    pub hosts: Vec<String>,
    /// Gateways that it names.
    pub gateways: Vec<ObjectName>,
}

/// The VirtualServices that the gateway sees, in the order in which they count: those private to
/// its namespace, those exported to it by name, public ones; the oldest of each first
/// (as Istio: `VirtualServicesForGateway`).
pub(super) fn visible<'o>(
    objects: &'o Objects,
    workload: &Workload,
    report: &mut Report,
) -> Vec<Bound<'o>> {
    let all = objects.virtual_services.iter();
    let known: delegate::Known<'o> =
        all.map(|service| ((service.namespace(), service.name()), &**service)).collect();
    let mut ordered: Vec<(u8, Bound<'o>)> = Vec::new();
    for service in oldest_first(&objects.virtual_services) {
        if service.spec.hosts.is_empty() || report.is_rejected(&service.reference()) {
            continue;
        }
        let namespace = service.namespace();
        let export = service.spec.export_to.iter().map(String::as_str);
        let visibility = Visibility::parse(export, namespace);
        if !visibility.admits(&workload.namespace) {
            continue;
        }
        let rank = match &visibility {
            Visibility::Public => 2,
            Visibility::Namespaces(_) if visibility.is_private(namespace) => 0,
            Visibility::Namespaces(_) => 1,
        };
        let hosts = service.spec.hosts.iter();
        let names = service.spec.gateways.iter();
        let bound = Bound {
            hosts: hosts.map(|host| qualified(host, namespace, &workload.cluster_domain)).collect(),
            gateways: names.filter_map(|name| gateway_name(name, namespace)).collect(),
            rules: delegate::resolved(&known, service, &workload.cluster_domain, report),
            service,
        };
        ordered.push((rank, bound));
    }
    ordered.sort_by_key(|(rank, _)| *rank);
    ordered.into_iter().map(|(_, bound)| bound).collect()
}

/// The Gateway that a VirtualService in `own` means: `namespace/name`, `./name`, `name`, or the
/// older `name.namespace[.svc.cluster.local]`; `None` for `mesh`, which is not served here.
pub(crate) fn gateway_name(text: &str, own: &str) -> Option<ObjectName> {
    if text == "mesh" {
        return None;
    }
    Some(match text.split_once('/') {
        Some((".", name)) => ObjectName::new(own, name),
        Some((namespace, name)) => ObjectName::new(namespace, name),
        None => {
            let mut labels = text.split('.');
            let name = labels.next().unwrap_or(text);
            ObjectName::new(labels.next().unwrap_or(own), name)
        }
    })
}

/// Reports VirtualServices that no Gateway takes up: the Gateway is missing, or none of its servers
/// has a host in common with them.
pub(super) fn check(scope: &Scope<'_>, report: &mut Report) {
    for bound in &scope.services {
        let namespace = bound.service.namespace();
        let mut field = report.object(bound.service.reference());
        for name in &bound.gateways {
            let mut gateways = scope.objects.gateways.iter();
            let found = gateways.find(|gateway| {
                gateway.namespace() == &*name.namespace && gateway.name() == &*name.name
            });
            let Some(gateway) = found else {
                field.of("spec.gateways", |field| {
                    field.error(
                        "gateway-not-found",
                        format!("there is no Gateway {name}"),
                        "create it, or correct the name (`namespace/name`)",
                    );
                });
                continue;
            };
            let overlaps =
                gateway.spec.servers.iter().flat_map(|server| &server.hosts).any(|host| {
                    let host = ServerHost::parse(host, gateway.namespace());
                    host.admits(namespace)
                        && bound.hosts.iter().any(|own| intersection(own, host.name).is_some())
                });
            if !overlaps {
                field.of("spec.hosts", |field| {
                    field.warning(
                        "host-not-in-gateway",
                        format!(
                            "no server of Gateway {name} has any of these hosts for this namespace"
                        ),
                        "add the host to the Gateway, or correct it",
                    );
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::gateway_name;

    #[test]
    fn gateways_are_named_in_many_ways() {
        for (text, expected) in [
            ("mesh", None),
            ("gw", Some("own/gw")),
            ("./gw", Some("own/gw")),
            ("infra/gw", Some("infra/gw")),
            ("gw.infra", Some("infra/gw")),
            ("gw.infra.svc.cluster.local", Some("infra/gw")),
        ] {
            let name = gateway_name(text, "own").map(|name| name.to_string());
            assert_eq!(name.as_deref(), expected, "{text}");
        }
    }
}
