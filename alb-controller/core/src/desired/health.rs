//! How targets are asked whether they are well.

use super::{
    class::Flavour,
    index::{self, Index, Labels, selects},
    target_group::{Part, Site, node_port, target_port},
    wish::choice,
};
use crate::{
    annotations::{Fault, value::Expected},
    target::{HealthCheck, Matcher, Protocol, TargetGroupKind, TargetType, Version},
};
use edgeway_api::{
    Pod, Resource,
    k8s_openapi::{api::core::v1::Service, apimachinery::pkg::util::intstr::IntOrString},
};
use std::collections::BTreeSet;

/// Where the gateway answers for its health, on every port that it serves.
const GATEWAY: &str = "/.well-known/edgeway/health";
/// Where AWS asks gRPC targets.
const GRPC: &str = "/AWS.ALB/healthcheck";

/// The health check of a target group.
pub(super) fn check(
    site: &Site<'_, '_>,
    part: &Part<'_>,
    kind: &TargetGroupKind,
) -> Result<HealthCheck, Fault> {
    let annotations = &part.annotations;
    let grpc = kind.version == Version::Grpc;
    // What the gateway's Service says of its check is said of HTTP/1.1.
    let own = |name: &str, check: fn(&str, bool) -> Result<(), Expected>| -> Result<_, Fault> {
        let Some(found) = annotations.text(name).filter(|_| part.version.is_none()) else {
            return Ok(None);
        };
        let text = found.text.trim();
        check(text, grpc).map_err(|expected| found.fault(&expected))?;
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    };
    let (codes, asked) = (own("success-codes", codes)?, own("healthcheck-path", asked)?);
    let well = if part.is_gateway { "0" } else { "12" };
    let check = HealthCheck {
        protocol: annotations
            .read("healthcheck-protocol", choice(Protocol::parse, Protocol::choices))?
            .unwrap_or(kind.protocol),
        port: port(part, kind)?,
        path: asked.unwrap_or_else(|| path(site, part, grpc).to_owned()),
        interval: annotations.number("healthcheck-interval-seconds", 5..=300)?.unwrap_or(15),
        timeout: annotations.number("healthcheck-timeout-seconds", 2..=120)?.unwrap_or(5),
        healthy: annotations.number("healthy-threshold-count", 2..=10)?.unwrap_or(2),
        unhealthy: annotations.number("unhealthy-threshold-count", 2..=10)?.unwrap_or(2),
        matcher: if grpc {
            Matcher::Grpc(codes.unwrap_or_else(|| well.to_owned()))
        } else {
            Matcher::Http(codes.unwrap_or_else(|| "200".to_owned()))
        },
    };
    let told = ["healthcheck-timeout-seconds", "healthcheck-interval-seconds"];
    let told = told.into_iter().find_map(|name| annotations.text(name));
    let (Some(found), true) = (told, check.timeout >= check.interval) else { return Ok(check) };
    let message = format!(
        "the health check's timeout, {} s, is not below its interval, {} s",
        check.timeout, check.interval
    );
    Err(found.fault(&Expected::new(message, "make the timeout shorter or the interval longer")))
}

/// Whether these can be codes of answers, and ranges of them.
fn codes(text: &str, grpc: bool) -> Result<(), Expected> {
    let limits = if grpc { 0..=99 } else { 200..=499 };
    let code = |text: &str| text.trim().parse::<u16>().ok().filter(|code| limits.contains(code));
    let is_good = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        matches!((code(first), code(last)), (Some(first), Some(last)) if first <= last)
    };
    if text.is_empty() || text.split(',').all(is_good) {
        return Ok(());
    }
    let (low, high) = limits.into_inner();
    let advice =
        format!("write numbers from {low} to {high} and ranges, such as {low},{low}-{high}");
    Err(Expected::new("these are no codes that AWS can wait for", advice))
}

/// Whether this can be asked for.
fn asked(path: &str, _: bool) -> Result<(), Expected> {
    if path.is_empty() || (path.starts_with('/') && !path.contains(char::is_whitespace)) {
        return Ok(());
    }
    Err(Expected::new("this is no path", "begin it with \"/\", and leave out blanks"))
}

/// A gateway is asked on the way that its traffic takes.
fn path(site: &Site<'_, '_>, part: &Part<'_>, grpc: bool) -> &'static str {
    let is_edgeway = site.member.flavour == Flavour::Edgeway;
    if part.is_gateway && grpc {
        GRPC
    } else if part.is_gateway || (is_edgeway && leads_to_gateway(site, part.service)) {
        GATEWAY
    } else if grpc {
        GRPC
    } else {
        "/"
    }
}

/// Whether the pods behind a Service are a gateway: some Gateway selects all of them, by what the
/// Service says of them or by labels that they bear besides, as a chart's pods do.
fn leads_to_gateway(site: &Site<'_, '_>, service: &Service) -> bool {
    let index = &site.scene.index;
    let gateways = index.objects.gateways.iter().map(|gateway| &gateway.spec.selector);
    let wanted: BTreeSet<&Labels> = gateways.filter(|wanted| !wanted.is_empty()).collect();
    !wanted.is_empty() && is_bound_by_any(index, service, &wanted)
}

/// Whether a Gateway with this selector is served by the pods behind a Service.
pub(super) fn is_bound(index: &Index<'_>, service: &Service, wanted: &Labels) -> bool {
    wanted.is_empty() || is_bound_by_any(index, service, &BTreeSet::from([wanted]))
}

fn is_bound_by_any(index: &Index<'_>, service: &Service, wanted: &BTreeSet<&Labels>) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    let Some(selector) = selector.filter(|selector| !selector.is_empty()) else { return false };
    let of = |pod: &Pod| pod.metadata.labels.clone().unwrap_or_default();
    let pods = index.pods(service.namespace()).map(of);
    let pods: Vec<Labels> = pods.filter(|labels| selects(selector, labels)).collect();
    wanted.iter().any(|wanted| {
        let by_pods = !pods.is_empty() && pods.iter().all(|labels| selects(wanted, labels));
        selects(wanted, selector) || by_pods
    })
}

fn port(part: &Part<'_>, kind: &TargetGroupKind) -> Result<String, Fault> {
    const TRAFFIC: &str = "traffic-port";
    let found = part.annotations.text("healthcheck-port").filter(|_| part.version.is_none());
    let Some(found) = found else {
        return Ok(TRAFFIC.to_owned());
    };
    if found.text == TRAFFIC || found.text.parse::<u16>().is_ok_and(|port| port > 0) {
        return Ok(found.text.to_owned());
    }
    let name = IntOrString::String(found.text.to_owned());
    let named = index::port(part.service, &name);
    let number = named.and_then(|port| match kind.target_type {
        TargetType::Ip => target_port(port),
        TargetType::Instance => node_port(port),
    });
    number.map(|number| number.to_string()).ok_or_else(|| {
        let service = part.service.name();
        let wrong = match named {
            None => format!("Service {service} has no port of this name"),
            Some(_) => {
                format!("this port of Service {service} has no number that all targets share")
            }
        };
        found.fault(&Expected::new(wrong, "write a number, or traffic-port"))
    })
}
