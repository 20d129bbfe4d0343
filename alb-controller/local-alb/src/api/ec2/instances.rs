//! `DescribeInstances`: whatever id is asked for is a running instance, since the machines that
//! answer for instances are configured, not launched.

use std::collections::BTreeSet;

use super::super::Outcome;
use super::Filters;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::wire::{Call, Fields};

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let filters = Filters::read(&call.params)?;
    let asked = call.params.list("InstanceId");
    if let Some(bad) = asked.iter().find(|id| !id.starts_with("i-")) {
        let text = format!("Invalid id: \"{bad}\" (expecting \"i-...\")");
        return Err(AwsError::new(Code::InvalidInstanceMalformed, text));
    }
    let ids: BTreeSet<&str> = if asked.is_empty() {
        region.config.instances.keys().map(String::as_str).collect()
    } else {
        asked.into_iter().collect()
    };
    let mut shapes = Vec::new();
    for id in ids {
        let address = region.instance_address(id).to_string();
        let fields: [(&str, &[&str]); 4] = [
            ("instance-id", &[id]),
            ("vpc-id", &[&region.network.vpc]),
            ("private-ip-address", &[&address]),
            ("instance-state-name", &["running"]),
        ];
        if filters.admit(&fields, region.tags.get(id))? {
            shapes.push(shape(region, id, &address));
        }
    }
    Ok(Fields::new().list("reservationSet", shapes).into())
}

fn shape(region: &Region, id: &str, address: &str) -> Fields {
    let network = &region.network;
    let subnet = network.subnets.values().next();
    let group = Fields::new().text("groupId", &network.default_group).text("groupName", "default");
    let interface = Fields::new()
        .text("networkInterfaceId", id.replacen("i-", "eni-", 1))
        .text("vpcId", &network.vpc)
        .maybe("subnetId", subnet.map(|subnet| &subnet.id))
        .text("privateIpAddress", address)
        .text("status", "in-use")
        .list("groupSet", [group.clone()])
        .with("attachment", Fields::new().text("deviceIndex", 0).text("status", "attached"));
    let instance = Fields::new()
        .text("instanceId", id)
        .with("instanceState", Fields::new().text("code", 16).text("name", "running"))
        .text("privateIpAddress", address)
        .text("vpcId", &network.vpc)
        .maybe("subnetId", subnet.map(|subnet| &subnet.id))
        .with(
            "placement",
            Fields::new().maybe("availabilityZone", subnet.map(|subnet| &subnet.zone)),
        )
        .list("groupSet", [group])
        .list("networkInterfaceSet", [interface])
        .texts("tagSet", [""; 0]);
    Fields::new()
        .text("reservationId", id.replacen("i-", "r-", 1))
        .text("ownerId", &region.config.account)
        .list("instancesSet", [instance])
}
