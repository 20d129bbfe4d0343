//! What became of Ingresses, told where people look for it: the address in their status, an `EdgeStatus` of
//! each, events; of Gateways that ask for a load balancer, events alone. Written by the replica that leads.

mod event;
mod scribe;
mod wish;

pub(crate) use scribe::Scribe;

use edgeway_api::{
    ObjectRef, Objects, Resource, joined::class,
    k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use std::collections::BTreeMap;

/// Group and version of Ingresses.
const INGRESS: &str = "networking.k8s.io/v1";
/// Group and version of Istio's Gateways.
const GATEWAY: &str = "networking.istio.io/v1";

/// Group and version of what is spoken about.
fn api_version(object: &ObjectRef) -> &'static str {
    if object.kind == "Gateway" { GATEWAY } else { INGRESS }
}

/// Who writes, for the API server.
const MANAGER: &str = "edgeway-alb-controller";

/// Which object it was, of those that had the name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Of this object and of no other.
    pub uid: String,
    /// Counts versions of its spec.
    pub generation: Option<i64>,
}

/// Identities of all that is spoken about.
pub type Identities = BTreeMap<ObjectRef, Identity>;

/// Which objects the Ingresses, and the Gateways that ask for a load balancer, are. Those of files are
/// none of an API server.
pub(crate) fn identities(objects: &Objects) -> Identities {
    fn of<R: Resource>(object: &R) -> Option<(ObjectRef, Identity)> {
        let ObjectMeta { uid, generation, .. } = object.meta();
        let identity = Identity { uid: uid.clone()?, generation: *generation };
        Some((object.reference(), identity))
    }
    let asking = objects.gateways.iter().filter(|gateway| class(gateway).is_some());
    let asking = asking.filter_map(|gateway| of(&**gateway));
    objects.ingresses.iter().filter_map(|ingress| of(&**ingress)).chain(asking).collect()
}
