//! Why a destination answers 503: what is missing, and how much of it is there. Pure.

use super::Scene;
use edgeway_api::{
    Resource,
    k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice},
};
use edgeway_core::{
    cluster::{Cluster, ServiceName, UpstreamTls},
    id::ObjectName,
};

/// Label of a slice that names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A sentence for a destination that answers 503; nothing for one that is served. `by` is the
/// VirtualService, `name` the cluster's, whether it exists or not.
pub(super) fn why(
    scene: Scene<'_>,
    by: &ObjectName,
    name: &str,
    cluster: Option<&Cluster>,
) -> Option<String> {
    let host = name.splitn(4, '|').last().unwrap_or(name);
    match cluster {
        None => Some(absence(scene, by, name, host)),
        Some(cluster) if cluster.policy.tls == UpstreamTls::Unsupported => {
            Some(format!("{host}: TLS to it cannot be made, `edgeway check` says why"))
        }
        Some(cluster) if super::endpoints(scene, cluster) == Some(0) => {
            Some(format!("{host}: {}", nobody(scene, cluster)))
        }
        Some(_) => None,
    }
}

/// What compile has said of it.
fn absence(scene: Scene<'_>, by: &ObjectName, name: &str, host: &str) -> String {
    let is_meant =
        |quoted: &str| quoted == name || quoted == host || host.starts_with(&format!("{quoted}."));
    let mut said = scene.reading.compiled.problems.iter().filter(|problem| {
        let object = &problem.object;
        let own = object.kind == "VirtualService"
            && object.namespace == *by.namespace
            && object.name == *by.name;
        own && problem.code.starts_with("destination-")
            && problem.message.split('`').skip(1).step_by(2).any(is_meant)
    });
    let found = said.next().map(|problem| {
        let message = problem.message.as_str();
        message.rsplit_once(": ").map_or(message, |(what, _)| what).to_owned()
    });
    found.unwrap_or_else(|| format!("there is no service, port or subset for cluster `{name}`"))
}

/// Who is there and does not count.
fn nobody(scene: Scene<'_>, cluster: &Cluster) -> String {
    let id = cluster.id.to_string();
    let subset = id.split('|').nth(2).unwrap_or_default();
    let objects = &scene.reading.objects;
    let slices = objects.endpoint_slices.iter().filter(|slice| is_of(slice, &cluster.service));
    let all: Vec<&Endpoint> = slices.flat_map(|slice| &slice.endpoints).collect();
    let is_ready = |it: &&&Endpoint| {
        it.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
    };
    match (all.len(), all.iter().filter(is_ready).count()) {
        (0, _) => "it has no endpoint: no pod is there, or its selector takes none".to_owned(),
        (count, 0) => format!("none of its {count} endpoints is ready"),
        (_, ready) if subset.is_empty() => {
            format!("none of its {ready} ready endpoints has the port")
        }
        (_, ready) => format!("none of its {ready} ready endpoints is of subset {subset}"),
    }
}

fn is_of(slice: &EndpointSlice, service: &ServiceName) -> bool {
    let labels = slice.metadata.labels.as_ref();
    let name = labels.and_then(|labels| labels.get(SERVICE_NAME));
    slice.namespace() == &*service.namespace && name.is_some_and(|name| **name == *service.name)
}
