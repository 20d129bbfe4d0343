//! Which Secrets a configuration refers to, so that no others need be asked for.

use super::{
    Workload, ingress,
    pods::selects,
    upstream_tls::{given, settings},
};
use edgeway_api::{Gateway, Objects};
use std::collections::BTreeSet;

/// Names of the Secrets in the workload's own namespace that its Gateways, `DestinationRules` and Ingresses
/// refer to. Whether there are such Secrets is another question.
pub fn wanted_secrets(objects: &Objects, workload: &Workload) -> BTreeSet<String> {
    let ours = |gateway: &&Gateway| selects(&gateway.spec.selector, &workload.labels);
    let gateways = objects.gateways.iter().map(AsRef::as_ref).filter(ours);
    let mut names = BTreeSet::new();
    for tls in gateways.flat_map(|it| &it.spec.servers).filter_map(|it| it.tls.as_ref()) {
        let own = tls.credential_names.iter().map(String::as_str).filter(|name| !name.is_empty());
        let own = given(tls.credential_name.as_ref()).into_iter().chain(own);
        names.extend(own.flat_map(with_sibling));
        names.extend(given(tls.ca_cert_credential_name.as_ref()).map(ToOwned::to_owned));
    }
    for rule in &objects.destination_rules {
        let all = settings(rule);
        let own = all.iter().filter_map(|(_, tls)| given(tls.credential_name.as_ref()));
        names.extend(own.flat_map(with_sibling));
    }
    names.extend(ingress::secrets(objects, workload));
    names.iter().filter_map(|name| own_name(name, &workload.namespace)).collect()
}

/// Authorities may be kept apart from the certificate.
fn with_sibling(name: &str) -> [String; 2] {
    [name.to_owned(), format!("{name}-cacert")]
}

/// A reference to a Secret of `namespace`, without what may stand before its name.
fn own_name(reference: &str, namespace: &str) -> Option<String> {
    let name = reference.strip_prefix("kubernetes://").unwrap_or(reference);
    let own = name.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('/'));
    let name = own.unwrap_or(name);
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    (!name.is_empty() && name.chars().all(is_name)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Objects, Workload, wanted_secrets};
    use edgeway_api::manifest;

    #[test]
    fn what_is_referred_to_is_wanted_and_nothing_else() {
        let text = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ours}
spec:
  selector: {istio: ingressgateway}
  servers:
  - tls: {mode: SIMPLE, credentialName: a}
  - tls: {mode: SIMPLE, credentialNames: ['kubernetes://b', istio-system/c, other/d, 'x&y=1', '']}
  - tls: {mode: MUTUAL, caCertCredentialName: e}
  - {}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: of-others}
spec: {selector: {istio: egressgateway}, servers: [{tls: {credentialName: z}}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: rule}
spec:
  host: h
  trafficPolicy: {tls: {mode: SIMPLE, credentialName: f}}
  subsets: [{name: s, trafficPolicy: {portLevelSettings: [{tls: {credentialName: g}}]}}]
";
        let mut objects = Objects::default();
        manifest::read(text, "f.yaml", &mut objects);
        let wanted = wanted_secrets(&objects, &Workload::default());
        let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let pairs = ["a", "a-cacert", "b", "b-cacert", "c", "c-cacert", "e"];
        assert_eq!(names, [&pairs[..], &["f", "f-cacert", "g", "g-cacert"]].concat());
    }
}
