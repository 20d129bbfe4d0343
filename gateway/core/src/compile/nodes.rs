//! Where pods and machines are: as a label says, as their Node says, as their zone tells.

use super::{Workload, pods::selects};
use crate::cluster::Locality;
use edgeway_api::{Objects, Pod, Resource};
use hashbrown::HashMap;
use std::{collections::BTreeMap, sync::Arc};

/// Label of a pod or workload that says where it is.
const LOCALITY: &str = "istio-locality";

/// Labels of a Node, and of what is compared with it.
pub(super) const REGION: &str = "topology.kubernetes.io/region";
pub(super) const ZONE: &str = "topology.kubernetes.io/zone";
pub(super) const SUBZONE: &str = "topology.istio.io/subzone";

/// Label of a Node that is its name.
pub(super) const HOSTNAME: &str = "kubernetes.io/hostname";

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
        let node = || self.named(pod.spec.node_name.as_deref());
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
        agreed(mine(objects, workload).map(|pod| self.of_pod(pod)))
    }
}

/// The gateway's Node: as it is said to be, else that of its pod, found as [`Nodes::own`] does; empty
/// if nobody knows.
pub(crate) fn own_node(objects: &Objects, workload: &Workload) -> Arc<str> {
    if !workload.node.is_empty() {
        return workload.node.as_str().into();
    }
    agreed(mine(objects, workload).map(of_pod)).into()
}

/// The name of a pod's Node; empty while it has none.
pub(super) fn of_pod(pod: &Pod) -> &str {
    pod.spec.node_name.as_deref().unwrap_or_default()
}

/// The gateway's own pod; if it does not know its name, all that look like it.
fn mine<'o>(objects: &'o Objects, workload: &'o Workload) -> impl Iterator<Item = &'o Pod> {
    let is_mine = |pod: &&Pod| {
        let labels = pod.meta().labels.as_ref();
        let alike = || labels.is_some_and(|labels| selects(&workload.labels, labels));
        let named = workload.pod == pod.name();
        pod.namespace() == workload.namespace && (named || workload.pod.is_empty() && alike())
    };
    objects.pods.iter().map(Arc::as_ref).filter(is_mine)
}

/// What all of them are; nothing in particular where they differ.
fn agreed<T: Default + PartialEq>(mut all: impl Iterator<Item = T>) -> T {
    let first = all.next().unwrap_or_default();
    if all.all(|other| other == first) { first } else { T::default() }
}

/// A label of a workload at a place and on a Node. Those of the topology follow from where it is,
/// whatever else it says (as Istio: `AugmentLabels`).
pub(super) fn label<'v>(
    name: &str,
    labels: &'v BTreeMap<String, String>,
    (locality, node): (&'v Locality, &'v str),
) -> Option<&'v str> {
    let place = match name {
        REGION => &*locality.region,
        ZONE => &*locality.zone,
        SUBZONE => &*locality.subzone,
        HOSTNAME => node,
        _ => "",
    };
    if place.is_empty() { labels.get(name).map(String::as_str) } else { Some(place) }
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
    fn the_gateway_is_on_the_node_that_is_said_or_on_its_pods() {
        let mut objects = Objects::default();
        manifest::read(OBJECTS, "test", &mut objects);
        let named = |pod: &str| Workload { pod: pod.into(), ..Workload::default() };
        for (workload, expected) in [
            (Workload::default(), ""),
            (named("gw-1"), "n1"),
            (named("gw-2"), "n2"),
            (named("other"), ""),
            (Workload { node: "n9".into(), ..named("gw-1") }, "n9"),
        ] {
            assert_eq!(&*own_node(&objects, &workload), expected, "{workload:?}");
        }
    }

    #[test]
    fn labels_of_the_topology_follow_from_the_place() {
        let pairs = [("app", "a"), (ZONE, "z0"), (HOSTNAME, "n0")];
        let labels = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (at, nowhere) = (Locality::parse("r1/z1"), Locality::default());
        for (name, there, elsewhere) in [
            ("app", Some("a"), Some("a")),
            ("none", None, None),
            (REGION, Some("r1"), None),
            (ZONE, Some("z1"), Some("z0")),
            (HOSTNAME, Some("n1"), Some("n0")),
        ] {
            assert_eq!(label(name, &labels, (&at, "n1")), there, "{name}");
            assert_eq!(label(name, &labels, (&nowhere, "")), elsewhere, "{name}");
        }
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
