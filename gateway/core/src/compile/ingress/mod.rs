//! Ingresses whose class names a gateway, or Istio itself, become the Gateway and the VirtualServices that
//! say the same; the rest of compile knows no Ingress. Gateways that ask for a load balancer of such a class
//! become what is served behind it.
//!
//! The way is Istio's (as Istio: `pilot/pkg/config/kube/ingress`), the order of paths within a host is the
//! one in which a load balancer would try them.

mod doors;
mod hosts;
mod joined;
mod paths;
mod spoken;

pub(crate) use doors::by_class;
pub(super) use doors::secrets;

use super::{Workload, validate::Same};
use crate::id::OF_INGRESS;
use doors::Doors;
use edgeway_api::{
    Gateway, ObjectRef, Objects, Problem, Resource, VirtualService,
    joined::{CLASS, class},
    k8s_openapi::api::{
        core::v1::Service,
        networking::v1::{Ingress, IngressClass},
    },
};
use hosts::Hosts;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Where something that was made comes from: an object, and a field of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    object: ObjectRef,
    field: String,
}

/// What Ingresses were made into.
#[derive(Debug, Default)]
struct Made {
    gateways: Vec<Arc<Gateway>>,
    services: Vec<Arc<VirtualService>>,
    /// Gateways that are served otherwise behind a load balancer, in place of those of their names.
    joined: Vec<Arc<Gateway>>,
    /// Services whose pods are said to speak another version of HTTP, in place of those of their names.
    spoken: Vec<Arc<Service>>,
    /// How many servers each of them had.
    servers: BTreeMap<ObjectRef, usize>,
    /// What is wrong with Ingresses themselves.
    problems: Vec<Problem>,
    /// Of each object that was made, where its servers or rules come from, in their order.
    sources: BTreeMap<ObjectRef, Vec<Source>>,
}

/// What Ingresses were made from.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    ingresses: Vec<Same<Ingress>>,
    classes: Vec<Same<IngressClass>>,
    services: Vec<Same<Service>>,
    gateways: Vec<Same<Gateway>>,
    workload: Option<Workload>,
}

fn same<T>(objects: &[Arc<T>]) -> Vec<Same<T>> {
    objects.iter().map(|object| Same(Arc::clone(object))).collect()
}

/// The Ingresses that the gateway serves, remembered from one configuration to the next: what says the
/// same as before stays the same object.
#[derive(Debug, Default)]
pub(super) struct Ingresses {
    seen: Seen,
    made: Made,
}

impl Ingresses {
    /// `objects` and what their Ingresses were made into; nothing where there is no such Ingress.
    pub(super) fn join(&mut self, objects: &Objects, workload: &Workload) -> Option<Objects> {
        let asking = objects.gateways.iter().filter(|gateway| class(gateway).is_some());
        let asking: Vec<Arc<Gateway>> = asking.cloned().collect();
        if objects.ingresses.is_empty() && asking.is_empty() {
            *self = Self::default();
            return None;
        }
        let seen = Seen {
            ingresses: same(&objects.ingresses),
            classes: same(&objects.ingress_classes),
            services: same(&objects.services),
            gateways: same(&asking),
            workload: Some(workload.clone()),
        };
        if seen != self.seen {
            let before = std::mem::take(&mut self.made);
            self.made = Made::of(objects, workload);
            keep(&mut self.made.gateways, before.gateways);
            keep(&mut self.made.services, before.services);
            keep(&mut self.made.joined, before.joined);
            keep(&mut self.made.spoken, before.spoken);
            self.seen = seen;
        }
        let Made { gateways, services, joined, spoken, problems, .. } = &self.made;
        if gateways.is_empty() && joined.is_empty() && problems.is_empty() {
            return None;
        }
        let mut all = objects.clone();
        replace(&mut all.gateways, joined);
        replace(&mut all.services, spoken);
        all.gateways.extend(gateways.iter().cloned());
        all.virtual_services.extend(services.iter().cloned());
        Some(all)
    }

    /// What is wrong with what was made, said of the Ingresses; with what is wrong with these.
    pub(super) fn problems(&self, found: Vec<Problem>, objects: &Objects) -> Vec<Problem> {
        let Made { problems, .. } = &self.made;
        let told = found.into_iter().map(|problem| self.told(problem));
        let mut all: Vec<Problem> = told.chain(problems.iter().cloned()).collect();
        for problem in all.iter_mut().filter(|problem| problem.origin.is_empty()) {
            if let Some(origin) = objects.origins.get(&problem.object) {
                problem.origin.clone_from(origin);
            }
        }
        all.sort();
        all.dedup();
        all
    }

    /// The Ingresses in place of what was made of them.
    pub(super) fn rejected(&self, found: &BTreeSet<ObjectRef>) -> BTreeSet<ObjectRef> {
        let mut all = BTreeSet::new();
        for object in found {
            match self.made.sources.get(object) {
                Some(sources) => all.extend(sources.iter().map(|source| source.object.clone())),
                None => drop(all.insert(object.clone())),
            }
        }
        all
    }

    fn told(&self, mut problem: Problem) -> Problem {
        let at = problem.field.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        let at = at.and_then(|(at, _)| at.parse::<usize>().ok()).unwrap_or(0);
        if self.made.servers.get(&problem.object).is_some_and(|servers| at >= *servers) {
            // Of a server that was added.
            problem.field = format!("metadata.annotations[{CLASS}]");
        }
        let Some(sources) = self.made.sources.get(&problem.object) else { return problem };
        if let Some(Source { object, field }) = sources.get(at).or(sources.first()) {
            problem.object = object.clone();
            problem.field.clone_from(field);
        }
        problem
    }
}

/// Puts others in place of those of their names.
fn replace<T: Resource>(all: &mut [Arc<T>], others: &[Arc<T>]) {
    if others.is_empty() {
        return;
    }
    let by_name: BTreeMap<_, _> =
        others.iter().map(|it| ((it.namespace(), it.name()), it)).collect();
    for object in all {
        if let Some(other) = by_name.get(&(object.namespace(), object.name())) {
            *object = Arc::clone(other);
        }
    }
}

/// Puts those that were there before in place of those that say the same.
fn keep<T: Resource + PartialEq>(made: &mut [Arc<T>], before: Vec<Arc<T>>) {
    let known: BTreeMap<ObjectRef, Arc<T>> =
        before.into_iter().map(|object| (object.reference(), object)).collect();
    for object in made {
        if let Some(same) = known.get(&object.reference()).filter(|known| **known == *object) {
            *object = Arc::clone(same);
        }
    }
}

impl Made {
    fn of(objects: &Objects, workload: &Workload) -> Self {
        let doors = Doors::of(objects, workload);
        let mut made = Self::default();
        let mut hosts = Hosts::new(&doors.services, workload);
        let ingresses = doors.with_ingresses(objects);
        made.spoken = spoken::spoken(&doors, &ingresses).into_iter().map(Arc::new).collect();
        for (door, ingresses) in ingresses {
            let (gateway, sources) = door.gateway(&ingresses, workload);
            made.sources.insert(gateway.reference(), sources);
            made.gateways.push(Arc::new(gateway));
            for (service, sources) in hosts.services(&door, &ingresses) {
                made.sources.insert(service.reference(), sources);
                made.services.push(Arc::new(service));
            }
        }
        made.problems = hosts.problems();
        for (gateway, servers) in joined::joined(objects, &doors, workload) {
            made.servers.insert(gateway.reference(), servers);
            made.joined.push(Arc::new(gateway));
        }
        made
    }
}

/// Name of something that is made of the Ingresses of a class: no object of a cluster can have it.
fn name(class: &str, host: &str) -> String {
    let between = if host.is_empty() { "" } else { "~" };
    format!("{OF_INGRESS}{class}{between}{host}")
}
