//! `CreateLoadBalancer`, `DescribeLoadBalancers`, `DeleteLoadBalancer`.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::Outcome;
use super::page::page;
use crate::error::{AwsError, Code};
use crate::event::{Change, Event};
use crate::state::Region;
use crate::state::attributes;
use crate::state::load_balancer::{LoadBalancer, Scheme, Zone};
use crate::state::tags;
use crate::wire::{Call, Fields, Params, time};

/// The kinds of addresses a load balancer may have.
pub(super) const IP_ADDRESS_TYPES: [&str; 3] =
    ["ipv4", "dualstack", "dualstack-without-public-ipv4"];

pub(crate) fn create(region: &mut Region, call: &Call<'_>) -> Outcome {
    let wanted = read(region, &call.params)?;
    let tags = tags::read(&call.params, "Tags")?;
    tags::limit(&tags, region.config.limits.tags)?;
    if let Some(same) = region.load_balancers.values().find(|lb| lb.name == wanted.name) {
        let existing = Wanted::of(same);
        if existing == wanted {
            return Ok(reply([same], &region.config.provisioning, call.now).into());
        }
        return Err(AwsError::new(
            Code::DuplicateLoadBalancerName,
            format!(
                "A load balancer with the same name '{}' exists, but with different settings",
                wanted.name
            ),
        ));
    }
    let most = region.config.limits.load_balancers;
    if region.load_balancers.len() >= most {
        let text = format!("The maximum number of load balancers has been reached: '{most}'");
        return Err(AwsError::new(Code::TooManyLoadBalancers, text));
    }
    let made = make(region, wanted, call.now);
    region.events.push(event(&made, Change::Created));
    region.tags.insert(made.arn.to_string(), tags);
    let result = reply([&made], &region.config.provisioning, call.now);
    region.load_balancers.insert(made.arn.clone(), made);
    Ok(result.into())
}

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let (arns, names) = (call.params.list("LoadBalancerArns"), call.params.list("Names"));
    if arns.len() > 20 || names.len() > 20 {
        return Err(AwsError::validation("Only up to 20 load balancers can be described by name"));
    }
    let found: Vec<&LoadBalancer> = if !arns.is_empty() {
        arns.iter().map(|arn| region.load_balancer(arn)).collect::<Result<_, _>>()?
    } else if !names.is_empty() {
        names.iter().map(|name| by_name(region, name)).collect::<Result<_, _>>()?
    } else {
        region.load_balancers.values().collect()
    };
    let keyed = found.into_iter().map(|lb| (lb.arn.to_string(), lb)).collect();
    let page = page(keyed, &call.params)?;
    let fields = reply(page.items, &region.config.provisioning, call.now);
    Ok(fields.maybe("NextMarker", page.next).into())
}

pub(crate) fn delete(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("LoadBalancerArn")?;
    let Some(lb) = region.load_balancers.get(arn) else { return Ok(Fields::new().into()) };
    if attributes::LOAD_BALANCER.flag(&lb.attributes, "deletion_protection.enabled") {
        let text = format!(
            "Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
        );
        return Err(AwsError::new(Code::OperationNotPermitted, text));
    }
    let lb = lb.clone();
    let mut gone = vec![lb.arn.clone()];
    for listener in region.listeners_of(&lb.arn) {
        gone.extend([listener.arn.clone(), listener.default_rule.clone()]);
        gone.extend(listener.rules.iter().map(|rule| rule.arn.clone()));
    }
    region.listeners.retain(|listener| listener.load_balancer != lb.arn);
    region.load_balancers.remove(arn);
    region.forget_tags(&gone);
    region.events.push(event(&lb, Change::Deleted));
    Ok(Fields::new().into())
}

/// What makes two requests for a load balancer the same.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    name: String,
    scheme: Scheme,
    zones: Vec<Zone>,
    security_groups: Vec<String>,
    ip_address_type: String,
    pool: Option<String>,
}

impl Wanted {
    fn of(lb: &LoadBalancer) -> Self {
        Self {
            name: lb.name.clone(),
            scheme: lb.scheme,
            zones: lb.zones.clone(),
            security_groups: lb.security_groups.clone(),
            ip_address_type: lb.ip_address_type.clone(),
            pool: lb.pool.clone(),
        }
    }
}

fn read(region: &Region, params: &Params<'_>) -> Result<Wanted, AwsError> {
    let name = params.required("Name")?;
    super::shapes::check_name("Load balancer", name)?;
    if name.starts_with("internal-") {
        let text = format!("Load balancer name '{name}' cannot begin with 'internal-'");
        return Err(AwsError::validation(text));
    }
    if params.word("Type", &["application", "network", "gateway"])?.unwrap_or("application")
        != "application"
    {
        let text = "Only load balancers of type 'application' can be made locally";
        return Err(AwsError::validation(text));
    }
    let scheme = match params.text("Scheme") {
        None | Some("internet-facing") => Scheme::InternetFacing,
        Some("internal") => Scheme::Internal,
        Some(other) => {
            let text = format!("Load balancer scheme '{other}' is not valid");
            return Err(AwsError::new(Code::InvalidScheme, text));
        }
    };
    let zones = zones(region, params)?;
    let security_groups = security_groups(region, params.strings("SecurityGroups"))?;
    let ip_address_type = params.word("IpAddressType", &IP_ADDRESS_TYPES)?.unwrap_or("ipv4");
    Ok(Wanted {
        name: name.to_owned(),
        scheme,
        zones,
        security_groups,
        ip_address_type: ip_address_type.to_owned(),
        pool: pool(scheme, params)?,
    })
}

/// The pool that a call names, if any: only what is public takes addresses out of one.
pub(super) fn pool(scheme: Scheme, params: &Params<'_>) -> Result<Option<String>, AwsError> {
    let pools = params.structure("IpamPools");
    let Some(id) = pools.text("Ipv4IpamPoolId") else { return Ok(None) };
    if scheme == Scheme::Internal {
        let text = "An IPAM pool can be used by internet-facing load balancers only";
        return Err(AwsError::new(Code::InvalidConfigurationRequest, text));
    }
    Ok(Some(id.to_owned()))
}

/// The pools as replies show them.
pub(super) fn pools(lb: &LoadBalancer) -> Option<Fields> {
    lb.pool.as_ref().map(|id| Fields::new().text("Ipv4IpamPoolId", id))
}

/// The subnets that a call names, one for each of at least two zones.
pub(super) fn zones(region: &Region, params: &Params<'_>) -> Result<Vec<Zone>, AwsError> {
    let plain = params.strings("Subnets");
    let mapped = params.structures("SubnetMappings");
    if !plain.is_empty() && !mapped.is_empty() {
        let text = "You can specify either Subnets or SubnetMappings, but not both";
        return Err(AwsError::validation(text));
    }
    let mut ids = plain;
    for mapping in &mapped {
        ids.push(mapping.required("SubnetId")?.to_owned());
    }
    let mut zones = Vec::new();
    for id in ids {
        let subnet = region.network.subnets.get(&id).ok_or_else(|| {
            AwsError::new(Code::SubnetNotFound, format!("The subnet ID '{id}' is not found"))
        })?;
        zones.push(Zone { name: subnet.zone.clone(), subnet: id });
    }
    if zones.len() < 2 {
        return Err(AwsError::validation(
            "At least two subnets in two different Availability Zones must be specified",
        ));
    }
    let names: BTreeSet<&str> = zones.iter().map(|zone| zone.name.as_str()).collect();
    if names.len() < zones.len() {
        return Err(AwsError::new(
            Code::InvalidConfigurationRequest,
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        ));
    }
    zones.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(zones)
}

/// Security groups that all exist; the default one if none is named.
pub(super) fn security_groups(
    region: &Region,
    mut ids: Vec<String>,
) -> Result<Vec<String>, AwsError> {
    if ids.is_empty() {
        ids.push(region.network.default_group.clone());
    }
    if ids.iter().any(|id| !region.network.groups.contains_key(id)) {
        let text = "One or more security groups are invalid";
        return Err(AwsError::new(Code::InvalidSecurityGroup, text));
    }
    Ok(ids)
}

fn make(region: &mut Region, wanted: Wanted, now: SystemTime) -> LoadBalancer {
    let Wanted { name, scheme, zones, security_groups, ip_address_type, pool } = wanted;
    let id = region.ids.hex(16);
    let arn = region.arn("elasticloadbalancing", &format!("loadbalancer/app/{name}/{id}"));
    let prefix = if scheme == Scheme::Internal { "internal-" } else { "" };
    let number = region.ids.digits(10);
    let dns_name = format!("{prefix}{name}-{number}.{}.elb.amazonaws.com", region.name);
    let mut attributes = attributes::Set::new();
    if scheme == Scheme::Internal {
        attributes.insert("ipv6.deny_all_igw_traffic".to_owned(), "true".to_owned());
    }
    LoadBalancer {
        arn,
        name,
        dns_name,
        scheme,
        vpc: region.network.vpc.clone(),
        zones,
        security_groups,
        ip_address_type,
        attributes,
        created: now,
        serial: region.next_serial(),
        capacity: None,
        pool,
        web_acl: None,
        impaired: None,
    }
}

fn by_name<'a>(region: &'a Region, name: &str) -> Result<&'a LoadBalancer, AwsError> {
    region.load_balancers.values().find(|lb| lb.name == name).ok_or_else(|| {
        let text = format!("Load balancers '[{name}]' not found");
        AwsError::new(Code::LoadBalancerNotFound, text)
    })
}

fn event(lb: &LoadBalancer, change: Change) -> Event {
    Event::LoadBalancer { name: lb.name.clone(), change, dns_name: lb.dns_name.clone() }
}

fn reply<'a>(
    found: impl IntoIterator<Item = &'a LoadBalancer>,
    provisioning: &std::time::Duration,
    now: SystemTime,
) -> Fields {
    Fields::new().list(
        "LoadBalancers",
        found.into_iter().map(|lb| {
            let young = now.duration_since(lb.created).unwrap_or_default() <= *provisioning;
            shape(lb, young)
        }),
    )
}

/// A load balancer as replies show it; one made in this very moment is still `provisioning`.
fn shape(lb: &LoadBalancer, young: bool) -> Fields {
    let state = match &lb.impaired {
        Some(why) => Fields::new().text("Code", "active_impaired").text("Reason", why),
        None if young => Fields::new().text("Code", "provisioning"),
        None => Fields::new().text("Code", "active"),
    };
    Fields::new()
        .text("LoadBalancerArn", &lb.arn)
        .text("DNSName", &lb.dns_name)
        .text("CanonicalHostedZoneId", "Z35SXDOTRQ7X7K")
        .text("CreatedTime", time::millis(lb.created))
        .text("LoadBalancerName", &lb.name)
        .text("Scheme", lb.scheme.name())
        .text("VpcId", &lb.vpc)
        .with("State", state)
        .text("Type", "application")
        .list("AvailabilityZones", zone_list(&lb.zones))
        .texts("SecurityGroups", &lb.security_groups)
        .text("IpAddressType", &lb.ip_address_type)
        .maybe_with("IpamPools", pools(lb))
}

/// Zones as replies show them.
pub(super) fn zone_list(zones: &[Zone]) -> impl Iterator<Item = Fields> {
    zones.iter().map(|zone| {
        Fields::new()
            .text("ZoneName", &zone.name)
            .text("SubnetId", &zone.subnet)
            .texts("LoadBalancerAddresses", [""; 0])
    })
}
