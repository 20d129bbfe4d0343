//! A controller over a real API server, and AWS of this machine.

use edgeway_tests::{Ask, Process, free_offset, free_port, process::run, wait_for};
use std::{
    collections::BTreeMap,
    fmt::Write,
    net::TcpStream,
    path::{Path, PathBuf},
};

/// What a controller may do, and no more.
pub(crate) const ROLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: controller}
rules:
- {apiGroups: [networking.k8s.io], resources: [ingresses, ingressclasses], verbs: [list, watch]}
- {apiGroups: [''], resources: [services, pods, namespaces, nodes], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: controller}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: controller}
subjects: [{kind: ServiceAccount, name: controller, namespace: edge}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: controller, namespace: edge}
rules: [{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create, get, update]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: controller, namespace: edge}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: controller}
subjects: [{kind: ServiceAccount, name: controller, namespace: edge}]
";

/// What the controller that leads may do besides.
pub(crate) const STATUS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: controller-status}
rules:
- {apiGroups: [networking.k8s.io], resources: [ingresses/status], verbs: [patch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
- {apiGroups: [edgeway.dev], resources: [edgestatuses], verbs: [create, delete, get, list, patch]}
- {apiGroups: [edgeway.dev], resources: [edgestatuses/status], verbs: [patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: controller-status}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: controller-status}
subjects: [{kind: ServiceAccount, name: controller, namespace: edge}]
";

/// What it may do for pods that wait for their targets.
pub(crate) const GATES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: controller-gates}
rules: [{apiGroups: [''], resources: [pods/status], verbs: [patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: controller-gates}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: controller-gates}
subjects: [{kind: ServiceAccount, name: controller, namespace: edge}]
";

pub(crate) const CLASS: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edgeway}
spec: {controller: edgeway.dev/alb}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.0.0.1]}]
";

/// AWS of this machine, and controllers in it.
pub(crate) struct Bench {
    alb: Process,
    url: String,
    vpc: String,
    kubeconfig: PathBuf,
}

/// A replica.
pub(crate) struct Replica {
    pub(crate) process: Process,
    metrics: u16,
}

impl Bench {
    pub(crate) fn start(kubeconfig: &Path) -> Self {
        Self::start_with(kubeconfig, &[])
    }

    /// With more flags for AWS.
    pub(crate) fn start_with(kubeconfig: &Path, more: &[&str]) -> Self {
        let api = format!("127.0.0.1:{}", free_port());
        let offset = free_offset().to_string();
        let place = ["local-alb", "--api", &api, "--bind", "127.0.0.1", "--port-offset", &offset];
        let alb = Process::start("edgeway", &[&place[..], more].concat());
        wait_for("the API", || TcpStream::connect(&api).ok());
        let help = run("edgeway", &["local-alb", "--help"]).stdout;
        let help = String::from_utf8_lossy(&help).into_owned();
        let (_, rest) = help.split_once("[default: vpc-").unwrap();
        let vpc = format!("vpc-{}", rest.split(']').next().unwrap());
        Self { alb, url: format!("http://{api}"), vpc, kubeconfig: kubeconfig.to_owned() }
    }

    pub(crate) fn replica(&self, name: &str) -> Replica {
        let metrics = free_port();
        let (address, kubeconfig) =
            (format!("127.0.0.1:{metrics}"), self.kubeconfig.display().to_string());
        let source = ["--source", "kube", "--kubeconfig", &kubeconfig, "--region", "us-east-1"];
        let cloud = ["--endpoint-url", &self.url, "--vpc-id", &self.vpc, "--cluster-name", "test"];
        let own = ["--metrics", &address, "--pod-name", name, "--namespace", "edge"];
        let lease = [
            "--leader-election-lease-duration",
            "4s",
            "--leader-election-renew-deadline",
            "2s",
            "--leader-election-retry-period",
            "300ms",
        ];
        let arguments = [&source[..], &cloud, &own, &lease].concat();
        let access = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
        Replica {
            process: Process::start_with("edgeway-alb-controller", &arguments, &access),
            metrics,
        }
    }

    /// How often each thing was made.
    pub(crate) fn made(&self) -> BTreeMap<String, usize> {
        let mut made = BTreeMap::new();
        for line in self.alb.lines() {
            let Some(at) = line
                .find("load balancer ")
                .or_else(|| line.find("target group "))
                .or_else(|| line.find("rule "))
            else {
                continue;
            };
            let what = line[at..].to_owned();
            if what.contains(" created") {
                *made.entry(what).or_default() += 1;
            }
        }
        made
    }
}

impl Replica {
    fn text(&self, path: &str) -> Option<(u16, String)> {
        let answer = Ask::get(format!("http://127.0.0.1:{}{path}", self.metrics)).send().ok()?;
        Some((answer.status, answer.body))
    }

    pub(crate) fn leads(&self) -> bool {
        self.text("/metrics")
            .is_some_and(|(_, text)| text.lines().any(|it| it == "edgeway_leader 1"))
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.text("/healthz/ready").is_some_and(|(status, _)| status == 200)
    }

    pub(crate) fn said(&self, word: &str) -> bool {
        self.process.lines().iter().any(|line| line.contains(word))
    }
}

pub(crate) fn ingresses(names: std::ops::Range<usize>) -> String {
    let mut text = String::new();
    for name in names {
        let _ = write!(
            text,
            "\n---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: i{name}, \
             namespace: default, annotations: {{alb.ingress.kubernetes.io/group.name: shop, \
             alb.ingress.kubernetes.io/healthcheck-interval-seconds: '5', \
             alb.ingress.kubernetes.io/healthcheck-timeout-seconds: '2'}}}}\nspec:\n  \
             ingressClassName: edgeway\n  rules:\n  - host: h{name}.example.com\n    http: {{paths: \
             [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}\n"
        );
    }
    text
}
