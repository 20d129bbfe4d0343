//! What the actions of a rule or listener must satisfy beyond being well-formed: the target groups
//! they name, and the quotas of the load balancer.

use std::collections::BTreeSet;

use super::actions::fit;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::state::attributes::TARGET_GROUP;
use crate::state::ids::Arn;
use crate::state::load_balancer::{LoadBalancer, Protocol};
use crate::state::rule::{Action, ActionKind, Identity, IdentityKind, groups_of};
use crate::state::target_group::{TargetGroup, Version};

/// The place that actions are meant for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) load_balancer: &'a Arn,
    pub(super) protocol: Protocol,
    pub(super) port: u16,
}

/// Refuses actions that AWS would refuse in this place.
pub(super) fn check(region: &Region, place: Place<'_>, actions: &[Action]) -> Result<(), AwsError> {
    fit(actions, place.protocol, place.port)?;
    let limits = &region.config.limits;
    for action in actions {
        let forward = match &action.kind {
            ActionKind::Forward(forward) => forward,
            ActionKind::Identity(identity) => {
                knows_its_secret(identity)?;
                continue;
            }
            ActionKind::Redirect(_) | ActionKind::Fixed(_) => continue,
        };
        let most = limits.target_groups_per_action;
        if forward.groups.len() > most {
            let text = format!("You cannot specify more than {most} target groups per action");
            return Err(AwsError::validation(text));
        }
        let unique: BTreeSet<&Arn> = forward.groups.iter().map(|group| &group.arn).collect();
        if unique.len() < forward.groups.len() {
            return Err(AwsError::validation("Target groups in an action must be unique"));
        }
    }
    let lb = region.load_balancer(place.load_balancer.as_str())?;
    let wanted: BTreeSet<&Arn> = groups_of(actions).collect();
    let mut groups = Vec::new();
    for arn in &wanted {
        groups.push(region.groups.get(*arn).ok_or_else(|| {
            AwsError::new(Code::TargetGroupNotFound, format!("Target groups '{arn}' not found"))
        })?);
    }
    suitable(region, lb, place.protocol, &groups)?;
    if groups.len() > 1 && groups.iter().any(|group| uses_app_cookie(group)) {
        return Err(AwsError::new(
            Code::InvalidLoadBalancerAction,
            "A target group with stickiness of type 'app_cookie' must be the only one in its action",
        ));
    }
    within_limits(region, lb, &wanted)
}

/// A login at a provider of OIDC needs a secret: a given one, or the one that it had before.
fn knows_its_secret(identity: &Identity) -> Result<(), AwsError> {
    if identity.kind == IdentityKind::Oidc && identity.secret.is_none() {
        let text =
            "A client secret must be specified, or UseExistingClientSecret where there is one";
        return Err(AwsError::validation(text));
    }
    Ok(())
}

fn suitable(
    region: &Region,
    lb: &LoadBalancer,
    protocol: Protocol,
    groups: &[&TargetGroup],
) -> Result<(), AwsError> {
    let listed = |bad: &dyn Fn(&TargetGroup) -> bool| {
        let arns: Vec<_> =
            groups.iter().filter(|group| bad(group)).map(|group| group.arn.as_str()).collect();
        (!arns.is_empty()).then(|| arns.join(", "))
    };
    if let Some(arns) = listed(&|group| group.vpc != lb.vpc) {
        let text = format!(
            "The following target groups are in a different VPC than load balancer '{}': {arns}",
            lb.arn
        );
        return Err(AwsError::new(Code::InvalidConfigurationRequest, text));
    }
    let foreign = |group: &TargetGroup| region.users_of(&group.arn).iter().any(|u| **u != lb.arn);
    if let Some(arns) = listed(&foreign) {
        let text = format!(
            "The following target groups cannot be associated with more than one load balancer: {arns}"
        );
        return Err(AwsError::new(Code::TargetGroupAssociationLimit, text));
    }
    if let Some(arns) =
        listed(&|group| protocol == Protocol::Http && group.version != Version::Http1)
    {
        let text = format!(
            "The listener and the following target groups have incompatible protocols: {arns}"
        );
        return Err(AwsError::new(Code::IncompatibleProtocols, text));
    }
    Ok(())
}

fn uses_app_cookie(group: &TargetGroup) -> bool {
    TARGET_GROUP.flag(&group.attributes, "stickiness.enabled")
        && TARGET_GROUP.value(&group.attributes, "stickiness.type") == "app_cookie"
}

/// Target groups and targets of the load balancer, with those that are wanted in addition.
fn within_limits(
    region: &Region,
    lb: &LoadBalancer,
    wanted: &BTreeSet<&Arn>,
) -> Result<(), AwsError> {
    let mut all = region.groups_used_by(&lb.arn);
    all.extend(wanted);
    let most = region.config.limits.target_groups_per_load_balancer;
    if all.len() > most {
        let text = format!(
            "The maximum number of target groups on load balancer '{}' has been reached: '{most}'",
            lb.arn
        );
        return Err(AwsError::new(Code::TooManyUniqueTargetGroupsPerLoadBalancer, text));
    }
    let targets = all.iter().filter_map(|arn| region.groups.get(*arn)).map(TargetGroup::registered);
    targets_fit(region, lb, targets.sum())
}

/// Refuses more targets than a load balancer may have.
pub(super) fn targets_fit(
    region: &Region,
    lb: &LoadBalancer,
    count: usize,
) -> Result<(), AwsError> {
    let most = region.config.limits.targets_per_load_balancer;
    if count > most {
        let text = format!(
            "The maximum number of targets on load balancer '{}' has been reached: '{most}'",
            lb.arn
        );
        return Err(AwsError::new(Code::TooManyTargets, text));
    }
    Ok(())
}
