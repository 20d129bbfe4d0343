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

use super::report::{Field, Report};
use edgeway_api::{Objects, Resource, WorkloadEntry};
use std::sync::Arc;

/// Checks every object of Istio's kinds; those that fail are rejected in `report`.
pub(super) fn validate(objects: &Objects, report: &mut Report) {
    each(&objects.gateways, report, gateway::validate);
    each(&objects.virtual_services, report, in_spec(virtual_service::validate));
    each(&objects.destination_rules, report, in_spec(destination_rule::validate));
    each(&objects.service_entries, report, in_spec(service_entry::validate));
    each(
        &objects.workload_entries,
        report,
        in_spec(|entry: &WorkloadEntry, field| {
            workload_entry::validate(&entry.spec, field);
        }),
    );
}

/// A check whose field stands at `spec`.
fn in_spec<T>(check: impl Fn(&T, &mut Field<'_>)) -> impl Fn(&T, &mut Field<'_>) {
    move |object, field| field.of("spec", |field| check(object, field))
}

fn each<T: Resource>(objects: &[Arc<T>], report: &mut Report, check: impl Fn(&T, &mut Field<'_>)) {
    for object in objects {
        let mut field = report.object(object.reference());
        check(object, &mut field);
        if field.invalid_count() > 0 {
            report.reject(object.reference());
        }
    }
}
