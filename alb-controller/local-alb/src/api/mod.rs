//! The operations, one file for each family, and the tables that name them.

mod acm;
mod actions;
mod adopt;
mod attributes;
mod certificates;
mod conditions;
mod early;
mod ec2;
mod listeners;
mod load_balancer_settings;
mod load_balancers;
mod page;
mod quotas;
mod revocations;
mod rule_checks;
mod rules;
mod shapes;
mod shield;
mod sts;
mod tagging;
mod tags;
mod target_groups;
mod target_health;
mod targets;
mod transforms;
mod trust_stores;
mod waf;

pub(crate) use adopt::adopt;
pub(crate) use early::not_too_early;

use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::wire::{Call, Reply, Service};

/// What an operation gives.
pub(crate) type Outcome = Result<Reply, AwsError>;

/// An operation, by what it may touch.
#[derive(Clone, Copy)]
pub(crate) enum Operation {
    /// Only looks.
    Read(fn(&Region, &Call<'_>) -> Outcome),
    /// Always gives the same, whatever the parameters are.
    Always(fn(&Region) -> Reply),
    /// May change its region.
    Write(fn(&mut Region, &Call<'_>) -> Outcome),
}

use Operation::{Always, Read, Write};

type Table = &'static [(&'static str, Operation)];

static LOAD_BALANCING: Table = &[
    ("AddListenerCertificates", Write(certificates::add)),
    ("AddTags", Write(tags::add)),
    ("AddTrustStoreRevocations", Write(revocations::add)),
    ("CreateListener", Write(listeners::create)),
    ("CreateLoadBalancer", Write(load_balancers::create)),
    ("CreateRule", Write(rules::create)),
    ("CreateTargetGroup", Write(target_groups::create)),
    ("CreateTrustStore", Write(trust_stores::create)),
    ("DeleteListener", Write(listeners::delete)),
    ("DeleteLoadBalancer", Write(load_balancers::delete)),
    ("DeleteRule", Write(rules::delete)),
    ("DeleteTargetGroup", Write(target_groups::delete)),
    ("DeleteTrustStore", Write(trust_stores::delete)),
    ("DeregisterTargets", Write(targets::deregister)),
    ("DescribeAccountLimits", Read(quotas::account_limits)),
    ("DescribeCapacityReservation", Read(load_balancer_settings::describe_capacity)),
    ("DescribeListenerAttributes", Read(attributes::describe_listener)),
    ("DescribeListenerCertificates", Read(certificates::describe)),
    ("DescribeListeners", Read(listeners::describe)),
    ("DescribeLoadBalancerAttributes", Read(attributes::describe_load_balancer)),
    ("DescribeLoadBalancers", Read(load_balancers::describe)),
    ("DescribeRules", Read(rules::describe)),
    ("DescribeSSLPolicies", Read(quotas::ssl_policies)),
    ("DescribeTags", Read(tags::describe)),
    ("DescribeTargetGroupAttributes", Read(attributes::describe_target_group)),
    ("DescribeTargetGroups", Read(target_groups::describe)),
    ("DescribeTargetHealth", Read(target_health::describe)),
    ("DescribeTrustStoreAssociations", Read(trust_stores::associations)),
    ("DescribeTrustStoreRevocations", Read(revocations::describe)),
    ("DescribeTrustStores", Read(trust_stores::describe)),
    ("ModifyCapacityReservation", Write(load_balancer_settings::modify_capacity)),
    ("ModifyIpPools", Write(load_balancer_settings::modify_pools)),
    ("ModifyListener", Write(listeners::modify)),
    ("ModifyListenerAttributes", Write(attributes::modify_listener)),
    ("ModifyLoadBalancerAttributes", Write(attributes::modify_load_balancer)),
    ("ModifyRule", Write(rules::modify)),
    ("ModifyTargetGroup", Write(target_groups::modify)),
    ("ModifyTargetGroupAttributes", Write(attributes::modify_target_group)),
    ("ModifyTrustStore", Write(trust_stores::modify)),
    ("RegisterTargets", Write(targets::register)),
    ("RemoveListenerCertificates", Write(certificates::remove)),
    ("RemoveTags", Write(tags::remove)),
    ("RemoveTrustStoreRevocations", Write(revocations::remove)),
    ("SetIpAddressType", Write(load_balancer_settings::set_ip_address_type)),
    ("SetRulePriorities", Write(rules::set_priorities)),
    ("SetSecurityGroups", Write(load_balancer_settings::set_security_groups)),
    ("SetSubnets", Write(load_balancer_settings::set_subnets)),
];

static EC2: Table = &[
    ("AuthorizeSecurityGroupIngress", Write(ec2::permissions::authorize)),
    ("CreateSecurityGroup", Write(ec2::security_groups::create)),
    ("CreateTags", Write(ec2::tags::create)),
    ("DeleteSecurityGroup", Write(ec2::security_groups::delete)),
    ("DeleteTags", Write(ec2::tags::delete)),
    ("DescribeAvailabilityZones", Read(ec2::network::availability_zones)),
    ("DescribeInstances", Read(ec2::instances::describe)),
    ("DescribeNetworkInterfaces", Read(ec2::interfaces::describe)),
    ("DescribeRouteTables", Read(ec2::network::route_tables)),
    ("DescribeSecurityGroups", Read(ec2::security_groups::describe)),
    ("DescribeSubnets", Read(ec2::network::subnets)),
    ("DescribeVpcs", Read(ec2::network::vpcs)),
    ("RevokeSecurityGroupIngress", Write(ec2::permissions::revoke)),
];

static STS: Table = &[("GetCallerIdentity", Always(sts::caller_identity))];

static ACM: Table = &[
    ("AddTagsToCertificate", Write(acm::add_tags)),
    ("DeleteCertificate", Write(acm::delete)),
    ("DescribeCertificate", Read(acm::describe)),
    ("ImportCertificate", Write(acm::import)),
    ("ListCertificates", Read(acm::list)),
    ("ListTagsForCertificate", Read(acm::list_tags)),
    ("RequestCertificate", Write(acm::request)),
];

static TAGGING: Table = &[("GetResources", Read(tagging::resources))];

static WAF: Table = &[
    ("AssociateWebACL", Write(waf::associate)),
    ("CreateWebACL", Write(waf::create)),
    ("DeleteWebACL", Write(waf::delete)),
    ("DisassociateWebACL", Write(waf::disassociate)),
    ("GetWebACLForResource", Read(waf::of_resource)),
    ("ListResourcesForWebACL", Read(waf::resources)),
    ("ListWebACLs", Always(waf::list)),
];

static SHIELD: Table = &[
    ("CreateProtection", Write(shield::protect)),
    ("CreateSubscription", Write(shield::subscribe)),
    ("DeleteProtection", Write(shield::unprotect)),
    ("DescribeProtection", Read(shield::describe)),
    ("GetSubscriptionState", Always(shield::subscription)),
];

/// The operation with a name, or the refusal of an unknown one.
pub(crate) fn find(service: Service, action: &str) -> Result<Operation, AwsError> {
    let (table, code) = match service {
        Service::LoadBalancing => (LOAD_BALANCING, Code::InvalidAction),
        Service::Ec2 => (EC2, Code::InvalidAction),
        Service::Sts => (STS, Code::InvalidAction),
        Service::Acm => (ACM, Code::UnknownOperation),
        Service::Tagging => (TAGGING, Code::UnknownOperation),
        Service::Waf | Service::WafRegional => (WAF, Code::UnknownOperation),
        Service::Shield => (SHIELD, Code::UnknownOperation),
    };
    table.iter().find(|(name, _)| *name == action).map(|(_, operation)| *operation).ok_or_else(
        || {
            let service = service.name();
            AwsError::new(code, format!("The local {service} has no operation '{action}'"))
        },
    )
}

/// Every table.
#[cfg(test)]
pub(crate) static TABLES: [Table; 7] = [LOAD_BALANCING, EC2, STS, ACM, TAGGING, WAF, SHIELD];

#[cfg(test)]
pub(crate) mod tests;
