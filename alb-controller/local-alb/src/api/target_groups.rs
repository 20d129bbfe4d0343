//! `CreateTargetGroup`, `DescribeTargetGroups`, `ModifyTargetGroup`, `DeleteTargetGroup`.

use std::collections::BTreeMap;

use super::Outcome;
use super::page::page;
use super::shapes::check_name;
use crate::error::{AwsError, Code};
use crate::event::{Change, Event};
use crate::state::Region;
use crate::state::attributes::Set;
use crate::state::load_balancer::Protocol;
use crate::state::tags;
use crate::state::target_group::{Codes, HealthCheck, TargetGroup, TargetType, Version};
use crate::wire::{Call, Fields, Params};

pub(crate) fn create(region: &mut Region, call: &Call<'_>) -> Outcome {
    let wanted = read(region, &call.params)?;
    let tags = tags::read(&call.params, "Tags")?;
    tags::limit(&tags, region.config.limits.tags)?;
    if let Some(there) = region.groups.values().find(|group| group.name == wanted.name) {
        if same(there, &wanted) {
            return Ok(reply(region, [there]).into());
        }
        let text = format!(
            "A target group with the same name '{}' exists, but with different settings",
            wanted.name
        );
        return Err(AwsError::new(Code::DuplicateTargetGroupName, text));
    }
    let most = region.config.limits.target_groups;
    if region.groups.len() >= most {
        let text = format!("The maximum number of target groups has been reached: '{most}'");
        return Err(AwsError::new(Code::TooManyTargetGroups, text));
    }
    let id = region.ids.hex(16);
    let arn = region.arn("elasticloadbalancing", &format!("targetgroup/{}/{id}", wanted.name));
    let group = TargetGroup { arn, ..wanted };
    let result = reply(region, [&group]);
    region.events.push(event(&group, Change::Created));
    region.tags.insert(group.arn.to_string(), tags);
    region.groups.insert(group.arn.clone(), group);
    Ok(result.into())
}

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let params = &call.params;
    let (arns, names) = (params.list("TargetGroupArns"), params.list("Names"));
    let found: Vec<&TargetGroup> = if let Some(lb) = params.text("LoadBalancerArn") {
        let lb = region.load_balancer(lb)?;
        let used = region.groups_used_by(&lb.arn);
        region.groups.values().filter(|group| used.contains(&group.arn)).collect()
    } else if !arns.is_empty() {
        arns.iter().map(|arn| region.group(arn)).collect::<Result<_, _>>()?
    } else if !names.is_empty() {
        names.iter().map(|name| by_name(region, name)).collect::<Result<_, _>>()?
    } else {
        region.groups.values().collect()
    };
    let keyed = found.into_iter().map(|group| (group.arn.to_string(), group)).collect();
    let page = page(keyed, params)?;
    Ok(reply(region, page.items).maybe("NextMarker", page.next).into())
}

pub(crate) fn modify(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("TargetGroupArn")?;
    let group = region.group(arn)?;
    let check = health_check(&call.params, group.version, Some(&group.check))?;
    let group = region.group_mut(arn)?;
    group.check = check;
    let changed = event(group, Change::Changed);
    region.events.push(changed);
    Ok(reply(region, [region.group(arn)?]).into())
}

pub(crate) fn delete(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("TargetGroupArn")?;
    let Some(group) = region.groups.get(arn) else { return Ok(Fields::new().into()) };
    if group.in_use {
        let text = format!("Target group '{arn}' is currently in use by a listener or a rule");
        return Err(AwsError::new(Code::ResourceInUse, text));
    }
    let deleted = event(group, Change::Deleted);
    region.groups.remove(arn);
    region.tags.remove(arn);
    region.events.push(deleted);
    Ok(Fields::new().into())
}

/// A target group as a call describes it; it has no ARN yet.
fn read(region: &Region, params: &Params<'_>) -> Result<TargetGroup, AwsError> {
    let name = params.required("Name")?;
    check_name("Target group", name)?;
    let target_type = match params.word("TargetType", &["instance", "ip", "lambda", "alb"])? {
        None | Some("instance") => TargetType::Instance,
        Some("ip") => TargetType::Ip,
        Some(other) => {
            let text = format!("Target groups of type '{other}' cannot be made locally");
            return Err(AwsError::validation(text));
        }
    };
    let protocol = params.required("Protocol")?;
    let protocol = Protocol::named(protocol).ok_or_else(|| {
        let text = format!("Target group protocol '{protocol}' must be one of 'HTTP, HTTPS'");
        AwsError::validation(text)
    })?;
    let version = match params.word("ProtocolVersion", &["HTTP1", "HTTP2", "GRPC"])? {
        Some("HTTP2") => Version::Http2,
        Some("GRPC") => Version::Grpc,
        Some(_) | None => Version::Http1,
    };
    let port = params.number("Port", 1, u16::MAX)?.ok_or_else(|| params.missing("Port"))?;
    let vpc = params.required("VpcId")?;
    if vpc != region.network.vpc {
        return Err(AwsError::validation(format!("The VPC ID '{vpc}' is not found")));
    }
    let ip_address_type = params.word("IpAddressType", &["ipv4", "ipv6"])?.unwrap_or("ipv4");
    Ok(TargetGroup {
        arn: "".into(),
        name: name.to_owned(),
        protocol,
        version,
        port,
        vpc: vpc.to_owned(),
        target_type,
        ip_address_type: ip_address_type.to_owned(),
        control_port: params.number("TargetControlPort", 1, u16::MAX)?,
        check: health_check(params, version, None)?,
        attributes: Set::new(),
        targets: BTreeMap::new(),
        in_use: false,
    })
}

/// The health check that a call asks for; what it does not name stays as it was, or has AWS's
/// default.
fn health_check(
    params: &Params<'_>,
    version: Version,
    before: Option<&HealthCheck>,
) -> Result<HealthCheck, AwsError> {
    if params.boolean("HealthCheckEnabled")? == Some(false) {
        let text = "Health checks cannot be disabled for target groups of instances or addresses";
        return Err(AwsError::validation(text));
    }
    let old = before.cloned().map_or_else(|| default_check(version), Ok)?;
    let protocol = match params.text("HealthCheckProtocol") {
        None => old.protocol,
        Some(text) => Protocol::named(text).ok_or_else(|| {
            let text = format!("Health check protocol '{text}' must be one of 'HTTP, HTTPS'");
            AwsError::validation(text)
        })?,
    };
    let port = match params.text("HealthCheckPort") {
        None => old.port,
        Some("traffic-port") => None,
        Some(_) => params.number("HealthCheckPort", 1, u16::MAX)?,
    };
    let path = params.text("HealthCheckPath").map_or(old.path, str::to_owned);
    if !path.starts_with('/') || path.len() > 1024 || path.parse::<http::Uri>().is_err() {
        let text = format!("Health check path '{path}' must begin with '/' and have no spaces");
        return Err(AwsError::validation(text));
    }
    let interval = params.number("HealthCheckIntervalSeconds", 5, 300)?.unwrap_or(old.interval);
    let timeout = params.number("HealthCheckTimeoutSeconds", 2, 120)?.unwrap_or(old.timeout);
    if timeout >= interval {
        let text = format!(
            "Health check timeout '{timeout}' must be smaller than the interval '{interval}'"
        );
        return Err(AwsError::validation(text));
    }
    Ok(HealthCheck {
        protocol,
        port,
        path,
        interval,
        timeout,
        healthy: params.number("HealthyThresholdCount", 2, 10)?.unwrap_or(old.healthy),
        unhealthy: params.number("UnhealthyThresholdCount", 2, 10)?.unwrap_or(old.unhealthy),
        codes: codes(&params.structure("Matcher"), version)?.unwrap_or(old.codes),
    })
}

fn default_check(version: Version) -> Result<HealthCheck, AwsError> {
    let (path, codes, low, high) = match version {
        Version::Grpc => ("/AWS.ALB/healthcheck", "12", 0, 99),
        Version::Http1 | Version::Http2 => ("/", "200", 200, 499),
    };
    Ok(HealthCheck {
        protocol: Protocol::Http,
        port: None,
        path: path.to_owned(),
        interval: 30,
        timeout: 5,
        healthy: 5,
        unhealthy: 2,
        codes: read_codes(codes, low, high)?,
    })
}

fn codes(matcher: &Params<'_>, version: Version) -> Result<Option<Codes>, AwsError> {
    let (name, other, low, high) = match version {
        Version::Grpc => ("GrpcCode", "HttpCode", 0, 99),
        Version::Http1 | Version::Http2 => ("HttpCode", "GrpcCode", 200, 499),
    };
    if matcher.has(other) && !matcher.has(name) {
        let text = format!(
            "A target group of protocol version '{}' is checked by {name}, not {other}",
            version.name()
        );
        return Err(AwsError::validation(text));
    }
    matcher.text(name).map(|text| read_codes(text, low, high)).transpose()
}

fn read_codes(text: &str, low: u16, high: u16) -> Result<Codes, AwsError> {
    Codes::read(text, low, high).ok_or_else(|| {
        AwsError::validation(format!(
            "Health check matcher '{text}' must be codes or ranges from {low} to {high}"
        ))
    })
}

/// Whether a call asks for what is there already.
fn same(there: &TargetGroup, wanted: &TargetGroup) -> bool {
    let TargetGroup { protocol, version, port, vpc, target_type, .. } = there;
    let TargetGroup { ip_address_type, control_port, check, .. } = there;
    *protocol == wanted.protocol
        && *version == wanted.version
        && *port == wanted.port
        && *vpc == wanted.vpc
        && *target_type == wanted.target_type
        && *ip_address_type == wanted.ip_address_type
        && *control_port == wanted.control_port
        && *check == wanted.check
}

fn by_name<'a>(region: &'a Region, name: &str) -> Result<&'a TargetGroup, AwsError> {
    region.groups.values().find(|group| group.name == name).ok_or_else(|| {
        AwsError::new(Code::TargetGroupNotFound, "One or more target groups not found")
    })
}

fn event(group: &TargetGroup, change: Change) -> Event {
    Event::TargetGroup { name: group.name.clone(), change }
}

fn reply<'a>(region: &Region, groups: impl IntoIterator<Item = &'a TargetGroup>) -> Fields {
    Fields::new().list("TargetGroups", groups.into_iter().map(|group| shape(region, group)))
}

fn shape(region: &Region, group: &TargetGroup) -> Fields {
    let check = &group.check;
    let matcher = match group.version {
        Version::Grpc => Fields::new().text("GrpcCode", &check.codes),
        Version::Http1 | Version::Http2 => Fields::new().text("HttpCode", &check.codes),
    };
    let check_port = check.port.map_or_else(|| "traffic-port".to_owned(), |port| port.to_string());
    Fields::new()
        .text("TargetGroupArn", &group.arn)
        .text("TargetGroupName", &group.name)
        .text("Protocol", group.protocol.name())
        .text("Port", group.port)
        .text("VpcId", &group.vpc)
        .text("HealthCheckProtocol", check.protocol.name())
        .text("HealthCheckPort", check_port)
        .text("HealthCheckEnabled", true)
        .text("HealthCheckIntervalSeconds", check.interval)
        .text("HealthCheckTimeoutSeconds", check.timeout)
        .text("HealthyThresholdCount", check.healthy)
        .text("UnhealthyThresholdCount", check.unhealthy)
        .text("HealthCheckPath", &check.path)
        .with("Matcher", matcher)
        .texts("LoadBalancerArns", region.users_of(&group.arn))
        .text("TargetType", group.target_type.name())
        .text("ProtocolVersion", group.version.name())
        .text("IpAddressType", &group.ip_address_type)
        .maybe("TargetControlPort", group.control_port)
}
