//! Which DestinationRule governs a service, and what it says for a port and a subset.

use super::{
    Workload,
    age::key,
    names::{qualified, specificity},
    pods::selects,
    report::Rejected,
    visibility::Visibility,
};
use crate::id::ObjectName;
use edgeway_api::{
    DestinationRule, Objects, Resource,
    destination_rule::{Subset, TrafficPolicy},
};
use hashbrown::HashMap;
use std::sync::Arc;

/// All rules that the gateway may use, by host, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Rules {
    exact: HashMap<String, Vec<Rule>>,
    /// Those with a wildcard.
    wild: Vec<Rule>,
    gateway_namespace: String,
    root_namespace: String,
}

#[derive(Debug)]
struct Rule {
    host: String,
    visibility: Visibility,
    /// Made for this gateway's labels alone; preferred over those for all.
    selected: bool,
    object: Arc<DestinationRule>,
}

/// Rules of one namespace for one host, merged: subsets add up, the oldest keeps what it has.
#[derive(Clone, Debug, Default)]
pub(super) struct Governing<'o> {
    policy: Option<&'o TrafficPolicy>,
    subsets: Vec<&'o Subset>,
    /// The first of them.
    pub(super) rule: Option<ObjectName>,
}

impl Rules {
    /// Reads the rules that are visible to `workload` and were not rejected.
    pub(super) fn new(objects: &Objects, workload: &Workload, rejected: &Rejected) -> Self {
        let mut rules = Self {
            gateway_namespace: workload.namespace.clone(),
            root_namespace: workload.root_namespace.clone(),
            ..Self::default()
        };
        let accepted = objects.destination_rules.iter().filter(|rule| !rejected.contains(&***rule));
        accepted.for_each(|rule| rules.add(rule, workload));
        rules
    }

    /// Adds a rule if it counts for `workload`.
    pub(super) fn add(&mut self, object: &Arc<DestinationRule>, workload: &Workload) {
        let namespace = object.namespace();
        let export = object.spec.export_to.iter().map(String::as_str);
        let visibility = Visibility::parse(export, namespace);
        let selector = object.spec.workload_selector.as_ref();
        let selected = selector.is_some_and(|selector| !selector.match_labels.is_empty());
        let mine = selector.is_none_or(|selector| {
            selects(&selector.match_labels, &workload.labels)
                && (!selected || namespace == workload.namespace)
        });
        if !mine || !visibility.admits(&workload.namespace) {
            return;
        }
        let host = host(object, workload);
        let list = self.list(&host);
        let at = list.partition_point(|other| key(&*other.object) < key(&**object));
        list.insert(at, Rule { host, visibility, selected, object: Arc::clone(object) });
    }

    /// Forgets a rule.
    pub(super) fn remove(&mut self, object: &Arc<DestinationRule>, workload: &Workload) {
        let host = host(object, workload);
        self.list(&host).retain(|other| !Arc::ptr_eq(&other.object, object));
        if self.exact.get(&host).is_some_and(Vec::is_empty) {
            self.exact.remove(&host);
        }
    }

    fn list(&mut self, host: &str) -> &mut Vec<Rule> {
        if host.starts_with('*') { &mut self.wild } else { self.exact.entry_ref(host).or_default() }
    }

    /// The rules for `host` of a service in `namespace`. The first of these namespaces that has any
    /// wins: the gateway's own (of a gateway in the root namespace only private rules count here),
    /// the service's, the root (as Istio: `PushContext.destinationRule`).
    pub(super) fn governing(&self, host: &str, namespace: &str) -> Governing<'_> {
        let own_is_root = self.gateway_namespace == self.root_namespace;
        let own = |rule: &Rule| {
            !own_is_root || rule.selected || rule.visibility.is_private(&self.gateway_namespace)
        };
        self.in_namespace(host, &self.gateway_namespace, own)
            .or_else(|| self.in_namespace(host, namespace, |_| true))
            .or_else(|| self.in_namespace(host, &self.root_namespace, |_| true))
            .unwrap_or_default()
    }

    fn in_namespace(
        &self,
        host: &str,
        namespace: &str,
        counts: impl Fn(&Rule) -> bool,
    ) -> Option<Governing<'_>> {
        let exact = self.exact.get(host).into_iter().flatten();
        let mut candidates: Vec<_> = exact
            .chain(&self.wild)
            .filter(|rule| rule.object.namespace() == namespace && counts(rule))
            .filter_map(|rule| Some(((specificity(&rule.host, host)?, !rule.selected), rule)))
            .collect();
        candidates.sort_by_key(|(rank, _)| *rank);
        let (best, first) = *candidates.first()?;
        let merged = candidates
            .iter()
            .filter(|(rank, rule)| rank.0 == best.0 && rule.visibility == first.visibility)
            .map(|(_, rule)| &rule.object.spec);
        let object = &first.object;
        let rule = Some(ObjectName::new(object.namespace(), object.name()));
        let mut governing = Governing { rule, ..Governing::default() };
        for spec in merged {
            governing.policy = governing.policy.or(spec.traffic_policy.as_ref());
            for subset in &spec.subsets {
                if governing.subset(&subset.name).is_none() {
                    governing.subsets.push(subset);
                }
            }
        }
        Some(governing)
    }
}

impl<'o> Governing<'o> {
    /// The subset of this name.
    pub(super) fn subset(&self, name: &str) -> Option<&'o Subset> {
        self.subsets.iter().copied().find(|subset| subset.name == name)
    }

    /// All of them.
    pub(super) fn subsets(&self) -> impl Iterator<Item = &'o Subset> {
        self.subsets.iter().copied()
    }

    /// What holds for `port` of `subset`: the subset's blocks before the rule's, a port's settings
    /// in place of those of their level. Without a port these do not count.
    pub(super) fn policy(&self, port: Option<u16>, subset: Option<&'o Subset>) -> TrafficPolicy {
        let of_rule = self.policy.map(|policy| at_port(policy, port)).unwrap_or_default();
        let Some(own) = subset.and_then(|subset| subset.traffic_policy.as_ref()) else {
            return of_rule;
        };
        let own = at_port(own, port);
        TrafficPolicy {
            load_balancer: own.load_balancer.or(of_rule.load_balancer),
            connection_pool: own.connection_pool.or(of_rule.connection_pool),
            outlier_detection: own.outlier_detection.or(of_rule.outlier_detection),
            tls: own.tls.or(of_rule.tls),
            tunnel: own.tunnel.or(of_rule.tunnel),
            proxy_protocol: own.proxy_protocol.or(of_rule.proxy_protocol),
            retry_budget: own.retry_budget.or(of_rule.retry_budget),
            port_level_settings: Vec::new(),
        }
    }
}

/// The host of a rule, in full.
pub(super) fn host(rule: &DestinationRule, workload: &Workload) -> String {
    qualified(&rule.spec.host, rule.namespace(), &workload.cluster_domain)
}

/// Port-level settings replace those of their level whole; what they leave out is the default.
fn at_port(policy: &TrafficPolicy, port: Option<u16>) -> TrafficPolicy {
    let wanted = port.map(u32::from);
    let own = policy.port_level_settings.iter().find(|settings| {
        settings.port.as_ref().is_some_and(|selector| Some(selector.number) == wanted)
    });
    match own {
        Some(own) => TrafficPolicy {
            load_balancer: own.load_balancer.clone(),
            connection_pool: own.connection_pool.clone(),
            outlier_detection: own.outlier_detection.clone(),
            tls: own.tls.clone(),
            ..TrafficPolicy::default()
        },
        None => TrafficPolicy { port_level_settings: Vec::new(), ..policy.clone() },
    }
}
