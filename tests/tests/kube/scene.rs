//! What the tests put into a cluster, and backends outside of it.

use edgeway_tests::{Ask, Cluster, Gateway, Kubernetes, wait_for};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    thread,
};

/// What a gateway may do, and no more.
pub(crate) const ROLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: gateway}
rules:
- apiGroups: [networking.istio.io]
  resources: [gateways, virtualservices, destinationrules, serviceentries, workloadentries]
  verbs: [list, watch]
- {apiGroups: [''], resources: [services, pods, namespaces, nodes], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
- {apiGroups: [networking.k8s.io], resources: [ingresses, ingressclasses], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: gateway}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gateway}
subjects: [{kind: ServiceAccount, name: gateway, namespace: istio-system}]
";

/// What the gateway that leads may do besides.
pub(crate) const STATUS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: gateway-status}
rules:
- apiGroups: [networking.istio.io]
  resources: [gateways, virtualservices, destinationrules, serviceentries]
  verbs: [get]
- apiGroups: [networking.istio.io]
  resources: [gateways/status, virtualservices/status, destinationrules/status, serviceentries/status]
  verbs: [patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: gateway-status}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gateway-status}
subjects: [{kind: ServiceAccount, name: gateway, namespace: istio-system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: gateway-status, namespace: istio-system}
rules:
- {apiGroups: [edgeway.dev], resources: [edgestatuses], verbs: [create, get, patch]}
- {apiGroups: [edgeway.dev], resources: [edgestatuses/status], verbs: [patch]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create, get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: gateway-status, namespace: istio-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: gateway-status}
subjects: [{kind: ServiceAccount, name: gateway, namespace: istio-system}]
";

pub(crate) const SECRETS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: gateway, namespace: istio-system}
rules: [{apiGroups: [''], resources: [secrets], resourceNames: [web-tls, web-tls-cacert], verbs: [list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: gateway, namespace: istio-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: gateway}
subjects: [{kind: ServiceAccount, name: gateway, namespace: istio-system}]
";

pub(crate) const FRONT: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
";

pub(crate) fn account(cluster: &Cluster) -> PathBuf {
    let account = cluster.account("istio-system", "gateway");
    cluster.admin().apply(ROLE);
    account.kubeconfig
}

/// `host` is answered by the gateway itself, with `body`.
pub(crate) fn answered(name: &str, body: &str) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "hosts": [format!("{name}.test")], "gateways": ["istio-system/web"],
            "http": [{"directResponse": {"status": 200, "body": {"string": body}}}],
        },
    })
}

/// `host` is forwarded to a destination.
pub(crate) fn forwarded(name: &str, destination: &Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "hosts": [format!("{name}.test")], "gateways": ["istio-system/web"],
            "http": [{"route": [{"destination": destination}]}],
        },
    })
}

/// A backend at an address that an API server takes for one: it takes none of the loopback network.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
}

impl Backend {
    /// Answers everything with `body`, to the end of the test.
    pub(crate) fn start(body: &'static str) -> Self {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        // Nothing is sent: this only asks from where it would be.
        socket.connect("192.0.2.1:9").expect("the machine has a network");
        let listener = TcpListener::bind((socket.local_addr().unwrap().ip(), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || answer(stream, body));
            }
        });
        Self { address }
    }
}

/// Requests without bodies, one after the other.
pub(crate) fn answer(mut stream: TcpStream, body: &str) {
    let Ok(half) = stream.try_clone() else { return };
    for line in BufReader::new(half).lines().map_while(Result::ok) {
        if line.is_empty() {
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        }
    }
}

pub(crate) fn slice(name: &str, pod: &str, backend: &Backend) -> Value {
    let Backend { address } = backend;
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{name}-1"), "namespace": "default",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": address.port()}],
        "endpoints": [{
            "addresses": [address.ip().to_string()],
            "targetRef": {"kind": "Pod", "name": pod, "namespace": "default"},
        }],
    })
}

pub(crate) fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    })
}

pub(crate) fn apply(kubernetes: &Kubernetes, object: &Value) {
    if let Err(error) = kubernetes.try_apply(object) {
        panic!("not applied: {error}\n{object}");
    }
}

pub(crate) fn delete(kubernetes: &Kubernetes, object: &Value) {
    kubernetes.delete(&object.to_string());
}

/// Waits until the host is answered so.
pub(crate) fn becomes(gateway: &Gateway, host: &str, status: u16, body: &str) {
    wait_for(&format!("{host}: {status} {body}"), || {
        let answer = Ask::get(gateway.url("/")).host(host).send().ok()?;
        (answer.status == status && answer.body.contains(body)).then_some(())
    });
}

/// Waits until there is such a problem, and gives it.
pub(crate) fn problem(gateway: &Gateway, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for("a problem", || {
        let problems = gateway.problems();
        let all = problems.as_array().or_else(|| problems.get("problems")?.as_array())?;
        all.iter().find(|problem| wanted(problem)).cloned()
    })
}
