//! `Describe…Attributes` and `Modify…Attributes` of load balancers, target groups and listeners.

use std::collections::BTreeMap;

use super::Outcome;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::state::attributes::{Kind, LISTENER, LOAD_BALANCER, Set, TARGET_GROUP};
use crate::wire::{Call, Fields, Params};

pub(crate) fn describe_load_balancer(region: &Region, call: &Call<'_>) -> Outcome {
    let lb = region.load_balancer(call.params.required("LoadBalancerArn")?)?;
    Ok(listed(&LOAD_BALANCER, &lb.attributes).into())
}

pub(crate) fn describe_target_group(region: &Region, call: &Call<'_>) -> Outcome {
    let group = region.group(call.params.required("TargetGroupArn")?)?;
    Ok(listed(&TARGET_GROUP, &group.attributes).into())
}

pub(crate) fn describe_listener(region: &Region, call: &Call<'_>) -> Outcome {
    let listener = region.listener(call.params.required("ListenerArn")?)?;
    Ok(listed(&LISTENER, &listener.attributes).into())
}

pub(crate) fn modify_load_balancer(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("LoadBalancerArn")?;
    let lb = region.load_balancer_mut(arn)?;
    change(&LOAD_BALANCER, &mut lb.attributes, &call.params)?;
    Ok(listed(&LOAD_BALANCER, &lb.attributes).into())
}

pub(crate) fn modify_listener(region: &mut Region, call: &Call<'_>) -> Outcome {
    let listener = region.listener_mut(call.params.required("ListenerArn")?)?;
    change(&LISTENER, &mut listener.attributes, &call.params)?;
    Ok(listed(&LISTENER, &listener.attributes).into())
}

pub(crate) fn modify_target_group(region: &mut Region, call: &Call<'_>) -> Outcome {
    let group = region.group_mut(call.params.required("TargetGroupArn")?)?;
    change(&TARGET_GROUP, &mut group.attributes, &call.params)?;
    agree(&group.attributes)?;
    Ok(listed(&TARGET_GROUP, &group.attributes).into())
}

fn listed(kind: &'static Kind, set: &Set) -> Fields {
    let pairs =
        kind.listed(set).map(|(key, value)| Fields::new().text("Key", key).text("Value", value));
    Fields::new().list("Attributes", pairs.collect::<Vec<_>>())
}

fn change(kind: &Kind, set: &mut Set, params: &Params<'_>) -> Result<(), AwsError> {
    let pairs = params.structures("Attributes");
    if pairs.is_empty() {
        return Err(params.missing("Attributes"));
    }
    if pairs.len() > 20 {
        return Err(AwsError::validation(
            "1 validation error detected: Value at 'attributes' failed to satisfy constraint: Member must have length less than or equal to 20",
        ));
    }
    let mut given = BTreeMap::new();
    for pair in &pairs {
        let key = pair.required("Key")?;
        if given.insert(key, pair.text("Value").unwrap_or_default()).is_some() {
            let text = format!("{} attribute keys must be unique: '[{key}]'", kind.noun());
            return Err(AwsError::validation(text));
        }
    }
    for (key, value) in given {
        kind.check(key, value)?;
        set.insert(key.to_owned(), value.to_owned());
    }
    Ok(())
}

/// Refuses attributes of a target group that contradict one another.
fn agree(set: &Set) -> Result<(), AwsError> {
    let value = |key| TARGET_GROUP.value(set, key);
    let sticky = TARGET_GROUP.flag(set, "stickiness.enabled");
    let algorithm = value("load_balancing.algorithm.type");
    let cookie = value("stickiness.app_cookie.cookie_name");
    if sticky && value("stickiness.type") == "app_cookie" && cookie.is_empty() {
        return Err(AwsError::validation(
            "You must set an application cookie name to enable stickiness of type 'app_cookie'",
        ));
    }
    if ["AWSALBAPP", "AWSALBTG", "AWSALB"].iter().any(|own| cookie.starts_with(own)) {
        let text = format!("The application cookie name '{cookie}' is reserved");
        return Err(AwsError::validation(text));
    }
    let wrong = if algorithm == "weighted_random" && sticky {
        "Stickiness cannot be used with the algorithm 'weighted_random'"
    } else if algorithm != "round_robin" && value("slow_start.duration_seconds") != "0" {
        "Slow start can only be used with the algorithm 'round_robin'"
    } else if algorithm != "weighted_random"
        && value("load_balancing.algorithm.anomaly_mitigation") == "on"
    {
        "Anomaly mitigation can only be used with the algorithm 'weighted_random'"
    } else {
        return Ok(());
    };
    Err(AwsError::new(Code::InvalidConfigurationRequest, wrong))
}
