//! A Gateway and an Ingress of gRPC that share a load balancer before their gateway.

use crate::{
    cloud::{Cloud, local, moto},
    manifests::{BACKENDS, read},
    settle,
};

/// The class, and the gateway that it names.
const FRONT: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: thin, annotations: {edgeway.dev/gateway: edge/gateway}}
spec: {controller: edgeway.dev/alb}
---
apiVersion: v1
kind: Service
metadata:
  name: gateway
  namespace: edge
  annotations:
    alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds=0
spec: {selector: {app: gateway}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: gateway-1, namespace: edge, labels: {kubernetes.io/service-name: gateway}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.16.31]}]
";

const GATEWAY: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: shop
  namespace: edge
  annotations:
    edgeway.dev/ingress-class: thin
    alb.ingress.kubernetes.io/group.name: shop
    alb.ingress.kubernetes.io/scheme: internet-facing
spec:
  selector: {app: gateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.example.com]
    tls: {httpsRedirect: true}
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop}
";

const RPC: &str = r#"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: rpc
  namespace: app
  annotations:
    alb.ingress.kubernetes.io/group.name: shop
    alb.ingress.kubernetes.io/listen-ports: '[{"HTTPS": 443}]'
    alb.ingress.kubernetes.io/backend-protocol-version: GRPC
spec:
  ingressClassName: thin
  rules:
  - host: shop.example.com
    http: {paths: [{path: /rpc, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}]}
"#;

async fn script(cloud: &Cloud) {
    let made = settle(cloud, &read(&[FRONT, GATEWAY, BACKENDS, RPC])).await.changes;
    assert_eq!((made["CreateLoadBalancer"], made["CreateTargetGroup"]), (1, 2), "{}", cloud.name);
    let plain = [
        "443: shop.example.com -> forward edge-gateway",
        "80 default: fixed-response 404",
        "80: shop.example.com -> redirect 301 #{host}",
    ];
    let before = ["443 default: fixed-response 404"];
    let rpc = ["443: shop.example.com & /rpc,/rpc/* -> forward edge-gateway"];
    assert_eq!(cloud.rules().await, [&before[..], &rpc, &plain].concat(), "{}", cloud.name);

    let more = RPC.replace("name: api", "name: web");
    let same = settle(cloud, &read(&[FRONT, GATEWAY, BACKENDS, &more])).await.changes;
    assert!(same.is_empty(), "{}: another Service is the gateway's to know: {same:?}", cloud.name);

    let fewer = settle(cloud, &read(&[FRONT, GATEWAY, BACKENDS])).await.changes;
    assert_eq!((fewer["DeleteRule"], fewer["DeleteTargetGroup"]), (1, 1), "{}", cloud.name);
    assert_eq!(cloud.rules().await, [&before[..], &plain].concat(), "{}", cloud.name);

    let quiet = GATEWAY.replace("edgeway.dev/ingress-class: thin", "other: value");
    settle(cloud, &read(&[FRONT, &quiet, BACKENDS])).await;
    assert_eq!(cloud.left_over().await, <[String; 0]>::default(), "{}", cloud.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_and_grpc_share_a_load_balancer() {
    script(&local().await).await;
    if let Some(cloud) = moto().await {
        script(&cloud).await;
    }
}
