//! Gateways that select nobody, ports that nothing leads to, certificates in several places.

use super::{pods::PodLabels, scene::Scene};
use crate::compile::pods::selects;
use edgeway_api::{Gateway, Problem, Resource, joined::speech};
use std::collections::{BTreeMap, BTreeSet};

/// Reports them.
pub(super) fn analyze(scene: &Scene<'_>, pods: &PodLabels<'_>, advice: &mut Vec<Problem>) {
    for gateway in &scene.objects.gateways {
        selects_nobody(scene, pods, gateway, advice);
    }
    ports(scene, advice);
    certificates(scene, advice);
}

/// Neither this gateway nor any pod has the labels.
fn selects_nobody(
    scene: &Scene<'_>,
    pods: &PodLabels<'_>,
    gateway: &Gateway,
    advice: &mut Vec<Problem>,
) {
    let selector = &gateway.spec.selector;
    let labels = &scene.workload.labels;
    if selects(selector, labels) || pods.selected(selector, None).next().is_some() {
        return;
    }
    advice.push(
        Problem::warning(gateway.reference(), "spec.selector", "gateway-selects-nothing")
            .message(format!(
                "no pod has the labels {}, and this gateway has {}: nothing of it is served",
                written(selector),
                written(labels)
            ))
            .advice("correct the labels, or remove the selector, which selects every gateway"),
    );
}

fn written(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

/// Where Services lead to the gateway, clients reach the ports of these alone.
fn ports(scene: &Scene<'_>, advice: &mut Vec<Problem>) {
    let fronts = scene.fronts.iter().filter_map(|service| service.spec.as_ref()?.ports.as_ref());
    let open: BTreeSet<u32> =
        fronts.flatten().filter_map(|port| u32::try_from(port.port).ok()).collect();
    if open.is_empty() {
        return;
    }
    for gateway in scene.gateways.iter().map(|serving| serving.gateway) {
        let is_behind = scene.is_behind_load_balancer(gateway);
        for (index, server) in gateway.spec.servers.iter().enumerate() {
            let Some(port) = server.port.as_ref().filter(|port| port.number != 0) else { continue };
            if is_behind && speech(server).is_ok() {
                continue;
            }
            if !open.contains(&port.number) {
                let field = format!("spec.servers[{index}].port.number");
                advice.push(
                    Problem::warning(gateway.reference(), field, "gateway-port-not-on-service")
                        .message(format!(
                            "no Service in front of the gateway has port {}, so no client gets there",
                            port.number
                        ))
                        .advice("add the port to the Service, or give the server one that it has"),
                );
            }
        }
    }
}

/// Browsers reuse a connection for every host that its certificate names, though the other server's
/// hosts are not served on it.
fn certificates(scene: &Scene<'_>, advice: &mut Vec<Problem>) {
    let mut first: BTreeMap<(u32, &str), &Gateway> = BTreeMap::new();
    for gateway in scene.gateways.iter().map(|serving| serving.gateway) {
        for (index, server) in gateway.spec.servers.iter().enumerate() {
            let (Some(port), Some(tls)) = (&server.port, &server.tls) else { continue };
            let Some(name) = tls.credential_name.as_deref().filter(|name| !name.is_empty()) else {
                continue;
            };
            let owner = *first.entry((port.number, name)).or_insert(gateway);
            if std::ptr::eq(owner, gateway) {
                continue;
            }
            let field = format!("spec.servers[{index}].tls.credentialName");
            advice.push(
                Problem::warning(gateway.reference(), field, "certificate-shared")
                    .message(format!(
                        "`{name}` is the certificate of {} too: a browser may send requests for one \
                         on a connection of the other, where its hosts are unknown",
                        owner.reference()
                    ))
                    .advice("put the hosts into one server, or give each a certificate of its own"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::unit::advice;

    fn gateway(name: &str, selector: &str, server: &str) -> String {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}, namespace: \
             istio-system}}\nspec: {{selector: {selector}, servers: [{{{server}}}]}}\n---\n"
        )
    }

    const PLAIN: &str = "port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']";

    #[test]
    fn a_gateway_selects_somebody() {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: x, labels: {app: egress}}\n---\n";
        for (selector, more, expected) in [
            ("{istio: ingressgateway}", "", 0),
            ("{}", "", 0),
            ("{app: egress}", pod, 0),
            ("{app: egress}", "", 1),
        ] {
            let found = advice(&format!("{}{more}", gateway("a", selector, PLAIN)));
            assert_eq!(found.len(), expected, "{selector} {found:?}");
            assert!(found.iter().all(|line| line.contains("[gateway-selects-nothing]")));
        }
    }

    #[test]
    fn ports_are_reached_through_the_service() {
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: gw, namespace: istio-system}\n\
                       spec: {selector: {istio: ingressgateway}, ports: [{port: 80}]}\n---\n";
        let other = PLAIN.replace("80", "8080");
        let of = |server: &str| advice(&format!("{service}{}", gateway("a", "{}", server)));
        assert_eq!(of(PLAIN), Vec::<String>::new());
        let found = of(&other);
        assert!(found.len() == 1 && found[0].contains("[gateway-port-not-on-service] Gateway istio-system/a spec.servers[0].port.number"), "{found:?}");
        assert_eq!(advice(&gateway("a", "{}", &other)), Vec::<String>::new(), "no Service");
    }

    #[test]
    fn a_certificate_belongs_to_one_gateway() {
        let server = |host: &str, name: &str| {
            format!(
                "port: {{number: 443, name: https, protocol: HTTPS}}, hosts: [{host}], tls: {{mode: \
                 SIMPLE, credentialName: {name}}}"
            )
        };
        let of = |name: &str| {
            let first = gateway("a", "{}", &server("a.com", "one"));
            advice(&format!("{first}{}", gateway("b", "{}", &server("b.com", name))))
        };
        assert_eq!(of("two"), Vec::<String>::new());
        let found = of("one");
        assert!(
            found.len() == 1 && found[0].contains("[certificate-shared] Gateway istio-system/b"),
            "{found:?}"
        );
    }
}
