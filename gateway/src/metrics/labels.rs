//! Istio's labels of a request, as a gateway reports them: it is the client of the mesh.

use std::collections::BTreeMap;

/// The labels of every `istio_*` family, in the order of their values.
pub(super) const NAMES: [&str; 25] = [
    "reporter",
    "source_workload",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_canonical_service",
    "source_canonical_revision",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_cluster",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
];

const UNKNOWN: &str = "unknown";

/// A workload as the labels of either side name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    name: String,
    namespace: String,
    app: String,
    version: String,
    canonical_service: String,
    canonical_revision: String,
    cluster: String,
}

impl Workload {
    /// Nobody knows.
    pub(crate) fn unknown() -> Self {
        let unknown = || UNKNOWN.to_owned();
        Self {
            name: unknown(),
            namespace: unknown(),
            app: unknown(),
            version: unknown(),
            canonical_service: unknown(),
            canonical_revision: unknown(),
            cluster: unknown(),
        }
    }

    /// A workload by its name, the namespace it runs in, its pods' labels and its cluster's name.
    pub(crate) fn new(
        name: &str,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        cluster: &str,
    ) -> Self {
        let label = |names: &[&str], otherwise: &str| {
            let found = names.iter().find_map(|name| labels.get(*name));
            known(found.map_or(otherwise, String::as_str))
        };
        Self {
            name: known(name),
            namespace: known(namespace),
            app: label(&["app", "app.kubernetes.io/name"], UNKNOWN),
            version: label(&["version", "app.kubernetes.io/version"], UNKNOWN),
            canonical_service: label(
                &["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"],
                name,
            ),
            canonical_revision: label(
                &["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"],
                "latest",
            ),
            cluster: known(cluster),
        }
    }
}

fn known(value: &str) -> String {
    if value.is_empty() { UNKNOWN.to_owned() } else { value.to_owned() }
}

/// Where a request went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The endpoint's workload.
    pub(crate) workload: Workload,
    /// Fully qualified host of the service.
    pub(crate) service: String,
    /// Its short name.
    pub(crate) service_name: String,
    /// Its namespace.
    pub(crate) service_namespace: String,
}

impl Destination {
    /// Nowhere.
    pub(crate) fn unknown() -> Self {
        Self {
            workload: Workload::unknown(),
            service: UNKNOWN.to_owned(),
            service_name: UNKNOWN.to_owned(),
            service_namespace: UNKNOWN.to_owned(),
        }
    }
}

/// How a request ended: what distinguishes the series of one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending<'a> {
    /// Status, or 0 if the client saw none.
    pub(crate) code: u16,
    /// Whether the request was gRPC.
    pub(crate) grpc: bool,
    /// Its status, where known.
    pub(crate) grpc_status: Option<u16>,
    /// Response flags as text.
    pub(crate) flags: &'a str,
}

/// All values, in the order of [`NAMES`].
pub(super) fn values(
    source: &Workload,
    destination: &Destination,
    ending: Ending<'_>,
) -> Vec<String> {
    let Destination { workload, service, service_name, service_namespace } = destination;
    let grpc_status = ending.grpc_status.map(|status| status.to_string()).unwrap_or_default();
    let code = ending.code.to_string();
    [
        "source",
        &source.name,
        &source.namespace,
        UNKNOWN,
        &source.app,
        &source.version,
        &source.canonical_service,
        &source.canonical_revision,
        &source.cluster,
        &workload.name,
        &workload.namespace,
        UNKNOWN,
        &workload.app,
        &workload.version,
        &workload.canonical_service,
        &workload.canonical_revision,
        &workload.cluster,
        service,
        service_name,
        service_namespace,
        if ending.grpc { "grpc" } else { "http" },
        &code,
        &grpc_status,
        ending.flags,
        UNKNOWN,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Whether the `istio_tcp_*` families have a label.
fn is_of_tcp(name: &str) -> bool {
    !matches!(name, "response_code" | "grpc_response_status")
}

/// The labels of the `istio_tcp_*` families.
pub(super) fn tcp_names() -> Vec<&'static str> {
    NAMES.into_iter().filter(|name| is_of_tcp(name)).collect()
}

/// All values, in the order of [`tcp_names`].
pub(super) fn tcp_values(source: &Workload, destination: &Destination, flags: &str) -> Vec<String> {
    let ending = Ending { code: 0, grpc: false, grpc_status: None, flags };
    let all = NAMES.into_iter().zip(values(source, destination, ending));
    all.filter(|(name, _)| is_of_tcp(name))
        .map(|(name, value)| if name == "request_protocol" { "tcp".to_owned() } else { value })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_has_its_value() {
        let labels = BTreeMap::from([
            ("app".to_owned(), "reviews".to_owned()),
            ("version".to_owned(), "v1".to_owned()),
        ]);
        let destination = Destination {
            workload: Workload::new("reviews-v1", "default", &labels, ""),
            service: "reviews.default.svc.cluster.local".into(),
            service_name: "reviews".into(),
            service_namespace: "default".into(),
        };
        let gateway = Workload::new("gw", "istio-system", &BTreeMap::new(), "Kubernetes");
        let ending = Ending { code: 200, grpc: false, grpc_status: None, flags: "-" };
        let values = values(&gateway, &destination, ending);
        assert_eq!(values.len(), NAMES.len());
        let of = |name: &str| {
            let at = NAMES.iter().position(|other| *other == name).unwrap();
            values[at].as_str()
        };
        for (name, value) in [
            ("source_workload", "gw"),
            ("source_canonical_service", "gw"),
            ("source_canonical_revision", "latest"),
            ("source_app", "unknown"),
            ("destination_workload", "reviews-v1"),
            ("destination_app", "reviews"),
            ("destination_canonical_revision", "v1"),
            ("destination_cluster", "unknown"),
            ("destination_service", "reviews.default.svc.cluster.local"),
            ("destination_service_namespace", "default"),
            ("request_protocol", "http"),
            ("response_code", "200"),
            ("grpc_response_status", ""),
            ("response_flags", "-"),
        ] {
            assert_eq!(of(name), value, "{name}");
        }
    }
}
