//! What became of Ingresses, told where people look for it: the address in their status, an
//! `EdgeStatus` of each, events. Written by the replica that leads.

mod event;
mod scribe;
mod wish;

pub(crate) use scribe::Scribe;

use edgeway_api::{
    Objects, Resource as _,
    k8s_openapi::{api::networking::v1::Ingress, apimachinery::pkg::apis::meta::v1::ObjectMeta},
};
use std::{collections::BTreeMap, sync::Arc};

/// Kind and group of what is spoken about.
const INGRESS: &str = "networking.k8s.io/v1";

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

/// Identities of all Ingresses.
pub type Identities = BTreeMap<edgeway_api::ObjectRef, Identity>;

/// Which objects the Ingresses are. Those of files are none of an API server.
pub(crate) fn identities(objects: &Objects) -> Identities {
    let of = |ingress: &Arc<Ingress>| {
        let ObjectMeta { uid, generation, .. } = &ingress.metadata;
        let identity = Identity { uid: uid.clone()?, generation: *generation };
        Some((ingress.reference(), identity))
    };
    objects.ingresses.iter().filter_map(of).collect()
}
