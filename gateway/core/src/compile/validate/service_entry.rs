//! ServiceEntry: what Istio's webhook and schema refuse (`ValidateServiceEntry`).

use super::{
    super::{listeners::Family, report::Field},
    export::{self, Of},
    primitive::{self, is_fqdn, is_label, is_wildcard_domain},
    virtual_service::is_known_protocol,
    workload_entry,
};
use edgeway_api::{
    Resource, ServiceEntry, ServiceEntrySpec,
    service_entry::{Resolution, ServicePort},
};
use std::collections::BTreeSet;

/// Checks one ServiceEntry; `field` stands at `spec`.
pub(super) fn validate(entry: &ServiceEntry, field: &mut Field<'_>) {
    let spec = &entry.spec;
    let resolution = spec.resolution.unwrap_or(Resolution::None);
    hosts(spec, resolution, field);
    primitive::subnets(&spec.addresses, "addresses", field);
    let static_or_none = matches!(resolution, Resolution::None | Resolution::Static);
    if !static_or_none && spec.addresses.iter().any(|address| address.contains('/')) {
        field.of("addresses", |field| {
            field.invalid(
                "subnets are allowed only for resolution NONE and STATIC",
                "give single addresses",
            );
        });
    }
    field.of("ports", |field| ports(&spec.ports, field));
    if let Some(selector) = &spec.workload_selector {
        field.of("workloadSelector", |field| {
            primitive::labels(&selector.labels, "labels", field);
            if !spec.endpoints.is_empty() {
                field.invalid(
                    "workloadSelector and endpoints both say where the service is",
                    "keep one of them",
                );
            }
        });
    }
    endpoints(spec, resolution, field);
    if resolution == Resolution::DynamicDns {
        dynamic(spec, field);
    }
    export::validate(&spec.export_to, Of::ServiceEntry, entry.namespace(), field);
}

fn hosts(spec: &ServiceEntrySpec, resolution: Resolution, field: &mut Field<'_>) {
    let looked_up = matches!(resolution, Resolution::Dns | Resolution::DnsRoundRobin)
        && spec.endpoints.is_empty()
        && spec.workload_selector.is_none();
    field.of("hosts", |field| {
        if spec.hosts.is_empty() {
            field.invalid("there is none", "give at least one host");
        }
        for (index, host) in spec.hosts.iter().enumerate() {
            field.at(index, |field| {
                if host == "*" || !is_wildcard_domain(host) {
                    let message = format!("`{host}` is no host of a service");
                    field.invalid(message, "give a name without port, or `*.suffix`");
                } else if looked_up && !is_fqdn(host) {
                    field.invalid(
                        format!("`{host}` cannot be looked up in DNS"),
                        "give endpoints, or hosts without wildcard",
                    );
                } else if host.starts_with('*') && !host.starts_with("*.") {
                    field.warning(
                        "partial-wildcard",
                        format!("the `*` of `{host}` stands for a part of a label"),
                        "write `*.suffix`, which Istio takes everywhere",
                    );
                }
            });
        }
        // Bare connections say nothing of the host that they mean.
        let told_apart = spec.ports.iter().all(|port| {
            matches!(
                Family::parse(&port.protocol),
                Some(Family::Http | Family::Https | Family::Tls)
            )
        });
        if resolution != Resolution::None && spec.hosts.len() > 1 && !told_apart {
            field.invalid(
                "several hosts share a port on which connections do not name their host",
                "write one ServiceEntry per host, or declare HTTP or TLS",
            );
        }
    });
}

fn ports(ports: &[ServicePort], field: &mut Field<'_>) {
    let mut names = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        field.at(index, |field| {
            field.of("number", |field| {
                primitive::port(port.number, field);
                if !numbers.insert(port.number) {
                    field.invalid(format!("{} is given twice", port.number), "give it once");
                }
            });
            field.of("name", |field| {
                let name = port.name.as_str();
                if !is_label(name) {
                    let message = format!("`{name}` is no port's name");
                    field.invalid(message, "use letters, digits, `-`");
                } else if !names.insert(name) {
                    field.invalid(format!("`{name}` is given twice"), "name every port once");
                }
            });
            if !port.protocol.is_empty() && !is_known_protocol(&port.protocol) {
                field.of("protocol", |field| {
                    let message = format!("`{}` is no protocol", port.protocol);
                    field.invalid(message, "use HTTP, HTTPS, HTTP2, GRPC, TLS or TCP");
                });
            }
            if let Some(target) = port.target_port {
                field.of("targetPort", |field| primitive::port(target, field));
            }
        });
    }
}

fn endpoints(spec: &ServiceEntrySpec, resolution: Resolution, field: &mut Field<'_>) {
    let names: Vec<&str> = spec.ports.iter().map(|port| port.name.as_str()).collect();
    field.of("endpoints", |field| {
        if resolution == Resolution::None && !spec.endpoints.is_empty() {
            field.invalid(
                "with resolution NONE nothing is sent to endpoints",
                "give `resolution: STATIC` (addresses) or DNS (names), or remove them",
            );
        }
        if resolution == Resolution::DnsRoundRobin && spec.endpoints.len() > 1 {
            field.invalid(
                "DNS_ROUND_ROBIN resolves one name, and there are several",
                "give one endpoint, or use DNS",
            );
        }
        for (index, endpoint) in spec.endpoints.iter().enumerate() {
            field.at(index, |field| {
                let kind = workload_entry::endpoint(endpoint, field);
                workload_entry::fits((endpoint, kind), resolution, &names, field);
                if kind == Some(workload_entry::Kind::Unix) && spec.ports.len() != 1 {
                    field.of("address", |field| {
                        let message = "a Unix socket serves one port, and the service has not one";
                        field.invalid(message, "give the service one port");
                    });
                }
            });
        }
    });
}

/// `DYNAMIC_DNS` looks up the host of each request.
fn dynamic(spec: &ServiceEntrySpec, field: &mut Field<'_>) {
    field.of("resolution", |field| {
        if !spec.hosts.iter().all(|host| host.starts_with("*.")) {
            field.invalid("DYNAMIC_DNS is for wildcard hosts", "use DNS, or hosts like `*.suffix`");
        }
        if !spec.addresses.is_empty() || !spec.endpoints.is_empty() {
            field.invalid(
                "DYNAMIC_DNS finds addresses itself",
                "remove addresses and endpoints, or use another resolution",
            );
        }
        let named = |port: &ServicePort| {
            matches!(
                Family::parse(&port.protocol),
                Some(Family::Http | Family::Https | Family::Tls)
            )
        };
        if !spec.ports.iter().all(named) {
            field.invalid(
                "DYNAMIC_DNS needs requests that name their host",
                "declare HTTP, HTTPS, HTTP2, GRPC or TLS for every port",
            );
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::unit;

    #[test]
    fn hosts_addresses_and_ports_are_checked() {
        unit::table(
            "ServiceEntry",
            &[
                ("{hosts: [example.com]}", ""),
                ("{hosts: [example.com], workloadSelector: {}}", ""),
                ("{hosts: [example.com], addresses: [1.1.1.1/32, '001:db8::']}", ""),
                ("{hosts: ['*.x.com']}", ""),
                ("{hosts: ['*.x.com', '*x.org']}", "[partial-wildcard]"),
                ("{}", "spec.hosts: there is none"),
                ("{hosts: ['*']}", "spec.hosts[0]: `*`"),
                ("{hosts: ['a.com:80']}", "spec.hosts[0]: `a.com:80`"),
                ("{hosts: ['*.a.com'], resolution: DNS}", "spec.hosts[0]: `*.a.com` cannot be"),
                ("{hosts: [a.com], addresses: [1.2.3.4/99]}", "spec.addresses[0]: `1.2.3.4/99`"),
                (
                    "{hosts: [a.com], addresses: [1.2.3.4/16], resolution: DNS}",
                    "spec.addresses: subnets",
                ),
                ("{hosts: [a.com], ports: [{name: a, number: 99999}]}", "ports[0].number: 99999"),
                (
                    "{hosts: [a.com], ports: [{name: a, number: 1, targetPort: 0}]}",
                    "ports[0].targetPort: 0",
                ),
                (
                    "{hosts: [a.com], ports: [{name: a, number: 1}, {name: a, number: 2}]}",
                    "ports[1].name: `a` is given twice",
                ),
                (
                    "{hosts: [a.com], ports: [{name: a, number: 1}, {name: b, number: 1}]}",
                    "ports[1].number: 1 is given twice",
                ),
                (
                    "{hosts: [a.com], ports: [{name: a, number: 1, protocol: QUIC}]}",
                    "ports[0].protocol: `QUIC`",
                ),
                (
                    "{hosts: [a.com, b.com], ports: [{name: a, number: 1}], resolution: STATIC}",
                    "spec.hosts: several hosts share a port",
                ),
                ("{hosts: [a.com], exportTo: ['~']}", ""),
                ("{hosts: [a.com], exportTo: ['~', .]}", "spec.exportTo: `~` stands beside"),
            ],
        );
    }

    #[test]
    fn endpoints_fit_the_resolution() {
        let of = |rest: &str| {
            format!(
                "{{hosts: [a.com], ports: [{{name: http, number: 80, protocol: HTTP}}], {rest}}}"
            )
        };
        for (rest, expected) in [
            ("resolution: STATIC, endpoints: [{address: 1.2.3.4, ports: {http: 8080}}]", ""),
            ("resolution: DNS, endpoints: [{address: sub.a.com}]", ""),
            ("resolution: STATIC, endpoints: [{address: 'unix:///s'}]", ""),
            ("endpoints: [{address: 1.2.3.4}]", "spec.endpoints: with resolution NONE"),
            ("resolution: STATIC, endpoints: [{address: b.com}]", "[0].address: `b.com` is a name"),
            (
                "resolution: STATIC, endpoints: [{address: 1.2.3.4, ports: {grpc: 1}}]",
                "[0].ports: the service has no port named `grpc`",
            ),
            ("resolution: DNS, endpoints: [{address: 'unix:///s'}]", "[0].address: a Unix"),
            (
                "resolution: DNS_ROUND_ROBIN, endpoints: [{address: b.com}, {address: c.com}]",
                "spec.endpoints: DNS_ROUND_ROBIN",
            ),
            (
                "resolution: STATIC, workloadSelector: {}, endpoints: [{address: 1.2.3.4}]",
                "spec.workloadSelector: workloadSelector and endpoints",
            ),
            ("resolution: DYNAMIC_DNS", "spec.resolution: DYNAMIC_DNS is for wildcard"),
        ] {
            unit::table("ServiceEntry", &[(&of(rest), expected)]);
        }
    }

    #[test]
    fn dynamic_dns_looks_up_what_is_asked() {
        let ports = "ports: [{name: h, number: 80, protocol: HTTP}]";
        unit::table(
            "ServiceEntry",
            &[
                (&format!("{{hosts: ['*.a.com'], resolution: DYNAMIC_DNS, {ports}}}"), ""),
                (
                    &format!(
                        "{{hosts: ['*.a.com'], resolution: DYNAMIC_DNS, addresses: [1.1.1.1], {ports}}}"
                    ),
                    "DYNAMIC_DNS finds addresses itself",
                ),
                (
                    "{hosts: ['*.a.com'], resolution: DYNAMIC_DNS, ports: [{name: t, number: 1, \
                     protocol: TCP}]}",
                    "DYNAMIC_DNS needs requests that name",
                ),
            ],
        );
    }
}
