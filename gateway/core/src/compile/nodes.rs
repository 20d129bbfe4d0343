//! Where pods and machines are: as a label says, as their Node says, as their zone tells.

use super::{Workload, pods::selects};
use crate::cluster::Locality;
use edgeway_api::{Objects, Resource, k8s_openapi::api::core::v1::Pod};
use hashbrown::HashMap;
use std::{collections::BTreeMap, sync::Arc};

/// Label of a pod or workload that says where it is.
const LOCALITY: &str = "istio-locality";

/// Labels of a Node, and of what is compared with it.
pub(super) const REGION: &str = "topology.kubernetes.io/region";
pub(super) const ZONE: &str = "topology.kubernetes.io/zone";
pub(super) const SUBZONE: &str = "topology.istio.io/subzone";

/// What clusters older than Kubernetes 1.17 call the first two.
const OLDER_REGION: &str = "failure-domain.beta.kubernetes.io/region";
const OLDER_ZONE: &str = "failure-domain.beta.kubernetes.io/zone";

/// All Nodes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Nodes {
    by_name: HashMap<Box<str>, Locality>,
    /// Regions of the zones that are known.
    regions: HashMap<Arc<str>, Arc<str>>,
}

impl Nodes {
    /// Reads the Nodes of `objects`. Zones that they do not have may be those of `workload`.
    pub(super) fn new(objects: &Objects, workload: &Workload) -> Self {
        let mut nodes = Self::default();
        let Locality { region, zone, .. } = workload.locality.clone();
        nodes.regions.insert(zone, region);
        let mut told: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        for node in &objects.nodes {
            let locality = of_node(node.meta().labels.as_ref());
            let region = told.entry(Arc::clone(&locality.zone)).or_default();
            *region = std::mem::take(region).max(Arc::clone(&locality.region));
            nodes.by_name.insert(node.name().into(), locality);
        }
        nodes.regions.extend(told);
        nodes
    }

    /// Where the Node of this name is.
    pub(super) fn named(&self, name: Option<&str>) -> Option<&Locality> {
        self.by_name.get(name?).filter(|locality| !locality.is_empty())
    }

    /// Where a zone is.
    pub(super) fn in_zone(&self, zone: &str) -> Locality {
        let region = self.regions.get(zone).cloned().unwrap_or_default();
        Locality { region, zone: zone.into(), ..Locality::default() }
    }

    /// Where a pod is: its label counts more than its Node (as Istio).
    pub(super) fn of_pod(&self, pod: &Pod) -> Locality {
        let own = pod.meta().labels.as_ref().and_then(of_labels);
        let node = || self.named(pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()));
        own.or_else(|| node().cloned()).unwrap_or_default()
    }

    /// Where the gateway is: where it is said to be, else where its pod is. If it does not know which
    /// pod is its own, those that look like it must all be in one place.
    pub(super) fn own(&self, objects: &Objects, workload: &Workload) -> Locality {
        if !workload.locality.is_empty() {
            return workload.locality.clone();
        }
        if let Some(locality) = of_labels(&workload.labels) {
            return locality;
        }
        let mine = objects.pods.iter().filter(|pod| {
            let labels = pod.meta().labels.as_ref();
            let alike = || labels.is_some_and(|labels| selects(&workload.labels, labels));
            let named = workload.pod == pod.name();
            pod.namespace() == workload.namespace && (named || workload.pod.is_empty() && alike())
        });
        let mut places = mine.map(|pod| self.of_pod(pod));
        let first = places.next().unwrap_or_default();
        if places.all(|place| place == first) { first } else { Locality::default() }
    }
}

/// What `istio-locality` says; dots stand for slashes, which labels cannot have.
pub(super) fn of_labels(labels: &BTreeMap<String, String>) -> Option<Locality> {
    let text = labels.get(LOCALITY).filter(|text| !text.is_empty())?;
    let slashed = if text.contains('/') { text.clone() } else { text.replace('.', "/") };
    Some(Locality::parse(&slashed))
}

fn of_node(labels: Option<&BTreeMap<String, String>>) -> Locality {
    let first = |names: &[&str]| {
        let found = names.iter().find_map(|name| labels?.get(*name));
        found.map(|value| value.as_str().into()).unwrap_or_default()
    };
    Locality {
        region: first(&[REGION, OLDER_REGION]),
        zone: first(&[ZONE, OLDER_ZONE]),
        subzone: first(&[SUBZONE]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_api::manifest;

    const OBJECTS: &str = "
apiVersion: v1
kind: Node
metadata:
  name: n1
  labels: {topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: z1, topology.istio.io/subzone: s1}
---
apiVersion: v1
kind: Node
metadata:
  name: n2
  labels: {failure-domain.beta.kubernetes.io/region: r2, failure-domain.beta.kubernetes.io/zone: z2}
---
apiVersion: v1
kind: Pod
metadata: {name: gw-1, namespace: istio-system, labels: {istio: ingressgateway}}
spec: {nodeName: n1, containers: []}
---
apiVersion: v1
kind: Pod
metadata: {name: gw-2, namespace: istio-system, labels: {istio: ingressgateway, istio-locality: r3.z3}}
spec: {nodeName: n2, containers: []}
";

    #[test]
    fn the_gateway_is_where_it_is_said_to_be_or_where_its_pod_is() {
        let mut objects = Objects::default();
        manifest::read(OBJECTS, "test", &mut objects);
        let own = |workload: &Workload, objects: &Objects| {
            Nodes::new(objects, workload).own(objects, workload).to_string()
        };
        let workload = Workload::default();
        // Two pods, two places.
        assert_eq!(own(&workload, &objects), "//");
        let named = |pod: &str| Workload { pod: pod.into(), ..Workload::default() };
        assert_eq!(own(&named("gw-1"), &objects), "r1/z1/s1");
        assert_eq!(own(&named("gw-2"), &objects), "r3/z3/");
        assert_eq!(own(&named("other"), &objects), "//");
        let said = Workload { locality: Locality::parse("r9/z9"), ..named("gw-1") };
        assert_eq!(own(&said, &objects), "r9/z9/");
        objects.pods.retain(|pod| pod.name() == "gw-1");
        assert_eq!(own(&workload, &objects), "r1/z1/s1");
        let mut labelled = Workload::default();
        labelled.labels.insert(LOCALITY.into(), "r7/z7/s7".into());
        assert_eq!(own(&labelled, &objects), "r7/z7/s7");
    }

    #[test]
    fn a_zone_tells_its_region() {
        let mut objects = Objects::default();
        manifest::read(OBJECTS, "test", &mut objects);
        let workload = Workload { locality: Locality::parse("r5/z5"), ..Workload::default() };
        let nodes = Nodes::new(&objects, &workload);
        for (zone, expected) in
            [("z1", "r1/z1/"), ("z2", "r2/z2/"), ("z5", "r5/z5/"), ("z8", "/z8/")]
        {
            assert_eq!(nodes.in_zone(zone).to_string(), expected);
        }
        assert_eq!(nodes.named(Some("n2")).map(ToString::to_string).as_deref(), Some("r2/z2/"));
        assert_eq!(nodes.named(Some("n3")), None);
    }
}
