//! Secrets of the gateway's namespace, which servers and clusters refer to by name.

use super::report::Field;
use crate::{
    cluster::{Identity, Trust, UpstreamTls},
    clusters::Clusters,
    table::{Listener, TlsMode},
    tls::{Credential, Credentials},
};
use edgeway_api::{Objects, Resource, k8s_openapi::api::core::v1::Secret};
use std::{collections::BTreeMap, sync::Arc};

/// The Secrets that may be referred to.
#[derive(Debug)]
pub(super) struct Secrets<'o> {
    namespace: &'o str,
    by_name: BTreeMap<&'o str, &'o Arc<Secret>>,
}

impl<'o> Secrets<'o> {
    /// Those of `namespace`.
    pub(super) fn new(objects: &'o Objects, namespace: &'o str) -> Self {
        let own = objects.secrets.iter().filter(|secret| secret.namespace() == namespace);
        Self { namespace, by_name: own.map(|secret| (secret.name(), secret)).collect() }
    }

    /// Whether there is one of this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The name of the Secret that the field refers to. What is missing is reported, and may come.
    pub(super) fn named(&self, reference: &str, field: &mut Field<'_>) -> Arc<str> {
        let name = self.own_name(reference);
        if name.contains("://") {
            field.error(
                "credential-not-supported",
                format!("`{reference}` is no Secret, and nothing else is looked up"),
                "name a Secret in the gateway's namespace",
            );
        } else if name.contains('/') {
            field.error(
                "credential-not-found",
                format!("Secrets outside of namespace {} are not read", self.namespace),
                format!("copy the Secret to namespace {}", self.namespace),
            );
        } else if !self.contains(name) {
            field.error(
                "credential-not-found",
                format!("there is no Secret {}/{name}", self.namespace),
                format!("create it in namespace {}: that of the gateway", self.namespace),
            );
        }
        name.into()
    }

    /// A reference without what may stand before the name of a Secret of ours.
    pub(super) fn own_name<'r>(&self, reference: &'r str) -> &'r str {
        let name = reference.strip_prefix("kubernetes://").unwrap_or(reference);
        let own = name.strip_prefix(self.namespace).and_then(|rest| rest.strip_prefix('/'));
        own.unwrap_or(name)
    }

    /// Those that the listeners and the clusters refer to.
    pub(super) fn referenced(
        &self,
        listeners: &[Arc<Listener>],
        clusters: &Clusters,
    ) -> Credentials {
        let mut names: Vec<&Arc<str>> = Vec::new();
        for server in listeners.iter().flat_map(|listener| &listener.tls) {
            if let TlsMode::Terminate(termination) = &server.mode {
                names.extend(termination.certificates.iter().filter_map(of_identity));
                names.extend(termination.clients.as_ref().and_then(|it| of_trust(&it.trust)));
            }
        }
        for cluster in clusters.iter() {
            if let UpstreamTls::Originate(tls) = &cluster.policy.tls {
                names.extend(tls.identity.as_ref().and_then(of_identity));
                names.extend(of_trust(&tls.trust));
            }
        }
        let found = names.into_iter().filter_map(|name| {
            let secret = self.by_name.get(&**name)?;
            Some((Arc::clone(name), Credential::new(Arc::clone(secret))))
        });
        found.collect()
    }
}

fn of_identity(identity: &Identity) -> Option<&Arc<str>> {
    match identity {
        Identity::Secret(name) => Some(name),
        Identity::Files { .. } => None,
    }
}

fn of_trust(trust: &Trust) -> Option<&Arc<str>> {
    match trust {
        Trust::Secret(name) => Some(name),
        Trust::Public | Trust::File { .. } | Trust::Anybody => None,
    }
}
