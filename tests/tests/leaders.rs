//! Two replicas of the controller: one acts, the other takes over when it dies, and what the one has
//! done the other does not do again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use edgeway_tests::{Ask, Cluster, Process, free_offset, free_port, process::run, wait_for};
use rustix::process::Signal;
use std::{
    collections::BTreeMap,
    fmt::Write,
    net::TcpStream,
    path::{Path, PathBuf},
};

/// What a controller may do, and no more.
const ROLE: &str = "
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

const CLASS: &str = "
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
struct Bench {
    alb: Process,
    url: String,
    vpc: String,
    kubeconfig: PathBuf,
}

/// A replica.
struct Replica {
    process: Process,
    metrics: u16,
}

impl Bench {
    fn start(kubeconfig: &Path) -> Self {
        let api = format!("127.0.0.1:{}", free_port());
        let offset = free_offset().to_string();
        let place = ["local-alb", "--api", &api, "--bind", "127.0.0.1", "--port-offset", &offset];
        let alb = Process::start("edgeway", &place);
        wait_for("the API", || TcpStream::connect(&api).ok());
        let help = run("edgeway", &["local-alb", "--help"]).stdout;
        let help = String::from_utf8_lossy(&help).into_owned();
        let (_, rest) = help.split_once("[default: vpc-").unwrap();
        let vpc = format!("vpc-{}", rest.split(']').next().unwrap());
        Self { alb, url: format!("http://{api}"), vpc, kubeconfig: kubeconfig.to_owned() }
    }

    fn replica(&self, name: &str) -> Replica {
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
    fn made(&self) -> BTreeMap<String, usize> {
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

    fn leads(&self) -> bool {
        self.text("/metrics")
            .is_some_and(|(_, text)| text.lines().any(|it| it == "edgeway_leader 1"))
    }

    fn is_ready(&self) -> bool {
        self.text("/healthz/ready").is_some_and(|(status, _)| status == 200)
    }

    fn said(&self, word: &str) -> bool {
        self.process.lines().iter().any(|line| line.contains(word))
    }
}

fn ingresses(names: std::ops::Range<usize>) -> String {
    let mut text = String::new();
    for name in names {
        let _ = write!(
            text,
            "\n---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: i{name}, \
             namespace: default, annotations: {{alb.ingress.kubernetes.io/group.name: shop}}}}\nspec:\n  \
             ingressClassName: edgeway\n  rules:\n  - host: h{name}.example.com\n    http: {{paths: \
             [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}\n"
        );
    }
    text
}

#[test]
fn a_leader_that_dies_is_followed_and_nothing_is_done_twice() {
    let Some(mut cluster) = Cluster::start() else { return };
    let account = cluster.account("edge", "controller");
    cluster.admin().apply(ROLE);
    cluster.admin().apply(&(CLASS.to_owned() + &ingresses(0..3)));
    let bench = Bench::start(&account.kubeconfig);
    let mut one = bench.replica("one");
    wait_for("a leader", || one.leads().then_some(()));
    let mut two = bench.replica("two");
    wait_for("two replicas that are ready", || (one.is_ready() && two.is_ready()).then_some(()));
    one.process.wait_line("its end", |line| line.contains("nothing left to do").then_some(()));
    assert!(!two.leads() && !two.said("create-"));

    // It dies in the middle of a plan.
    cluster.admin().apply(&ingresses(3..40));
    one.process.wait_line("the middle", |line| line.contains("h20.example.com").then_some(()));
    one.process.signal(Signal::KILL);
    one.process.wait();
    wait_for("another leader", || two.leads().then_some(()));
    two.process.wait_line("its end", |line| line.contains("nothing left to do").then_some(()));
    let made = bench.made();
    let rules = made.keys().filter(|what| what.starts_with("rule ")).count();
    assert!(rules >= 40, "{made:#?}");
    assert!(made.values().all(|times| *times == 1), "{made:#?}");
    assert!(two.said("h39.example.com"));

    // Who cannot reach the API server changes nothing more.
    cluster.kill();
    two.process
        .wait_line("the end of its term", |line| line.contains("leads no more").then_some(()));
    assert!(!two.leads());
    cluster.restart();
    wait_for("a leader again", || two.leads().then_some(()));
    assert!(two.process.stop().success());
    let lease = "/apis/coordination.k8s.io/v1/namespaces/edge/leases/edgeway-alb-controller";
    let lease = cluster.admin().get(lease).unwrap();
    assert_eq!(lease["spec"]["holderIdentity"].as_str().unwrap_or_default(), "", "{lease}");
}
