//! VirtualService: what Istio's webhook refuses (`ValidateVirtualService`).

use super::{
    super::{listeners::Family, names::covers, report::Field},
    actions,
    primitive::{self, is_ip, is_name, is_wildcard_domain},
};
use edgeway_api::{
    Resource, VirtualService,
    virtual_service::{HttpRoute, RouteDestination, TlsRoute},
};

/// Checks one VirtualService; `field` stands at `spec`.
pub(super) fn validate(service: &VirtualService, field: &mut Field<'_>) {
    let spec = &service.spec;
    let delegate = spec.hosts.is_empty();
    let on_mesh = !delegate
        && (spec.gateways.is_empty() || spec.gateways.iter().any(|gateway| gateway == "mesh"));
    if spec.http.is_empty() && spec.tls.is_empty() && spec.tcp.is_empty() {
        field.invalid("it has no http, tls or tcp rule", "give it at least one");
    }
    if delegate && !(spec.gateways.is_empty() && spec.tls.is_empty() && spec.tcp.is_empty()) {
        field.invalid(
            "without hosts it is a delegate, and those have http rules only",
            "give it `hosts`, or remove `gateways`, `tls` and `tcp`",
        );
    }
    hosts(&spec.hosts, on_mesh, field);
    gateways(&spec.gateways, service.namespace(), field);
    primitive::export_to(&spec.export_to, field);
    field.of("http", |field| {
        for (index, rule) in spec.http.iter().enumerate() {
            field.at(index, |field| http(rule, delegate, field));
        }
    });
    field.of("tls", |field| {
        for (index, rule) in spec.tls.iter().enumerate() {
            field.at(index, |field| tls(rule, &spec.hosts, field));
        }
    });
    field.of("tcp", |field| {
        for (index, rule) in spec.tcp.iter().enumerate() {
            field.at(index, |field| destinations(&rule.route, field));
        }
    });
}

fn hosts(hosts: &[String], on_mesh: bool, field: &mut Field<'_>) {
    field.of("hosts", |field| {
        for (index, host) in hosts.iter().enumerate() {
            field.at(index, |field| {
                if host == "*" && on_mesh {
                    field.invalid(
                        "`*` is not allowed for a VirtualService bound to the mesh",
                        "name the hosts, or name `gateways` other than `mesh`",
                    );
                } else if !is_wildcard_domain(host) && !is_ip(host) {
                    field.invalid(
                        format!("`{host}` is no host name"),
                        "give a name without port, `*.suffix` or `*`",
                    );
                }
                let rival = hosts.iter().enumerate().find(|(other, wide)| {
                    *other != index && (covers(wide, host) && (*wide != host || *other < index))
                });
                if let Some((_, wide)) = rival {
                    field.invalid(
                        format!("`{wide}` of the same list covers `{host}`"),
                        "remove one, or use two VirtualServices",
                    );
                }
            });
        }
    });
}

fn gateways(names: &[String], namespace: &str, field: &mut Field<'_>) {
    field.of("gateways", |field| {
        for (index, name) in names.iter().enumerate() {
            let valid = match name.split_once('/') {
                Some((".", name)) => is_name(name),
                Some((namespace, name)) => is_name(namespace) && is_name(name),
                None => name == "mesh" || name.split('.').all(is_name),
            };
            if !valid {
                field.at(index, |field| {
                    let message = format!("`{name}` is no Gateway's name");
                    field.invalid(message, format!("write `{namespace}/name` or `name`"));
                });
            }
        }
    });
}

fn http(rule: &HttpRoute, delegate: bool, field: &mut Field<'_>) {
    let routes = !rule.route.is_empty();
    let kinds = [routes, rule.redirect.is_some(), rule.direct_response.is_some()];
    let count = kinds.iter().filter(|kind| **kind).count();
    match &rule.delegate {
        Some(target) => {
            if delegate {
                field.invalid("a delegate delegates again", "put the rules here");
            }
            if count > 0 {
                field.invalid(
                    "it delegates, and also has route, redirect or directResponse",
                    "keep one of them",
                );
            }
            if !is_name(&target.name) {
                field.of("delegate", |field| {
                    field.invalid("it names no VirtualService", "give `name`");
                });
            }
        }
        None if count == 0 => {
            field.invalid(
                "it has no route, redirect or directResponse",
                "say what happens with these requests",
            );
        }
        None if count > 1 => {
            field.invalid("it has more than one of route, redirect and directResponse", "keep one");
        }
        None => {}
    }
    matches(rule, field);
    actions::validate(rule, field);
}

/// Conditions are built for the sake of their problems.
fn matches(rule: &HttpRoute, field: &mut Field<'_>) {
    field.of("match", |field| {
        for (index, entry) in rule.matches.iter().enumerate() {
            field.at(index, |field| {
                let _ = super::super::matching::matcher(entry, field);
                if let Some(port) = entry.port.filter(|port| *port != 0) {
                    field.of("port", |field| primitive::port(port, field));
                }
            });
        }
    });
}

fn tls(rule: &TlsRoute, hosts: &[String], field: &mut Field<'_>) {
    if rule.matches.is_empty() {
        field.invalid("it has no `match`", "give the SNI hosts that it is for");
    }
    field.of("match", |field| {
        for (index, entry) in rule.matches.iter().enumerate() {
            field.at(index, |field| {
                if entry.sni_hosts.is_empty() {
                    field.invalid("it has no `sniHosts`", "give at least one");
                }
                for sni in &entry.sni_hosts {
                    if !hosts.iter().any(|host| covers(host, sni)) {
                        field.of("sniHosts", |field| {
                            field.invalid(
                                format!("`{sni}` is covered by none of the hosts"),
                                "add it to `hosts`",
                            );
                        });
                    }
                }
            });
        }
    });
    destinations(&rule.route, field);
}

fn destinations(route: &[RouteDestination], field: &mut Field<'_>) {
    field.of("route", |field| {
        if route.is_empty() {
            field.invalid("it is empty", "give a destination");
        }
        let weights: Vec<_> = route.iter().map(|to| to.weight.unwrap_or(0)).collect();
        actions::weights(&weights, field);
        for (index, to) in route.iter().enumerate() {
            field.at(index, |field| actions::destination(&to.destination, field));
        }
    });
}

/// Used by Gateways too: what a protocol comes down to.
pub(super) fn is_known_protocol(protocol: &str) -> bool {
    Family::parse(protocol).is_some() || protocol.eq_ignore_ascii_case("UDP")
}
