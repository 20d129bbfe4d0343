//! What is ours to change: not what the AWS Load Balancer Controller has made, until somebody asks for
//! it, and not what is for namespaces that were not looked at.

use super::{
    Summary,
    lane::Lane,
    step::{Risk, Step},
};
use crate::{
    goal::{Desired, Standing},
    id::{Key, StackId},
    stack::{Ownership, Stack},
    tags,
};

/// Why somebody else's load balancer stays as it is.
const MADE: &str = "the AWS Load Balancer Controller has made it";

/// Whether a stack stands that we have neither made nor taken over. The load balancer decides: what
/// is made before it is marked from the beginning, and it is marked last when it is taken over.
pub(super) fn is_theirs(standing: &Standing) -> bool {
    theirs(standing).is_some()
}

/// What of it bears no mark of ours.
fn theirs(standing: &Standing) -> Option<Key> {
    let Standing { load_balancers, target_groups, security_groups, .. } = standing;
    let mut own = load_balancers.values().filter(|it| it.ownership == Ownership::Full).peekable();
    if own.peek().is_some() {
        let unmarked = own.find(|balancer| !tags::is_marked(&balancer.tags));
        return unmarked.map(|balancer| Key::LoadBalancer(balancer.name.clone()));
    }
    let group = target_groups.values().find(|group| !tags::is_marked(&group.tags));
    let guard = security_groups.values().find(|group| !tags::is_marked(&group.tags));
    let guard = guard.map(|guard| Key::SecurityGroup(guard.name.clone()));
    group.map(|group| Key::TargetGroup(group.name.clone())).or(guard)
}

/// The way to a stack as far as it may be taken: if it is to be asked for first, the way is told and
/// not taken.
pub(super) fn admit(stack: &Stack, standing: &Standing, way: Lane) -> Lane {
    let Some(key) = theirs(standing) else { return way };
    let replaces = way.steps.iter().any(|step| step.risk == Risk::Replace);
    let names = || standing.load_balancers.keys().chain([&stack.load_balancer.name]);
    let approves = names().any(|name| stack.approved.contains(name));
    let (reason, advice) = match (stack.adopts, replaces) {
        (true, true) if !approves => {
            let name = names().next().cloned().unwrap_or_default();
            let replacing = way.steps.iter().filter(|step| step.risk == Risk::Replace);
            let replacing: Vec<String> = replacing.map(Step::to_string).collect();
            let reason = format!("{MADE}, and taking it over replaces: {}", replacing.join("; "));
            let advice = format!(
                "annotate the Ingress with edgeway.dev/approve-replacement: {name} if that is meant"
            );
            (reason, advice)
        }
        (true, _) => return way,
        (false, _) => (
            format!("{MADE}; to take it over: {}", Summary::of(&way.steps, 0, way.pending.len())),
            "look at `edgeway plan --adopt`; then annotate the Ingress with edgeway.dev/adopt: \
             \"true\", or start the controller with --adopt"
                .to_owned(),
        ),
    };
    let mut lane = Lane::of(&stack.id);
    lane.block(key, reason, advice);
    lane.blocked.extend(way.blocked);
    lane
}

/// What becomes of a stack of theirs that nobody wishes any more: nothing. We cannot know that it is
/// not wished for somewhere else.
pub(super) fn leave(id: &StackId, standing: &Standing) -> Lane {
    let mut lane = Lane::of(id);
    if let Some(key) = theirs(standing) {
        let advice = format!(
            "delete it by hand, or have it deleted by giving it the tag {}={}",
            tags::CONTROLLER,
            crate::settings::AWS
        );
        lane.block(key, format!("{MADE}, and no Ingress wishes it any more"), advice);
    }
    lane
}

/// Whether Ingresses that a stack is for would have been seen, were they there. A group may have
/// members anywhere: what is known of them is what its rules and target groups say.
pub(super) fn would_be_seen(desired: &Desired, id: &StackId, standing: &Standing) -> bool {
    let seen = |namespace: &str| desired.namespaces.contains(namespace);
    if desired.namespaces.is_empty() {
        return true;
    }
    if let StackId::Ingress { namespace, .. } = id {
        return seen(namespace);
    }
    let listeners = standing.load_balancers.values().flat_map(|it| it.listeners.values());
    let rules = listeners.flat_map(|listener| listener.rules.values());
    let owners = rules.map(|rule| rule.owner().unwrap_or_default());
    let groups = standing.target_groups.values().map(|group| group.resource.as_str());
    let mut members = owners.chain(groups).peekable();
    let has_some = members.peek().is_some() || standing.load_balancers.is_empty();
    has_some && members.all(|member| member.split_once('/').is_some_and(|(name, _)| seen(name)))
}
