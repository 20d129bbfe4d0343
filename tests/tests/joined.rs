//! A load balancer that ends TLS before the gateway, for a Gateway of Istio's and for gRPC: from a client
//! of HTTP/2 to backends and back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::{Bytes, BytesMut};
use edgeway_tests::{Ask, Process, free_offset, http::client};
use http::{Method, Request};
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serde_json::Value;
use std::{fs, net::SocketAddr, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The Gateway redirects by itself, and its gateway believes nobody who says that a request came by https.
const MANIFESTS: &str = r#"
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge, annotations: {edgeway.dev/gateway: edge/gateway}}
spec: {controller: edgeway.dev/alb}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: edge}
spec: {selector: {app: gateway}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: shop
  namespace: edge
  annotations:
    edgeway.dev/ingress-class: edge
    alb.ingress.kubernetes.io/group.name: g
    alb.ingress.kubernetes.io/certificate-arn: arn:aws:acm:us-east-1:123456789012:certificate/x
spec:
  selector: {app: gateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.example.com]
    tls: {httpsRedirect: true}
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com, secure.example.com]
    tls: {mode: SIMPLE, credentialName: none}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: edge}
spec:
  hosts: [shop.example.com, secure.example.com]
  gateways: [shop]
  http: [{route: [{destination: {host: shop}}]}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: rpc
  namespace: edge
  annotations:
    alb.ingress.kubernetes.io/group.name: g
    alb.ingress.kubernetes.io/listen-ports: '[{"HTTPS": 443}]'
    alb.ingress.kubernetes.io/certificate-arn: arn:aws:acm:us-east-1:123456789012:certificate/x
    alb.ingress.kubernetes.io/backend-protocol-version: GRPC
spec:
  ingressClassName: edge
  rules:
  - host: shop.example.com
    http: {paths: [{path: /pkg.S, pathType: Prefix, backend: {service: {name: rpc, port: {number: 80}}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: edge}
spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: rpc, namespace: edge}
spec: {selector: {app: rpc}, ports: [{port: 80}]}
"#;

/// Takes any certificate: this is not about them.
#[derive(Debug)]
struct Any;

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Status and body of a request by HTTP/2 in TLS.
async fn ask(address: SocketAddr, host: &str, (method, path): (Method, &str)) -> (u16, Value) {
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Any))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let is_grpc = method == Method::POST;
    let mut request = Request::builder().method(method).uri(format!("https://{host}{path}"));
    if is_grpc {
        request = request.header("content-type", "application/grpc").header("te", "trailers");
    }
    let (response, mut body) = client.send_request(request.body(()).unwrap(), !is_grpc).unwrap();
    if is_grpc {
        body.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
    }
    let mut response = response.await.unwrap();
    let mut all = BytesMut::new();
    while let Some(part) = response.body_mut().data().await {
        all.extend_from_slice(&part.unwrap());
    }
    (response.status().as_u16(), serde_json::from_slice(&all).unwrap_or(Value::Null))
}

#[tokio::test]
async fn what_ends_tls_redirects_and_speaks_grpc_for_its_gateway() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("all.yaml"), MANIFESTS).unwrap();
    let offset = free_offset();
    let arguments =
        ["up", "--port-offset", &offset.to_string(), "-f", folder.path().to_str().unwrap()];
    let mut up = Process::start("edgeway", &arguments);
    up.wait_line("ready", |line| line.contains("ready http://").then_some(()));

    let plain = |host: &str| {
        let ask = Ask::get(format!("http://127.0.0.1:{}/a", 80 + offset)).host(host);
        ask.send_with(&client()).unwrap()
    };
    let answer = plain("shop.example.com");
    assert_eq!(answer.status, 301);
    assert_eq!(answer.header("location"), Some("https://shop.example.com:443/a"));
    assert_eq!(plain("secure.example.com").status, 404, "it has no server on this port");

    let secure = SocketAddr::from(([127, 0, 0, 1], 443 + offset));
    for (host, request, service, protocol) in [
        ("shop.example.com", (Method::GET, "/a"), "edge/shop", "HTTP/1.1"),
        ("secure.example.com", (Method::GET, "/a"), "edge/shop", "HTTP/1.1"),
        ("shop.example.com", (Method::POST, "/pkg.S/M"), "edge/rpc", "HTTP/2"),
    ] {
        let (status, body) = ask(secure, host, request).await;
        let seen = (status, body["service"].as_str(), body["protocol"].as_str());
        assert_eq!(seen, (200, Some(service), Some(protocol)), "{host}: {body}");
    }
    up.signal(rustix::process::Signal::INT);
    assert!(up.wait().success());
}
