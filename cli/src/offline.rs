//! Manifests without a cluster and without AWS: what can be said of them by reading alone.

use crate::furnish::{CONTROLLERS, Role};
use edgeway_alb_controller::Survey;
use edgeway_alb_core::{Desired, Lookups, Observed, Settings, desired};
use edgeway_api::{Objects, Problem};
use edgeway_core::{Compiled, Workload, analyze, compile};
use edgeway_gateway::tls;
use std::collections::BTreeSet;

/// What stands in names and tags where nobody says what the cluster is called.
pub(crate) const CLUSTER: &str = "edgeway";

/// Stands for the VPC, which only AWS knows.
const VPC: &str = "vpc-unknown";

/// Stands for the subnets that would be found.
const SUBNETS: &str = "the subnets of the VPC";

/// What both halves make of some objects.
#[derive(Debug)]
pub struct Reading {
    /// What was read.
    pub objects: Objects,
    /// The gateway for which it was compiled.
    pub role: Role,
    /// The gateway's half.
    pub compiled: Compiled,
    /// The ALB's half.
    pub desired: Desired,
}

impl Reading {
    /// Has both halves read `objects`.
    pub fn new(objects: Objects) -> Self {
        let role = Role::expected(&objects);
        let compiled = compile(&objects, &workload(&role));
        let desired = desired(&objects, &settings(), &Lookups::default());
        Self { objects, role, compiled, desired }
    }

    /// What is wrong and what could be better, each once, sorted.
    pub fn problems(&self) -> BTreeSet<Problem> {
        let Self { objects, compiled, desired, role } = self;
        let all = [&objects.defects, &compiled.problems, &desired.problems];
        let mut all: BTreeSet<Problem> = all.into_iter().flatten().cloned().collect();
        let mut accepted = objects.clone();
        accepted.retain(|object| !compiled.rejected.contains(object));
        all.extend(analyze(&accepted, &workload(role)));
        let now = std::time::SystemTime::now();
        all.extend(tls::problems(&compiled.table, now).into_iter().map(|mut problem| {
            problem.origin = objects.origins.get(&problem.object).cloned().unwrap_or_default();
            problem
        }));
        all
    }
}

/// The gateway workload of `role`.
pub fn workload(role: &Role) -> Workload {
    let Role { namespace, labels } = role.clone();
    Workload { namespace, labels, ..Workload::default() }
}

/// What would be done in AWS if nothing were there. Subnets that nobody names are taken as found:
/// which they are is known to AWS alone.
pub fn survey(settings: &Settings, objects: &Objects) -> Survey {
    let mut wishes = desired(objects, settings, &Lookups::default());
    for stack in wishes.stacks.values_mut() {
        let subnets = &mut stack.load_balancer.subnets;
        if subnets.is_empty() {
            subnets.insert(SUBNETS.to_owned());
        }
    }
    let observed = Observed::default();
    let plan = edgeway_alb_core::plan(&wishes, &observed);
    let problems = wishes.problems.clone();
    Survey { desired: wishes, observed, plan, problems }
}

fn settings() -> Settings {
    let controllers = CONTROLLERS.iter().map(|name| (*name).to_owned()).collect();
    Settings { controllers, ..Settings::new(CLUSTER, VPC) }
}
