//! A client of an API server: what one would do with `kubectl`.

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
    core::Status,
};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};
use tokio::runtime::Runtime;

/// Who last wrote a field, for the API server.
const WRITER: &str = "edgeway-tests";

/// Kinds that live in no namespace.
const CLUSTER_SCOPED: &[&str] = &[
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "IngressClass",
    "IngressClassParams",
    "Namespace",
    "Node",
];

/// Istio's kinds that we read, as CRDs that check nothing, in all versions that there have been.
const ISTIO: &[(&str, &str)] = &[
    ("Gateway", "gateways"),
    ("VirtualService", "virtualservices"),
    ("DestinationRule", "destinationrules"),
    ("ServiceEntry", "serviceentries"),
    ("WorkloadEntry", "workloadentries"),
];

/// Asks an API server.
#[derive(Clone)]
pub struct Kubernetes {
    client: Client,
    server: String,
    runtime: Arc<Runtime>,
}

impl std::fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kubernetes").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Kubernetes {
    /// Asks as a kubeconfig says.
    pub fn connect(kubeconfig: &Path) -> Self {
        let runtime = Runtime::new().expect("a runtime can be started");
        let (client, server) = runtime.block_on(async {
            let file = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig can be read");
            let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
            let config = config.expect("the kubeconfig makes sense");
            let server = config.cluster_url.to_string();
            (Client::try_from(config).expect("a client can be made"), server)
        });
        Self { client, server: server.trim_end_matches('/').to_owned(), runtime: Arc::new(runtime) }
    }

    /// Where the API server is.
    pub fn server(&self) -> String {
        self.server.clone()
    }

    /// What is at `path`, as text.
    pub fn text(&self, path: &str) -> Result<String, kube::Error> {
        let request = http::Request::get(path).body(Vec::new()).expect("paths are valid");
        self.runtime.block_on(self.client.request_text(request))
    }

    /// What is at `path`.
    pub fn get(&self, path: &str) -> Result<Value, kube::Error> {
        self.ask("GET", path, "application/json", Vec::new())
    }

    /// Posts `body` to `path`.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, kube::Error> {
        self.ask("POST", path, "application/json", body.to_string().into_bytes())
    }

    /// Applies every object of `manifests`, taking over all fields.
    pub fn apply(&self, manifests: &str) {
        for document in manifests.split("\n---\n").filter(|text| !text.trim().is_empty()) {
            let object: Value = serde_saphyr::from_str(document).expect("manifests are YAML");
            if let Err(error) = self.try_apply(&object) {
                panic!("not applied: {error}\n{document}");
            }
        }
    }

    /// Applies one object.
    pub fn try_apply(&self, object: &Value) -> Result<Value, kube::Error> {
        let path = format!("{}?fieldManager={WRITER}&force=true", path_of(object));
        self.ask("PATCH", &path, "application/apply-patch+yaml", object.to_string().into_bytes())
    }

    /// Whether the object would be taken as it is, to the last field; nothing is changed.
    pub fn would_take(&self, object: &Value) -> Result<Value, kube::Error> {
        let options = "fieldManager=edgeway-tests&force=true&dryRun=All&fieldValidation=Strict";
        let path = format!("{}?{options}", path_of(object));
        self.ask("PATCH", &path, "application/apply-patch+yaml", object.to_string().into_bytes())
    }

    /// Creates an object in the list at `path`, whatever it is.
    pub fn create(&self, path: &str, object: &Value) -> Result<String, kube::Error> {
        self.told("POST", path, "application/json", object.to_string().into_bytes())
    }

    /// Merges `change` into the object at `path`.
    pub fn merge(&self, path: &str, change: &Value) -> Result<String, kube::Error> {
        let body = change.to_string().into_bytes();
        self.told("PATCH", path, "application/merge-patch+json", body)
    }

    /// Deletes every object of `manifests`.
    pub fn delete(&self, manifests: &str) {
        for document in manifests.split("\n---\n").filter(|text| !text.trim().is_empty()) {
            let object: Value = serde_saphyr::from_str(document).expect("manifests are YAML");
            let options = json!({"propagationPolicy": "Background", "gracePeriodSeconds": 0});
            let body = options.to_string().into_bytes();
            let deleted = self.ask("DELETE", &path_of(&object), "application/json", body);
            if let Err(error) = deleted {
                panic!("not deleted: {error}\n{document}");
            }
        }
    }

    /// Deletes the object at `path` without waiting for it to end in peace.
    pub fn delete_by_force(&self, path: &str) -> Result<String, kube::Error> {
        let body = json!({"gracePeriodSeconds": 0}).to_string().into_bytes();
        self.told("DELETE", path, "application/json", body)
    }

    /// Installs a kind that takes anything, and waits until it is served.
    pub fn install_kind(&self, group: &str, version: &str, (kind, plural): (&str, &str)) {
        let crd = crd(group, (kind, plural), &[version]);
        self.try_apply(&crd).expect("a CRD can be applied");
        let path = format!("/apis/{group}/{version}/{plural}");
        crate::wait_for("the kind", || self.get(&path).ok());
    }

    /// Installs Istio's kinds, and waits until they are served.
    pub fn install_istio(&self) {
        for (kind, plural) in ISTIO {
            let versions = ["v1", "v1beta1", "v1alpha3"];
            let crd = crd("networking.istio.io", (kind, plural), &versions);
            self.try_apply(&crd).expect("a CRD can be applied");
        }
        for (_, plural) in ISTIO {
            let path = format!("/apis/networking.istio.io/v1/{plural}");
            crate::wait_for("Istio's kinds", || self.get(&path).ok());
        }
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        content: &str,
        body: Vec<u8>,
    ) -> Result<Value, kube::Error> {
        self.runtime.block_on(self.client.request(request(method, path, content, body)))
    }

    /// As [`Self::ask`], for answers that may be deeper than can be read.
    fn told(
        &self,
        method: &str,
        path: &str,
        content: &str,
        body: Vec<u8>,
    ) -> Result<String, kube::Error> {
        self.runtime.block_on(self.client.request_text(request(method, path, content, body)))
    }
}

fn request(method: &str, path: &str, content: &str, body: Vec<u8>) -> http::Request<Vec<u8>> {
    let request = http::Request::builder().method(method).uri(path);
    let request = request.header("content-type", content).header("accept", "application/json");
    request.body(body).expect("paths are valid")
}

/// The documents of a stream of YAML, without those that are empty.
pub fn documents(text: &str) -> Vec<Value> {
    let documents = text.split("\n---").map(|text| text.trim_start_matches("---"));
    let values = documents.map(|text| serde_saphyr::from_str(text).expect("manifests are YAML"));
    values.filter(|value: &Value| !value.is_null()).collect()
}

/// What the API server says about a refusal.
pub fn refusal(error: &kube::Error) -> Option<&Status> {
    if let kube::Error::Api(status) = error { Some(status) } else { None }
}

/// Where an object is.
pub fn path_of(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let version = text("/apiVersion").expect("an object has an apiVersion");
    let kind = text("/kind").expect("an object has a kind");
    let name = text("/metadata/name").expect("an object has a name");
    let root = if version.contains('/') { "apis" } else { "api" };
    let plural = plural(kind);
    if CLUSTER_SCOPED.contains(&kind) {
        return format!("/{root}/{version}/{plural}/{name}");
    }
    let namespace = text("/metadata/namespace").unwrap_or("default");
    format!("/{root}/{version}/namespaces/{namespace}/{plural}/{name}")
}

fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.as_str() {
        "endpoints" | "ingressclassparams" => kind,
        _ if kind.ends_with('s') => format!("{kind}es"),
        _ => match kind.strip_suffix('y').filter(|stem| !stem.ends_with('a')) {
            Some(stem) => format!("{stem}ies"),
            None => format!("{kind}s"),
        },
    }
}

/// A CRD that takes any spec and any status.
fn crd(group: &str, (kind, plural): (&str, &str), versions: &[&str]) -> Value {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = |(index, name): (usize, &&str)| {
        json!({
            "name": name,
            "served": true,
            "storage": index == 0,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": anything, "status": anything},
            }},
        })
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": versions.iter().enumerate().map(version).collect::<Vec<_>>(),
        },
    })
}
