//! Security groups.

use std::collections::BTreeMap;

use super::super::Outcome;
use super::super::shapes::ec2_tag_list;
use super::{Filters, limit_tags, required, tag_specification};
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::state::network::{Peer, Permission, Ports, SecurityGroup};
use crate::wire::{Call, Fields};

pub(crate) fn create(region: &mut Region, call: &Call<'_>) -> Outcome {
    let name = required(&call.params, "GroupName")?;
    let description = required(&call.params, "GroupDescription")?;
    let vpc = call.params.text("VpcId").unwrap_or(&region.network.vpc);
    if vpc != region.network.vpc {
        let text = format!("The vpc ID '{vpc}' does not exist");
        return Err(AwsError::new(Code::InvalidVpcNotFound, text));
    }
    if name.len() > 255 || name.starts_with("sg-") {
        let text = format!("Invalid value '{name}' for groupName");
        return Err(AwsError::new(Code::InvalidParameterValue, text));
    }
    let tags = tag_specification(&call.params)?;
    limit_tags(&tags, region.config.limits.tags)?;
    if region.network.groups.values().any(|group| group.name == name) {
        let text = format!("The security group '{name}' already exists for VPC '{vpc}'");
        return Err(AwsError::new(Code::InvalidGroupDuplicate, text));
    }
    let id = format!("sg-{}", region.ids.hex(17));
    let group = SecurityGroup {
        id: id.clone(),
        name: name.to_owned(),
        description: description.to_owned(),
        ingress: Vec::new(),
    };
    region.network.groups.insert(id.clone(), group);
    let reply = Fields::new()
        .text("groupId", &id)
        .list("tagSet", ec2_tag_list(Some(&tags)))
        .text("securityGroupArn", region.arn("ec2", &format!("security-group/{id}")));
    region.tags.insert(id, tags);
    Ok(reply.into())
}

pub(crate) fn delete(region: &mut Region, call: &Call<'_>) -> Outcome {
    let id = find(region, call)?.id.clone();
    if id == region.network.default_group {
        let text =
            format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
        return Err(AwsError::new(Code::OperationNotPermitted, text));
    }
    let worn = region.load_balancers.values().any(|lb| lb.security_groups.contains(&id));
    let named = region
        .network
        .groups
        .values()
        .filter(|group| group.id != id)
        .any(|group| group.ingress.iter().any(|rule| rule.peer == Peer::Group(id.clone())));
    if worn || named {
        let text = format!("resource {id} has a dependent object");
        return Err(AwsError::new(Code::DependencyViolation, text));
    }
    region.network.groups.remove(&id);
    region.tags.remove(&id);
    Ok(Fields::new().text("return", true).text("groupId", id).into())
}

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let filters = Filters::read(&call.params)?;
    let (ids, names) = (call.params.list("GroupId"), call.params.list("GroupName"));
    let groups = &region.network.groups;
    if let Some(unknown) = ids.iter().find(|id| !groups.contains_key(**id)) {
        return Err(unknown_group(unknown));
    }
    let mut shapes = Vec::new();
    for group in groups.values() {
        let asked_for = (ids.is_empty() || ids.contains(&group.id.as_str()))
            && (names.is_empty() || names.contains(&group.name.as_str()));
        let fields: [(&str, &[&str]); 5] = [
            ("group-id", &[&group.id]),
            ("group-name", &[&group.name]),
            ("vpc-id", &[&region.network.vpc]),
            ("description", &[&group.description]),
            ("owner-id", &[&region.config.account]),
        ];
        if asked_for && filters.admit(&fields, region.tags.get(&group.id))? {
            shapes.push(shape(region, group));
        }
    }
    Ok(Fields::new().list("securityGroupInfo", shapes).into())
}

/// The group that a call names by id or by name.
pub(super) fn find<'a>(region: &'a Region, call: &Call<'_>) -> Result<&'a SecurityGroup, AwsError> {
    let groups = &region.network.groups;
    match (call.params.text("GroupId"), call.params.text("GroupName")) {
        (Some(id), _) => groups.get(id).ok_or_else(|| unknown_group(id)),
        (None, Some(name)) => {
            groups.values().find(|group| group.name == name).ok_or_else(|| unknown_group(name))
        }
        (None, None) => Err(AwsError::new(
            Code::MissingParameter,
            "The request must contain the parameter GroupName or GroupId",
        )),
    }
}

pub(super) fn unknown_group(id: &str) -> AwsError {
    let text = format!("The security group '{id}' does not exist");
    AwsError::new(Code::InvalidGroupNotFound, text)
}

fn shape(region: &Region, group: &SecurityGroup) -> Fields {
    let egress = Fields::new()
        .text("ipProtocol", "-1")
        .texts("groups", [""; 0])
        .list("ipRanges", [Fields::new().text("cidrIp", "0.0.0.0/0")])
        .texts("ipv6Ranges", [""; 0])
        .texts("prefixListIds", [""; 0]);
    Fields::new()
        .text("ownerId", &region.config.account)
        .text("groupId", &group.id)
        .text("groupName", &group.name)
        .text("groupDescription", &group.description)
        .text("vpcId", &region.network.vpc)
        .text("securityGroupArn", region.arn("ec2", &format!("security-group/{}", group.id)))
        .list("ipPermissions", by_ports(region, &group.ingress))
        .list("ipPermissionsEgress", [egress])
        .list("tagSet", ec2_tag_list(region.tags.get(&group.id)))
}

/// Rules as replies show them: those for the same ports in one.
pub(super) fn by_ports(region: &Region, rules: &[Permission]) -> Vec<Fields> {
    let mut grouped: BTreeMap<&Ports, Vec<&Permission>> = BTreeMap::new();
    for rule in rules {
        grouped.entry(&rule.ports).or_default().push(rule);
    }
    grouped
        .into_iter()
        .map(|(ports, rules)| {
            let fields = Fields::new()
                .text("ipProtocol", &ports.protocol)
                .maybe("fromPort", ports.from)
                .maybe("toPort", ports.to);
            peers(region, fields, &rules)
        })
        .collect()
}

fn peers(region: &Region, fields: Fields, rules: &[&Permission]) -> Fields {
    let (mut groups, mut v4, mut v6, mut lists) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for rule in rules {
        let described = Fields::new().maybe("description", rule.description.as_ref());
        match &rule.peer {
            Peer::V4(range) => v4.push(described.text("cidrIp", range)),
            Peer::V6(range) => v6.push(described.text("cidrIpv6", range)),
            Peer::PrefixList(id) => lists.push(described.text("prefixListId", id)),
            Peer::Group(id) => {
                groups.push(described.text("userId", &region.config.account).text("groupId", id));
            }
        }
    }
    fields
        .list("groups", groups)
        .list("ipRanges", v4)
        .list("ipv6Ranges", v6)
        .list("prefixListIds", lists)
}
