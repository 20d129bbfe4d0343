//! Security groups: finding them, and reading who is let through.

use super::{
    arns::Arns,
    calls::Call,
    client::Aws,
    error::CloudError,
    look_up::{in_vpc, tags},
};
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, UserIdGroupPair};
use edgeway_alb_core::{
    Desired, Key, StackId,
    desired::DOOR_DESCRIPTION,
    goal::Observed,
    stack::{Ingress, SecurityGroup, SecurityGroupRef, Source},
    tags::{STACK, Tags},
};
use std::collections::BTreeSet;

impl Aws {
    /// All security groups of the VPC.
    pub(super) async fn security_groups(
        &self,
    ) -> Result<Vec<aws_sdk_ec2::types::SecurityGroup>, CloudError> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .call(Call::DescribeSecurityGroups, || {
                    let call = self.network.describe_security_groups().filters(in_vpc(self));
                    call.set_next_token(next.clone()).send()
                })
                .await?;
            found.extend_from_slice(page.security_groups());
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(found);
            }
        }
    }
}

/// A group of AWS's, by our names.
fn convert(group: &aws_sdk_ec2::types::SecurityGroup, arns: &Arns) -> SecurityGroup {
    SecurityGroup {
        name: group.group_name().unwrap_or_default().to_owned(),
        description: group.description().unwrap_or_default().to_owned(),
        ingress: group.ip_permissions().iter().flat_map(|p| ingress(p, arns)).collect(),
        tags: tags(group.tags()),
    }
}

/// Sorts groups into ours and those in which we have opened a door.
pub(super) fn sort(
    aws: &Aws,
    groups: &[aws_sdk_ec2::types::SecurityGroup],
    (desired, arns): (&Desired, &mut Arns),
    observed: &mut Observed,
) {
    let given = aws.settings.given_security_group.as_deref();
    // One that was given is somebody else's, whatever its tags are.
    let is_ours = |group: &aws_sdk_ec2::types::SecurityGroup| {
        aws.settings.owns(&tags::<Tags>(group.tags()))
            && (given.is_none() || group.group_id() != given)
    };
    let ours: Vec<_> = groups.iter().filter(|group| is_ours(group)).collect();
    for group in &ours {
        if let (Some(name), Some(id)) = (group.group_name(), group.group_id()) {
            arns.learn(Key::SecurityGroup(name.to_owned()), id);
        }
    }
    for group in ours {
        let group = convert(group, arns);
        if let Some(stack) = group.tags.get(STACK) {
            let standing = observed.stacks.entry(StackId::parse(stack)).or_default();
            standing.security_groups.insert(group.name.clone(), group);
        } else if group.name == aws.settings.shared_name() {
            observed.shared = Some(group);
        }
    }
    let wished: BTreeSet<&Source> = desired.doors.values().flatten().map(|d| &d.source).collect();
    let is_from_us = |source: &Source| match source {
        Source::Group(SecurityGroupRef::Ours(_)) => true,
        Source::Group(SecurityGroupRef::Id(id)) => Some(id.as_str()) == given,
        Source::Ipv4(_) | Source::Ipv6(_) | Source::PrefixList(_) => false,
    };
    for group in groups.iter().filter(|group| !is_ours(group)) {
        let all = group.ip_permissions().iter().flat_map(|permission| ingress(permission, arns));
        let doors: BTreeSet<Ingress> = all
            .filter(|door| is_from_us(&door.source) || wished.contains(&door.source))
            .filter(|door| door.description == DOOR_DESCRIPTION)
            .collect();
        if let (Some(id), false) = (group.group_id(), doors.is_empty()) {
            observed.doors.insert(id.to_owned(), doors);
        }
    }
}

/// The group that an id means: one of ours by its name.
pub(super) fn reference(id: &str, arns: &Arns) -> SecurityGroupRef {
    match arns.key(id) {
        Some(Key::SecurityGroup(name)) => SecurityGroupRef::Ours(name.clone()),
        _ => SecurityGroupRef::Id(id.to_owned()),
    }
}

/// What a permission opens, one for each source. Other protocols than TCP are none of ours.
fn ingress(permission: &IpPermission, arns: &Arns) -> Vec<Ingress> {
    let port = |port: Option<i32>| port.and_then(|port| u16::try_from(port).ok());
    let (Some("tcp"), Some(from), Some(to)) =
        (permission.ip_protocol(), port(permission.from_port()), port(permission.to_port()))
    else {
        return Vec::new();
    };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let ipv4 = permission.ip_ranges().iter();
    let ipv4 = ipv4.map(|r| (Source::Ipv4(text(r.cidr_ip())), text(r.description())));
    let ipv6 = permission.ipv6_ranges().iter();
    let ipv6 = ipv6.map(|r| (Source::Ipv6(text(r.cidr_ipv6())), text(r.description())));
    let lists = permission.prefix_list_ids().iter();
    let lists =
        lists.map(|l| (Source::PrefixList(text(l.prefix_list_id())), text(l.description())));
    let groups = permission.user_id_group_pairs().iter().map(|pair| {
        let group = reference(pair.group_id().unwrap_or_default(), arns);
        (Source::Group(group), text(pair.description()))
    });
    let all = ipv4.chain(ipv6).chain(lists).chain(groups);
    all.map(|(source, description)| Ingress { from, to, source, description }).collect()
}

/// What AWS is to open, or to close.
pub(super) fn permission(ingress: &Ingress, arns: &Arns) -> Result<IpPermission, CloudError> {
    let Ingress { from, to, source, description } = ingress;
    let note = Some(description.clone()).filter(|text| !text.is_empty());
    let open = IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(i32::from(*from))
        .to_port(i32::from(*to));
    let open = match source {
        Source::Ipv4(range) => {
            open.ip_ranges(IpRange::builder().cidr_ip(range).set_description(note).build())
        }
        Source::Ipv6(range) => {
            open.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(range).set_description(note).build())
        }
        Source::PrefixList(id) => {
            let list = PrefixListId::builder().prefix_list_id(id).set_description(note);
            open.prefix_list_ids(list.build())
        }
        Source::Group(group) => {
            let pair = UserIdGroupPair::builder().group_id(id(group, arns)?).set_description(note);
            open.user_id_group_pairs(pair.build())
        }
    };
    Ok(open.build())
}

/// The id of a group.
pub(super) fn id(group: &SecurityGroupRef, arns: &Arns) -> Result<String, CloudError> {
    match group {
        SecurityGroupRef::Ours(name) => arns.of(&Key::SecurityGroup(name.clone())),
        SecurityGroupRef::Id(id) => Ok(id.clone()),
    }
}
