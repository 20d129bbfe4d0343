//! What is installed on the node, and what stands beside it.

use edgeway_tests::{
    Ask, Helm, Kubernetes, Node, Process, free_port, node::ADDRESS, process, wait_long_for,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, process::Command, time::Duration};

/// Deployments that are restarted.
pub(crate) const ECHO: &str = "echo";
pub(crate) const GATEWAY: &str = "gateway-edgeway-gateway";

/// Pods start, drain and go; on a machine that has something else to do as well.
const LONG: Duration = Duration::from_secs(180);

/// What a user has: a backend that ends as most are told to, a route to it, and a way in.
pub(crate) const APP: &str = "
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: edge}
spec:
  selector: {app: echo}
  ports: [{name: http, port: 8000, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo, namespace: edge}
spec:
  replicas: 2
  selector: {matchLabels: {app: echo}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: echo
        image: edgeway/edgeway:dev
        imagePullPolicy: Never
        args: [echo, '--listen=0.0.0.0:8080', --name=edge/echo]
        ports: [{containerPort: 8080}]
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
        lifecycle: {preStop: {sleep: {seconds: 3}}}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: edge}
spec:
  hosts: [shop.example.com]
  gateways: [web]
  http: [{route: [{destination: {host: echo}}]}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: edge
  annotations:
    alb.ingress.kubernetes.io/scheme: internet-facing
    alb.ingress.kubernetes.io/target-type: ip
    alb.ingress.kubernetes.io/listen-ports: '[{\"HTTP\": 80}]'
    alb.ingress.kubernetes.io/healthcheck-interval-seconds: '5'
    alb.ingress.kubernetes.io/healthcheck-timeout-seconds: '2'
    alb.ingress.kubernetes.io/healthy-threshold-count: '2'
    alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds=5
spec:
  ingressClassName: edgeway
  defaultBackend:
    service: {name: gateway-edgeway-gateway, port: {number: 80}}
";

/// AWS, outside of the cluster, with its load balancers on this machine.
pub(crate) struct Balancer {
    process: Process,
    api: String,
    port: u16,
}

impl Balancer {
    pub(crate) fn start() -> Self {
        let (port, api) = (free_port(), format!("{ADDRESS}:{}", free_port()));
        let offset = port.checked_sub(80).unwrap().to_string();
        let mut command = Command::new(process::programs().join("edgeway"));
        command.args(["local-alb", "--adopt", "--api", &api, "--port-offset", &offset]);
        // It says of each request that a target did not answer why.
        command.args(["--log", "info,edgeway_local_alb::plane::forward=debug"]);
        let mut process = Process::spawn("local-alb", &mut command);
        process.wait_line("its address", |line| line.contains("answers as AWS").then_some(()));
        Self { process, api: format!("http://{api}"), port }
    }

    /// How many requests were lost so far because a target broke the connection, and how many because
    /// it took none.
    pub(crate) fn lost(&self) -> (usize, usize) {
        let lines = self.process.lines();
        let count = |why: &str| lines.iter().filter(|line| line.contains(why)).count();
        (count("no answer:"), count("no connection:"))
    }

    /// A request to the public port, for the host that there is.
    pub(crate) fn ask(&self) -> Ask {
        Ask::get(format!("http://127.0.0.1:{}/", self.port)).host("shop.example.com")
    }

    /// Whether nothing is left of what was made.
    pub(crate) fn is_empty(&self) -> bool {
        let ask = |action: &str, version: &str| {
            let url = format!("{}/?Action={action}&Version={version}", self.api);
            Ask::get(url).send().unwrap().body
        };
        let balancers = ask("DescribeLoadBalancers", "2015-12-01");
        let groups = ask("DescribeTargetGroups", "2015-12-01");
        let security = ask("DescribeSecurityGroups", "2016-11-15");
        !balancers.contains("<LoadBalancerArn>")
            && !groups.contains("<TargetGroupArn>")
            && !security.contains("<groupName>k8s-")
    }
}

/// The node with what is installed on it.
pub(crate) struct Stage<'n> {
    admin: &'n Kubernetes,
    helm: Helm,
    api: String,
}

impl<'n> Stage<'n> {
    /// Makes the namespace, which lets nothing in that wants more than it needs.
    pub(crate) fn new(node: &'n Node, helm: Helm, balancer: &Balancer) -> Self {
        node.admin().apply(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: edge\n  \
             labels: {pod-security.kubernetes.io/enforce: restricted}\n",
        );
        soon("the namespace", || {
            node.admin().get("/api/v1/namespaces/edge/serviceaccounts/default").ok()
        });
        Self { admin: node.admin(), helm, api: balancer.api.clone() }
    }

    pub(crate) fn install(&self) {
        self.helm("install", "crds", "edgeway-crds", &["keep=false"]);
        let endpoint = format!("aws.endpointUrl={}", self.api);
        let place = ["clusterName=test", "vpcId=vpc-10ca1a1b", "region=us-east-1", &endpoint];
        self.helm("install", "edgeway", "edgeway", &[&place[..], &IMAGE].concat());
        self.helm("install", "gateway", "edgeway-gateway", &[&QUICK[..], &IMAGE].concat());
    }

    pub(crate) fn upgrade(&self, values: &[&str]) {
        self.helm("upgrade", "gateway", "edgeway-gateway", &[&QUICK[..], &IMAGE, values].concat());
        self.wait_rolled(GATEWAY);
    }

    pub(crate) fn uninstall(&self) {
        for release in ["gateway", "edgeway", "crds"] {
            let arguments = ["uninstall", release, "--namespace", "edge", "--wait", "--timeout=2m"];
            self.helm.run(&arguments).unwrap_or_else(|error| panic!("{release}: {error}"));
        }
    }

    fn helm(&self, action: &str, release: &str, chart: &str, values: &[&str]) {
        let mut arguments = vec![action, release, chart, "--namespace", "edge"];
        arguments.extend(["--wait", "--timeout", "3m"]);
        for value in values {
            arguments.extend(["--set", value]);
        }
        if let Err(error) = self.helm.run(&arguments) {
            let pods = self.admin.get("/api/v1/namespaces/edge/pods");
            panic!("{action} {chart}: {error}\n{pods:?}");
        }
    }

    pub(crate) fn deployment(&self, name: &str) -> Value {
        self.admin.get(&format!("/apis/apps/v1/namespaces/edge/deployments/{name}")).unwrap()
    }

    /// Whether the gateway's own status says that all is well.
    pub(crate) fn is_well(&self) -> bool {
        let path =
            format!("/apis/edgeway.dev/v1alpha1/namespaces/edge/edgestatuses/gateway.{GATEWAY}");
        let status = self.admin.get(&path).unwrap();
        let conditions = status["status"]["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().any(|it| it["type"] == "Ready" && it["status"] == "True")
    }

    /// As `kubectl rollout restart` does it; returns when the old pods are gone.
    pub(crate) fn restart(&self, name: &str) {
        let path = format!("/apis/apps/v1/namespaces/edge/deployments/{name}");
        let notes = json!({"kubectl.kubernetes.io/restartedAt": "now"});
        let change = json!({"spec": {"template": {"metadata": {"annotations": notes}}}});
        self.admin.merge(&path, &change).unwrap();
        self.wait_rolled(name);
    }

    fn wait_rolled(&self, name: &str) {
        soon(&format!("the rollout of {name}"), || {
            let deployment = self.deployment(name);
            let (wanted, status) = (&deployment["spec"]["replicas"], &deployment["status"]);
            let is_seen = status["observedGeneration"] == deployment["metadata"]["generation"];
            let counts = ["replicas", "updatedReplicas", "availableReplicas"];
            let is_rolled = is_seen && counts.iter().all(|count| status[*count] == *wanted);
            (is_rolled && Some(self.pods(name).len() as u64) == wanted.as_u64()).then_some(())
        });
    }

    /// Names of the pods of a Deployment, of those that go too.
    fn pods(&self, deployment: &str) -> Vec<String> {
        let pods = self.admin.get("/api/v1/namespaces/edge/pods").unwrap();
        let names = pods["items"].as_array().unwrap().iter();
        let names = names.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned());
        names.filter(|name| name.starts_with(deployment)).collect()
    }

    /// Kills what runs in a pod, as a crash does; returns when it runs again.
    pub(crate) fn kill_a_pod(&self, deployment: &str) {
        let pod = self.pods(deployment).remove(0);
        let path = format!("/api/v1/namespaces/edge/pods/{pod}");
        let restarts = || {
            let status = self.admin.get(&path).unwrap()["status"]["containerStatuses"][0].clone();
            (status["restartCount"].as_u64().unwrap(), status["ready"] == true)
        };
        let (before, _) = restarts();
        let (first, _) = processes_of(&pod);
        kill_process(first, Signal::KILL).unwrap();
        soon("another process", || {
            matches!(restarts(), (count, true) if count > before).then_some(())
        });
        self.wait_rolled(deployment);
    }

    /// Kills the process that serves in a pod of the gateway, as a crash does; returns when another
    /// is in its place, in the same container.
    pub(crate) fn kill_what_serves(&self) {
        let pod = self.pods(GATEWAY).remove(0);
        let path = format!("/api/v1/namespaces/edge/pods/{pod}");
        let restarts = || {
            let pod = self.admin.get(&path).unwrap();
            pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap()
        };
        let before = restarts();
        let (_, child) = processes_of(&pod);
        let child = child.unwrap();
        kill_process(child, Signal::KILL).unwrap();
        soon("another process", || {
            processes_of(&pod).1.is_some_and(|other| other != child).then_some(())
        });
        self.wait_rolled(GATEWAY);
        assert_eq!(restarts(), before, "the container was started again");
    }

    /// As `kubectl delete --force` does it; returns when another pod is in its place.
    pub(crate) fn delete_by_force(&self, deployment: &str) {
        let pod = self.pods(deployment).remove(0);
        let path = format!("/api/v1/namespaces/edge/pods/{pod}");
        self.admin.delete_by_force(&path).unwrap();
        soon("its end", || (!self.pods(deployment).contains(&pod)).then_some(()));
        self.wait_rolled(deployment);
    }

    /// Names of all that the charts and the programs might leave behind.
    pub(crate) fn everything(&self) -> BTreeSet<String> {
        let places = [
            "/api/v1/namespaces/edge/pods",
            "/api/v1/namespaces/edge/services",
            "/api/v1/namespaces/edge/secrets",
            "/api/v1/namespaces/edge/configmaps",
            "/api/v1/namespaces/edge/serviceaccounts",
            "/apis/apps/v1/namespaces/edge/deployments",
            "/apis/apps/v1/namespaces/edge/replicasets",
            "/apis/coordination.k8s.io/v1/namespaces/edge/leases",
            "/apis/edgeway.dev/v1alpha1/namespaces/edge/edgestatuses",
            "/apis/networking.k8s.io/v1/namespaces/edge/ingresses",
            "/apis/networking.k8s.io/v1/ingressclasses",
            "/apis/policy/v1/namespaces/edge/poddisruptionbudgets",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/edge/roles",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/edge/rolebindings",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        ];
        let mut all = BTreeSet::new();
        for place in places {
            // A kind that is not installed has no objects.
            let Ok(list) = self.admin.get(place) else { continue };
            for item in list["items"].as_array().unwrap() {
                all.insert(format!("{place}/{}", item["metadata"]["name"].as_str().unwrap()));
            }
        }
        all
    }
}

/// The first process of a pod, and the one that it supervises, if there is one: each is told in its
/// environment which pod it is in.
fn processes_of(pod: &str) -> (Pid, Option<Pid>) {
    let wanted = format!("HOSTNAME={pod}");
    let (mut first, mut child) = (None, None);
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| fs::read(process.path().join(file)).unwrap_or_default();
        let environment = read("environ");
        if !environment.split(|byte| *byte == 0).any(|it| it == wanted.as_bytes()) {
            continue;
        }
        let id = process.file_name().to_str().and_then(|name| name.parse().ok());
        let id = id.and_then(Pid::from_raw);
        let line = read("cmdline");
        if line.split(|byte| *byte == 0).any(|it| it.starts_with(b"--supervised=")) {
            child = id;
        } else {
            first = id;
        }
    }
    (first.unwrap(), child)
}

/// Images are those that the node was given.
const IMAGE: [&str; 2] = ["image.tag=dev", "image.pullPolicy=Never"];

/// Times that go with the health checks of the Ingress, so that the test is not long.
const QUICK: [&str; 6] = [
    "replicaCount=2",
    // Rollouts wait for the load balancer, not for time.
    "readinessGate.enabled=true",
    "minReadySeconds=0",
    "drain.seconds=10",
    "drain.deadline=5",
    "terminationGracePeriodSeconds=25",
];

/// As `wait_for`, for what takes pods.
pub(crate) fn soon<T>(what: &str, ready: impl FnMut() -> Option<T>) -> T {
    wait_long_for(what, LONG, ready)
}
