//! What users should mend after a pass, each on the object at fault. Pure.

use crate::apply::Failure;
use edgeway_alb_core::{Desired, Key, Plan, StackId, Step, object_of, plan::Op, rule::Rule};
use edgeway_api::{ObjectRef, Problem};

/// Problems of objects, and of what stays undone.
pub(crate) fn report(desired: &Desired, plan: &Plan, failures: &[Failure]) -> Vec<Problem> {
    let mut problems = desired.problems.clone();
    for blocked in &plan.blocked {
        let object = owner(desired, blocked.stack.as_ref());
        let message = format!("{} {}: {}", blocked.key.noun(), blocked.key, blocked.reason);
        let problem = Problem::error(object, "", "blocked").message(message);
        problems.push(problem.advice(blocked.advice.clone()));
    }
    for Failure { step, error } in failures {
        let object = author(desired, step).unwrap_or_else(|| owner(desired, step.stack.as_ref()));
        let message = format!("{} {} failed: {}", step.op.kind(), step.key, error.line());
        problems.push(Problem::error(object, "", "aws").message(message));
    }
    problems.sort();
    problems.dedup();
    problems
}

/// The one member of a group that a step is for, if it is for one: whose the rule is, or the first rule
/// that sends to the target group.
fn author(desired: &Desired, step: &Step) -> Option<ObjectRef> {
    let name = if let Op::CreateRule(rule) | Op::ModifyRule(rule) = &step.op {
        rule.owner()
    } else if let Key::TargetGroup(group) = &step.key {
        let balancer = &desired.stacks.get(step.stack.as_ref()?)?.load_balancer;
        let rules = balancer.listeners.values().flat_map(|listener| listener.rules.values());
        let mut leading = rules.filter(|rule| rule.action.groups().any(|name| name == group));
        leading.find_map(Rule::owner)
    } else {
        None
    };
    let (namespace, name) = name?.split_once('/')?;
    Some(object_of(namespace, name))
}

/// The Ingress or Gateway that answers for a stack: its first one.
fn owner(desired: &Desired, stack: Option<&StackId>) -> ObjectRef {
    let Some(stack) = stack else { return ObjectRef::new("Cluster", "", "all stacks") };
    let first = desired.members.get(stack).and_then(|members| members.first());
    first.cloned().unwrap_or_else(|| match stack {
        StackId::Ingress { namespace, name } => object_of(namespace, name),
        StackId::Group(name) => ObjectRef::new("IngressGroup", "", name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{objects, refused};
    use edgeway_alb_core::{Lookups, Observed, Settings, desired, plan};
    use edgeway_api::k8s_openapi::api::networking::v1::Ingress;
    use std::sync::Arc;

    /// What `a` and `b`, in one group, wish for.
    fn group() -> Desired {
        let mut objects = objects(&["a", "b"]);
        let join = |ingress: &mut Arc<Ingress>| {
            let group = ("alb.ingress.kubernetes.io/group.name".to_owned(), "g".to_owned());
            Arc::make_mut(ingress).metadata.annotations = Some([group].into());
        };
        objects.ingresses.iter_mut().for_each(join);
        let mut wishes = desired(&objects, &Settings::new("test", "vpc"), &Lookups::default());
        for stack in wishes.stacks.values_mut() {
            stack.load_balancer.subnets = ["subnet-a".to_owned(), "subnet-b".to_owned()].into();
        }
        wishes
    }

    #[test]
    fn a_step_that_fails_is_said_of_the_member_that_it_is_for() {
        let desired = group();
        let plan = plan(&desired, &Observed::default());
        let told = |kind: &str| -> Vec<String> {
            let steps = plan.steps.iter().filter(|step| step.op.kind() == kind);
            let failed = |step: &Step| Failure { step: step.clone(), error: refused() };
            let told = |failure| report(&desired, &plan, &[failure]);
            steps.map(failed).flat_map(told).map(|problem| problem.object.to_string()).collect()
        };
        let both = ["Ingress default/a", "Ingress default/b"];
        for kind in ["create-target-group", "register-targets", "create-rule"] {
            let mut told = told(kind);
            told.sort();
            assert_eq!(told, both, "{kind}");
        }
        assert_eq!(told("create-load-balancer"), ["Ingress default/a"], "the first one's");
    }
}
