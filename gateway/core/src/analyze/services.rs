//! Services and ServiceEntries that routes send to, and that may not be what routes take them for.

use super::scene::{Known, Scene};
use crate::compile::{age::oldest_first, locality::is_of_node, nodes::own_node};
use edgeway_api::{
    Problem, Resource, ServiceEntry,
    k8s_openapi::api::core::v1::{Service, ServicePort},
    service_entry::Resolution,
};
use std::collections::BTreeMap;

/// What a port's name or `appProtocol` may begin with to say a protocol.
const PROTOCOLS: &[&str] =
    &["http", "http2", "https", "grpc", "grpc-web", "tcp", "tls", "udp", "mongo", "mysql", "redis"];

/// Reports them.
pub(super) fn analyze(scene: &Scene<'_>, advice: &mut Vec<Problem>) {
    for host in scene.http_destinations() {
        match scene.services.get(&host) {
            Some(Known::Kubernetes(service)) => {
                unnamed(service, advice);
                sticky(service, advice);
                if is_of_node(service) && own_node(scene.objects, scene.workload).is_empty() {
                    advice.push(without_node(service));
                }
            }
            Some(Known::Entry(entry)) => {
                unsaid(entry, advice);
                nowhere(entry, advice);
            }
            None => {}
        }
    }
    disagreeing(scene, advice);
}

/// Ports of which nothing says what is spoken there.
fn unnamed(service: &Service, advice: &mut Vec<Problem>) {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
    for (index, port) in ports.into_iter().flatten().enumerate() {
        if !says_protocol(port) {
            advice.push(without_protocol(
                service,
                format!("spec.ports[{index}]"),
                port.name.as_deref().unwrap_or_default(),
                port.port,
                "set `appProtocol`, or name the port `http`, `http2` or `grpc`, or `http-…`",
            ));
        }
    }
}

fn says_protocol(port: &ServicePort) -> bool {
    let declared = port.app_protocol.as_deref().unwrap_or_default();
    !declared.is_empty()
        || matches!(port.protocol.as_deref(), Some(protocol) if protocol != "TCP" && !protocol.is_empty())
        || begins_with(port.name.as_deref().unwrap_or_default(), PROTOCOLS)
}

/// Whether `name` is one of `protocols`, in any case, or begins with one and a hyphen.
pub(super) fn begins_with(name: &str, protocols: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    protocols.iter().any(|protocol| {
        name.strip_prefix(protocol).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

fn unsaid(entry: &ServiceEntry, advice: &mut Vec<Problem>) {
    for (index, port) in entry.spec.ports.iter().enumerate() {
        if port.protocol.is_empty() && !begins_with(&port.name, PROTOCOLS) {
            advice.push(without_protocol(
                entry,
                format!("spec.ports[{index}].protocol"),
                &port.name,
                i32::try_from(port.number).unwrap_or_default(),
                "give `protocol: HTTP`, `HTTP2` or `GRPC`",
            ));
        }
    }
}

fn without_protocol<T: Resource>(
    object: &T,
    field: String,
    name: &str,
    number: i32,
    remedy: &str,
) -> Problem {
    Problem::warning(object.reference(), field, "port-without-protocol")
        .message(format!(
            "nothing says what port {number} (`{name}`) speaks: it is spoken to in HTTP/1.1, which \
             gRPC is not"
        ))
        .advice(remedy)
}

/// A Service for clients on its endpoints' Nodes, where nobody knows on which the gateway is.
fn without_node(service: &Service) -> Problem {
    let field = "spec.internalTrafficPolicy";
    Problem::warning(service.reference(), field, "node-not-known")
        .message(
            "it is for clients on the Nodes of its endpoints, and on which Node the gateway runs \
             is not known: requests get 503",
        )
        .advice("start the gateway with `--node-name`, or `--pod-name` where it may read pods")
}

/// Affinity is done by what the gateway goes past.
fn sticky(service: &Service, advice: &mut Vec<Problem>) {
    let spec = service.spec.as_ref();
    if spec.and_then(|spec| spec.session_affinity.as_deref()) != Some("ClientIP") {
        return;
    }
    advice.push(
        Problem::warning(service.reference(), "spec.sessionAffinity", "session-affinity-ignored")
            .message(
                "the gateway sends to endpoints itself, and keeps no client at one of them because \
                 of this",
            )
            .advice("use `consistentHash` with `useSourceIp: true` in a DestinationRule"),
    );
}

/// A gateway cannot go where the client wanted to: that was here.
fn nowhere(entry: &ServiceEntry, advice: &mut Vec<Problem>) {
    let spec = &entry.spec;
    let nobody = spec.endpoints.is_empty() && spec.workload_selector.is_none();
    let message = match spec.resolution.unwrap_or(Resolution::None) {
        Resolution::None => {
            "with resolution NONE requests go where the client connected to, which is the gateway \
             itself: they get 503"
        }
        Resolution::Static if nobody => {
            "with resolution STATIC only its endpoints are used, and there is none: requests get 503"
        }
        Resolution::Static
        | Resolution::Dns
        | Resolution::DnsRoundRobin
        | Resolution::DynamicDns => return,
    };
    advice.push(
        Problem::warning(entry.reference(), "spec.resolution", "service-entry-leads-nowhere")
            .message(message)
            .advice("use `resolution: DNS`, or STATIC with `endpoints` or a `workloadSelector`"),
    );
}

/// Of several ServiceEntries for one host the oldest counts.
fn disagreeing(scene: &Scene<'_>, advice: &mut Vec<Problem>) {
    let mut first: BTreeMap<(&str, u32), (&ServiceEntry, &str)> = BTreeMap::new();
    for entry in oldest_first(&scene.objects.service_entries) {
        for host in &entry.spec.hosts {
            for (index, port) in entry.spec.ports.iter().enumerate() {
                let own = (entry, port.protocol.as_str());
                let (winner, protocol) = *first.entry((host, port.number)).or_insert(own);
                if protocol.eq_ignore_ascii_case(&port.protocol) {
                    continue;
                }
                let field = format!("spec.ports[{index}].protocol");
                advice.push(
                    Problem::warning(entry.reference(), field, "service-entry-conflict")
                        .message(format!(
                            "port {} of `{host}` speaks `{}` here, and `{protocol}` in {}, which \
                             comes first",
                            port.number,
                            port.protocol,
                            winner.reference()
                        ))
                        .advice("declare the same protocol in both, or merge them"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::unit::{object, service, table, virtual_service};

    const TO_B: &str = "[{route: [{destination: {host: b}}]}]";

    fn entry(name: &str, rest: &str) -> String {
        object("ServiceEntry", name, &format!("{{hosts: [e.com], {rest}}}"))
    }

    #[test]
    fn a_port_says_what_it_speaks() {
        let route = virtual_service("a", "a.com", TO_B);
        for (port, expected) in [
            ("{name: http, port: 80}", ""),
            ("{name: grpc-web, port: 80}", ""),
            ("{name: HTTP-main, port: 80}", ""),
            ("{name: main, port: 80, appProtocol: http}", ""),
            ("{name: dns, port: 53, protocol: UDP}", ""),
            ("{name: main, port: 80}", "[port-without-protocol] Service default/b spec.ports[0]"),
            ("{port: 80}", "[port-without-protocol]"),
            ("{name: httpmain, port: 80}", "[port-without-protocol]"),
        ] {
            let known = service("b", &format!("{{ports: [{port}]}}"));
            table(&[(&format!("{known}{route}"), expected), (&known, "")]);
        }
    }

    #[test]
    fn a_service_asks_for_what_a_gateway_can_do() {
        let route = virtual_service("a", "a.com", TO_B);
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: gw-1, namespace: istio-system, labels: \
                   {istio: ingressgateway}}\nspec: {nodeName: n1, containers: []}\n---\n";
        for (more, pods, expected) in [
            ("internalTrafficPolicy: Cluster", "", ""),
            (
                "internalTrafficPolicy: Local",
                "",
                "[node-not-known] Service default/b spec.internalTrafficPolicy",
            ),
            ("internalTrafficPolicy: Local", pod, ""),
            ("sessionAffinity: None", "", ""),
            (
                "sessionAffinity: ClientIP",
                "",
                "[session-affinity-ignored] Service default/b spec.sessionAffinity",
            ),
        ] {
            let known = service("b", &format!("{{{more}, ports: [{{name: http, port: 80}}]}}"));
            table(&[(&format!("{known}{route}{pods}"), expected), (&known, "")]);
        }
    }

    #[test]
    fn an_entry_leads_somewhere() {
        let route = virtual_service("a", "a.com", "[{route: [{destination: {host: e.com}}]}]");
        let port = "ports: [{number: 80, name: http, protocol: HTTP}]";
        for (rest, expected) in [
            (format!("{port}, resolution: DNS"), ""),
            (format!("{port}, resolution: STATIC, endpoints: [{{address: 10.0.0.1}}]"), ""),
            (format!("{port}, resolution: STATIC, workloadSelector: {{labels: {{a: b}}}}"), ""),
            (
                format!("{port}, resolution: STATIC"),
                "[service-entry-leads-nowhere] ServiceEntry default/e spec.resolution",
            ),
            (port.to_owned(), "[service-entry-leads-nowhere]"),
            (
                "ports: [{number: 80, name: main}], resolution: DNS".to_owned(),
                "[port-without-protocol] ServiceEntry default/e spec.ports[0].protocol",
            ),
        ] {
            table(&[(&format!("{}{route}", entry("e", &rest)), expected)]);
        }
    }

    #[test]
    fn entries_of_one_host_agree() {
        let of = |name: &str, protocol: &str| {
            entry(name, &format!("ports: [{{number: 80, name: p, protocol: {protocol}}}]"))
        };
        table(&[
            (&format!("{}{}", of("a", "HTTP"), of("b", "http")), ""),
            (
                &format!("{}{}", of("b", "TCP"), of("a", "HTTP")),
                "[service-entry-conflict] ServiceEntry default/b spec.ports[0].protocol: port 80 \
                 of `e.com` speaks `TCP` here, and `HTTP` in ServiceEntry default/a",
            ),
        ]);
    }
}
