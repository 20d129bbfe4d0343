//! Rules for connections: `tls` and `tcp` of a VirtualService.

use super::{
    super::{names::covers, report::Field},
    actions,
    primitive::{self, is_ip, is_wildcard_domain, subnets},
    virtual_service::gateways,
};
use edgeway_api::virtual_service::{RouteDestination, TcpRoute, TlsMatchAttributes, TlsRoute};

/// Checks a rule for TLS that is passed through; `hosts` are those of its VirtualService.
pub(super) fn tls(rule: &TlsRoute, hosts: &[String], namespace: &str, field: &mut Field<'_>) {
    if rule.matches.is_empty() {
        field.invalid("it has no `match`", "give the SNI hosts that it is for");
    }
    field.of("match", |field| {
        for (index, entry) in rule.matches.iter().enumerate() {
            field.at(index, |field| {
                sni(entry, hosts, field);
                subnets(&entry.destination_subnets, "destinationSubnets", field);
                port(entry.port, field);
                primitive::labels(&entry.source_labels, "sourceLabels", field);
                gateways(&entry.gateways, namespace, field);
            });
        }
    });
    destinations(&rule.route, field);
}

fn sni(entry: &TlsMatchAttributes, hosts: &[String], field: &mut Field<'_>) {
    field.of("sniHosts", |field| {
        if entry.sni_hosts.is_empty() {
            field.invalid("there is none", "give at least one server name");
        }
        for (index, name) in entry.sni_hosts.iter().enumerate() {
            field.at(index, |field| {
                if is_ip(name) {
                    field.warning(
                        "sni-is-address",
                        format!("clients never send the address `{name}` as server name"),
                        "give the host name that clients connect to",
                    );
                } else if !is_wildcard_domain(name) {
                    let message = format!("`{name}` is no server name");
                    field.invalid(message, "give a host name, `*.suffix` or `*`");
                }
                if !hosts.iter().any(|host| covers(host, name)) {
                    let message = format!("`{name}` is covered by none of the hosts");
                    field.invalid(message, "add it to `hosts`");
                }
            });
        }
    });
}

/// Checks a rule for bare connections.
pub(super) fn tcp(rule: &TcpRoute, namespace: &str, field: &mut Field<'_>) {
    field.of("match", |field| {
        for (index, entry) in rule.matches.iter().enumerate() {
            field.at(index, |field| {
                subnets(&entry.destination_subnets, "destinationSubnets", field);
                subnets(entry.source_subnet.as_slice(), "sourceSubnet", field);
                port(entry.port, field);
                primitive::labels(&entry.source_labels, "sourceLabels", field);
                gateways(&entry.gateways, namespace, field);
            });
        }
    });
    destinations(&rule.route, field);
}

fn port(port: Option<u32>, field: &mut Field<'_>) {
    if let Some(port) = port.filter(|port| *port != 0) {
        field.of("port", |field| primitive::port(port, field));
    }
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

#[cfg(test)]
mod tests {
    use super::super::unit;

    #[test]
    fn server_names_are_the_hosts_own() {
        let of = |entry: &str| {
            format!(
                "{{hosts: ['*.a.com', 10.0.0.1], gateways: [gw], tls: [{{match: [{entry}], route: \
                 [{{destination: {{host: b}}}}]}}]}}"
            )
        };
        for (entry, expected) in [
            ("{sniHosts: [x.a.com, '*.x.a.com']}", ""),
            ("{sniHosts: []}", "tls[0].match[0].sniHosts: there is none"),
            ("{sniHosts: [b.com]}", "sniHosts[0]: `b.com` is covered by none"),
            ("{sniHosts: [10.0.0.1]}", "[sni-is-address]"),
            ("{sniHosts: [x.a.com], port: 70000}", "match[0].port: 70000"),
            ("{sniHosts: [x.a.com], destinationSubnets: [a]}", "destinationSubnets[0]: `a`"),
            ("{sniHosts: [x.a.com], sourceLabels: {a: '*'}}", "sourceLabels: `*`"),
            ("{sniHosts: [x.a.com], gateways: [a/b/c]}", "gateways[0]: `a/b/c`"),
        ] {
            unit::table("VirtualService", &[(&of(entry), expected)]);
        }
    }

    #[test]
    fn connections_go_somewhere() {
        let of = |rule: &str| format!("{{hosts: [a.com], gateways: [gw], tcp: [{rule}]}}");
        for (rule, expected) in [
            ("{route: [{destination: {host: b}}]}", ""),
            ("{match: [{port: 80}]}", "tcp[0].route: it is empty"),
            ("{route: [{destination: {}}]}", "route[0].destination.host: it names no"),
            ("{match: [{sourceSubnet: x}], route: [{destination: {host: b}}]}", "sourceSubnet[0]"),
            ("{route: [{destination: {host: b}}, {destination: {host: c}}]}", "route: all weights"),
            (
                "{route: [{destination: {host: b}, weight: 1}, {destination: {host: c}, weight: -1}]}",
                "route[1]: weight -1",
            ),
        ] {
            unit::table("VirtualService", &[(&of(rule), expected)]);
        }
    }
}
