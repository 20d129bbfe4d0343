//! How much of what AWS allows for one load balancer is used up.

use crate::{limits::Limits, stack::Stack};
use edgeway_api::{ObjectRef, Problem};

/// Says what is nearly used up, and what is beyond what AWS will take.
pub(super) fn check<'l>(
    stack: &Stack,
    limits: &'l Limits,
    first: &'l ObjectRef,
) -> impl Iterator<Item = Problem> + use<'l> {
    let balancer = &stack.load_balancer;
    let certificates = balancer.listeners.values().map(|l| l.more_certificates.len()).sum();
    let targets = stack.target_groups.values().map(|group| group.targets.len()).sum();
    let used = [
        ("rules", balancer.rules(), limits.rules),
        ("target groups", stack.target_groups.len(), limits.target_groups),
        ("certificates beside the default ones", certificates, limits.certificates),
        ("targets", targets, limits.targets),
        ("listeners", balancer.listeners.len(), limits.listeners),
    ];
    let name = stack.id.to_string();
    used.into_iter().filter_map(move |(what, used, most)| report(&name, first, (what, used, most)))
}

/// From four fifths on it is worth a word.
fn report(
    stack: &str,
    first: &ObjectRef,
    (what, used, most): (&str, usize, usize),
) -> Option<Problem> {
    let message = format!("the load balancer of {stack} has {used} {what}, and may have {most}");
    let advice = "put some Ingresses into another group, ask AWS for a higher quota, or let a gateway \
                  route by path";
    let problem = if used > most {
        Problem::error(first.clone(), "", "limit-exceeded")
    } else if used.saturating_mul(5) >= most.saturating_mul(4) {
        Problem::warning(first.clone(), "", "limit-near")
    } else {
        return None;
    };
    Some(problem.message(message).advice(advice))
}
