//! `compile`: what people wrote becomes a table that always serves, and a list of what to fix.

mod action;
pub(crate) mod age;
pub(crate) mod binding;
mod changes;
mod clusters;
pub(crate) mod concern;
mod credentials;
mod delegate;
mod destination_rule;
mod endpoint;
mod entry;
mod front;
mod hash;
mod headers;
mod incremental;
pub(crate) mod ingress;
pub(crate) mod listeners;
pub(crate) mod locality;
mod lookup;
mod matching;
mod member;
mod mirrors;
pub(crate) mod names;
pub(crate) mod nodes;
mod options;
mod outlier;
pub(crate) mod pods;
mod policy;
mod proxy_header;
mod recipe;
mod registry;
mod report;
mod retries;
mod route_tables;
mod routes;
mod scope;
mod server_hosts;
mod services;
mod sites;
mod state;
mod streams;
mod termination;
mod units;
mod unsupported;
pub(crate) mod upstream_tls;
mod validate;
pub(crate) mod visibility;
pub(crate) mod wanted;

pub use incremental::Compiler;
use scope::Scope;

use crate::table::Table;
use edgeway_api::{ObjectRef, Objects, Problem};
use std::collections::{BTreeMap, BTreeSet};

/// For whom we compile: the gateway workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Namespace of the gateway (Istio: `istio-system`).
    pub namespace: String,
    /// Labels that Gateways select by.
    pub labels: BTreeMap<String, String>,
    /// Domain of cluster-local names (`cluster.local`).
    pub cluster_domain: String,
    /// Namespace whose policies hold for all (Istio: `istio-system`).
    pub root_namespace: String,
    /// Name of the gateway's own Pod; empty if it does not know.
    pub pod: String,
    /// Name of the Node that the gateway runs on; empty: its Pod's, or one that nobody knows.
    pub node: String,
    /// Where the gateway runs; empty: where its Pod is, or nowhere that is known.
    pub locality: crate::cluster::Locality,
}

impl Default for Workload {
    /// Istio's own gateway.
    fn default() -> Self {
        Self {
            namespace: "istio-system".into(),
            labels: BTreeMap::from([("istio".into(), "ingressgateway".into())]),
            cluster_domain: "cluster.local".into(),
            root_namespace: "istio-system".into(),
            pod: String::new(),
            node: String::new(),
            locality: crate::cluster::Locality::default(),
        }
    }
}

/// The result of [`compile`].
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// Always serves; a bad object costs only its own routes.
    pub table: Table,
    /// Sorted, so two runs can be compared line by line.
    pub problems: Vec<Problem>,
    /// Objects that were refused as a whole; a caller with an older, good version may offer that
    /// instead.
    pub rejected: BTreeSet<ObjectRef>,
}

/// Makes the table of `workload` from all objects. Total, deterministic, independent of their order.
pub fn compile(objects: &Objects, workload: &Workload) -> Compiled {
    Compiler::default().compile(objects, workload)
}
