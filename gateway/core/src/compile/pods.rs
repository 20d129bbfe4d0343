//! Pods by name and by address: whose labels an endpoint has, and which workload owns it.

use super::{
    age::key,
    nodes::{self, Nodes},
    sites::ByName,
};
use crate::cluster::Locality;
use edgeway_api::{Pod, Resource, pod::PodCondition};
use hashbrown::HashMap;
use std::{collections::BTreeMap, sync::Arc};

/// What an endpoint knows about its pod.
#[derive(Clone, Debug, Default)]
pub(super) struct PodView {
    /// The pod's labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Name of the Deployment (or the like) behind it; the pod's own where there is none.
    pub workload: Arc<str>,
    /// Where it is.
    pub locality: Locality,
    /// Name of its Node.
    pub node: Arc<str>,
}

/// All pods, to be looked up.
#[derive(Debug, Default)]
pub(super) struct Pods {
    by_name: ByName<PodView>,
    by_address: HashMap<Box<str>, PodView>,
}

impl Pods {
    /// Indexes pods. Of several that claim an address the youngest has it.
    pub(super) fn new(list: &[Arc<Pod>], nodes: &Nodes) -> Self {
        let mut pods = Self::default();
        let mut owners: HashMap<&str, &Pod> = HashMap::with_capacity(list.len());
        for pod in list {
            let labels = Arc::new(pod.meta().labels.clone().unwrap_or_default());
            let locality = nodes.of_pod(pod);
            let node = nodes::of_pod(pod).into();
            let view = PodView { workload: workload(pod).into(), labels, locality, node };
            for address in addresses(pod) {
                let owner = owners.entry(address).or_insert(pod);
                if key(*owner) <= key(&**pod) {
                    *owner = pod;
                    pods.by_address.insert(address.into(), view.clone());
                }
            }
            *pods.by_name.at(pod.namespace(), pod.name()) = view;
        }
        pods
    }

    /// The pod of this name.
    pub(super) fn named(&self, namespace: &str, name: &str) -> Option<&PodView> {
        self.by_name.get(namespace, name)
    }

    /// The pod that has this address.
    pub(super) fn at(&self, address: &str) -> Option<&PodView> {
        self.by_address.get(address)
    }
}

/// Addresses of a pod that has not ended; those of host-network pods say nothing about them.
pub(super) fn addresses(pod: &Pod) -> impl Iterator<Item = &str> {
    let has_ended = matches!(pod.status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let has_own = !has_ended && !pod.spec.host_network;
    has_own.then(|| pod.addresses()).into_iter().flatten()
}

/// Whether nothing says that a pod is not ready, or going.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let unready = |one: &PodCondition| one.type_ == "Ready" && one.status != "True";
    pod.meta().deletion_timestamp.is_none() && !pod.status.conditions.iter().any(unready)
}

/// The Deployment's name where a ReplicaSet owns the pod, else the owner's, else the pod's.
fn workload(pod: &Pod) -> &str {
    let meta = pod.meta();
    let owner = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    let Some(owner) = owner else { return pod.name() };
    let hash = meta.labels.as_ref().and_then(|labels| labels.get("pod-template-hash"));
    let deployment = hash
        .filter(|_| owner.kind == "ReplicaSet")
        .and_then(|hash| owner.name.strip_suffix(hash.as_str()))
        .and_then(|name| name.strip_suffix('-'));
    deployment.unwrap_or(&owner.name)
}

/// Whether all of `selector` stands among `labels`.
pub(crate) fn selects(
    selector: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}
