//! Routes that send plain text to ports which expect TLS.

use super::{
    scene::{Known, Scene},
    services::begins_with,
};
use crate::compile::names::covers;
use edgeway_api::{
    Problem, Resource,
    destination_rule::{ClientTlsSettings, TlsMode},
    k8s_openapi::api::core::v1::Service,
    virtual_service::Destination,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the name or the protocol of a port begins with where TLS is spoken.
const SECURE: &[&str] = &["https", "tls"];

/// Reports them, each destination of a VirtualService once.
pub(super) fn analyze(scene: &Scene<'_>, advice: &mut Vec<Problem>) {
    let secured = Secured::new(scene);
    let mut known: BTreeMap<(String, Option<u32>), Option<u32>> = BTreeMap::new();
    for bound in &scene.bound {
        let mut told = BTreeSet::new();
        for (rule, route) in bound.service.spec.http.iter().enumerate() {
            for (index, to) in route.route.iter().enumerate() {
                let Destination { host, port, .. } = &to.destination;
                let host = scene.host(host, bound.service.namespace());
                let key = (host.clone(), port.as_ref().map(|port| port.number));
                let port = *known.entry(key).or_insert_with_key(|(host, wanted)| {
                    secure_port(scene, host, *wanted).filter(|_| !secured.contains(host))
                });
                let Some(port) = port.filter(|port| told.insert((host.clone(), *port))) else {
                    continue;
                };
                let field = format!("spec.http[{rule}].route[{index}].destination");
                advice.push(
                    Problem::warning(bound.service.reference(), field, "plain-text-to-tls-port")
                        .message(format!(
                            "port {port} of `{host}` expects TLS, and no DestinationRule has the \
                             gateway speak it"
                        ))
                        .advice(
                            "write a DestinationRule for the host with `trafficPolicy.tls.mode: \
                             SIMPLE`, or send to a plain port",
                        ),
                );
            }
        }
    }
}

/// The port that a destination means, if TLS is expected there.
fn secure_port(scene: &Scene<'_>, host: &str, wanted: Option<u32>) -> Option<u32> {
    let ports: Vec<(u32, bool)> = match scene.services.get(host)? {
        Known::Kubernetes(service) => ports(service),
        Known::Entry(entry) => {
            let ports = entry.spec.ports.iter();
            ports.map(|port| (port.number, begins_with(&port.protocol, SECURE))).collect()
        }
    };
    let meant = match (wanted, ports.as_slice()) {
        (Some(wanted), _) => ports.iter().find(|(number, _)| *number == wanted),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    meant.filter(|(_, secure)| *secure).map(|(number, _)| *number)
}

fn ports(service: &Service) -> Vec<(u32, bool)> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
    let read = ports.into_iter().flatten().filter_map(|port| {
        let declared = port.app_protocol.as_deref().or(port.name.as_deref()).unwrap_or_default();
        Some((u32::try_from(port.port).ok()?, begins_with(declared, SECURE)))
    });
    read.collect()
}

/// Hosts of DestinationRules that speak TLS on any port.
#[derive(Debug, Default)]
struct Secured {
    exact: BTreeSet<String>,
    wild: Vec<String>,
}

impl Secured {
    fn new(scene: &Scene<'_>) -> Self {
        let mut secured = Self::default();
        for rule in &scene.objects.destination_rules {
            let subsets = rule.spec.subsets.iter().map(|subset| subset.traffic_policy.as_ref());
            let policies = subsets.chain([rule.spec.traffic_policy.as_ref()]).flatten();
            let mut settings = policies.flat_map(|policy| {
                let ports = policy.port_level_settings.iter().map(|port| port.tls.as_ref());
                ports.chain([policy.tls.as_ref()]).flatten()
            });
            if settings.any(speaks) {
                let host = scene.host(&rule.spec.host, rule.namespace());
                if host.starts_with('*') {
                    secured.wild.push(host);
                } else {
                    secured.exact.insert(host);
                }
            }
        }
        secured
    }

    fn contains(&self, host: &str) -> bool {
        self.exact.contains(host) || self.wild.iter().any(|pattern| covers(pattern, host))
    }
}

fn speaks(tls: &ClientTlsSettings) -> bool {
    tls.mode.is_some_and(|mode| mode != TlsMode::Disable)
}

#[cfg(test)]
mod tests {
    use super::super::unit::{object, service, table, virtual_service};

    #[test]
    fn tls_is_spoken_where_it_is_expected() {
        let entry = object(
            "ServiceEntry",
            "e",
            "{hosts: [e.com], ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: \
             secure, protocol: HTTPS}], resolution: STATIC, endpoints: [{address: 10.0.0.1}]}",
        );
        let local = service("b", "{ports: [{name: https, port: 443}]}");
        let rule = |host: &str, mode: &str| {
            let policy = format!("trafficPolicy: {{tls: {{mode: {mode}, credentialName: a}}}}");
            object("DestinationRule", "d", &format!("{{host: {host}, {policy}}}"))
        };
        let expected = "[plain-text-to-tls-port] VirtualService default/a \
                        spec.http[0].route[0].destination: port 443 of";
        for (to, more, expected) in [
            ("{host: b}", String::new(), expected),
            ("{host: b}", rule("b", "SIMPLE"), ""),
            ("{host: b}", rule("'*.default.svc.cluster.local'", "SIMPLE"), ""),
            ("{host: b}", rule("b", "DISABLE"), expected),
            ("{host: e.com, port: {number: 443}}", String::new(), expected),
            ("{host: e.com, port: {number: 443}}", rule("e.com", "SIMPLE"), ""),
            ("{host: e.com, port: {number: 80}}", String::new(), ""),
            ("{host: e.com}", String::new(), ""),
        ] {
            let route = format!("[{{route: [{{destination: {to}}}]}}]");
            let route = virtual_service("a", "a.com", &route);
            table(&[(&format!("{entry}{local}{more}{route}"), expected)]);
        }
    }
}
