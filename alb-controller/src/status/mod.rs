//! What became of Ingresses, told where people look for it: the address in their status, an
//! `EdgeStatus` of each, events. Written by the replica that leads.

mod event;
mod scribe;
mod wish;

pub(crate) use scribe::Scribe;

use std::collections::BTreeMap;

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
