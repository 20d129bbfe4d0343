//! Everything that was read, as one value.

use crate::{
    DestinationRule, Gateway, IngressClassParams, ObjectRef, Problem, ServiceEntry,
    TargetGroupBinding, VirtualService, WorkloadEntry,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Endpoints, Namespace, Node, Pod, Secret, Service},
    discovery::v1::EndpointSlice,
    networking::v1::{Ingress, IngressClass},
};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// The whole configuration at one moment. Cheap to clone; the order within a kind means nothing.
#[derive(Clone, Default)]
pub struct Objects {
    /// Istio's Gateways.
    pub gateways: Vec<Arc<Gateway>>,
    /// Istio's VirtualServices.
    pub virtual_services: Vec<Arc<VirtualService>>,
    /// Istio's `DestinationRules`.
    pub destination_rules: Vec<Arc<DestinationRule>>,
    /// Istio's `ServiceEntries`.
    pub service_entries: Vec<Arc<ServiceEntry>>,
    /// Istio's `WorkloadEntries`.
    pub workload_entries: Vec<Arc<WorkloadEntry>>,
    /// What Ingresses of a class have in common.
    pub ingress_class_params: Vec<Arc<IngressClassParams>>,
    /// Services whose endpoints are targets of a group.
    pub target_group_bindings: Vec<Arc<TargetGroupBinding>>,
    /// Kubernetes Services.
    pub services: Vec<Arc<Service>>,
    /// Where Services' endpoints are, by port.
    pub endpoint_slices: Vec<Arc<EndpointSlice>>,
    /// The older form of the same; used for Services that have no slice.
    pub endpoints: Vec<Arc<Endpoints>>,
    /// For their labels and addresses.
    pub pods: Vec<Arc<Pod>>,
    /// For their pod templates, where a folder has no pods.
    pub deployments: Vec<Arc<Deployment>>,
    /// TLS certificates and the like. Never printed.
    pub secrets: Vec<Arc<Secret>>,
    /// Authority bundles and the like.
    pub config_maps: Vec<Arc<ConfigMap>>,
    /// For their labels.
    pub namespaces: Vec<Arc<Namespace>>,
    /// For their zones.
    pub nodes: Vec<Arc<Node>>,
    /// What an ALB is made of.
    pub ingresses: Vec<Arc<Ingress>>,
    /// Who serves which Ingress.
    pub ingress_classes: Vec<Arc<IngressClass>>,
    /// What could not be read, each a problem of the file or of the object.
    pub defects: Vec<Problem>,
    /// `file:line` of each object, where it came from a file.
    pub origins: BTreeMap<ObjectRef, String>,
}

/// How many of each kind; never what is in them, since some are secret.
impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            gateways,
            virtual_services,
            destination_rules,
            service_entries,
            workload_entries,
            ingress_class_params,
            target_group_bindings,
            services,
            endpoint_slices,
            endpoints,
            pods,
            deployments,
            secrets,
            config_maps,
            namespaces,
            nodes,
            ingresses,
            ingress_classes,
            defects,
            origins: _,
        } = self;
        f.debug_struct("Objects")
            .field("gateways", &gateways.len())
            .field("virtual_services", &virtual_services.len())
            .field("destination_rules", &destination_rules.len())
            .field("service_entries", &service_entries.len())
            .field("workload_entries", &workload_entries.len())
            .field("ingress_class_params", &ingress_class_params.len())
            .field("target_group_bindings", &target_group_bindings.len())
            .field("services", &services.len())
            .field("endpoint_slices", &endpoint_slices.len())
            .field("endpoints", &endpoints.len())
            .field("pods", &pods.len())
            .field("deployments", &deployments.len())
            .field("secrets", &secrets.len())
            .field("config_maps", &config_maps.len())
            .field("namespaces", &namespaces.len())
            .field("nodes", &nodes.len())
            .field("ingresses", &ingresses.len())
            .field("ingress_classes", &ingress_classes.len())
            .field("defects", defects)
            .finish_non_exhaustive()
    }
}
