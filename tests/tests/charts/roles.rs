//! Both programs run with exactly the roles that the charts give them; the API server's audit log tells
//! what they asked for.

use crate::PLACE;
use edgeway_tests::{
    Ask, Cluster, Gateway, Helm, Kubernetes, Process, free_offset, free_port,
    kubernetes::documents, root, wait_for,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt, fs};

/// Something that may be done: `watch gateways.networking.istio.io`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Permission {
    verb: String,
    resource: String,
    group: String,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.{}", self.verb, self.resource, self.group)
    }
}

const FRONT: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: ['*']
    tls: {mode: SIMPLE, credentialName: web-tls}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: edge}
spec:
  hosts: ['*']
  gateways: [web]
  http: [{directResponse: {status: 200}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: edge}
spec: {host: web.edge.svc.cluster.local}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: edge}
spec: {hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: NONE}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: edge
  annotations:
    alb.ingress.kubernetes.io/group.name: shop
    alb.ingress.kubernetes.io/target-type: ip
    alb.ingress.kubernetes.io/certificate-arn: arn:aws:acm:us-east-1:111122223333:certificate/1
    alb.ingress.kubernetes.io/auth-type: oidc
    alb.ingress.kubernetes.io/auth-idp-oidc: >-
      {\"issuer\": \"https://a\", \"authorizationEndpoint\": \"https://a/a\", \"tokenEndpoint\": \"https://a/t\",
      \"userInfoEndpoint\": \"https://a/u\", \"secretName\": \"login\"}
spec:
  ingressClassName: edgeway
  defaultBackend: {service: {name: edgeway-gateway, port: {number: 80}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: plain
  namespace: edge
  annotations:
    alb.ingress.kubernetes.io/group.name: shop
    alb.ingress.kubernetes.io/actions.fixed: >-
      {\"type\": \"fixed-response\", \"fixedResponseConfig\": {\"statusCode\": \"200\", \"contentType\": \"text/plain\"}}
spec:
  ingressClassName: edgeway
  rules:
  - host: plain.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: fixed, port: {name: use-annotation}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: lost, namespace: edge}
spec:
  ingressClassName: edgeway
  defaultBackend: {service: {name: lost, port: {number: 80}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: edge}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: other}
spec: {controller: example.com/other}
";

/// A pod that waits until its targets are well, of which it has none.
const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: gated, namespace: edge}
spec:
  readinessGates: [{conditionType: edgeway.dev/targets-healthy}]
  containers: [{name: a, image: a}]
";

const PLAIN: &str = "/apis/networking.k8s.io/v1/namespaces/edge/ingresses/plain";

#[test]
fn roles_are_what_the_programs_need_and_no_more() {
    let Some(helm) = Helm::find() else { return };
    let Some(cluster) = Cluster::start_audited() else { return };
    let admin = cluster.admin();
    install_kinds(admin);
    let controller =
        helm.objects("edgeway", "edgeway", &[&PLACE[..], &["secrets.edge={login}"]].concat());
    let gateway = helm.objects("edgeway", "edgeway-gateway", &["fullnameOverride=edgeway-gateway"]);
    let accounts = ["edgeway", "edgeway-gateway"].map(|name| cluster.account("edge", name));
    for object in controller.iter().chain(&gateway) {
        let kind = object["kind"].as_str().unwrap();
        if kind.contains("Role") || kind == "IngressClass" || kind == "Service" {
            admin.try_apply(object).unwrap_or_else(|error| panic!("{error}: {object}"));
        }
    }
    for object in documents(FRONT) {
        admin.try_apply(&object).unwrap_or_else(|error| panic!("{error}: {object}"));
    }

    let [of_controller, of_gateway] = accounts.map(|account| account.kubeconfig);
    let labels = "--labels=app.kubernetes.io/instance=edgeway,istio=ingressgateway,\
                  app.kubernetes.io/name=edgeway-gateway";
    let name = "--workload-name=edgeway-gateway";
    let front = Gateway::of_cluster(&of_gateway, &["--namespace=edge", name, labels]);
    let (alb, mut aws) = local_alb();
    let metrics = free_port();
    let listen = format!("--metrics=127.0.0.1:{metrics}");
    let kubeconfig = format!("--kubeconfig={}", of_controller.display());
    let (endpoint, vpc) = (format!("--endpoint-url={alb}"), "--vpc-id=vpc-10ca1a1b");
    let arguments =
        ["--source=kube", &kubeconfig, &endpoint, vpc, "--cluster-name=test", "--region=us-east-1"];
    let mut acting = Process::start_with(
        "edgeway-alb-controller",
        // What is still wrong is told again at the next pass.
        &[&arguments[..], &[listen.as_str(), "--count-events-every=0"]].concat(),
        &[
            ("POD_NAMESPACE", "edge"),
            ("POD_NAME", "edgeway-0"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ],
    );
    front.wait_ready();
    wait_for("the controller", || {
        let url = format!("http://127.0.0.1:{metrics}/healthz/ready");
        Ask::get(url).send().ok().filter(|answer| answer.status == 200)
    });
    wait_for("an address", || {
        let told = admin.get(PLAIN).ok()?;
        told.pointer("/status/loadBalancer/ingress/0/hostname").map(drop)
    });
    let ready = json!({"status": {"conditions": [{"type": "ContainersReady", "status": "True"}]}});
    admin.apply(POD);
    admin.merge("/api/v1/namespaces/edge/pods/gated/status", &ready).unwrap();
    // What was said of an Ingress goes when it leaves.
    admin.merge(PLAIN, &json!({"spec": {"ingressClassName": "other"}})).unwrap();
    check(&cluster, "edgeway", &permissions(&controller));
    check(&cluster, "edgeway-gateway", &permissions(&gateway));
    // An account that may not do something would have been told so by now.
    for process in [&mut acting, &mut aws] {
        assert!(!process.lines().join("\n").contains("permission-missing"));
    }
}

fn install_kinds(admin: &Kubernetes) {
    admin.install_istio();
    for entry in fs::read_dir(root().join("deploy/charts/edgeway-crds/files")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        admin.apply(&text);
    }
}

/// A stand-in for AWS, and where it is.
fn local_alb() -> (String, Process) {
    let api = format!("127.0.0.1:{}", free_port());
    let offset = free_offset().to_string();
    let place = ["--bind", "127.0.0.1", "--port-offset", &offset];
    let arguments = [&["local-alb", "--api", &api, "--adopt"][..], &place].concat();
    let mut process = Process::start("edgeway", &arguments);
    process.wait_line("its address", |line| line.contains("answers as AWS").then_some(()));
    (format!("http://{api}"), process)
}

/// Waits until the account has made use of all that it may do; and nothing was refused to it.
fn check(cluster: &Cluster, account: &str, granted: &BTreeSet<Permission>) {
    assert!(granted.iter().all(|it| !it.to_string().contains('*')), "{granted:?}");
    let user = format!("system:serviceaccount:edge:{account}");
    let unused = |done: &BTreeSet<Permission>| -> Vec<String> {
        granted.difference(done).map(ToString::to_string).collect()
    };
    let end = std::time::Instant::now() + edgeway_tests::PATIENCE;
    loop {
        let asked = cluster.asked();
        let own: Vec<&Value> =
            asked.iter().filter(|event| event["user"]["username"] == user.as_str()).collect();
        let refused: Vec<String> = own
            .iter()
            .filter(|event| event["responseStatus"]["code"] == 403)
            .map(|event| permission(event).to_string())
            .collect();
        assert!(refused.is_empty(), "{account} may not {refused:?}");
        let done = own.iter().flat_map(|event| permissions_of(event)).collect();
        let unused = unused(&done);
        if unused.is_empty() {
            return;
        }
        assert!(std::time::Instant::now() < end, "{account} need not be allowed to {unused:?}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// What was needed for it. To apply what was not there is to create it.
fn permissions_of(event: &Value) -> Vec<Permission> {
    let asked = permission(event);
    if asked.verb == "patch" && event["responseStatus"]["code"] == 201 {
        return vec![Permission { verb: "create".into(), ..asked.clone() }, asked];
    }
    vec![asked]
}

/// What was asked for.
fn permission(event: &Value) -> Permission {
    let of = |name: &str| event["objectRef"][name].as_str().unwrap_or_default().to_owned();
    let sub = of("subresource");
    let resource = if sub.is_empty() { of("resource") } else { of("resource") + "/" + &sub };
    let verb = event["verb"].as_str().unwrap_or_default().to_owned();
    Permission { verb, resource, group: of("apiGroup") }
}

/// What the roles of a chart allow.
fn permissions(objects: &[Value]) -> BTreeSet<Permission> {
    let roles = objects.iter().filter(|it| it["kind"] == "ClusterRole" || it["kind"] == "Role");
    let all_rules = roles.flat_map(|role| role["rules"].as_array().into_iter().flatten());
    let words = |rule: &Value, name: &str| -> Vec<String> {
        let words = rule[name].as_array().into_iter().flatten();
        words.map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let mut all = BTreeSet::new();
    for rule in all_rules {
        for group in words(rule, "apiGroups") {
            for resource in words(rule, "resources") {
                all.extend(words(rule, "verbs").into_iter().map(|verb| Permission {
                    verb,
                    resource: resource.clone(),
                    group: group.clone(),
                }));
            }
        }
    }
    assert!(!all.is_empty());
    all
}
