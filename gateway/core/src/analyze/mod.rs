//! Advice: what is legal and serves, and is probably not meant. Looks across objects, as no check of
//! one object can; nothing here decides where a request goes.
//!
//! Only ever warnings, and in doubt silence: advice that is often wrong is not read.

mod condition;
mod destination_rules;
mod fields;
mod gateways;
mod plain_text;
mod pods;
mod redirects;
mod rules;
mod scene;
mod servers;
mod services;
mod shadow;
#[cfg(test)]
mod unit;

use crate::Workload;
use edgeway_api::{Objects, Problem};
use pods::PodLabels;
use scene::Scene;

/// What could be better about the configuration of `workload`, sorted. `objects` are those that
/// compile accepts. Not needed for serving, so it may run after a table is in force.
pub fn analyze(objects: &Objects, workload: &Workload) -> Vec<Problem> {
    let scene = Scene::new(objects, workload);
    let pods = PodLabels::new(objects);
    let mut advice = Vec::new();
    gateways::analyze(&scene, &pods, &mut advice);
    rules::analyze(&scene, &mut advice);
    shadow::analyze(&scene, &mut advice);
    destination_rules::analyze(&scene, &pods, &mut advice);
    services::analyze(&scene, &mut advice);
    plain_text::analyze(&scene, &mut advice);
    for problem in &mut advice {
        if let Some(origin) = objects.origins.get(&problem.object) {
            problem.origin.clone_from(origin);
        }
    }
    advice.sort();
    advice.dedup();
    advice
}
