//! What the script applies, step by step.

use edgeway_api::{Objects, manifest};

/// All of `texts`, with a class.
pub(crate) fn read(texts: &[&str]) -> Objects {
    let class = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: edgeway}\n\
                 spec: {controller: edgeway.dev/alb}\n";
    let mut objects = Objects::default();
    for text in texts.iter().chain([&class]) {
        manifest::read(text, "", &mut objects);
    }
    assert_eq!(objects.defects, []);
    objects
}

/// The Services `web` and `api`, each with pods.
pub(crate) const BACKENDS: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: app}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: app, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.16.11], targetRef: {kind: Pod, name: web-a}}, {addresses: [10.0.32.12], targetRef: {kind: Pod, name: web-b}}]
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: app}
spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: 9090}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: api-1, namespace: app, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
ports: [{name: http, port: 9090}]
endpoints: [{addresses: [10.0.16.21]}]
";

/// The pods of `web`.
pub(crate) const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-a, namespace: app}
---
apiVersion: v1
kind: Pod
metadata: {name: web-b, namespace: app}
";

/// A user's own target group, bound to `web`.
pub(crate) const BINDING: &str = "
apiVersion: elbv2.k8s.aws/v1beta1
kind: TargetGroupBinding
metadata: {name: own, namespace: app}
spec: {targetGroupName: own, targetType: ip, serviceRef: {name: web, port: 80}}
";

/// The class of the AWS Load Balancer Controller.
pub(crate) const ALB_CLASS: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: alb}
spec: {controller: ingress.k8s.aws/alb}
";

/// The same without the second pod of `web`.
pub(crate) fn with_fewer_pods() -> String {
    BACKENDS.replace(", {addresses: [10.0.32.12], targetRef: {kind: Pod, name: web-b}}", "")
}

/// One Ingress with nearly everything; `seconds` between health checks, `path` of the API.
pub(crate) fn rich(seconds: &str, path: &str) -> String {
    let split = r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"web","servicePort":80,"weight":9},{"serviceName":"api","servicePort":80,"weight":1}],"targetGroupStickinessConfig":{"enabled":true,"durationSeconds":120}}}"#;
    let old = r#"{"type":"redirect","redirectConfig":{"host":"new.example.com","statusCode":"HTTP_301"}}"#;
    let post = r#"[{"field":"http-request-method","httpRequestMethodConfig":{"values":["POST"]}}]"#;
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  namespace: app
  annotations:
    alb.ingress.kubernetes.io/scheme: internet-facing
    alb.ingress.kubernetes.io/listen-ports: '[{{\"HTTP\": 80}}, {{\"HTTPS\": 443}}]'
    alb.ingress.kubernetes.io/ssl-redirect: '443'
    alb.ingress.kubernetes.io/tags: team=shop
    alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds=30
    alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds=0
    alb.ingress.kubernetes.io/healthcheck-interval-seconds: '{seconds}'
    alb.ingress.kubernetes.io/healthcheck-timeout-seconds: '2'
    alb.ingress.kubernetes.io/inbound-cidrs: 10.0.0.0/8, 192.168.0.0/16
    alb.ingress.kubernetes.io/conditions.api: '{post}'
    alb.ingress.kubernetes.io/actions.old: '{old}'
    alb.ingress.kubernetes.io/actions.split: '{split}'
spec:
  ingressClassName: edgeway
  rules:
    - host: shop.example.com
      http:
        paths:
          - {{path: {path}, pathType: Prefix, backend: {{service: {{name: api, port: {{number: 80}}}}}}}}
    - host: shop.example.com
      http:
        paths:
          - {{path: /old, pathType: Exact, backend: {{service: {{name: old, port: {{name: use-annotation}}}}}}}}
          - {{path: /split, pathType: Exact, backend: {{service: {{name: split, port: {{name: use-annotation}}}}}}}}
          - {{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}
"
    )
}

/// The same Ingress with next to nothing.
pub(crate) fn plain() -> String {
    "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  namespace: app
  annotations:
    alb.ingress.kubernetes.io/scheme: internet-facing
    alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds=0
spec:
  ingressClassName: edgeway
  rules:
    - host: shop.example.com
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
"
    .to_owned()
}
