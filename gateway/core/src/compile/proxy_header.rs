//! Who says in manifests that connections begin with a PROXY header: Gateways, each for its ports, and
//! for all ports the proxy configuration of the gateway's own pod.

use super::{Workload, pods::selects, report::Field};
use crate::table::{ProxyHeader, ProxyPorts};
use edgeway_api::{
    Gateway, ObjectRef, Objects, Resource,
    k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::Value;

/// Annotation of a Gateway, with the words that the command line has for it.
const OF_GATEWAY: &str = "edgeway.dev/proxy-protocol";

/// Istio's annotation of a pod with what is otherwise said for the whole mesh.
const OF_POD: &str = "proxy.istio.io/config";

/// What the gateway's own pods say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Topology {
    /// On every port of which nobody says otherwise.
    pub(super) header: Option<ProxyHeader>,
    flaws: Vec<(ObjectRef, Flaw)>,
}

/// What is said and not done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Flaw {
    /// It cannot be read.
    Unreadable,
    /// This field below `gatewayTopology` is said elsewhere.
    Elsewhere(&'static str),
}

/// What else Istio reads below `gatewayTopology`, and the flag for it.
const ELSEWHERE: &[&str] = &["numTrustedProxies", "forwardClientCertDetails"];

impl Topology {
    /// Reads the pods of `workload`, or what they are made of.
    pub(super) fn new(objects: &Objects, workload: &Workload) -> Self {
        let mut topology = Self::default();
        for (object, meta) in own(objects, workload) {
            let annotations = meta.annotations.as_ref();
            let Some(text) = annotations.and_then(|all| all.get(OF_POD)) else { continue };
            topology.add(&object, text);
        }
        topology.flaws.sort_by(|(a, _), (b, _)| a.cmp(b));
        topology
    }

    fn add(&mut self, object: &ObjectRef, text: &str) {
        let Ok(config @ (Value::Object(_) | Value::Null)) = serde_saphyr::from_str(text) else {
            self.flaws.push((object.clone(), Flaw::Unreadable));
            return;
        };
        let of = |name: &str| {
            let topology = config.get("gatewayTopology");
            topology.and_then(|topology| topology.get(name)).filter(|value| !value.is_null())
        };
        if of("proxyProtocol").is_some() {
            self.header = Some(ProxyHeader::Required);
        }
        let others = ELSEWHERE.iter().filter(|name| of(name).is_some());
        self.flaws.extend(others.map(|name| (object.clone(), Flaw::Elsewhere(name))));
    }

    /// What is wrong, object by object.
    pub(super) fn report(&self, report: &mut super::report::Report) {
        for (object, flaw) in &self.flaws {
            let mut field = report.object(object.clone());
            field.of(&format!("metadata.annotations[{OF_POD}]"), |field| match flaw {
                Flaw::Unreadable => field.error(
                    "proxy-protocol-invalid",
                    "the annotation is no proxy configuration in YAML; it is ignored",
                    "write gatewayTopology: {proxyProtocol: {}}",
                ),
                Flaw::Elsewhere(name) => field.of(&format!("gatewayTopology.{name}"), |field| {
                    field.unsupported("it is not read here: --trusted-hops says whom to believe");
                }),
            });
        }
    }
}

/// The gateway's pods, and the Deployments that make them.
fn own<'o>(
    objects: &'o Objects,
    workload: &'o Workload,
) -> impl Iterator<Item = (ObjectRef, &'o ObjectMeta)> {
    let is_own = move |meta: &ObjectMeta| {
        meta.labels.as_ref().is_some_and(|labels| selects(&workload.labels, labels))
    };
    let pods = objects.pods.iter().filter(move |pod| {
        let named = workload.pod.is_empty() || workload.pod == pod.name();
        pod.namespace() == workload.namespace && named && is_own(pod.meta())
    });
    let deployments = objects.deployments.iter().filter_map(move |deployment| {
        let meta = deployment.spec.as_ref()?.template.metadata.as_ref()?;
        let own = deployment.namespace() == workload.namespace && is_own(meta);
        own.then(|| (deployment.reference(), meta))
    });
    pods.map(|pod| (pod.reference(), pod.meta())).chain(deployments)
}

/// What a Gateway says of its ports, if anything.
pub(super) fn of_gateway(gateway: &Gateway, field: &mut Field<'_>) -> Option<ProxyPorts> {
    let annotations = gateway.meta().annotations.as_ref();
    let text = annotations.and_then(|all| all.get(OF_GATEWAY))?;
    let ports = text.parse::<ProxyPorts>();
    field.of(&format!("metadata.annotations[{OF_GATEWAY}]"), |field| {
        let report = |error| {
            field.error(
                "proxy-protocol-invalid",
                format!("{error}; the annotation is ignored"),
                "say `443=required`, for example",
            );
        };
        ports.map_err(report).ok()
    })
}

/// Reports a Gateway whose word does not count, since an older one has spoken for the socket.
pub(super) fn conflict(port: u16, field: &mut Field<'_>) {
    field.of(&format!("metadata.annotations[{OF_GATEWAY}]"), |field| {
        field.warning(
            "proxy-protocol-conflict",
            format!("an older Gateway says otherwise of port {port}, and that counts"),
            "say the same in both, or use another port",
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile;
    use edgeway_api::manifest;

    const GATEWAY: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: NAME, namespace: istio-system, annotations: {ANNOTATION}, creationTimestamp: 'CREATED'}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [NAME.example.com]}
  - {port: {number: 81, name: other, protocol: HTTP}, hosts: [NAME.example.com]}
---
";
    const POD: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  template:
    metadata:
      labels: {istio: ingressgateway}
      annotations: {proxy.istio.io/config: 'CONFIG'}
    spec: {containers: []}
---
";

    fn gateway(name: &str, created: u8, says: &str) -> String {
        let says = if says.is_empty() { String::new() } else { format!("{OF_GATEWAY}: '{says}'") };
        let created = format!("2024-01-0{created}T00:00:00Z");
        GATEWAY.replace("NAME", name).replace("ANNOTATION", &says).replace("CREATED", &created)
    }

    /// What is said of ports 80 and 81, and the codes of problems.
    fn compiled(text: &str) -> (Vec<Option<ProxyHeader>>, Vec<&'static str>) {
        let mut objects = Objects::default();
        manifest::read(text, "test", &mut objects);
        let compiled = compile(&objects, &Workload::default());
        let headers = compiled.table.listeners.iter().map(|listener| listener.proxy_header);
        (headers.collect(), compiled.problems.iter().map(|problem| problem.code).collect())
    }

    #[test]
    fn a_gateway_speaks_for_its_ports_and_the_older_one_first() {
        use ProxyHeader::{Off, Optional, Required};
        let pod = |config: &str| POD.replace("CONFIG", config);
        let wanted = pod("gatewayTopology: {proxyProtocol: {}}");
        for (text, headers, codes) in [
            (gateway("a", 1, ""), [None, None], &[][..]),
            (gateway("a", 1, "80=optional"), [Some(Optional), None], &[]),
            (gateway("a", 1, "all"), [Some(Required), Some(Required)], &[]),
            (gateway("a", 1, "some"), [None, None], &["proxy-protocol-invalid"]),
            (
                gateway("a", 2, "80=optional") + &gateway("b", 1, "80"),
                [Some(Required), None],
                &["proxy-protocol-conflict"],
            ),
            // Who says nothing does not say otherwise.
            (gateway("a", 2, "80") + &gateway("b", 1, ""), [Some(Required), None], &[]),
            (gateway("a", 1, "80") + &gateway("b", 2, "80"), [Some(Required), None], &[]),
            (gateway("a", 1, "") + &wanted, [Some(Required), Some(Required)], &[]),
            (gateway("a", 1, "80=off") + &wanted, [Some(Off), Some(Required)], &[]),
            (gateway("a", 1, "") + &pod("concurrency: 2"), [None, None], &[]),
            (gateway("a", 1, "") + &pod(""), [None, None], &[]),
            (gateway("a", 1, "") + &pod("- {"), [None, None], &["proxy-protocol-invalid"]),
            (
                gateway("a", 1, "") + &pod("gatewayTopology: {numTrustedProxies: 1}"),
                [None, None],
                &["field-not-supported"],
            ),
        ] {
            let (found, problems) = compiled(&text);
            assert_eq!((&found[..], &problems[..]), (&headers[..], codes), "{text}");
        }
    }
}
