//! One configuration in many versions.

use crate::backends::Backends;
use rcgen::CertifiedKey;
use std::fmt::Write;

/// A certificate for `a.example.com`, signed by itself.
pub(crate) struct Certificate {
    pub(crate) pem: String,
    key: String,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["a.example.com".to_owned()]).unwrap();
        Self { pem: cert.pem(), key: signing_key.serialize_pem() }
    }
}

const FIXED: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: cert}}
";

/// What a version says: its routes, endpoints and certificate are not those of the one before.
pub(crate) fn manifests(version: usize, backends: &Backends, certificate: &Certificate) -> String {
    let mut text = FIXED.to_owned();
    text += "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n\
             metadata: {name: all, namespace: default}\nspec:\n  hosts: ['*']\n  \
             gateways: [istio-system/gw]\n  http:\n";
    for extra in 0..version % 5 {
        writeln!(text, "  - match: [{{uri: {{prefix: /extra-{extra}}}}}]").unwrap();
        text += "    directResponse: {status: 404}\n";
    }
    text += "  - match: [{uri: {prefix: /pkg.S}}]\n    \
             route: [{destination: {host: grpc.ext.test}}]\n  \
             - route: [{destination: {host: http.ext.test}}]\n";
    writeln!(text, "    headers: {{response: {{set: {{x-version: '{version}'}}}}}}").unwrap();
    for (protocol, ports) in [("http", backends.http), ("grpc", backends.grpc)] {
        let name = format!("{{name: {protocol}, namespace: default}}");
        write!(
            text,
            "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name}\nspec:\n  \
             hosts: [{protocol}.ext.test]\n  resolution: STATIC\n  \
             ports: [{{number: 80, name: {protocol}, protocol: {}}}]\n  endpoints:\n",
            protocol.to_uppercase()
        )
        .unwrap();
        for (at, port) in ports.iter().enumerate().filter(|(at, _)| version % 3 != *at) {
            writeln!(text, "  - {{address: 127.0.0.{}, ports: {{{protocol}: {port}}}}}", at + 1)
                .unwrap();
        }
    }
    text += "---\napiVersion: v1\nkind: Secret\nmetadata: {name: cert, namespace: istio-system}\n\
             type: kubernetes.io/tls\nstringData:\n";
    for (name, pem) in [("tls.crt", &certificate.pem), ("tls.key", &certificate.key)] {
        writeln!(text, "  {name}: |").unwrap();
        pem.lines().for_each(|line| writeln!(text, "    {line}").unwrap());
    }
    text
}
