//! The rules of a VirtualService become routes for one Gateway server.

use super::{
    Scope, action::action, binding::Bound, lookup::Lookup, matching::matcher, pods::selects,
    report::Report,
};
use crate::{id::ObjectName, matcher::Matcher, table::Route};
use edgeway_api::{
    Resource, VirtualService,
    virtual_service::{HttpMatchRequest, HttpRoute},
};
use std::sync::Arc;

/// The Gateway server that routes are built for.
#[derive(Clone, Debug)]
pub(super) struct Through {
    /// The Gateway.
    pub gateway: ObjectName,
    /// The server's port name.
    pub server: Arc<str>,
    /// The server's port: the Service's, not the socket's.
    pub port: u16,
    /// Whether the server has a `tls` block, even one that only redirects.
    pub tls: bool,
}

/// Routes of a VirtualService in written order. The first that fits everything ends the list: what stands
/// behind it can never be reached (as Istio: `BuildHTTPRoutesForVirtualService`).
pub(super) fn routes(
    lookup: &mut Lookup<'_>,
    report: &mut Report,
    bound: &Bound,
    through: &Through,
) -> Vec<Arc<Route>> {
    let service = &*bound.service;
    let mut routes = Vec::new();
    let mut field = report.object(service.reference());
    field.of("spec.http", |field| {
        for (index, rule) in bound.rules.of(service) {
            let ended = field.at(index, |field| {
                for (position, entry) in entries(rule) {
                    let Some(entry) = entry.map_or(Some(None), |entry| {
                        applies(lookup.scope, service, entry, through).then_some(Some(entry))
                    }) else {
                        continue;
                    };
                    let matcher = entry.map_or_else(Matcher::default, |entry| {
                        field.of("match", |field| field.at(position, |field| matcher(entry, field)))
                    });
                    let Some(action) =
                        action(&mut Building { lookup, service, through }, rule, &matcher, field)
                    else {
                        continue;
                    };
                    let ends = matcher.is_catch_all();
                    routes.push(Arc::new(Route {
                        name: name(rule, entry, index),
                        virtual_service: bound.name.clone(),
                        gateway: through.gateway.clone(),
                        server: Arc::clone(&through.server),
                        stat_prefix: stat_prefix(entry),
                        matcher,
                        action,
                    }));
                    if ends {
                        return true;
                    }
                }
                false
            });
            if ended {
                break;
            }
        }
    });
    routes
}

/// What building an action needs to know.
pub(super) struct Building<'b, 'l> {
    /// Where destinations are looked up.
    pub lookup: &'b mut Lookup<'l>,
    /// Whose rule it is.
    pub service: &'b VirtualService,
    /// For which server.
    pub through: &'b Through,
}

/// Each match entry is a route of its own; no entry at all is one that fits everything.
fn entries(rule: &HttpRoute) -> impl Iterator<Item = (usize, Option<&HttpMatchRequest>)> {
    let none = rule.matches.is_empty().then_some((0, None));
    let some = rule.matches.iter().enumerate().map(|(position, entry)| (position, Some(entry)));
    none.into_iter().chain(some)
}

/// Whether an entry counts at this server: port, gateways and source are those of the gateway
/// itself; one that names gateways does not look at the source (as Istio: `sourceMatchHTTP`).
fn applies(
    scope: &Scope,
    service: &VirtualService,
    entry: &HttpMatchRequest,
    through: &Through,
) -> bool {
    let port = entry.port.is_none_or(|port| port == 0 || port == u32::from(through.port));
    let workload = &scope.workload;
    let source = || {
        let namespace = entry.source_namespace.as_deref().unwrap_or_default();
        selects(&entry.source_labels, &workload.labels)
            && (namespace.is_empty() || namespace == workload.namespace)
    };
    let named = |name: &String| {
        super::binding::gateway_name(name, service.namespace()).as_ref() == Some(&through.gateway)
    };
    let bound = if entry.gateways.is_empty() { source() } else { entry.gateways.iter().any(named) };
    port && bound
}

fn stat_prefix(entry: Option<&HttpMatchRequest>) -> Option<Arc<str>> {
    entry?.stat_prefix.as_deref().filter(|prefix| !prefix.is_empty()).map(Into::into)
}

/// `rule.match`, or the rule's position where neither has a name.
fn name(rule: &HttpRoute, entry: Option<&HttpMatchRequest>, index: usize) -> Arc<str> {
    let rule = rule.name.as_deref().unwrap_or_default();
    let entry = entry.and_then(|entry| entry.name.as_deref()).unwrap_or_default();
    match (rule, entry) {
        ("", "") => format!("http[{index}]").into(),
        (rule, "") => rule.into(),
        (rule, entry) => format!("{rule}.{entry}").into(),
    }
}
