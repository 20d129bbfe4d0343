//! `DescribeNetworkInterfaces`: one interface for each zone of each load balancer.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;

use super::super::Outcome;
use super::Filters;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::state::load_balancer::{LoadBalancer, Zone};
use crate::wire::{Call, Fields};

/// The interface of a load balancer in one zone.
struct Interface<'a> {
    id: String,
    lb: &'a LoadBalancer,
    zone: &'a Zone,
    description: String,
    address: String,
}

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let filters = Filters::read(&call.params)?;
    let ids = call.params.list("NetworkInterfaceId");
    let all: Vec<Interface<'_>> =
        region.load_balancers.values().flat_map(|lb| of_load_balancer(region, lb)).collect();
    if let Some(unknown) = ids.iter().find(|id| !all.iter().any(|known| known.id == **id)) {
        let text = format!("The networkInterface ID '{unknown}' does not exist");
        return Err(AwsError::new(Code::InvalidNetworkInterfaceNotFound, text));
    }
    let mut shapes = Vec::new();
    for interface in all {
        let named = ids.is_empty() || ids.contains(&interface.id.as_str());
        if named && admits(&filters, &interface)? {
            shapes.push(shape(region, &interface));
        }
    }
    Ok(Fields::new().list("networkInterfaceSet", shapes).into())
}

fn of_load_balancer<'a>(
    region: &'a Region,
    lb: &'a LoadBalancer,
) -> impl Iterator<Item = Interface<'a>> {
    lb.zones.iter().map(move |zone| {
        let mut hasher = DefaultHasher::new();
        (lb.arn.as_str(), &zone.subnet).hash(&mut hasher);
        let number = hasher.finish();
        Interface {
            id: format!("eni-{number:017x}"),
            lb,
            zone,
            description: format!("ELB {}", lb.path()),
            address: address(region, zone, number).to_string(),
        }
    })
}

/// Some address of the subnet, always the same for the same load balancer.
fn address(region: &Region, zone: &Zone, number: u64) -> Ipv4Addr {
    let Some(subnet) = region.network.subnets.get(&zone.subnet) else {
        return Ipv4Addr::UNSPECIFIED;
    };
    let room = 2_u64.pow(u32::from(32 - subnet.range.prefix_len())).saturating_sub(8).max(1);
    let host = u32::try_from(4 + number % room).unwrap_or(4);
    Ipv4Addr::from(u32::from(subnet.range.network()) + host)
}

fn admits(filters: &Filters, interface: &Interface<'_>) -> Result<bool, AwsError> {
    let groups: Vec<&str> = interface.lb.security_groups.iter().map(String::as_str).collect();
    let fields: [(&str, &[&str]); 11] = [
        ("network-interface-id", &[&interface.id]),
        ("description", &[&interface.description]),
        ("vpc-id", &[&interface.lb.vpc]),
        ("subnet-id", &[&interface.zone.subnet]),
        ("availability-zone", &[&interface.zone.name]),
        ("group-id", &groups),
        ("addresses.private-ip-address", &[&interface.address]),
        ("private-ip-address", &[&interface.address]),
        ("requester-id", &["amazon-elb"]),
        ("status", &["in-use"]),
        ("interface-type", &["interface"]),
    ];
    filters.admit(&fields, None)
}

fn shape(region: &Region, interface: &Interface<'_>) -> Fields {
    let groups = interface.lb.security_groups.iter().map(|id| {
        let name = region.network.groups.get(id).map(|group| &group.name);
        Fields::new().text("groupId", id).maybe("groupName", name)
    });
    let address = Fields::new().text("privateIpAddress", &interface.address).text("primary", true);
    Fields::new()
        .text("networkInterfaceId", &interface.id)
        .text("subnetId", &interface.zone.subnet)
        .text("vpcId", &interface.lb.vpc)
        .text("availabilityZone", &interface.zone.name)
        .text("description", &interface.description)
        .text("ownerId", &region.config.account)
        .text("requesterId", "amazon-elb")
        .text("requesterManaged", true)
        .text("status", "in-use")
        .text("privateIpAddress", &interface.address)
        .text("sourceDestCheck", true)
        .text("interfaceType", "interface")
        .list("groupSet", groups)
        .list("privateIpAddressesSet", [address])
        .texts("tagSet", [""; 0])
}
