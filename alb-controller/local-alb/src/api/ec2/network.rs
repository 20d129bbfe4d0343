//! VPCs, subnets, zones and route tables.

use super::super::Outcome;
use super::super::shapes::ec2_tag_list;
use super::Filters;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::state::network::{Subnet, ZONES};
use crate::wire::{Call, Fields};

pub(crate) fn vpcs(region: &Region, call: &Call<'_>) -> Outcome {
    let filters = Filters::read(&call.params)?;
    let vpc = region.network.vpc.as_str();
    if let Some(unknown) = call.params.list("VpcId").into_iter().find(|id| *id != vpc) {
        let text = format!("The vpc ID '{unknown}' does not exist");
        return Err(AwsError::new(Code::InvalidVpcNotFound, text));
    }
    let range = region.network.range.to_string();
    let tags = region.tags.get(vpc);
    let account = region.config.account.as_str();
    let fields: [(&str, &[&str]); 6] = [
        ("vpc-id", &[vpc]),
        ("cidr", &[&range]),
        ("cidr-block-association.cidr-block", &[&range]),
        ("state", &["available"]),
        ("is-default", &["true"]),
        ("owner-id", &[account]),
    ];
    let wanted = filters.admit(&fields, tags)?;
    let association = Fields::new()
        .text("associationId", format!("vpc-cidr-assoc-{vpc}"))
        .text("cidrBlock", &range)
        .with("cidrBlockState", Fields::new().text("state", "associated"));
    let shape = Fields::new()
        .text("vpcId", vpc)
        .text("ownerId", account)
        .text("state", "available")
        .text("cidrBlock", &range)
        .text("dhcpOptionsId", "dopt-10ca1a1b")
        .text("instanceTenancy", "default")
        .text("isDefault", true)
        .list("cidrBlockAssociationSet", [association])
        .list("tagSet", ec2_tag_list(tags));
    Ok(Fields::new().list("vpcSet", wanted.then_some(shape)).into())
}

pub(crate) fn subnets(region: &Region, call: &Call<'_>) -> Outcome {
    let filters = Filters::read(&call.params)?;
    let ids = call.params.list("SubnetId");
    let all = &region.network.subnets;
    if let Some(unknown) = ids.iter().find(|id| !all.contains_key(**id)) {
        let text = format!("The subnet ID '{unknown}' does not exist");
        return Err(AwsError::new(Code::InvalidSubnetNotFound, text));
    }
    let mut shapes = Vec::new();
    for subnet in all.values() {
        let named = ids.is_empty() || ids.contains(&subnet.id.as_str());
        if named && admits(region, &filters, subnet)? {
            shapes.push(shape(region, subnet));
        }
    }
    Ok(Fields::new().list("subnetSet", shapes).into())
}

fn admits(region: &Region, filters: &Filters, subnet: &Subnet) -> Result<bool, AwsError> {
    let range = subnet.range.to_string();
    let zone_id = zone_id(&subnet.zone);
    let fields: [(&str, &[&str]); 9] = [
        ("subnet-id", &[&subnet.id]),
        ("vpc-id", &[&region.network.vpc]),
        ("availability-zone", &[&subnet.zone]),
        ("availabilityZone", &[&subnet.zone]),
        ("availability-zone-id", &[&zone_id]),
        ("cidr-block", &[&range]),
        ("state", &["available"]),
        ("default-for-az", &["true"]),
        ("owner-id", &[&region.config.account]),
    ];
    filters.admit(&fields, region.tags.get(&subnet.id))
}

fn shape(region: &Region, subnet: &Subnet) -> Fields {
    // AWS keeps five addresses of a subnet for itself.
    let addresses = 2_u64.pow(u32::from(32 - subnet.range.prefix_len())).saturating_sub(5);
    let arn = region.arn("ec2", &format!("subnet/{}", subnet.id));
    Fields::new()
        .text("subnetId", &subnet.id)
        .text("subnetArn", arn)
        .text("state", "available")
        .text("vpcId", &region.network.vpc)
        .text("ownerId", &region.config.account)
        .text("cidrBlock", subnet.range)
        .texts("ipv6CidrBlockAssociationSet", [""; 0])
        .text("availableIpAddressCount", addresses)
        .text("availabilityZone", &subnet.zone)
        .text("availabilityZoneId", zone_id(&subnet.zone))
        .text("defaultForAz", true)
        .text("mapPublicIpOnLaunch", true)
        .text("assignIpv6AddressOnCreation", false)
        .list("tagSet", ec2_tag_list(region.tags.get(&subnet.id)))
}

/// A zone's id, which in AWS does not depend on the account as its name does.
fn zone_id(zone: &str) -> String {
    let (region, letter) = zone.split_at(zone.len().saturating_sub(1));
    let short: String = region.split('-').filter_map(|part| part.chars().next()).collect();
    let number = ZONES.iter().position(|zone| letter.starts_with(*zone)).unwrap_or_default() + 1;
    format!("{short}-az{number}")
}

pub(crate) fn availability_zones(region: &Region, call: &Call<'_>) -> Outcome {
    let filters = Filters::read(&call.params)?;
    let (names, ids) = (call.params.list("ZoneName"), call.params.list("ZoneId"));
    let mut shapes = Vec::new();
    for letter in ZONES {
        let zone = format!("{}{letter}", region.name);
        let id = zone_id(&zone);
        let fields: [(&str, &[&str]); 6] = [
            ("zone-name", &[&zone]),
            ("zone-id", &[&id]),
            ("region-name", &[&region.name]),
            ("state", &["available"]),
            ("zone-type", &["availability-zone"]),
            ("opt-in-status", &["opt-in-not-required"]),
        ];
        let asked_for = (names.is_empty() || names.contains(&zone.as_str()))
            && (ids.is_empty() || ids.contains(&id.as_str()));
        if asked_for && filters.admit(&fields, None)? {
            shapes.push(
                Fields::new()
                    .text("optInStatus", "opt-in-not-required")
                    .text("regionName", &region.name)
                    .text("zoneName", &zone)
                    .text("zoneId", id)
                    .text("groupName", &region.name)
                    .text("networkBorderGroup", &region.name)
                    .text("zoneType", "availability-zone")
                    .text("zoneState", "available"),
            );
        }
    }
    Ok(Fields::new().list("availabilityZoneInfo", shapes).into())
}

/// One main route table with a way to the internet: every subnet is a public one.
pub(crate) fn route_tables(region: &Region, call: &Call<'_>) -> Outcome {
    let filters = Filters::read(&call.params)?;
    let vpc = region.network.vpc.as_str();
    let id = "rtb-10ca1a1b";
    // Subnets use the main table without being associated with it, as in a default VPC.
    let fields: [(&str, &[&str]); 5] = [
        ("vpc-id", &[vpc]),
        ("route-table-id", &[id]),
        ("association.main", &["true"]),
        ("association.subnet-id", &[]),
        ("route.gateway-id", &["local", "igw-10ca1a1b"]),
    ];
    let wanted = filters.admit(&fields, region.tags.get(id))?;
    let route = |target: &str, gateway: &str, origin: &str| {
        Fields::new()
            .text("destinationCidrBlock", target)
            .text("gatewayId", gateway)
            .text("state", "active")
            .text("origin", origin)
    };
    let shape = Fields::new()
        .text("routeTableId", id)
        .text("vpcId", vpc)
        .text("ownerId", &region.config.account)
        .list(
            "routeSet",
            [
                route(&region.network.range.to_string(), "local", "CreateRouteTable"),
                route("0.0.0.0/0", "igw-10ca1a1b", "CreateRoute"),
            ],
        )
        .list(
            "associationSet",
            [Fields::new()
                .text("routeTableAssociationId", "rtbassoc-10ca1a1b")
                .text("routeTableId", id)
                .text("main", true)
                .with("associationState", Fields::new().text("state", "associated"))],
        )
        .list("tagSet", ec2_tag_list(region.tags.get(id)));
    Ok(Fields::new().list("routeTableSet", wanted.then_some(shape)).into())
}
