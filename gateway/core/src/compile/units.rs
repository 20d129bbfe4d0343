//! What became of each VirtualService, and what that hangs on.

use super::{
    Scope,
    binding::{self, Bound},
    clusters::Clusters,
    delegate,
    lookup::{Lookup, Used},
    report::{Ledger, Report},
    route_tables::{Place, RouteTables},
    routes::routes,
};
use crate::id::ObjectName;
use edgeway_api::{Problem, Resource, VirtualService};
use hashbrown::HashMap;
use std::{collections::BTreeSet, hash::Hash, sync::Arc};

/// All VirtualServices that the gateway sees.
#[derive(Debug, Default)]
pub(super) struct Units {
    all: HashMap<ObjectName, Unit>,
    by_host: Dependents<Box<str>>,
    by_delegate: Dependents<ObjectName>,
}

/// One VirtualService.
#[derive(Debug)]
struct Unit {
    draft: Draft,
    used: Used,
    places: Vec<Place>,
}

/// A VirtualService, read, before its routes are built.
#[derive(Debug)]
pub(super) struct Draft {
    /// It, with its hosts and Gateways.
    pub(super) bound: Bound,
    problems: Vec<Problem>,
}

/// Where the routes of VirtualServices go.
#[derive(Debug)]
pub(super) struct Ground<'g> {
    pub(super) scope: &'g Scope,
    pub(super) clusters: &'g mut Clusters,
    pub(super) tables: &'g mut RouteTables,
    pub(super) ledger: &'g mut Ledger,
}

impl Draft {
    /// Reads a VirtualService; `None` if the gateway does not see it, or it is none to be bound.
    pub(super) fn new(scope: &Scope, service: &Arc<VirtualService>) -> Option<Self> {
        let mut report = Report::default();
        let bound = binding::bound(scope, service, &mut report)?;
        binding::check(scope, &bound, &mut report);
        Some(Self { bound, problems: report.into_problems() })
    }
}

impl Units {
    /// Builds the routes of a VirtualService that was not there.
    pub(super) fn add(&mut self, ground: &mut Ground<'_>, mut draft: Draft) {
        let mut report = Report::default();
        let mut lookup = Lookup::new(ground.scope, ground.clusters);
        let bound = &draft.bound;
        let places =
            ground.tables.admit(bound, |through| routes(&mut lookup, &mut report, bound, through));
        let used = lookup.done();
        let name = &bound.name;
        used.hosts.iter().for_each(|host| self.by_host.add(host, name));
        delegate::named(&bound.service).for_each(|leaf| self.by_delegate.add(&leaf, name));
        draft.problems.extend(report.into_problems());
        ground.ledger.add(&draft.problems);
        self.all.insert(name.clone(), Unit { draft, used, places });
    }

    /// Takes a VirtualService away. What it used it holds until [`Clusters::release`], so that what
    /// comes in its place finds it.
    fn remove(&mut self, ground: &mut Ground<'_>, name: &ObjectName) -> Used {
        let Some(Unit { draft, used, places }) = self.all.remove(name) else {
            return Used::default();
        };
        ground.tables.dismiss(&draft.bound.order, &places);
        ground.ledger.remove(&draft.problems);
        used.hosts.iter().for_each(|host| self.by_host.remove(host, name));
        delegate::named(&draft.bound.service).for_each(|leaf| self.by_delegate.remove(&leaf, name));
        used
    }

    /// Builds VirtualServices of these names anew, if there still are such.
    pub(super) fn renew(&mut self, ground: &mut Ground<'_>, names: &BTreeSet<ObjectName>) {
        let before: Vec<Used> = names.iter().map(|name| self.remove(ground, name)).collect();
        for name in names {
            let service = ground.scope.virtual_services.get(&name.namespace, &name.name);
            if let Some(draft) = service.and_then(|service| Draft::new(ground.scope, service)) {
                self.add(ground, draft);
            }
        }
        for used in before {
            ground.clusters.release(&used.clusters);
        }
    }

    /// Those that hang on a host.
    pub(super) fn of_host(&self, host: &str) -> impl Iterator<Item = &ObjectName> {
        self.by_host.0.get(host).into_iter().flatten()
    }

    /// The VirtualService itself, and those that delegate to it.
    pub(super) fn of(&self, service: &VirtualService) -> impl Iterator<Item = ObjectName> {
        let name = ObjectName::new(service.namespace(), service.name());
        let roots = self.by_delegate.0.get(&name).into_iter().flatten().cloned();
        let roots: Vec<_> = roots.collect();
        std::iter::once(name).chain(roots)
    }
}

/// The VirtualServices that hang on something.
#[derive(Debug)]
struct Dependents<K>(HashMap<K, BTreeSet<ObjectName>>);

impl<K> Default for Dependents<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone> Dependents<K> {
    fn add(&mut self, on: &K, name: &ObjectName) {
        if let Some(names) = self.0.get_mut(on) {
            names.insert(name.clone());
        } else {
            self.0.insert(on.clone(), BTreeSet::from([name.clone()]));
        }
    }

    fn remove(&mut self, on: &K, name: &ObjectName) {
        if let Some(names) = self.0.get_mut(on) {
            names.remove(name);
            if names.is_empty() {
                self.0.remove(on);
            }
        }
    }
}
