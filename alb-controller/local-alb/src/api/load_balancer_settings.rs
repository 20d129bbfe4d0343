//! `SetSubnets`, `SetSecurityGroups`, `SetIpAddressType`, pools of addresses, the capacity reservation.

use super::Outcome;
use super::load_balancers::{IP_ADDRESS_TYPES, pool, pools, security_groups, zone_list, zones};
use crate::error::{AwsError, Code};
use crate::event::{Change, Event};
use crate::state::Region;
use crate::state::load_balancer::LoadBalancer;
use crate::wire::{Call, Fields, Reply};

pub(crate) fn set_subnets(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("LoadBalancerArn")?;
    region.load_balancer(arn)?;
    let zones = zones(region, &call.params)?;
    let ip_address_type = call.params.word("IpAddressType", &IP_ADDRESS_TYPES)?;
    let lb = region.load_balancer_mut(arn)?;
    lb.zones = zones;
    if let Some(ip_address_type) = ip_address_type {
        ip_address_type.clone_into(&mut lb.ip_address_type);
    }
    let reply = Fields::new()
        .list("AvailabilityZones", zone_list(&lb.zones))
        .text("IpAddressType", &lb.ip_address_type);
    Ok(changed(region, arn, reply))
}

pub(crate) fn set_security_groups(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("LoadBalancerArn")?;
    region.load_balancer(arn)?;
    let ids = call.params.strings("SecurityGroups");
    if ids.is_empty() {
        return Err(call.params.missing("SecurityGroups"));
    }
    let ids = security_groups(region, ids)?;
    region.load_balancer_mut(arn)?.security_groups.clone_from(&ids);
    Ok(changed(region, arn, Fields::new().texts("SecurityGroupIds", ids)))
}

pub(crate) fn set_ip_address_type(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("LoadBalancerArn")?;
    let wanted = call
        .params
        .word("IpAddressType", &IP_ADDRESS_TYPES)?
        .ok_or_else(|| call.params.missing("IpAddressType"))?;
    wanted.clone_into(&mut region.load_balancer_mut(arn)?.ip_address_type);
    Ok(changed(region, arn, Fields::new().text("IpAddressType", wanted)))
}

pub(crate) fn modify_pools(region: &mut Region, call: &Call<'_>) -> Outcome {
    let params = &call.params;
    let arn = params.required("LoadBalancerArn")?;
    let scheme = region.load_balancer(arn)?.scheme;
    let wanted = match (pool(scheme, params)?, params.strings("RemoveIpamPools")) {
        (Some(id), removed) if removed.is_empty() => Some(id),
        (None, removed) if removed == ["ipv4"] => None,
        _ => {
            let text = "Give either IpamPools or RemoveIpamPools, which may be 'ipv4'";
            return Err(AwsError::validation(text));
        }
    };
    let lb = region.load_balancer_mut(arn)?;
    lb.pool = wanted;
    let reply = Fields::new().maybe_with("IpamPools", pools(lb));
    Ok(changed(region, arn, reply))
}

pub(crate) fn describe_capacity(region: &Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("LoadBalancerArn")?;
    Ok(capacity(region.load_balancer(arn)?).into())
}

pub(crate) fn modify_capacity(region: &mut Region, call: &Call<'_>) -> Outcome {
    let params = &call.params;
    let arn = params.required("LoadBalancerArn")?;
    let reset = params.boolean("ResetCapacityReservation")?.unwrap_or(false);
    let units =
        params.structure("MinimumLoadBalancerCapacity").number("CapacityUnits", 0, u32::MAX)?;
    let wanted = match (reset, units) {
        (true, None) => None,
        (false, Some(units)) if units > 15_000 => {
            let text = format!("'{units}' capacity units are more than the limit of 15000");
            return Err(AwsError::new(Code::CapacityUnitsLimitExceeded, text));
        }
        (false, Some(units)) if units >= 100 => Some(units),
        (false, Some(units)) => {
            let text = format!("'{units}' capacity units are fewer than the least, 100");
            return Err(AwsError::new(Code::InvalidConfigurationRequest, text));
        }
        (true, Some(_)) | (false, None) => {
            let text = "Give either MinimumLoadBalancerCapacity or ResetCapacityReservation";
            return Err(AwsError::validation(text));
        }
    };
    let lb = region.load_balancer_mut(arn)?;
    lb.capacity = wanted;
    let reply = capacity(lb);
    Ok(changed(region, arn, reply))
}

fn capacity(lb: &LoadBalancer) -> Fields {
    let zones: &[_] = if lb.capacity.is_some() { &lb.zones } else { &[] };
    let states = zones.iter().map(|zone| {
        Fields::new()
            .with("State", Fields::new().text("Code", "provisioned"))
            .text("AvailabilityZone", &zone.name)
    });
    Fields::new()
        .text("DecreaseRequestsRemaining", 2)
        .maybe_with(
            "MinimumLoadBalancerCapacity",
            lb.capacity.map(|units| Fields::new().text("CapacityUnits", units)),
        )
        .list("CapacityReservationState", states)
}

fn changed(region: &mut Region, arn: &str, reply: Fields) -> Reply {
    if let Some(lb) = region.load_balancers.get(arn) {
        region.events.push(Event::LoadBalancer {
            name: lb.name.clone(),
            change: Change::Changed,
            dns_name: lb.dns_name.clone(),
        });
    }
    reply.into()
}
