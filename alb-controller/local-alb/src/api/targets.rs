//! `RegisterTargets` and `DeregisterTargets`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Outcome;
use super::rule_checks::targets_fit;
use crate::error::{AwsError, Code};
use crate::event::Event;
use crate::state::Region;
use crate::state::health::Status;
use crate::state::target_group::{Target, TargetGroup, TargetKey, TargetType};
use crate::wire::{Call, Fields, Params};

pub(crate) fn register(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("TargetGroupArn")?;
    let group = region.group(arn)?;
    let mut wanted = Vec::new();
    for params in given(&call.params)? {
        let key = key(&params, group)?;
        let zone = match group.target_type {
            TargetType::Instance => instance(&key, &params)?,
            TargetType::Ip => address(region, group, &key, params.text("AvailabilityZone"))?,
        };
        wanted.push((key, zone));
    }
    let mut next = group.clone();
    let mut events = Vec::new();
    for (key, zone) in wanted {
        let there = next.targets.get(&key).filter(|target| !target.status.is_draining());
        if there.is_none() {
            events.push(Event::Target {
                group: next.name.clone(),
                target: key.to_string(),
                state: "registered",
                reason: None,
            });
            next.targets.insert(key, Target { zone, status: Status::NEW });
        }
    }
    within_limits(region, &next)?;
    region.events.extend(events);
    region.groups.insert(next.arn.clone(), next);
    Ok(Fields::new().into())
}

pub(crate) fn deregister(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("TargetGroupArn")?;
    let group = region.group_mut(arn)?;
    let until = call.now + group.deregistration_delay();
    let mut events = Vec::new();
    for params in given(&call.params)? {
        let key = key(&params, group)?;
        let Some(target) = group.targets.get_mut(&key) else { continue };
        if !group.in_use {
            group.targets.remove(&key);
        } else if !target.status.is_draining() {
            target.status = Status::Draining { until };
            events.push(Event::Target {
                group: group.name.clone(),
                target: key.to_string(),
                state: "draining",
                reason: None,
            });
        }
    }
    region.events.extend(events);
    Ok(Fields::new().into())
}

fn given<'a>(params: &Params<'a>) -> Result<Vec<Params<'a>>, AwsError> {
    let targets = params.structures("Targets");
    if targets.is_empty() { Err(params.missing("Targets")) } else { Ok(targets) }
}

/// What a target is known by; without a port of its own it has that of its group.
pub(super) fn key(params: &Params<'_>, group: &TargetGroup) -> Result<TargetKey, AwsError> {
    let id = params.required("Id")?;
    let port = params.number("Port", 1, u16::MAX)?.unwrap_or(group.port);
    // Two spellings of one address are one target.
    let id = id.parse::<IpAddr>().map_or_else(|_| id.to_owned(), |address| address.to_string());
    Ok(TargetKey { id, port })
}

/// The zone of an instance; any well-formed id will do, as there are no real instances.
fn instance(key: &TargetKey, params: &Params<'_>) -> Result<Option<String>, AwsError> {
    let hex = |text: &str| text.len() >= 8 && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if !key.id.strip_prefix("i-").is_some_and(hex) {
        let text = format!("The instance ID '{}' is not valid", key.id);
        return Err(AwsError::new(Code::InvalidTarget, text));
    }
    if params.has("AvailabilityZone") {
        let text = "You cannot specify an Availability Zone for a target of type 'instance'";
        return Err(AwsError::validation(text));
    }
    Ok(None)
}

/// The zone of an address. Only addresses of this machine are let in without AWS's rules: there
/// is no VPC that they could belong to.
fn address(
    region: &Region,
    group: &TargetGroup,
    key: &TargetKey,
    zone: Option<&str>,
) -> Result<Option<String>, AwsError> {
    let invalid = |why: &str| {
        AwsError::new(Code::InvalidTarget, format!("The IP address '{}' {why}", key.id))
    };
    let address: IpAddr = key.id.parse().map_err(|_| invalid("is not valid"))?;
    if address.is_ipv6() != (group.ip_address_type == "ipv6") {
        return Err(invalid(&format!("is not of type '{}'", group.ip_address_type)));
    }
    if address.is_loopback() {
        return Ok(zone.map(str::to_owned));
    }
    if !is_allowed(address) && !IpNet::V4(region.network.range).contains(&address) {
        return Err(invalid("must be in the VPC or in a private range (RFC 1918, RFC 6598)"));
    }
    let inside = region
        .network
        .subnets
        .values()
        .find(|subnet| IpNet::V4(subnet.range).contains(&address))
        .map(|subnet| subnet.zone.clone());
    match (inside, zone) {
        (Some(inside), Some("all")) => Err(AwsError::validation(format!(
            "The IP address '{}' is within the VPC, and cannot have its Availability Zone overridden to 'all' from '{inside}'",
            key.id
        ))),
        (Some(inside), _) => Ok(Some(inside)),
        (None, Some(zone)) => Ok(Some(zone.to_owned())),
        (None, None) => Err(AwsError::validation(format!(
            "The Availability Zone is required for IP address '{}' because it is not in the VPC",
            key.id
        ))),
    }
}

fn is_allowed(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

fn within_limits(region: &Region, next: &TargetGroup) -> Result<(), AwsError> {
    let most = region.config.limits.targets_per_group;
    if next.registered() > most {
        let text = format!(
            "The maximum number of targets in target group '{}' has been reached: '{most}'",
            next.arn
        );
        return Err(AwsError::new(Code::TooManyTargets, text));
    }
    for lb in region.users_of(&next.arn) {
        let lb = region.load_balancer(lb.as_str())?;
        let others = region.groups_used_by(&lb.arn).into_iter().filter(|arn| **arn != next.arn);
        let others: usize =
            others.filter_map(|arn| region.groups.get(arn)).map(TargetGroup::registered).sum();
        targets_fit(region, lb, others + next.registered())?;
    }
    Ok(())
}
