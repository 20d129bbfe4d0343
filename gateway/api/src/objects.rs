//! Everything that was read, as one value.

use crate::{ObjectRef, Problem};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Endpoints, Namespace, Node, Pod, Secret, Service},
    discovery::v1::EndpointSlice,
    networking::v1::{Ingress, IngressClass},
};
use std::{collections::BTreeMap, sync::Arc};

/// The whole configuration at one moment. Cheap to clone; the order within a kind means nothing.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    // The kinds of Istio and of our own stand here once their types do.
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
