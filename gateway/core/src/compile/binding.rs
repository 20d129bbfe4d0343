//! Which VirtualServices are bound to which Gateway, and in what order.

use super::{
    Scope,
    age::key,
    delegate::{self, Rules},
    names::qualified,
    report::Report,
    visibility::Visibility,
};
use crate::id::ObjectName;
use edgeway_api::{Resource, VirtualService};
use std::sync::Arc;

/// A VirtualService that may be bound, with its hosts and gateways read.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    /// The object.
    pub service: Arc<VirtualService>,
    /// Its name.
    pub name: ObjectName,
    /// When it counts.
    pub order: Arc<Order>,
    /// Its http rules, delegates resolved.
    pub rules: Rules,
    /// Qualified hosts, in written order.
    pub hosts: Vec<String>,
    /// Gateways that it names, each once.
    pub gateways: Vec<ObjectName>,
}

/// The order in which VirtualServices count: those of the gateway's namespace that are not public,
/// those exported to it by name, public ones; the oldest of each first (as Istio: `VirtualServicesForGateway`).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    class: u8,
    created: Option<i128>,
    name: Arc<str>,
    namespace: Arc<str>,
}

/// Reads a VirtualService; `None` if the gateway does not see it, or it is none to be bound.
pub(super) fn bound(
    scope: &Scope,
    service: &Arc<VirtualService>,
    report: &mut Report,
) -> Option<Bound> {
    if service.spec.hosts.is_empty() || scope.rejected.contains(&**service) {
        return None;
    }
    let (namespace, workload) = (service.namespace(), &scope.workload);
    let export = service.spec.export_to.iter().map(String::as_str);
    let visibility = Visibility::parse(export, namespace);
    if !visibility.admits(&workload.namespace) {
        return None;
    }
    let class = match &visibility {
        Visibility::Public => 2,
        Visibility::Namespaces(_) if namespace == workload.namespace => 0,
        Visibility::Namespaces(_) => 1,
    };
    let name = ObjectName::new(namespace, service.name());
    let order = Order {
        class,
        created: key(&**service).0,
        name: Arc::clone(&name.name),
        namespace: Arc::clone(&name.namespace),
    };
    let hosts = service.spec.hosts.iter();
    let mut gateways: Vec<ObjectName> = Vec::new();
    for gateway in service.spec.gateways.iter().filter_map(|text| gateway_name(text, namespace)) {
        if !gateways.contains(&gateway) {
            gateways.push(gateway);
        }
    }
    Some(Bound {
        hosts: hosts.map(|host| qualified(host, namespace, &workload.cluster_domain)).collect(),
        gateways,
        rules: delegate::resolved(scope, service, report),
        service: Arc::clone(service),
        order: Arc::new(order),
        name,
    })
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

/// Reports if no Gateway takes a VirtualService up: the Gateway is missing, or none of its servers
/// has a host in common with it.
pub(super) fn check(scope: &Scope, bound: &Bound, report: &mut Report) {
    let namespace = bound.service.namespace();
    for name in &bound.gateways {
        let mut field = report.object(bound.service.reference());
        let Some(hosts) = scope.gateways.get(name) else {
            field.of("spec.gateways", |field| {
                field.error(
                    "gateway-not-found",
                    format!("there is no Gateway {name}"),
                    "create it, or correct the name (`namespace/name`)",
                );
            });
            continue;
        };
        if !bound.hosts.iter().any(|own| hosts.overlaps(own, namespace)) {
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
