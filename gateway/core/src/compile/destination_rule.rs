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
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

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
    /// `exportTo`, as it is written.
    export: BTreeSet<String>,
    /// Labels of the workloads that it is made for, which are the gateway's; preferred over those for
    /// all.
    selector: Option<BTreeMap<String, String>>,
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
        let selector = selector.map(|selector| selector.match_labels.clone());
        let mine = selector.as_ref().is_none_or(|labels| {
            selects(labels, &workload.labels) && namespace == workload.namespace
        });
        if !mine || !visibility.admits(&workload.namespace) {
            return;
        }
        let export = match &selector {
            None => object.spec.export_to.iter().cloned().collect(),
            Some(_) => BTreeSet::from([".".to_owned()]),
        };
        let host = host(object, workload);
        let list = self.list(&host);
        let at = list.partition_point(|other| key(&*other.object) < key(&**object));
        list.insert(at, Rule { host, visibility, export, selector, object: Arc::clone(object) });
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
            !own_is_root
                || rule.selector.is_some()
                || rule.visibility.is_private(&self.gateway_namespace)
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
        let fitting = exact
            .chain(&self.wild)
            .filter(|rule| rule.object.namespace() == namespace && counts(rule))
            .filter_map(|rule| Some((specificity(&rule.host, host)?, rule)));
        let fitting: Vec<_> = fitting.collect();
        let best = fitting.iter().map(|(rank, _)| *rank).min()?;
        let of_best = fitting.into_iter().filter(|(rank, _)| *rank == best);
        let groups = groups(of_best.map(|(_, rule)| rule));
        let selected = groups.iter().position(|group| group.first.selector.is_some());
        // Of those for all gateways the last counts.
        let at = selected.or(groups.len().checked_sub(1))?;
        groups.into_iter().nth(at).map(|group| group.governing)
    }
}

/// Rules for one host that are merged.
struct Group<'r> {
    first: &'r Rule,
    governing: Governing<'r>,
}

/// Merges rules, the oldest first: those that are exported alike, or wider than an older one, as far as
/// they are for the same workloads (as Istio: `mergeDestinationRule`).
fn groups<'r>(rules: impl Iterator<Item = &'r Rule>) -> Vec<Group<'r>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for rule in rules {
        let mut is_apart = true;
        for Group { first, governing } in &mut groups {
            let wider = !first.export.is_empty() && rule.export.is_superset(&first.export);
            let same_selector = first.selector == rule.selector;
            let two_selectors = first.selector.is_some() && rule.selector.is_some();
            let merges = rule.export == first.export || wider;
            if merges && (same_selector || !two_selectors) {
                governing.add(rule);
            }
            is_apart = !(merges && same_selector);
        }
        if is_apart {
            let mut governing = Governing::default();
            governing.add(rule);
            groups.push(Group { first: rule, governing });
        }
    }
    groups
}

impl<'o> Governing<'o> {
    fn add(&mut self, rule: &'o Rule) {
        let object = &rule.object;
        self.rule.get_or_insert_with(|| ObjectName::new(object.namespace(), object.name()));
        self.policy = self.policy.or(object.spec.traffic_policy.as_ref());
        for subset in &object.spec.subsets {
            if self.subset(&subset.name).is_none() {
                self.subsets.push(subset);
            }
        }
    }

    /// The subset of this name.
    pub(super) fn subset(&self, name: &str) -> Option<&'o Subset> {
        self.subsets.iter().copied().find(|subset| subset.name == name)
    }

    /// All of them.
    pub(super) fn subsets(&self) -> impl Iterator<Item = &'o Subset> {
        self.subsets.iter().copied()
    }

    /// What holds for `port` of `subset`: the subset's blocks before the rule's. A port's settings stand
    /// in place of all four blocks of their level, and a subset's in place of the rule's as well; without
    /// a port they do not count.
    pub(super) fn policy(&self, port: Option<u16>, subset: Option<&'o Subset>) -> TrafficPolicy {
        let (of_rule, _) = self.policy.map(|policy| at_port(policy, port)).unwrap_or_default();
        let Some(own) = subset.and_then(|subset| subset.traffic_policy.as_ref()) else {
            return of_rule;
        };
        let (own, is_of_port) = at_port(own, port);
        let inherited = if is_of_port { TrafficPolicy::default() } else { of_rule.clone() };
        TrafficPolicy {
            load_balancer: own.load_balancer.or(inherited.load_balancer),
            connection_pool: own.connection_pool.or(inherited.connection_pool),
            outlier_detection: own.outlier_detection.or(inherited.outlier_detection),
            tls: own.tls.or(inherited.tls),
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

/// What holds at a port of one level, and whether it is the port's own: that replaces what is said of
/// all ports whole, and what it leaves out is the default.
fn at_port(policy: &TrafficPolicy, port: Option<u16>) -> (TrafficPolicy, bool) {
    let wanted = port.map(u32::from);
    let own = policy.port_level_settings.iter().find(|settings| {
        settings.port.as_ref().is_some_and(|selector| Some(selector.number) == wanted)
    });
    match own {
        Some(own) => {
            let own = TrafficPolicy {
                load_balancer: own.load_balancer.clone(),
                connection_pool: own.connection_pool.clone(),
                outlier_detection: own.outlier_detection.clone(),
                tls: own.tls.clone(),
                ..TrafficPolicy::default()
            };
            (own, true)
        }
        None => (TrafficPolicy { port_level_settings: Vec::new(), ..policy.clone() }, false),
    }
}
