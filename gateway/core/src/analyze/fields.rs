//! Conditions that cannot be met, or that every request meets; and bindings that lead nowhere.

use super::{condition::fits_everything, rules::Place, scene::Scene};
use crate::compile::{binding::gateway_name, visibility::Visibility};
use edgeway_api::{
    Problem, Resource, VirtualService,
    virtual_service::{HttpMatchRequest, HttpRoute, StringMatch},
};
use std::collections::BTreeSet;

/// Reports conditions of a rule that is written at `field`.
pub(super) fn conditions(rule: &HttpRoute, field: &str, place: &mut Place<'_>) {
    for (index, entry) in rule.matches.iter().enumerate() {
        let field = format!("{field}.match[{index}]");
        path(entry, &field, place);
        method(entry, &field, place);
        let maps = [("headers", &entry.headers), ("queryParams", &entry.query_params)];
        for (map, list) in maps {
            for (name, _) in list.iter().filter(|(_, text)| everything(text)) {
                place.add(
                    always(place.service, format!("{field}.{map}.{name}.regex")),
                    "it fits every value, so it only asks whether there is one",
                    "write `{}`, which asks for that and costs nothing",
                );
            }
        }
        for (name, _) in entry.without_headers.iter().filter(|(_, text)| everything(text)) {
            let field = format!("{field}.withoutHeaders.{name}.regex");
            place.add(
                never(place.service, field),
                "a header that is absent counts as empty, which the expression fits: no request fits",
                "write `{}` for `must be absent`",
            );
        }
    }
}

fn everything(text: &StringMatch) -> bool {
    text.regex.as_deref().is_some_and(fits_everything)
}

fn always(service: &VirtualService, field: String) -> Problem {
    Problem::warning(service.reference(), field, "regex-always-true")
}

fn never(service: &VirtualService, field: String) -> Problem {
    Problem::warning(service.reference(), field, "match-never")
}

fn path(entry: &HttpMatchRequest, field: &str, place: &mut Place<'_>) {
    let Some(uri) = &entry.uri else { return };
    if everything(uri) {
        let (message, advice) = ("it fits every path", "leave `uri` out, or write `prefix: /`");
        place.add(always(place.service, format!("{field}.uri.regex")), message, advice);
    }
    for (name, text) in [("exact", &uri.exact), ("prefix", &uri.prefix)] {
        let Some(text) = text.as_deref().filter(|text| name == "exact" || !text.is_empty()) else {
            continue;
        };
        let reason = if !text.starts_with('/') {
            "every path begins with `/`"
        } else if text.contains(['?', '#']) {
            "the query and the fragment are no part of what is compared"
        } else {
            continue;
        };
        let message = format!("`{text}` fits no request: {reason}");
        let advice = "write the path alone, from its `/`; use `queryParams` for the query";
        place.add(never(place.service, format!("{field}.uri.{name}")), message, advice);
    }
}

fn method(entry: &HttpMatchRequest, field: &str, place: &mut Place<'_>) {
    let exact = entry.method.as_ref().and_then(|method| method.exact.as_deref());
    if let Some(method) = exact.filter(|method| method.bytes().any(|b| b.is_ascii_lowercase())) {
        place.add(
            never(place.service, format!("{field}.method.exact")),
            format!("`{method}` fits no request: methods are written in capitals"),
            "write `GET`, `POST` and so on",
        );
    }
}

/// Reports entries and VirtualServices that hold at no server of the gateway.
pub(super) fn bindings(scene: &Scene<'_>, advice: &mut Vec<Problem>) {
    forgotten(scene, advice);
    for service in &scene.objects.virtual_services {
        hidden(scene, service, advice);
    }
    for bound in &scene.bound {
        let service = bound.service;
        let served = |port: u32| {
            let mut servers = scene.gateways_of(bound).flat_map(|serving| &serving.servers);
            servers.any(|server| server.server.port.as_ref().is_some_and(|own| own.number == port))
        };
        for (rule, index, entry) in entries(service) {
            let field = format!("spec.http[{rule}].match[{index}]");
            if let Some(port) = entry.port.filter(|port| *port != 0 && !served(*port)) {
                advice.push(
                    Problem::warning(
                        service.reference(),
                        format!("{field}.port"),
                        "match-port-not-served",
                    )
                    .message(format!("no server of its Gateways has port {port}"))
                    .advice("give the port of a Gateway's server, which is that of the Service"),
                );
            }
        }
        strangers(service, advice);
    }
}

/// Entries that name Gateways to which the VirtualService is not bound.
fn strangers(service: &VirtualService, advice: &mut Vec<Problem>) {
    let own = service.namespace();
    let bound: Vec<_> =
        service.spec.gateways.iter().filter_map(|name| gateway_name(name, own)).collect();
    for (rule, index, entry) in entries(service) {
        for (position, name) in entry.gateways.iter().enumerate() {
            if gateway_name(name, own).is_some_and(|name| !bound.contains(&name)) {
                let field = format!("spec.http[{rule}].match[{index}].gateways[{position}]");
                advice.push(
                    Problem::warning(service.reference(), field, "match-gateway-not-bound")
                        .message(format!("the VirtualService is not bound to `{name}`"))
                        .advice("add it to `spec.gateways`, or correct the name"),
                );
            }
        }
    }
}

fn entries(service: &VirtualService) -> impl Iterator<Item = (usize, usize, &HttpMatchRequest)> {
    let rules = service.spec.http.iter().enumerate();
    rules.flat_map(|(rule, route)| {
        let entries = route.matches.iter().enumerate();
        entries.map(move |(index, entry)| (rule, index, entry))
    })
}

/// Without hosts a VirtualService serves only if another delegates to it.
fn forgotten(scene: &Scene<'_>, advice: &mut Vec<Problem>) {
    let all = || scene.objects.virtual_services.iter();
    let asked: BTreeSet<(&str, &str)> = all()
        .flat_map(|root| {
            let delegates = root.spec.http.iter().filter_map(|rule| rule.delegate.as_ref());
            delegates.map(|to| {
                let namespace = to.namespace.as_deref().filter(|namespace| !namespace.is_empty());
                (namespace.unwrap_or(root.namespace()), to.name.as_str())
            })
        })
        .collect();
    let unasked = all().filter(|service| {
        service.spec.hosts.is_empty() && !asked.contains(&(service.namespace(), service.name()))
    });
    advice.extend(unasked.map(|service| {
        Problem::warning(service.reference(), "spec.hosts", "delegate-not-used")
            .message("it has no hosts, and no VirtualService delegates to it: it serves nothing")
            .advice("give it `hosts` and `gateways`, name it in a `delegate`, or remove it")
    }));
}

/// Bound to a Gateway of ours, and exported elsewhere.
fn hidden(scene: &Scene<'_>, service: &VirtualService, advice: &mut Vec<Problem>) {
    let own = service.namespace();
    let export = service.spec.export_to.iter().map(String::as_str);
    if Visibility::parse(export, own).admits(&scene.workload.namespace) {
        return;
    }
    let named = scene.named_by(service);
    if let Some(serving) = named.first().and_then(|position| scene.gateways.get(*position)) {
        advice.push(
            Problem::warning(service.reference(), "spec.exportTo", "virtual-service-not-visible")
                .message(format!(
                    "it is bound to {}, whose pods in namespace {} do not see it",
                    serving.gateway.reference(),
                    scene.workload.namespace
                ))
                .advice(format!("add `{}`, or remove the list", scene.workload.namespace)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::unit::{object, table, virtual_service};

    #[test]
    fn conditions_can_be_met_and_can_fail() {
        for (entry, expected) in [
            ("uri: {exact: /a}, headers: {x: {regex: a.*}}", ""),
            (
                "uri: {regex: .*}, headers: {x: {}}",
                "[regex-always-true] VirtualService default/a spec.http[0].match[0].uri.regex",
            ),
            ("headers: {x: {regex: '^.*$'}}", "match[0].headers.x.regex: it fits every value"),
            ("queryParams: {q: {regex: .*}}", "match[0].queryParams.q.regex"),
            ("withoutHeaders: {x: {regex: .*}}", "[match-never]"),
            (
                "uri: {exact: a}",
                "[match-never] VirtualService default/a spec.http[0].match[0].uri.exact: `a` fits no",
            ),
            ("uri: {prefix: '/a?b=c'}", "[match-never]"),
            ("uri: {exact: ''}", "[match-never]"),
            ("method: {exact: get}", "match[0].method.exact: `get` fits no"),
            ("port: 80", ""),
            ("port: 8080", "[match-port-not-served]"),
            ("gateways: [istio-system/gw]", ""),
            ("gateways: [other]", "[match-gateway-not-bound]"),
        ] {
            let rule = format!("[{{match: [{{{entry}}}], directResponse: {{status: 200}}}}]");
            table(&[(&virtual_service("a", "a.com", &rule), expected)]);
        }
    }

    #[test]
    fn a_delegate_is_asked() {
        let delegate = object("VirtualService", "d", "{http: [{directResponse: {status: 200}}]}");
        let root = |name: &str| {
            let rule = format!("[{{delegate: {{name: {name}}}}}]");
            format!("{delegate}{}", virtual_service("a", "a.com", &rule))
        };
        let expected = "[delegate-not-used] VirtualService default/d spec.hosts";
        table(&[(&root("d"), ""), (&root("e"), expected)]);
    }

    #[test]
    fn what_is_bound_is_visible() {
        for (export, expected) in [
            ("[.]", "[virtual-service-not-visible] VirtualService default/a spec.exportTo"),
            ("[istio-system]", ""),
            ("['*']", ""),
        ] {
            let spec = format!(
                "{{hosts: [a.com], gateways: [istio-system/gw], exportTo: {export}, http: \
                 [{{directResponse: {{status: 200}}}}]}}"
            );
            table(&[(&object("VirtualService", "a", &spec), expected)]);
        }
    }
}
