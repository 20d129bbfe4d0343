//! Istio's validation: what its webhook refuses, we refuse too, object by object.
//!
//! An object that is refused is not used at all: its last good version is, where there is one.

mod actions;
mod destination_rule;
mod gateway;
mod primitive;
mod virtual_service;

use super::report::{Field, Report};
use edgeway_api::{Objects, Resource};
use std::sync::Arc;

/// Checks every object of Istio's kinds; those that fail are rejected in `report`.
pub(super) fn validate(objects: &Objects, report: &mut Report) {
    each(&objects.gateways, report, |gateway, field| gateway::validate(&gateway.spec, field));
    each(&objects.virtual_services, report, virtual_service::validate);
    each(&objects.destination_rules, report, |rule, field| {
        destination_rule::validate(&rule.spec, field);
    });
}

fn each<T: Resource>(objects: &[Arc<T>], report: &mut Report, check: impl Fn(&T, &mut Field<'_>)) {
    for object in objects {
        let mut field = report.object(object.reference());
        field.of("spec", |field| check(object, field));
        if field.invalid_count() > 0 {
            report.reject(object.reference());
        }
    }
}
