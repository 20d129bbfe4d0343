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

pub(super) use primitive::is_wildcard_domain;

use super::{
    changes::Replaced,
    report::{Field, Ledger, Rejected, Report},
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

/// Verdicts on objects of a kind.
type Known<T> = HashMap<Same<T>, Verdict>;

/// What is wrong with one object.
#[derive(Debug)]
pub(super) struct Verdict {
    problems: Vec<Problem>,
    is_rejected: bool,
}

/// Equal to nothing but itself.
#[derive(Debug)]
pub(super) struct Same<T>(pub(super) Arc<T>);

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

/// A kind that is checked.
pub(super) trait Checked: Resource + Sized {
    /// Reports what is wrong with an object.
    fn check(&self, field: &mut Field<'_>);

    /// The verdicts on its kind.
    fn known(verdicts: &mut Verdicts) -> &mut Known<Self>;
}

macro_rules! checked {
    ($($kind:ty, $known:ident: $check:expr;)*) => {
        $(impl Checked for $kind {
            fn check(&self, field: &mut Field<'_>) {
                let check: fn(&Self, &mut Field<'_>) = $check;
                check(self, field);
            }

            fn known(verdicts: &mut Verdicts) -> &mut Known<Self> {
                &mut verdicts.$known
            }
        })*
    };
}

checked! {
    Gateway, gateways: |object, field| {
        gateway::validate(object, field);
        unsupported::gateway(object, field);
    };
    VirtualService, virtual_services: |object, field| {
        field.of("spec", |field| virtual_service::validate(object, field));
    };
    DestinationRule, destination_rules: |object, field| {
        field.of("spec", |field| destination_rule::validate(object, field));
        unsupported::destination_rule(object, field);
    };
    ServiceEntry, service_entries: |object, field| {
        field.of("spec", |field| service_entry::validate(object, field));
        unsupported::service_entry(object, field);
    };
    WorkloadEntry, workload_entries: |object, field| {
        field.of("spec", |field| workload_entry::validate(&object.spec, field));
    };
}

/// Where it is told what is wrong with objects by themselves, and which are refused for it.
#[derive(Debug)]
pub(super) struct Told<'t> {
    /// Of all objects.
    pub(super) ledger: &'t mut Ledger,
    /// Those that are not used.
    pub(super) rejected: &'t mut Rejected,
}

impl Verdicts {
    /// Checks every object of Istio's kinds, and forgets all others.
    pub(super) fn all(&mut self, objects: &Objects, told: &mut Told<'_>) {
        let mut before = std::mem::take(self);
        self.each(&objects.gateways, &mut before, told);
        self.each(&objects.virtual_services, &mut before, told);
        self.each(&objects.destination_rules, &mut before, told);
        self.each(&objects.service_entries, &mut before, told);
        self.each(&objects.workload_entries, &mut before, told);
    }

    fn each<T: Checked>(&mut self, objects: &[Arc<T>], before: &mut Self, told: &mut Told<'_>) {
        T::known(self).reserve(objects.len());
        for object in objects {
            let known = T::known(before).remove(&Same(Arc::clone(object)));
            self.put(object, known.unwrap_or_else(|| judge(&**object)), told);
        }
    }

    /// Checks objects that take the place of others.
    pub(super) fn replace<T: Checked>(&mut self, changed: &Replaced<T>, told: &mut Told<'_>) {
        for object in &changed.gone {
            if let Some(verdict) = T::known(self).remove(&Same(Arc::clone(object))) {
                told.ledger.remove(&verdict.problems);
            }
            told.rejected.remove(&**object);
        }
        changed.new.iter().for_each(|object| self.put(object, judge(&**object), told));
    }

    fn put<T: Checked>(&mut self, object: &Arc<T>, verdict: Verdict, told: &mut Told<'_>) {
        told.ledger.add(&verdict.problems);
        if verdict.is_rejected {
            told.rejected.insert(&**object);
        }
        T::known(self).insert(Same(Arc::clone(object)), verdict);
    }
}

fn judge<T: Checked>(object: &T) -> Verdict {
    let mut report = Report::default();
    let mut field = report.object(object.reference());
    object.check(&mut field);
    let is_rejected = field.invalid_count() > 0;
    Verdict { problems: report.into_problems(), is_rejected }
}
