//! What users should mend after a pass, each on the object at fault. Pure.

use crate::apply::Failure;
use edgeway_alb_core::{Desired, Plan, StackId, object_of, plan::Op};
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
        let named = if let Op::CreateRule(rule) | Op::ModifyRule(rule) = &step.op {
            rule.owner()
        } else {
            None
        };
        let named = named.and_then(|name| name.split_once('/'));
        let named = named.map(|(namespace, name)| object_of(namespace, name));
        let object = named.unwrap_or_else(|| owner(desired, step.stack.as_ref()));
        let message = format!("{} {} failed: {}", step.op.kind(), step.key, error.line());
        problems.push(Problem::error(object, "", "aws").message(message));
    }
    problems.sort();
    problems.dedup();
    problems
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
