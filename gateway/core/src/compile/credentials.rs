//! Secrets of the gateway's namespace, which servers and clusters refer to by name.

use super::{changes::Replaced, report::Field};
use crate::{
    cluster::{Cluster, Identity, Trust, UpstreamTls},
    table::{Listener, TlsMode},
    tls::{Credential, Credentials},
};
use edgeway_api::{Objects, Resource, k8s_openapi::api::core::v1::Secret};
use hashbrown::HashMap;
use std::{collections::BTreeSet, sync::Arc};

/// The Secrets that may be referred to.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    namespace: String,
    by_name: HashMap<Box<str>, Arc<Secret>>,
}

impl Secrets {
    /// Those of `namespace`.
    pub(super) fn new(objects: &Objects, namespace: &str) -> Self {
        let own = objects.secrets.iter().filter(|secret| secret.namespace() == namespace);
        let by_name = own.map(|secret| (secret.name().into(), Arc::clone(secret))).collect();
        Self { namespace: namespace.to_owned(), by_name }
    }

    /// Takes Secrets in place of others. Returns whether there is one now that there was not, or
    /// the other way round: then nothing is taken.
    pub(super) fn replace(&mut self, changed: &Replaced<Secret>) -> bool {
        let own = |list: &[Arc<Secret>]| -> Vec<Arc<Secret>> {
            let own = list.iter().filter(|secret| secret.namespace() == self.namespace);
            own.cloned().collect()
        };
        let (gone, new) = (own(&changed.gone), own(&changed.new));
        let names = |list: &[Arc<Secret>]| -> BTreeSet<String> {
            list.iter().map(|secret| secret.name().to_owned()).collect()
        };
        if names(&gone) != names(&new) {
            return true;
        }
        self.by_name.extend(new.into_iter().map(|secret| (secret.name().into(), secret)));
        false
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
        let own =
            name.strip_prefix(self.namespace.as_str()).and_then(|rest| rest.strip_prefix('/'));
        own.unwrap_or(name)
    }

    /// Those of these names.
    pub(super) fn named_so<'n>(&self, names: impl Iterator<Item = &'n Arc<str>>) -> Credentials {
        let found = names.filter_map(|name| {
            let secret = self.by_name.get(&**name)?;
            Some((Arc::clone(name), Credential::new(Arc::clone(secret))))
        });
        found.collect()
    }
}

/// What the servers of a listener refer to.
pub(super) fn of_listener(listener: &Listener) -> Vec<Arc<str>> {
    let modes = listener.tls.iter().filter_map(|server| match &server.mode {
        TlsMode::Terminate(termination) => Some(termination),
        TlsMode::Passthrough | TlsMode::Refuse => None,
    });
    let named = modes.flat_map(|termination| {
        let trusted = termination.clients.as_ref().and_then(|it| of_trust(&it.trust));
        termination.certificates.iter().filter_map(of_identity).chain(trusted)
    });
    named.cloned().collect()
}

/// What a cluster refers to.
pub(super) fn of_cluster(cluster: &Cluster) -> impl Iterator<Item = &Arc<str>> {
    let tls = match &cluster.policy.tls {
        UpstreamTls::Originate(tls) => Some(tls),
        UpstreamTls::Disabled | UpstreamTls::Unsupported => None,
    };
    tls.into_iter().flat_map(|tls| {
        tls.identity.as_ref().and_then(of_identity).into_iter().chain(of_trust(&tls.trust))
    })
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
