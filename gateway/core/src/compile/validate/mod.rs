//! Istio's validation: what its webhook and its schemas refuse, we refuse too, object by object.
//!
//! An object that is refused is not used at all: its last good version is, where there is one.
//! Every check looks at one object alone.

mod actions;
mod balancer;
mod destination_rule;
mod export;
mod gateway;
mod pool;
mod primitive;
mod redirect;
mod server_tls;
mod service_entry;
mod streams;
mod text;
#[cfg(test)]
mod unit;
mod virtual_service;
mod workload_entry;

use super::{
    report::{Field, Report},
    unsupported,
};
use edgeway_api::{
    DestinationRule, Gateway, Objects, Problem, Resource, ServiceEntry, VirtualService,
    WorkloadEntry,
};
use hashbrown::HashMap;
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// What is wrong with each object by itself, remembered for as long as it is the same.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    gateways: Known<Gateway>,
    virtual_services: Known<VirtualService>,
    destination_rules: Known<DestinationRule>,
    service_entries: Known<ServiceEntry>,
    workload_entries: Known<WorkloadEntry>,
}

type Known<T> = HashMap<Same<T>, Verdict>;

#[derive(Debug)]
struct Verdict {
    problems: Vec<Problem>,
    is_rejected: bool,
}

/// Equal to nothing but itself.
#[derive(Debug)]
struct Same<T>(Arc<T>);

impl<T> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Eq for Same<T> {}

impl<T> Hash for Same<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Verdicts {
    /// Checks every object of Istio's kinds; those that fail are rejected in `report`.
    pub(super) fn check(&mut self, objects: &Objects, report: &mut Report) {
        each(&objects.gateways, &mut self.gateways, report, |object, field| {
            gateway::validate(object, field);
            unsupported::gateway(object, field);
        });
        each(&objects.virtual_services, &mut self.virtual_services, report, |object, field| {
            field.of("spec", |field| virtual_service::validate(object, field));
        });
        each(&objects.destination_rules, &mut self.destination_rules, report, |object, field| {
            field.of("spec", |field| destination_rule::validate(object, field));
            unsupported::destination_rule(object, field);
        });
        each(&objects.service_entries, &mut self.service_entries, report, |object, field| {
            field.of("spec", |field| service_entry::validate(object, field));
            unsupported::service_entry(object, field);
        });
        each(&objects.workload_entries, &mut self.workload_entries, report, |object, field| {
            field.of("spec", |field| workload_entry::validate(&object.spec, field));
        });
    }
}

fn each<T: Resource>(
    objects: &[Arc<T>],
    known: &mut Known<T>,
    report: &mut Report,
    check: impl Fn(&T, &mut Field<'_>),
) {
    let mut before = std::mem::take(known);
    known.reserve(objects.len());
    for object in objects {
        let (object, verdict) = before
            .remove_entry(&Same(Arc::clone(object)))
            .unwrap_or_else(|| (Same(Arc::clone(object)), judge(&**object, &check)));
        verdict.problems.iter().for_each(|problem| report.push(problem.clone()));
        if verdict.is_rejected {
            report.reject(object.0.reference());
        }
        known.insert(object, verdict);
    }
}

fn judge<T: Resource>(object: &T, check: impl Fn(&T, &mut Field<'_>)) -> Verdict {
    let mut report = Report::default();
    let mut field = report.object(object.reference());
    check(object, &mut field);
    let is_rejected = field.invalid_count() > 0;
    Verdict { problems: report.into_problems(), is_rejected }
}
