//! What a rule does becomes an action.

use super::{
    headers::{joined, operations},
    lookup::{Found, Resolved},
    mirrors::mirrors,
    options::{cors as cors_policy, fault},
    registry::Absence,
    report::Field,
    retries::retry,
    routes::Building,
};
use crate::{
    action::{
        Action, Destination, DirectResponse, Forward, HashPolicy, HashSource, HeaderOps, Redirect,
        Rewrite, forward::PathRewrite, redirect::PathRedirect,
    },
    id::ClusterIx,
    matcher::{Matcher, Text, re2},
    request::Scheme,
};
use edgeway_api::{
    Resource,
    duration::Duration,
    virtual_service::{
        DerivePort, Destination as Target, HttpBody, HttpRedirect, HttpRewrite, HttpRoute,
        HttpRouteDestination,
    },
};
use std::sync::Arc;

/// The action of `rule` for requests that fit `matcher`; `None` if it has none that works.
pub(super) fn action(
    building: &mut Building<'_, '_>,
    rule: &HttpRoute,
    matcher: &Matcher,
    field: &mut Field<'_>,
) -> Option<Action> {
    let headers = field.of("headers", |field| operations(rule.headers.as_deref(), field));
    if let Some(redirect) = &rule.redirect {
        let redirect = field
            .of("redirect", |field| build_redirect(building, redirect, matcher, headers, field))?;
        return Some(Action::Redirect(Box::new(redirect)));
    }
    if let Some(direct) = &rule.direct_response {
        let body = direct.body.as_ref().map(HttpBody::bytes).unwrap_or_default();
        let status = u16::try_from(direct.status).unwrap_or(500);
        let direct = DirectResponse { status, body: body.into(), headers };
        return Some(Action::Direct(Box::new(direct)));
    }
    let forward = forward(building, rule, matcher, headers, field)?;
    Some(Action::Forward(Box::new(forward)))
}

fn forward(
    building: &mut Building<'_, '_>,
    rule: &HttpRoute,
    matcher: &Matcher,
    headers: HeaderOps,
    field: &mut Field<'_>,
) -> Option<Forward> {
    let rewrite = rule.rewrite.as_ref();
    let rewrite = field.of("rewrite", |field| {
        rewrite.map(|rewrite| build_rewrite(rewrite, matcher, field)).unwrap_or_default()
    });
    let (mut destinations, sources) = field.of("route", |field| {
        let weighted: Vec<_> = rule.route.iter().enumerate().collect();
        let lone = weighted.len() == 1;
        let kept = weighted.into_iter().filter(|(_, to)| lone || to.weight.unwrap_or(0) > 0);
        kept.map(|(index, to)| field.at(index, |field| destination(building, to, lone, field)))
            .unzip::<_, _, Vec<_>, Vec<_>>()
    });
    let mut headers = headers;
    let weighted = rule.route.len() > 1;
    if let ([lone], false) = (destinations.as_mut_slice(), weighted) {
        headers = joined(headers, std::mem::take(&mut lone.headers));
    }
    let total_weight = destinations.iter().map(|destination| u64::from(destination.weight)).sum();
    let retry = field.of("retries", |field| retry(rule.retries.as_deref(), field));
    let cors = rule.cors_policy.as_ref();
    let cors =
        cors.map(|policy| Box::new(field.of("corsPolicy", |field| cors_policy(policy, field))));
    let mirrors = mirrors(building, rule, field);
    (!destinations.is_empty()).then(|| Forward {
        destinations,
        hash: HashPolicy::new(sources.into_iter().flatten()),
        weighted,
        total_weight,
        rewrite,
        timeout: rule.timeout.as_ref().and_then(Duration::get).filter(|time| !time.is_zero()),
        retry,
        fault: rule.fault.as_deref().and_then(fault),
        cors,
        mirrors,
        headers,
    })
}

/// A lone destination gets everything, whatever its weight. What its requests are told apart by
/// counts for the whole rule (as Istio).
fn destination(
    building: &mut Building<'_, '_>,
    to: &HttpRouteDestination,
    lone: bool,
    field: &mut Field<'_>,
) -> (Destination, Option<HashSource>) {
    let (resolved, cluster) = field.of("destination", |field| {
        cluster(building, &to.destination, "its requests answer 503", field)
    });
    let destination = Destination {
        weight: if lone { 1 } else { u32::try_from(to.weight.unwrap_or(0)).unwrap_or(0) },
        cluster_name: Arc::clone(&resolved.name.0),
        cluster,
        headers: field.of("headers", |field| operations(to.headers.as_deref(), field)),
    };
    (destination, resolved.hash)
}

/// The cluster that `target` names. If there is none, `cost` says in the problem what that means.
pub(super) fn cluster(
    building: &mut Building<'_, '_>,
    target: &Target,
    cost: &str,
    field: &mut Field<'_>,
) -> (Resolved, Option<ClusterIx>) {
    let Building { lookup, service, through } = building;
    let resolved = lookup.resolve(target, service.namespace(), through.port);
    let name = &resolved.name;
    let (code, message, advice) = match &resolved.found {
        Found::Cluster(position) => {
            let position = *position;
            return (resolved, Some(position));
        }
        Found::NoService => no_service(&target.host, &resolved.absence),
        Found::NoPort => (
            "destination-port-not-found",
            format!("the service has no port for cluster `{name}`"),
            "give `port.number` one of the Service's ports".to_owned(),
        ),
        Found::NoSubset => (
            "destination-subset-not-found",
            format!("no DestinationRule that counts here defines the subset of `{name}`"),
            "define the subset in a DestinationRule in the service's namespace".to_owned(),
        ),
    };
    field.error(code, format!("{message}: {cost}"), advice);
    (resolved, None)
}

/// Code, message and advice.
fn no_service(host: &str, absence: &Absence) -> (&'static str, String, String) {
    match absence {
        Absence::Hidden => (
            "destination-not-visible",
            format!("the service `{host}` is not exported to this gateway's namespace"),
            "export it: annotation networking.istio.io/exportTo, or exportTo of the ServiceEntry"
                .to_owned(),
        ),
        Absence::Dangling(target) => (
            "destination-not-found",
            format!("the service `{host}` stands for `{target}`, which is no service here"),
            format!("add a ServiceEntry for `{target}` with `resolution: DNS`"),
        ),
        Absence::Unknown => (
            "destination-not-found",
            format!("there is no service `{host}`"),
            "create it, or correct the name (only a name without dots is completed with the \
             VirtualService's namespace)"
                .to_owned(),
        ),
    }
}

/// The replaced part is what the path condition covered: the prefix, or everything for an exact or
/// regular expression; without one it is the leading `/` (as Istio and Envoy).
fn build_rewrite(rewrite: &HttpRewrite, matcher: &Matcher, field: &mut Field<'_>) -> Rewrite {
    let authority = rewrite.authority.as_deref().filter(|authority| !authority.is_empty());
    let uri = rewrite.uri.as_deref().filter(|uri| !uri.is_empty());
    let mut path = uri.map_or(PathRewrite::Keep, |uri| match &matcher.path {
        Some(Text::Prefix(prefix) | Text::PrefixIgnoringCase(prefix)) => {
            PathRewrite::Prefix { matched: prefix.len(), with: uri.into() }
        }
        Some(Text::Exact(_) | Text::ExactIgnoringCase(_) | Text::Regex(_)) => {
            PathRewrite::Full(uri.into())
        }
        Some(Text::Present) | None => PathRewrite::Prefix { matched: 1, with: uri.into() },
    });
    if let (Some(regex), None) = (&rewrite.uri_regex_rewrite, uri) {
        field.of("uriRegexRewrite", |field| {
            let pattern = regex.match_.as_deref().unwrap_or_default();
            let with = regex.rewrite.as_deref().unwrap_or_default();
            match re2::part(pattern) {
                Ok(expression) => match re2::replacement(with, &expression) {
                    Some(with) => path = PathRewrite::Regex { expression, with: with.into() },
                    None => field.of("rewrite", |field| {
                        let message = format!("`{with}` names a group that `match` does not have");
                        field.invalid(
                            message,
                            "use `\\1` for the first group, `\\\\` for a backslash",
                        );
                    }),
                },
                Err(reason) => field.of("match", |field| {
                    let message = format!("`{pattern}` is no RE2 expression: {reason}");
                    field.invalid(message, "correct it");
                }),
            }
        });
    }
    Rewrite { path, authority: authority.map(Into::into) }
}

fn build_redirect(
    building: &Building<'_, '_>,
    redirect: &HttpRedirect,
    matcher: &Matcher,
    headers: HeaderOps,
    field: &mut Field<'_>,
) -> Option<Redirect> {
    let status = match redirect.redirect_code.unwrap_or(301) {
        0 => 301,
        status @ (301 | 302 | 303 | 307 | 308) => u16::try_from(status).unwrap_or(301),
        other => {
            field.of("redirectCode", |field| {
                field.error(
                    "redirect-code-not-supported",
                    format!("{other} is no redirect that browsers follow; the rule is left out"),
                    "use 301, 302, 303, 307 or 308",
                );
            });
            return None;
        }
    };
    let scheme = match redirect.scheme.as_deref() {
        Some("http") => Some(Scheme::Http),
        Some("https") => Some(Scheme::Https),
        Some(_) | None => None,
    };
    let prefix = redirect.prefix_rewrite.as_deref().filter(|text| !text.is_empty());
    let uri = redirect.uri.as_deref().filter(|text| !text.is_empty());
    let path = match (uri, prefix, &matcher.path) {
        (Some(uri), _, _) => Some(PathRedirect::Full(uri.into())),
        (None, Some(with), Some(Text::Prefix(prefix) | Text::PrefixIgnoringCase(prefix))) => {
            Some(PathRedirect::Prefix { matched: prefix.len(), with: with.into() })
        }
        // Without a condition on the path it is the leading `/` that fits.
        (None, Some(with), None | Some(Text::Present)) => {
            Some(PathRedirect::Prefix { matched: 1, with: with.into() })
        }
        (None, _, _) => None,
    };
    let authority = redirect.authority.as_deref().filter(|text| !text.is_empty());
    Some(Redirect {
        status,
        scheme,
        authority: authority.map(Into::into),
        port: port(building, redirect, scheme),
        path,
        headers,
    })
}

/// An explicit or derived port, unless it is the scheme's own (as Istio: `ApplyRedirect`).
fn port(
    building: &Building<'_, '_>,
    redirect: &HttpRedirect,
    scheme: Option<Scheme>,
) -> Option<u16> {
    let port = match (redirect.port, redirect.derive_port) {
        (Some(port), _) => u16::try_from(port).ok()?,
        (None, Some(DerivePort::FromRequestPort)) => building.through.port,
        (None, Some(DerivePort::FromProtocolDefault) | None) => return None,
    };
    let own = if building.through.tls { Scheme::Https } else { Scheme::Http };
    let default = match scheme.unwrap_or(own) {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    (port != default && port != 0).then_some(port)
}
