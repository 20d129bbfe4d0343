//! A configuration as it is compiled, and how a change of it is followed.
//!
//! The rule is one: what hangs on something that changed is built anew, by the same code that built it
//! first. A VirtualService hangs on itself, on the delegates that it names and on the hosts that its
//! destinations name; a cluster hangs on its host. What everything may hang on is not followed: then
//! the whole is built anew.

use super::{
    Scope, Workload,
    changes::Changes,
    clusters::Clusters,
    credentials::of_listener,
    destination_rule,
    front::Front,
    listeners::{install, listeners},
    locality::Here,
    lookup::{Lookup, Used},
    names::qualified,
    nodes::Nodes,
    report::{Ledger, Rejected, Report},
    route_tables::RouteTables,
    sites::service_of,
    units::{Draft, Ground, Units},
    upstream_tls,
    validate::{Told, Verdicts},
};
use crate::{
    id::ObjectName,
    table::{App, Listener, Table},
    tls::Credentials,
};
use edgeway_api::{DestinationRule, ObjectRef, Objects, Problem, Resource};
use hashbrown::HashMap;
use std::{collections::BTreeSet, sync::Arc};

/// Everything compiled.
#[derive(Debug)]
pub(super) struct State {
    seen: Objects,
    scope: Scope,
    ledger: Ledger,
    clusters: Clusters,
    tables: RouteTables,
    units: Units,
    /// What routes of bytes hang on, which are not followed.
    streams: Used,
    /// What is wrong with DestinationRules beside others.
    rules: HashMap<ObjectName, Vec<Problem>>,
    listeners: Vec<Arc<Listener>>,
    /// Names of the Secrets that servers refer to.
    served: Vec<Arc<str>>,
    credentials: Credentials,
}

/// Everything is to be built anew.
#[derive(Debug)]
pub(super) struct Afresh;

impl State {
    /// Compiles `objects` for `workload`.
    pub(super) fn new(objects: &Objects, workload: &Workload, verdicts: &mut Verdicts) -> Self {
        let (mut ledger, mut rejected) = (Ledger::default(), Rejected::default());
        verdicts.all(objects, &mut Told { ledger: &mut ledger, rejected: &mut rejected });
        let scope = Scope::new(objects, workload, rejected);
        let services = objects.virtual_services.iter();
        let mut drafts: Vec<_> =
            services.filter_map(|service| Draft::new(&scope, service)).collect();
        drafts.sort_by(|a, b| a.bound.order.cmp(&b.bound.order));
        let mut clusters = Clusters::default();
        let mut report = Report::default();
        let mut lookup = Lookup::new(&scope, &mut clusters);
        let bytes = drafts.iter().map(|draft| &draft.bound).filter(|bound| {
            let spec = &bound.service.spec;
            !spec.tcp.is_empty() || !spec.tls.is_empty()
        });
        let bytes: Vec<_> = bytes.cloned().collect();
        let (listeners, mut tables) =
            listeners(&mut lookup, &mut report, &objects.gateways, &bytes);
        let streams = lookup.done();
        ledger.add(&report.into_problems());
        let mut units = Units::default();
        let mut ground = Ground {
            scope: &scope,
            clusters: &mut clusters,
            tables: &mut tables,
            ledger: &mut ledger,
        };
        for draft in drafts {
            units.add(&mut ground, draft);
        }
        let mut seen = objects.clone();
        seen.defects.clear();
        seen.origins.clear();
        let mut state = Self {
            seen,
            served: listeners.iter().flat_map(|listener| of_listener(listener)).collect(),
            scope,
            ledger,
            clusters,
            tables,
            units,
            streams,
            rules: HashMap::new(),
            listeners,
            credentials: Credentials::default(),
        };
        objects.destination_rules.iter().for_each(|rule| state.check_rule(rule));
        state.settle(true);
        state
    }

    /// Follows what changed since the objects that this was made of; if that may be everything, this
    /// is of no use any more.
    pub(super) fn follow(
        &mut self,
        now: &Objects,
        workload: &Workload,
        verdicts: &mut Verdicts,
    ) -> Result<(), Afresh> {
        let changes = Changes::take(&mut self.seen, now);
        let is_wide = *workload != self.scope.workload || self.is_wide(now, &changes);
        if is_wide || self.scope.secrets.replace(&changes.secrets) {
            return Err(Afresh);
        }
        let Self { scope, ledger, .. } = self;
        let mut told = Told { ledger, rejected: &mut scope.rejected };
        verdicts.replace(&changes.virtual_services, &mut told);
        verdicts.replace(&changes.destination_rules, &mut told);
        verdicts.replace(&changes.service_entries, &mut told);
        let hosts = self.changed_hosts(&changes);
        if hosts.iter().any(|host| self.streams.hosts.contains(&**host)) {
            return Err(Afresh);
        }
        self.follow_sites(&changes);
        for host in &hosts {
            self.clusters.renew(&self.scope, host);
        }
        let names = self.changed_services(&changes, &hosts);
        let Self { scope, clusters, tables, ledger, .. } = self;
        self.units.renew(&mut Ground { scope, clusters, tables, ledger }, &names);
        self.follow_endpoints(&changes);
        self.settle(changes.secrets.is_any());
        Ok(())
    }

    /// Whether everything may hang on what changed.
    fn is_wide(&self, now: &Objects, changes: &Changes) -> bool {
        let Scope { workload, sites, front, here, .. } = &self.scope;
        let bytes = changes.virtual_services.all().any(|service| {
            let spec = &service.spec;
            !spec.tcp.is_empty() || !spec.tls.is_empty()
        });
        // Any service may be one of those that the mesh reaches by name.
        let by_name = (changes.services.is_any() || changes.service_entries.is_any())
            && self
                .listeners
                .iter()
                .flat_map(|listener| &listener.tls)
                .any(|server| matches!(server.app, App::Services(_)));
        let wild = changes.destination_rules.all().any(|rule| rule.spec.host.starts_with('*'));
        let moved = changes.nodes.is_any() && Nodes::new(now, workload) != sites.nodes;
        changes.all
            || bytes
            || by_name
            || wild
            || moved
            || self.clusters.is_sparse()
            || (changes.may_move_gateway()
                && (Front::new(now, workload) != *front
                    || Here::new(&sites.nodes, now, workload) != *here))
    }

    /// Takes services and rules over. Returns the hosts that have others now.
    fn changed_hosts(&mut self, changes: &Changes) -> BTreeSet<Arc<str>> {
        let mut hosts = BTreeSet::new();
        let Scope { workload, registry, rules, rejected, .. } = &mut self.scope;
        registry.replace_services(&changes.services, &workload.cluster_domain, &mut hosts);
        registry.replace_entries(&changes.service_entries, rejected, &mut hosts);
        for rule in &changes.destination_rules.gone {
            rules.remove(rule, workload);
            let name = ObjectName::new(rule.namespace(), rule.name());
            if let Some(problems) = self.rules.remove(&name) {
                self.ledger.remove(&problems);
            }
        }
        for rule in changes.destination_rules.new.iter().filter(|rule| !rejected.contains(&***rule))
        {
            rules.add(rule, workload);
        }
        let of_rules = changes.destination_rules.all();
        hosts.extend(of_rules.map(|rule| destination_rule::host(rule, workload).into()));
        changes.destination_rules.new.iter().for_each(|rule| self.check_rule(rule));
        hosts
    }

    fn check_rule(&mut self, rule: &DestinationRule) {
        let Scope { workload, secrets, rejected, .. } = &self.scope;
        if rejected.contains(rule) {
            return;
        }
        let mut report = Report::default();
        upstream_tls::check(rule, workload, secrets, &mut report);
        let problems = report.into_problems();
        if !problems.is_empty() {
            self.ledger.add(&problems);
            self.rules.insert(ObjectName::new(rule.namespace(), rule.name()), problems);
        }
    }

    /// Takes VirtualServices over. Returns those that are to be built anew.
    fn changed_services(
        &mut self,
        changes: &Changes,
        hosts: &BTreeSet<Arc<str>>,
    ) -> BTreeSet<ObjectName> {
        let known = &mut self.scope.virtual_services;
        for service in &changes.virtual_services.gone {
            known.remove(service.namespace(), service.name());
        }
        for service in &changes.virtual_services.new {
            known.put(service.namespace(), service.name(), Arc::clone(service));
        }
        let own = changes.virtual_services.all().flat_map(|service| self.units.of(service));
        let of_hosts = hosts.iter().flat_map(|host| self.units.of_host(host)).cloned();
        own.chain(of_hosts).collect()
    }

    /// Takes over what addresses are read from.
    fn follow_sites(&mut self, changes: &Changes) {
        let sites = &mut self.scope.sites;
        changes.endpoint_slices.gone.iter().for_each(|slice| sites.remove_slice(slice));
        changes.endpoint_slices.new.iter().for_each(|slice| sites.add_slice(slice));
        changes.endpoints.gone.iter().for_each(|endpoints| sites.remove_endpoints(endpoints));
        changes.endpoints.new.iter().for_each(|endpoints| sites.add_endpoints(endpoints));
        if changes.pods.is_any() {
            sites.read_pods(&self.seen.pods);
        }
    }

    /// Finds the endpoints again of the clusters that may have others now.
    fn follow_endpoints(&mut self, changes: &Changes) {
        let Self { scope, clusters, .. } = self;
        if changes.pods.is_any() {
            return clusters.follow_all(scope);
        }
        let of_slices = changes.endpoint_slices.all().filter_map(|slice| service_of(slice));
        let older = changes.endpoints.all();
        let older = older.map(|endpoints| (endpoints.namespace(), endpoints.name()));
        let touched: BTreeSet<(&str, &str)> = of_slices.chain(older).collect();
        for (namespace, name) in touched {
            let host = qualified(name, namespace, &scope.workload.cluster_domain);
            clusters.follow_service(scope, &host, (namespace, name));
        }
    }

    /// Puts what was built where it is served.
    fn settle(&mut self, secrets_changed: bool) {
        install(&mut self.listeners, self.tables.changed());
        if self.clusters.take_secrets_changed() || secrets_changed {
            let names = self.served.iter().chain(self.clusters.secrets());
            self.credentials = self.scope.secrets.named_so(names);
        }
    }

    /// Clusters that came out the same as `before` are the same, so that whoever knows them need not
    /// look again.
    pub(super) fn share(&mut self, before: &Self) {
        self.clusters.share(&before.clusters);
    }

    /// The table.
    pub(super) fn table(&self) -> Table {
        Table {
            listeners: self.listeners.clone(),
            clusters: self.clusters.list().clone(),
            credentials: self.credentials.clone(),
        }
    }

    /// What is wrong, with `objects` that this was made of.
    pub(super) fn problems(&self, objects: &Objects) -> Vec<Problem> {
        self.ledger.problems(objects)
    }

    /// The objects that were refused as a whole.
    pub(super) fn rejected(&self) -> &BTreeSet<ObjectRef> {
        self.scope.rejected.all()
    }
}
