//! Lets things that a call names by id, but nobody made, come into being.

use std::time::SystemTime;

use crate::state::Region;
use crate::state::certificate::Certificate;
use crate::state::guard::WebAcl;
use crate::state::network::{self, SecurityGroup, Subnet, ZONES};
use crate::wire::Request;

/// Makes whatever subnets, security groups, certificates and web ACLs a call names and the region lacks.
/// Calls that take something away name only what they mean to lose, so they adopt nothing.
pub(crate) fn adopt(region: &mut Region, request: &Request, now: SystemTime) {
    const TAKING: [&str; 4] = ["Delete", "Remove", "Revoke", "Disassociate"];
    if TAKING.iter().any(|verb| request.action.starts_with(verb)) {
        return;
    }
    let in_json = ["CertificateArn", "WebACLArn"]
        .into_iter()
        .filter_map(|field| request.json.get(field)?.as_str());
    for text in request.query.values().chain(in_json) {
        if text.starts_with("subnet-") {
            subnet(region, text);
        } else if text.starts_with("sg-") {
            security_group(region, text);
        } else if text.starts_with("arn:aws:acm:") && text.contains(":certificate/") {
            certificate(region, text, now);
        } else if text.starts_with("arn:aws:wafv2:") && text.contains(":regional/webacl/") {
            web_acl(region, text);
        }
    }
}

fn subnet(region: &mut Region, id: &str) {
    if region.network.subnets.contains_key(id) {
        return;
    }
    // The zone with the fewest subnets, so that any two ids make a load balancer.
    let zones = ZONES.map(|zone| format!("{}{zone}", region.name));
    let crowd = |zone: &String| region.network.subnets.values().filter(|s| s.zone == *zone).count();
    let Some(zone) = zones.iter().min_by_key(|zone| crowd(zone)).cloned() else { return };
    let Some(range) = region.network.subnets.values().find(|s| s.zone == zone).map(|s| s.range)
    else {
        return;
    };
    region.tags.insert(id.to_owned(), network::subnet_tags(id));
    region.network.subnets.insert(id.to_owned(), Subnet { id: id.to_owned(), zone, range });
}

fn security_group(region: &mut Region, id: &str) {
    if region.network.groups.contains_key(id) {
        return;
    }
    let group = SecurityGroup {
        id: id.to_owned(),
        name: id.to_owned(),
        description: "adopted".to_owned(),
        ingress: Vec::new(),
    };
    region.network.groups.insert(id.to_owned(), group);
}

fn certificate(region: &mut Region, arn: &str, now: SystemTime) {
    if region.certificates.contains_key(arn) {
        return;
    }
    let certificate = Certificate {
        arn: arn.into(),
        domains: vec!["adopted.localhost".to_owned()],
        key_algorithm: "EC_prime256v1".to_owned(),
        created: now,
        material: None,
    };
    region.certificates.insert(arn.into(), certificate);
}

fn web_acl(region: &mut Region, arn: &str) {
    let [.., name, id] = *arn.split('/').collect::<Vec<_>>().as_slice() else { return };
    if region.web_acls.contains_key(arn) {
        return;
    }
    let acl =
        WebAcl { arn: arn.into(), name: name.to_owned(), id: id.to_owned(), lock: id.to_owned() };
    region.web_acls.insert(arn.into(), acl);
}
