//! `compile`: what people wrote becomes a table that always serves, and a list of what to fix.

mod action;
pub(crate) mod age;
pub(crate) mod binding;
mod clusters;
mod credentials;
mod delegate;
mod destination_rule;
mod endpoint;
mod entry;
mod hash;
mod headers;
mod hosts;
mod incremental;
pub(crate) mod listeners;
mod locality;
mod matching;
mod mirrors;
pub(crate) mod names;
mod nodes;
mod options;
mod outlier;
pub(crate) mod pods;
mod policy;
mod recipe;
mod registry;
mod report;
mod retries;
mod routes;
mod sites;
mod streams;
mod termination;
mod unsupported;
pub(crate) mod upstream_tls;
mod validate;
pub(crate) mod visibility;

pub use incremental::Compiler;

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

/// Everything that building a route may look at.
#[derive(Debug)]
struct Scope<'o> {
    objects: &'o Objects,
    workload: &'o Workload,
    registry: registry::Registry<'o>,
    rules: destination_rule::Rules<'o>,
    services: Vec<binding::Bound<'o>>,
    secrets: credentials::Secrets<'o>,
    sites: &'o sites::Sites,
    here: &'o locality::Here,
}

/// A table, and what it takes to follow changes of endpoints.
#[derive(Debug)]
struct Built {
    table: Table,
    report: report::Report,
    /// By position of the cluster.
    recipes: Vec<recipe::Recipe>,
    sites: sites::Sites,
    here: locality::Here,
}

/// Makes the table of `workload` from all objects. Total, deterministic, independent of their order.
pub fn compile(objects: &Objects, workload: &Workload) -> Compiled {
    Compiler::default().compile(objects, workload)
}

fn full(objects: &Objects, workload: &Workload, verdicts: &mut validate::Verdicts) -> Built {
    let mut report = report::Report::default();
    verdicts.check(objects, &mut report);
    let sites = sites::Sites::new(objects, workload, &report);
    let here = locality::Here {
        locality: sites.nodes.own(objects, workload),
        labels: workload.labels.clone(),
    };
    let scope = Scope {
        objects,
        workload,
        registry: registry::Registry::new(objects, workload, &report),
        rules: destination_rule::Rules::new(objects, workload, &report),
        services: binding::visible(objects, workload, &mut report),
        secrets: credentials::Secrets::new(objects, &workload.namespace),
        sites: &sites,
        here: &here,
    };
    binding::check(&scope, &mut report);
    upstream_tls::check(objects, workload, &scope.secrets, &mut report);
    let mut clusters = clusters::Clusters::default();
    let listeners = listeners::listeners(&scope, &mut clusters, &mut report);
    let (clusters, recipes) = clusters.into_parts();
    let clusters = clusters.into_iter().collect();
    let credentials = scope.secrets.referenced(&listeners, &clusters);
    let table = Table { listeners, clusters, credentials };
    Built { table, report, recipes, sites, here }
}
