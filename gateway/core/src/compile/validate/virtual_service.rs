//! VirtualService: what Istio's webhook refuses (`ValidateVirtualService`).

use super::{
    super::{listeners::Family, matching::matcher, names::covers, report::Field},
    actions,
    export::{self, Of},
    primitive::{self, is_gateway_name, is_ip, is_name, is_wildcard_domain},
    streams,
    text::one_kind,
};
use edgeway_api::{
    Resource, VirtualService,
    virtual_service::{HttpMatchRequest, HttpRoute},
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
    let namespace = service.namespace();
    gateways(&spec.gateways, namespace, field);
    export::validate(&spec.export_to, Of::Any, namespace, field);
    // Only gateways know claims when they choose a route.
    let claims = delegate || spec.gateways.iter().any(|gateway| gateway != "mesh");
    field.of("http", |field| {
        for (index, rule) in spec.http.iter().enumerate() {
            field.at(index, |field| {
                http(rule, delegate, field);
                matches(rule, (namespace, claims), field);
            });
        }
    });
    field.of("tls", |field| {
        for (index, rule) in spec.tls.iter().enumerate() {
            field.at(index, |field| streams::tls(rule, &spec.hosts, namespace, field));
        }
    });
    field.of("tcp", |field| {
        for (index, rule) in spec.tcp.iter().enumerate() {
            field.at(index, |field| streams::tcp(rule, namespace, field));
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

/// Names of Gateways, as an object in `namespace` writes them.
pub(super) fn gateways(names: &[String], namespace: &str, field: &mut Field<'_>) {
    field.of("gateways", |field| {
        for (index, name) in names.iter().enumerate() {
            let valid = match name.split_once('/') {
                Some((".", name)) => is_name(name),
                Some((namespace, name)) => is_name(namespace) && is_gateway_name(name),
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
    actions::validate(rule, field);
}

/// Conditions are built for the sake of their problems; `claims` tells whether header keys may
/// name claims of a token.
fn matches(rule: &HttpRoute, (namespace, claims): (&str, bool), field: &mut Field<'_>) {
    field.of("match", |field| {
        for (index, entry) in rule.matches.iter().enumerate() {
            field.at(index, |field| {
                let _ = matcher(entry, field);
                texts(entry, field);
                if let Some(port) = entry.port.filter(|port| *port != 0) {
                    field.of("port", |field| primitive::port(port, field));
                }
                primitive::labels(&entry.source_labels, "sourceLabels", field);
                gateways(&entry.gateways, namespace, field);
                let keys = entry.headers.keys().chain(entry.without_headers.keys());
                for key in keys.filter(|key| !claims && key.starts_with("@request.auth.claims")) {
                    field.of("headers", |field| {
                        let message = format!("`{key}` is known to gateways only");
                        field.invalid(message, "bind the VirtualService to a gateway");
                    });
                }
            });
        }
    });
}

/// Each condition says one thing.
fn texts(entry: &HttpMatchRequest, field: &mut Field<'_>) {
    let single = [
        ("uri", &entry.uri),
        ("scheme", &entry.scheme),
        ("method", &entry.method),
        ("authority", &entry.authority),
    ];
    for (name, text) in single {
        if let Some(text) = text {
            field.of(name, |field| one_kind(text, field));
        }
    }
    let maps = [
        ("headers", &entry.headers),
        ("withoutHeaders", &entry.without_headers),
        ("queryParams", &entry.query_params),
    ];
    for (name, map) in maps {
        field.of(name, |field| {
            for (key, text) in map {
                field.of(key, |field| one_kind(text, field));
            }
        });
    }
}

/// Used by Gateways too: what a protocol comes down to.
pub(super) fn is_known_protocol(protocol: &str) -> bool {
    Family::parse(protocol).is_some() || protocol.eq_ignore_ascii_case("UDP")
}

#[cfg(test)]
mod tests {
    use super::super::unit;

    #[test]
    fn hosts_and_gateways_are_names() {
        let rule = "http: [{route: [{destination: {host: b}}]}]";
        for (head, expected) in [
            ("hosts: [a.com], gateways: [gw]", ""),
            ("hosts: ['*'], gateways: [ns/gw, ./gw, gw.ns.svc.cluster.local]", ""),
            ("hosts: ['*']", "spec.hosts[0]: `*` is not allowed"),
            ("hosts: ['*'], gateways: [gw, mesh]", "spec.hosts[0]: `*` is not allowed"),
            ("hosts: ['a b'], gateways: [gw]", "spec.hosts[0]: `a b`"),
            ("hosts: [a.com, a.com], gateways: [gw]", "spec.hosts[1]: `a.com` of the same list"),
            ("hosts: ['*.com', a.com], gateways: [gw]", "spec.hosts[1]: `*.com` of the same list"),
            ("hosts: [a.com], gateways: [a/b/c]", "spec.gateways[0]: `a/b/c`"),
            ("hosts: [a.com], gateways: [gw], exportTo: [., default]", "spec.exportTo[1]"),
            ("gateways: [gw]", "spec: without hosts it is a delegate"),
        ] {
            unit::table("VirtualService", &[(&format!("{{{head}, {rule}}}"), expected)]);
        }
        unit::table("VirtualService", &[("{hosts: [a.com]}", "spec: it has no http, tls or tcp")]);
    }

    #[test]
    fn a_rule_does_one_thing() {
        for (rule, expected) in [
            ("route: [{destination: {host: b}}]", ""),
            ("redirect: {uri: /}", ""),
            ("name: nothing", "http[0]: it has no route"),
            ("redirect: {uri: /}, directResponse: {status: 200}", "http[0]: it has more than one"),
            ("delegate: {name: b}, redirect: {uri: /}", "http[0]: it delegates, and also"),
            ("delegate: {namespace: b}", "http[0].delegate: it names no"),
        ] {
            let spec = format!("{{hosts: [a.com], gateways: [gw], http: [{{{rule}}}]}}");
            unit::table("VirtualService", &[(&spec, expected)]);
        }
        unit::table(
            "VirtualService",
            &[("{http: [{delegate: {name: b}}]}", "http[0]: a delegate delegates again")],
        );
    }

    #[test]
    fn a_condition_says_one_thing() {
        for (entry, expected) in [
            ("uri: {prefix: /}, headers: {x: {}, y: {regex: a.*}}, port: 80", ""),
            ("uri: {prefix: ''}", ""),
            ("uri: {prefix: /, exact: /a}", "match[0].uri: more than one of exact"),
            ("headers: {x: {exact: a, regex: b}}", "match[0].headers.x: more than one"),
            ("headers: {x: {prefix: ''}}", "match[0].headers.x.prefix: it is empty"),
            ("headers: {'a b': {exact: a}}", "match[0].headers.a b: `a b` is no header"),
            ("queryParams: {q: {regex: '('}}", "match[0].queryParams.q.regex: `(`"),
            ("method: {regex: ''}", "match[0].method.regex: it is empty"),
            ("port: 70000", "match[0].port: 70000"),
            ("sourceLabels: {a: 'b c'}", "match[0].sourceLabels: `b c` of `a`"),
            ("gateways: [a/b/c]", "match[0].gateways[0]: `a/b/c`"),
        ] {
            let spec = format!(
                "{{hosts: [a.com], gateways: [gw], http: [{{match: [{{{entry}}}], redirect: {{uri: \
                 /}}}}]}}"
            );
            unit::table("VirtualService", &[(&spec, expected)]);
        }
    }

    #[test]
    fn only_gateways_know_claims() {
        let rule = "http: [{match: [{headers: {'@request.auth.claims.sub': {exact: a}}}], redirect: \
                    {uri: /}}]";
        unit::table(
            "VirtualService",
            &[
                (&format!("{{hosts: [a.com], gateways: [gw, mesh], {rule}}}"), ""),
                (
                    &format!("{{hosts: [a.com], gateways: [mesh], {rule}}}"),
                    "match[0].headers: `@request.auth.claims.sub` is known to gateways only",
                ),
            ],
        );
    }
}
