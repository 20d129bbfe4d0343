//! `AuthorizeSecurityGroupIngress` and `RevokeSecurityGroupIngress`.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::super::Outcome;
use super::security_groups::{by_ports, find, unknown_group};
use super::{limit_tags, tag_specification};
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::state::network::{Peer, Permission, Ports};
use crate::wire::{Call, Fields, Params};

pub(crate) fn authorize(region: &mut Region, call: &Call<'_>) -> Outcome {
    let group = find(region, call)?;
    let id = group.id.clone();
    let mut rules = group.ingress.clone();
    let wanted = permissions(region, &call.params)?;
    let tags = tag_specification(&call.params)?;
    limit_tags(&tags, region.config.limits.tags)?;
    let most = region.config.limits.security_group_rules;
    let mut shapes = Vec::new();
    for mut rule in wanted {
        if rules.iter().any(|known| known.same(&rule)) {
            let text = format!(
                "the specified rule \"peer: {}, {}, ALLOW\" already exists",
                peer_text(&rule.peer),
                ports_text(&rule.ports)
            );
            return Err(AwsError::new(Code::InvalidPermissionDuplicate, text));
        }
        rule.id = format!("sgr-{}", region.ids.hex(17));
        shapes.push(shape(region, &id, &rule));
        region.tags.insert(rule.id.clone(), tags.clone());
        rules.push(rule);
    }
    if rules.len() > most {
        let text = "The maximum number of rules per security group has been reached.";
        return Err(AwsError::new(Code::RulesPerSecurityGroupLimitExceeded, text));
    }
    replace(region, &id, rules);
    Ok(Fields::new().text("return", true).list("securityGroupRuleSet", shapes).into())
}

pub(crate) fn revoke(region: &mut Region, call: &Call<'_>) -> Outcome {
    let group = find(region, call)?;
    let id = group.id.clone();
    let mut rules = group.ingress.clone();
    let by_id = call.params.list("SecurityGroupRuleId");
    let mut gone = Vec::new();
    if by_id.is_empty() {
        for wanted in permissions(region, &call.params)? {
            let at = rules.iter().position(|rule| rule.same(&wanted)).ok_or_else(no_rule)?;
            gone.push(rules.remove(at));
        }
    }
    for rule_id in by_id {
        let at = rules.iter().position(|rule| rule.id == rule_id).ok_or_else(no_rule)?;
        gone.push(rules.remove(at));
    }
    let shapes: Vec<_> = gone.iter().map(|rule| revoked(&id, rule)).collect();
    for rule in &gone {
        region.tags.remove(&rule.id);
    }
    replace(region, &id, rules);
    Ok(Fields::new()
        .text("return", true)
        .list("unknownIpPermissionSet", by_ports(region, &[]))
        .list("revokedSecurityGroupRuleSet", shapes)
        .into())
}

fn replace(region: &mut Region, id: &str, rules: Vec<Permission>) {
    if let Some(group) = region.network.groups.get_mut(id) {
        group.ingress = rules;
    }
}

fn no_rule() -> AwsError {
    let text = "The specified rule does not exist in this security group.";
    AwsError::new(Code::InvalidPermissionNotFound, text)
}

/// The rules that a call describes, one for each peer.
fn permissions(region: &Region, params: &Params<'_>) -> Result<Vec<Permission>, AwsError> {
    let given = params.structures("IpPermissions");
    if given.is_empty() {
        // The short form: one rule, its parts at the top.
        let range = super::required(params, "CidrIp")?;
        let ports = ports(params)?;
        return Ok(vec![permission(&ports, Peer::V4(v4(range)?), None)]);
    }
    let mut all = Vec::new();
    for permission in &given {
        let before = all.len();
        peers(region, permission, &mut all)?;
        if all.len() == before {
            return Err(malformed("A rule must name a range, a group or a prefix list"));
        }
    }
    Ok(all)
}

fn peers(region: &Region, params: &Params<'_>, all: &mut Vec<Permission>) -> Result<(), AwsError> {
    let ports = ports(params)?;
    for range in params.structures("IpRanges") {
        let peer = Peer::V4(v4(super::required(&range, "CidrIp")?)?);
        all.push(permission(&ports, peer, range.text("Description")));
    }
    for range in params.structures("Ipv6Ranges") {
        let peer = Peer::V6(v6(super::required(&range, "CidrIpv6")?)?);
        all.push(permission(&ports, peer, range.text("Description")));
    }
    for list in params.structures("PrefixListIds") {
        let peer = Peer::PrefixList(super::required(&list, "PrefixListId")?.to_owned());
        all.push(permission(&ports, peer, list.text("Description")));
    }
    // EC2's own name for the list; some clients send the name of its shape.
    for group in
        params.structures("Groups").into_iter().chain(params.structures("UserIdGroupPairs"))
    {
        let id = super::required(&group, "GroupId")?;
        if !region.network.groups.contains_key(id) {
            return Err(unknown_group(id));
        }
        all.push(permission(&ports, Peer::Group(id.to_owned()), group.text("Description")));
    }
    Ok(())
}

fn permission(ports: &Ports, peer: Peer, description: Option<&str>) -> Permission {
    Permission {
        id: String::new(),
        ports: ports.clone(),
        peer,
        description: description.map(str::to_owned),
    }
}

fn ports(params: &Params<'_>) -> Result<Ports, AwsError> {
    let protocol = match super::required(params, "IpProtocol")? {
        "6" => "tcp",
        "17" => "udp",
        "1" => "icmp",
        "58" => "icmpv6",
        other => other,
    };
    if protocol == "-1" {
        return Ok(Ports { protocol: protocol.to_owned(), from: None, to: None });
    }
    let bound = |field: &str| {
        params
            .number(field, -1, 65_535)
            .map_err(|error| AwsError::new(Code::InvalidParameterValue, error.message))
    };
    let (from, to) = (bound("FromPort")?, bound("ToPort")?);
    let needs_ports = matches!(protocol, "tcp" | "udp");
    match (from, to) {
        (Some(from), Some(to)) if needs_ports && (from < 0 || to < from) => {
            let text = format!("Invalid port range: {from} to {to}");
            Err(AwsError::new(Code::InvalidParameterValue, text))
        }
        (None, _) | (_, None) if needs_ports => {
            let text =
                "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.";
            Err(AwsError::new(Code::InvalidParameterValue, text))
        }
        _ => Ok(Ports { protocol: protocol.to_owned(), from, to }),
    }
}

fn v4(text: &str) -> Result<String, AwsError> {
    let range = text.parse::<Ipv4Net>().or_else(|_| text.parse::<Ipv4Addr>().map(Ipv4Net::from));
    let range = range.map_err(|_| malformed(&format!("CIDR block {text} is malformed")))?;
    Ok(range.trunc().to_string())
}

fn v6(text: &str) -> Result<String, AwsError> {
    let range = text.parse::<Ipv6Net>().or_else(|_| text.parse::<Ipv6Addr>().map(Ipv6Net::from));
    let range = range.map_err(|_| malformed(&format!("CIDR block {text} is malformed")))?;
    Ok(range.trunc().to_string())
}

fn malformed(text: &str) -> AwsError {
    AwsError::new(Code::InvalidPermissionMalformed, text.to_owned())
}

fn peer_text(peer: &Peer) -> &str {
    match peer {
        Peer::V4(text) | Peer::V6(text) | Peer::Group(text) | Peer::PrefixList(text) => text,
    }
}

fn ports_text(ports: &Ports) -> String {
    let bound = |port: Option<i32>| port.map_or_else(|| "all".to_owned(), |port| port.to_string());
    format!(
        "{}, from port: {}, to port: {}",
        ports.protocol.to_uppercase(),
        bound(ports.from),
        bound(ports.to)
    )
}

fn common(group: &str, rule: &Permission) -> Fields {
    Fields::new()
        .text("securityGroupRuleId", &rule.id)
        .text("groupId", group)
        .text("isEgress", false)
        .text("ipProtocol", &rule.ports.protocol)
        .text("fromPort", rule.ports.from.unwrap_or(-1))
        .text("toPort", rule.ports.to.unwrap_or(-1))
        .maybe("description", rule.description.as_ref())
}

fn shape(region: &Region, group: &str, rule: &Permission) -> Fields {
    let account = &region.config.account;
    let fields = common(group, rule).text("groupOwnerId", account);
    match &rule.peer {
        Peer::V4(range) => fields.text("cidrIpv4", range),
        Peer::V6(range) => fields.text("cidrIpv6", range),
        Peer::PrefixList(id) => fields.text("prefixListId", id),
        Peer::Group(id) => fields
            .with("referencedGroupInfo", Fields::new().text("groupId", id).text("userId", account)),
    }
}

fn revoked(group: &str, rule: &Permission) -> Fields {
    let fields = common(group, rule);
    match &rule.peer {
        Peer::V4(range) => fields.text("cidrIpv4", range),
        Peer::V6(range) => fields.text("cidrIpv6", range),
        Peer::PrefixList(id) => fields.text("prefixListId", id),
        Peer::Group(id) => fields.text("referencedGroupId", id),
    }
}
