//! What there is something to say about: objects, and what became of the version that was read.

use edgeway_api::{
    Gateway, ObjectRef, Objects, Problem, Resource, Severity, gateway::TlsMode,
    k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use std::collections::{BTreeMap, BTreeSet};

/// Kinds that have statuses of Istio's form.
const KINDS: &[&str] = &["Gateway", "VirtualService", "DestinationRule", "ServiceEntry"];

/// An object that there is something to say about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) object: ObjectRef,
    /// Which of those that had the name; nothing, if it could not be read.
    pub(crate) uid: Option<String>,
    /// Of the version that was read; nothing, if it could not be.
    pub(crate) generation: Option<i64>,
    pub(crate) state: State,
    /// Whether it ends TLS.
    pub(crate) has_tls: bool,
}

/// What became of the version that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It serves, as far as nothing is wrong with it.
    Serves,
    /// The version before serves.
    Quarantined,
    /// Nothing of it serves.
    Rejected,
}

impl Subject {
    /// The subjects among `objects` of which `concerned` speaks, and what could not be read.
    pub(crate) fn all(
        objects: &Objects,
        concerned: &BTreeSet<ObjectRef>,
        (rejected, replaced): (&BTreeSet<ObjectRef>, &BTreeSet<ObjectRef>),
    ) -> Vec<Self> {
        let state = |object: &ObjectRef| {
            if replaced.contains(object) {
                State::Quarantined
            } else if rejected.contains(object) {
                State::Rejected
            } else {
                State::Serves
            }
        };
        let mut all: BTreeMap<ObjectRef, Self> = BTreeMap::new();
        let mut add = |object: ObjectRef, meta: &ObjectMeta, has_tls| {
            if concerned.contains(&object) {
                let (uid, generation) = (meta.uid.clone(), meta.generation);
                let state = state(&object);
                all.insert(object.clone(), Self { object, uid, generation, state, has_tls });
            }
        };
        for it in &objects.gateways {
            add(it.reference(), &it.metadata, ends_tls(it));
        }
        for it in &objects.virtual_services {
            add(it.reference(), &it.metadata, false);
        }
        for it in &objects.destination_rules {
            add(it.reference(), &it.metadata, false);
        }
        for it in &objects.service_entries {
            add(it.reference(), &it.metadata, false);
        }
        let unread = objects.defects.iter().filter(|defect| {
            defect.severity == Severity::Error && KINDS.contains(&defect.object.kind.as_str())
        });
        for Problem { object, .. } in unread {
            let of = || Self {
                object: object.clone(),
                uid: None,
                generation: None,
                state: if replaced.contains(object) { State::Quarantined } else { State::Rejected },
                has_tls: false,
            };
            all.entry(object.clone()).or_insert_with(of);
        }
        all.into_values().collect()
    }
}

fn ends_tls(gateway: &Gateway) -> bool {
    gateway
        .spec
        .servers
        .iter()
        .filter_map(|server| server.tls.as_ref())
        .any(|tls| !matches!(tls.mode, Some(TlsMode::Passthrough | TlsMode::AutoPassthrough)))
}
