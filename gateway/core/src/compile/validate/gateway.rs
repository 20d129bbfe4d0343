//! Gateway: what Istio's webhook refuses (`ValidateGateway`).

use super::{
    super::{listeners::Family, report::Field},
    primitive::{self, is_fqdn, is_gateway_name, is_ip, is_name, is_unix_path},
    server_tls,
    virtual_service::is_known_protocol,
};
use edgeway_api::{
    Gateway, Resource,
    gateway::{GatewaySpec, Server},
};
use std::collections::BTreeSet;

/// Checks one Gateway.
pub(super) fn validate(gateway: &Gateway, field: &mut Field<'_>) {
    let name = gateway.name();
    if !is_gateway_name(name) {
        field.of("metadata.name", |field| {
            field.invalid(
                format!("`{name}` is no name of a Gateway"),
                "use at most 63 small letters, digits and `-`; VirtualServices take a dot for the \
                 end of the name",
            );
        });
    }
    field.of("spec", |field| spec(&gateway.spec, field));
}

fn spec(spec: &GatewaySpec, field: &mut Field<'_>) {
    primitive::labels(&spec.selector, "selector", field);
    field.of("servers", |field| {
        if spec.servers.is_empty() {
            field.invalid("there is none", "give at least one server");
        }
        let mut names = BTreeSet::new();
        for (index, one) in spec.servers.iter().enumerate() {
            field.at(index, |field| {
                server(one, field);
                let name = one.port.as_ref().map(|port| port.name.as_str()).unwrap_or_default();
                if !name.is_empty() && !names.insert(name) {
                    field.of("port.name", |field| {
                        let message = format!("`{name}` is the name of another server's port too");
                        field.invalid(message, "give every port a name of its own");
                    });
                }
            });
        }
    });
}

fn server(server: &Server, field: &mut Field<'_>) {
    let family = port(server, field);
    field.of("hosts", |field| {
        if server.hosts.is_empty() {
            field.invalid("there is none", "give at least one host, `*` for all");
        }
        for (index, text) in server.hosts.iter().enumerate() {
            field.at(index, |field| host(text, field));
        }
    });
    server_tls::validate(server, family, field);
    bind(server, field);
    if server.default_endpoint.is_some() {
        field.of("defaultEndpoint", |field| {
            field.warning(
                "field-without-effect",
                "it has no effect, as in Istio",
                "remove it; VirtualServices say where requests go",
            );
        });
    }
}

/// An address to listen at, or a Unix socket.
fn bind(server: &Server, field: &mut Field<'_>) {
    let Some(bind) = server.bind.as_deref().filter(|bind| !bind.is_empty()) else { return };
    let valid = match bind.strip_prefix("unix://") {
        Some(path) => is_unix_path(path),
        None => is_ip(bind),
    };
    if !valid {
        field.of("bind", |field| {
            field.invalid(
                format!("`{bind}` is neither an IP address nor a socket"),
                "give an address without port, or `unix:///path`",
            );
        });
    }
}

fn port(server: &Server, field: &mut Field<'_>) -> Option<Family> {
    field.of("port", |field| {
        let Some(port) = &server.port else {
            field.invalid("it is missing", "give number, name and protocol");
            return None;
        };
        let unix = server.bind.as_deref().is_some_and(|bind| bind.starts_with("unix://"));
        if port.number > 65_535 || (port.number == 0) != unix {
            field.of("number", |field| {
                field.invalid(format!("{} is no port", port.number), "give 1 to 65535");
            });
        }
        if port.name.is_empty() {
            field.of("name", |field| field.invalid("it is missing", "give the port a name"));
        }
        if port.target_port.is_some() {
            field.of("targetPort", |field| {
                field.invalid("it means nothing in a Gateway", "the Service maps ports");
            });
        }
        if !is_known_protocol(&port.protocol) {
            field.of("protocol", |field| {
                let message = format!("`{}` is no protocol", port.protocol);
                field.invalid(message, "use HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TLS or TCP");
            });
        }
        Family::parse(&port.protocol)
    })
}

/// `[namespace/]host`: a name with a dot, `*`, `*.suffix`, or an IP address.
fn host(text: &str, field: &mut Field<'_>) {
    let (namespace, name) = match text.split_once('/') {
        None => (None, text),
        Some((namespace, name)) => (Some(namespace), name),
    };
    if let Some(namespace) = namespace
        && !matches!(namespace, "*" | ".")
        && !is_name(namespace)
    {
        let message = format!("`{namespace}` is no namespace");
        field.invalid(message, "write `namespace/host`, `./host` or `*/host`");
    }
    let wildcard = name.strip_prefix("*.");
    let valid = name == "*"
        || is_ip(name)
        || wildcard.is_some_and(is_fqdn)
        || (is_fqdn(name) && name.contains('.'));
    if !valid {
        field.invalid(
            format!("`{name}` is no host of a server"),
            "give a name with a dot, `*.suffix` or `*`; no port, no short name",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::unit;

    #[test]
    fn a_server_has_a_port_hosts_and_a_protocol() {
        let of = |server: &str| format!("{{servers: [{{{server}}}]}}");
        let port = "port: {number: 80, name: http, protocol: HTTP}";
        for (server, expected) in [
            (format!("{port}, hosts: ['*']"), ""),
            (format!("{port}, hosts: ['ns/*.a.com', './a.com', '*/10.0.0.1']"), ""),
            (format!("{port}, hosts: []"), "hosts: there is none"),
            (format!("{port}, hosts: [short]"), "hosts[0]: `short`"),
            (format!("{port}, hosts: ['*a.com']"), "hosts[0]: `*a.com`"),
            (format!("{port}, hosts: ['a.com:80']"), "hosts[0]: `a.com:80`"),
            (format!("{port}, hosts: ['N_S/a.com']"), "hosts[0]: `N_S` is no namespace"),
            ("hosts: ['*']".to_owned(), "port: it is missing"),
            (
                "port: {number: 80, name: a, protocol: QUIC}, hosts: ['*']".to_owned(),
                "port.protocol: `QUIC`",
            ),
            (
                "port: {number: 70000, name: a, protocol: HTTP}, hosts: ['*']".to_owned(),
                "port.number: 70000",
            ),
            ("port: {number: 80, protocol: HTTP}, hosts: ['*']".to_owned(), "port.name: it is"),
            (
                "port: {number: 80, name: a, protocol: HTTP, targetPort: 1}, hosts: ['*']"
                    .to_owned(),
                "port.targetPort: it means nothing",
            ),
            ("port: {number: 443, name: a, protocol: HTTPS}, hosts: ['*']".to_owned(), "tls: a"),
            (format!("{port}, hosts: ['*'], bind: 10.0.0.1"), ""),
            (format!("{port}, hosts: ['*'], bind: '10.0.0.1:80'"), "bind: `10.0.0.1:80`"),
            (format!("{port}, hosts: ['*'], bind: 'unix:///s'"), "port.number: 80 is no port"),
            (
                "port: {number: 0, name: a, protocol: HTTP}, hosts: ['*'], bind: 'unix:///s'"
                    .to_owned(),
                "",
            ),
            (format!("{port}, hosts: ['*'], defaultEndpoint: 'x'"), "[field-without-effect]"),
        ] {
            unit::table("Gateway", &[(&of(&server), expected)]);
        }
    }

    #[test]
    fn a_gateway_has_a_name_that_others_can_write() {
        let spec = "{servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}";
        assert_eq!(unit::problems_of("Gateway", "front-1", spec), Vec::<String>::new());
        for name in ["front.door".to_owned(), "f".repeat(64)] {
            let found = unit::problems_of("Gateway", &name, spec);
            let expected = format!("[invalid-field] metadata.name: `{name}`");
            assert!(found.len() == 1 && found[0].starts_with(&expected), "{found:?}");
        }
    }

    #[test]
    fn servers_are_there_and_their_ports_have_names_of_their_own() {
        let server = "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}";
        unit::table(
            "Gateway",
            &[
                ("{servers: []}", "spec.servers: there is none"),
                (&format!("{{servers: [{server}, {server}]}}"), "servers[1].port.name: `http`"),
                (
                    &format!("{{selector: {{istio: '*'}}, servers: [{server}]}}"),
                    "spec.selector: `*` of `istio`",
                ),
            ],
        );
    }
}
