//! What addresses are read from: pods, machines, and what is listed for each service. It outlives
//! the objects that it was made of, so that a change of endpoints costs no more than that.

use super::{Workload, nodes::Nodes, pods::Pods, report::Rejected};
use edgeway_api::{
    Objects, Pod, Resource, WorkloadEntry,
    k8s_openapi::api::{core::v1::Endpoints, discovery::v1::EndpointSlice},
};
use hashbrown::HashMap;
use std::sync::Arc;

/// Label of an EndpointSlice that names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Something for each namespace and name.
#[derive(Debug)]
pub(super) struct ByName<T>(HashMap<Box<str>, HashMap<Box<str>, T>>);

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> ByName<T> {
    /// What is there for this name.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.0.get(namespace)?.get(name)
    }

    /// Puts something there.
    pub(super) fn put(&mut self, namespace: &str, name: &str, what: T) {
        self.0.entry_ref(namespace).or_default().insert(name.into(), what);
    }

    /// Takes what is there away.
    pub(super) fn remove(&mut self, namespace: &str, name: &str) {
        if let Some(names) = self.0.get_mut(namespace) {
            names.remove(name);
        }
    }

    /// What is there for this name, to change; what was not there comes into being.
    pub(super) fn at(&mut self, namespace: &str, name: &str) -> &mut T
    where
        T: Default,
    {
        self.0.entry_ref(namespace).or_default().entry_ref(name).or_default()
    }
}

/// All that addresses are read from.
#[derive(Debug, Default)]
pub(super) struct Sites {
    /// Pods by name and by address.
    pub(super) pods: Pods,
    /// Machines and zones.
    pub(super) nodes: Nodes,
    listed: ByName<Listed>,
    workloads: HashMap<Box<str>, Vec<Arc<WorkloadEntry>>>,
    pods_of: HashMap<Box<str>, Vec<Arc<Pod>>>,
}

/// What Kubernetes lists for one Service.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Sorted by name.
    pub(super) slices: Vec<Arc<EndpointSlice>>,
    /// Counts where there is no slice.
    pub(super) endpoints: Option<Arc<Endpoints>>,
}

impl Sites {
    /// Reads `objects`; rejected ones do not count.
    pub(super) fn new(objects: &Objects, workload: &Workload, rejected: &Rejected) -> Self {
        let mut sites = Self { nodes: Nodes::new(objects, workload), ..Self::default() };
        for entry in &objects.workload_entries {
            if !rejected.contains(&**entry) {
                let of = sites.workloads.entry_ref(entry.namespace()).or_default();
                of.push(Arc::clone(entry));
            }
        }
        sites.read_pods(&objects.pods);
        objects.endpoint_slices.iter().for_each(|slice| sites.add_slice(slice));
        objects.endpoints.iter().for_each(|endpoints| sites.add_endpoints(endpoints));
        sites
    }

    /// What Kubernetes lists for a Service.
    pub(super) fn listed(&self, namespace: &str, service: &str) -> Option<&Listed> {
        self.listed.get(namespace, service)
    }

    /// The `WorkloadEntries` of a namespace.
    pub(super) fn workloads(&self, namespace: &str) -> impl Iterator<Item = &WorkloadEntry> {
        self.workloads.get(namespace).into_iter().flatten().map(Arc::as_ref)
    }

    /// The pods of a namespace.
    pub(super) fn pods(&self, namespace: &str) -> impl Iterator<Item = &Pod> {
        self.pods_of.get(namespace).into_iter().flatten().map(Arc::as_ref)
    }

    /// Takes `pods` in place of those that were.
    pub(super) fn read_pods(&mut self, pods: &[Arc<Pod>]) {
        self.pods = Pods::new(pods, &self.nodes);
        self.pods_of.clear();
        for pod in pods {
            self.pods_of.entry_ref(pod.namespace()).or_default().push(Arc::clone(pod));
        }
    }

    /// Adds a slice. Their order means nothing, so they have one of their own.
    pub(super) fn add_slice(&mut self, slice: &Arc<EndpointSlice>) {
        let Some((namespace, service)) = service_of(slice) else { return };
        let slices = &mut self.listed.at(namespace, service).slices;
        let at = slices.partition_point(|other| other.name() < slice.name());
        slices.insert(at, Arc::clone(slice));
    }

    /// Forgets a slice.
    pub(super) fn remove_slice(&mut self, slice: &Arc<EndpointSlice>) {
        let Some((namespace, service)) = service_of(slice) else { return };
        let slices = &mut self.listed.at(namespace, service).slices;
        slices.retain(|other| !Arc::ptr_eq(other, slice));
    }

    /// Adds what the older form lists.
    pub(super) fn add_endpoints(&mut self, endpoints: &Arc<Endpoints>) {
        let listed = self.listed.at(endpoints.namespace(), endpoints.name());
        listed.endpoints = Some(Arc::clone(endpoints));
    }

    /// Forgets what the older form lists.
    pub(super) fn remove_endpoints(&mut self, endpoints: &Arc<Endpoints>) {
        let listed = self.listed.at(endpoints.namespace(), endpoints.name());
        listed.endpoints = listed.endpoints.take().filter(|it| !Arc::ptr_eq(it, endpoints));
    }
}

/// Namespace and name of the Service that a slice belongs to.
pub(super) fn service_of(slice: &EndpointSlice) -> Option<(&str, &str)> {
    let service = slice.meta().labels.as_ref()?.get(SERVICE_NAME)?;
    Some((slice.namespace(), service))
}
