//! Delegation: a rule of one VirtualService hands its requests to another without hosts.

use super::{
    Scope,
    binding::gateway_name,
    names::qualified,
    report::{Field, Report},
    visibility::Visibility,
};
use crate::id::ObjectName;
use edgeway_api::{
    Resource, VirtualService,
    virtual_service::{Delegate, HttpMatchRequest, HttpRoute, StringMatch},
};
use std::collections::BTreeMap;

/// The rules of a VirtualService, delegates resolved.
#[derive(Clone, Debug)]
pub(super) enum Rules {
    /// As they are written.
    Own,
    /// Some of them come from delegates; each with its position as written.
    Merged(Vec<(usize, HttpRoute)>),
}

impl Rules {
    /// Position as written, and rule; `service` is whose rules they are.
    pub(super) fn of<'r>(
        &'r self,
        service: &'r VirtualService,
    ) -> impl Iterator<Item = (usize, &'r HttpRoute)> {
        let (own, merged): (&[HttpRoute], &[(usize, HttpRoute)]) = match self {
            Self::Own => (&service.spec.http, &[]),
            Self::Merged(rules) => (&[], rules),
        };
        own.iter().enumerate().chain(merged.iter().map(|(index, rule)| (*index, rule)))
    }
}

/// The delegates that `service` names.
pub(super) fn named(service: &VirtualService) -> impl Iterator<Item = ObjectName> {
    let delegates = service.spec.http.iter().filter_map(|rule| rule.delegate.as_ref());
    delegates.map(|delegate| ObjectName::new(namespace(delegate, service), &delegate.name))
}

fn namespace<'n>(delegate: &'n Delegate, root: &'n VirtualService) -> &'n str {
    let own = root.namespace();
    delegate.namespace.as_deref().filter(|name| !name.is_empty()).unwrap_or(own)
}

/// The rules of `service`, every delegating one replaced by those of the delegate, as far as their
/// conditions go together. One level only (as Istio: `mergeVirtualServicesIfNeeded`).
pub(super) fn resolved(scope: &Scope, service: &VirtualService, report: &mut Report) -> Rules {
    if service.spec.http.iter().all(|rule| rule.delegate.is_none()) {
        return Rules::Own;
    }
    let mut http = Vec::new();
    for (index, rule) in service.spec.http.iter().enumerate() {
        let Some(delegate) = &rule.delegate else {
            http.push((index, rule.clone()));
            continue;
        };
        match find(scope, service, delegate) {
            Ok(leaf) => {
                for (position, leaf_rule) in leaf.spec.http.iter().enumerate() {
                    let domain = &scope.workload.cluster_domain;
                    let of_root = (rule, service.namespace());
                    let rule = merged(of_root, (leaf_rule, leaf.namespace()), domain);
                    if rule.is_none() {
                        let mut field = report.object(leaf.reference());
                        field.of(&format!("spec.http[{position}].match"), |field| {
                            unfit(service, index, field);
                        });
                    }
                    http.extend(rule.map(|rule| (index, rule)));
                }
            }
            Err(reason) => {
                let mut field = report.object(service.reference());
                field.of(&format!("spec.http[{index}].delegate"), |field| missing(reason, field));
            }
        }
    }
    Rules::Merged(http)
}

fn unfit(root: &VirtualService, index: usize, field: &mut Field<'_>) {
    field.warning(
        "delegate-conflict",
        format!("it goes together with no condition of {} spec.http[{index}], so the rule is left out there", root.reference()),
        "narrow the root's conditions, do not contradict them; regular expressions cannot be narrowed",
    );
}

fn missing(reason: &str, field: &mut Field<'_>) {
    field.error(
        "delegate-not-found",
        format!("{reason}; the rule is left out"),
        "create a VirtualService of this name without hosts and gateways, visible here",
    );
}

fn find<'s>(
    scope: &'s Scope,
    root: &VirtualService,
    delegate: &Delegate,
) -> Result<&'s VirtualService, &'static str> {
    let namespace = namespace(delegate, root);
    let leaf = scope.virtual_services.get(namespace, &delegate.name);
    let leaf = leaf.ok_or("there is no such VirtualService")?;
    if !leaf.spec.hosts.is_empty() {
        return Err("the VirtualService has hosts, so it is no delegate");
    }
    if scope.rejected.contains(&**leaf) {
        return Err("the VirtualService is invalid");
    }
    let export = leaf.spec.export_to.iter().map(String::as_str);
    if !Visibility::parse(export, namespace).admits(root.namespace()) {
        return Err("the VirtualService is not exported to this namespace");
    }
    Ok(leaf)
}

/// The leaf's rule under the root's conditions, each with its namespace; what the leaf leaves out is the
/// root's. `None` if no pair of conditions goes together.
fn merged(
    (root, root_namespace): (&HttpRoute, &str),
    (leaf, namespace): (&HttpRoute, &str),
    domain: &str,
) -> Option<HttpRoute> {
    let matches =
        cross(&in_full(&root.matches, root_namespace), &in_full(&leaf.matches, namespace))?;
    let name = match (root.name.as_deref().unwrap_or(""), leaf.name.as_deref().unwrap_or("")) {
        ("", name) | (name, "") => name.to_owned(),
        (root, leaf) => format!("{root}-{leaf}"),
    };
    let mut leaf = leaf.clone();
    // Short names are those of the leaf's namespace.
    let destinations = leaf.route.iter_mut().map(|to| &mut to.destination);
    let mirrors = leaf.mirrors.iter_mut().filter_map(|policy| policy.destination.as_mut());
    for destination in destinations.chain(leaf.mirror.as_deref_mut()).chain(mirrors) {
        destination.host = qualified(&destination.host, namespace, domain);
    }
    let root = root.clone();
    let mirrors = if leaf.mirrors.is_empty() { root.mirrors } else { leaf.mirrors };
    Some(HttpRoute {
        name: Some(name),
        matches,
        route: leaf.route,
        redirect: leaf.redirect,
        delegate: None,
        direct_response: leaf.direct_response.or(root.direct_response),
        rewrite: leaf.rewrite.or(root.rewrite),
        timeout: leaf.timeout.or(root.timeout),
        retries: leaf.retries.or(root.retries),
        fault: leaf.fault.or(root.fault),
        mirror: leaf.mirror.or(root.mirror),
        mirrors,
        mirror_percent: leaf.mirror_percent.or(root.mirror_percent),
        mirror_percentage: leaf.mirror_percentage.or(root.mirror_percentage),
        cors_policy: leaf.cors_policy.or(root.cors_policy),
        headers: leaf.headers.or(root.headers),
    })
}

/// Conditions whose gateways are named so that any namespace may read them.
fn in_full(entries: &[HttpMatchRequest], namespace: &str) -> Vec<HttpMatchRequest> {
    let full = |name: &String| {
        gateway_name(name, namespace).map_or_else(|| name.clone(), |full| full.to_string())
    };
    let entries = entries.iter();
    entries
        .map(|entry| HttpMatchRequest {
            gateways: entry.gateways.iter().map(full).collect(),
            ..entry.clone()
        })
        .collect()
}

/// Every entry of the leaf with every entry of the root that it fits. If one fits none, the whole
/// rule goes (measured); an empty list stands for the other side's.
fn cross(root: &[HttpMatchRequest], leaf: &[HttpMatchRequest]) -> Option<Vec<HttpMatchRequest>> {
    if root.is_empty() || leaf.is_empty() {
        return Some([root, leaf].concat());
    }
    let mut merged = Vec::new();
    for entry in leaf {
        let before = merged.len();
        merged.extend(root.iter().filter_map(|root| pair(root, entry).ok()));
        if merged.len() == before {
            return None;
        }
    }
    Some(merged)
}

fn pair(root: &HttpMatchRequest, leaf: &HttpMatchRequest) -> Result<HttpMatchRequest, Conflict> {
    if root.ignore_uri_case != leaf.ignore_uri_case {
        return Err(Conflict);
    }
    let source = |entry: &HttpMatchRequest| entry.source_namespace.clone().unwrap_or_default();
    if !source(root).is_empty() && source(root) != source(leaf) {
        return Err(Conflict);
    }
    let leaf_gateways_allowed = root.gateways.is_empty()
        || leaf.gateways.iter().all(|gateway| root.gateways.contains(gateway));
    if !leaf_gateways_allowed {
        return Err(Conflict);
    }
    let name = match (root.name.as_deref().unwrap_or(""), leaf.name.as_deref().unwrap_or("")) {
        ("", "") => None,
        ("", name) | (name, "") => Some(name.to_owned()),
        (root, leaf) => Some(format!("{root}-{leaf}")),
    };
    Ok(HttpMatchRequest {
        name,
        uri: narrower(root.uri.as_ref(), leaf.uri.as_ref())?,
        scheme: narrower(root.scheme.as_ref(), leaf.scheme.as_ref())?,
        method: narrower(root.method.as_ref(), leaf.method.as_ref())?,
        authority: narrower(root.authority.as_ref(), leaf.authority.as_ref())?,
        headers: maps(&root.headers, &leaf.headers)?,
        without_headers: maps(&root.without_headers, &leaf.without_headers)?,
        query_params: maps(&root.query_params, &leaf.query_params)?,
        port: equal(root.port, leaf.port)?,
        source_namespace: leaf.source_namespace.clone().filter(|name| !name.is_empty()),
        source_labels: labels(&root.source_labels, &leaf.source_labels)?,
        gateways: if leaf.gateways.is_empty() { &root.gateways } else { &leaf.gateways }.clone(),
        ignore_uri_case: leaf.ignore_uri_case,
        stat_prefix: leaf.stat_prefix.clone().or_else(|| root.stat_prefix.clone()),
    })
}

/// The conditions of root and leaf exclude one another.
struct Conflict;

/// Both conditions in one, if there is any. A regular expression beside any other conflicts.
fn narrower(
    root: Option<&StringMatch>,
    leaf: Option<&StringMatch>,
) -> Result<Option<StringMatch>, Conflict> {
    let (root, leaf) = match (root, leaf) {
        (None, one) | (one, None) => return Ok(one.cloned()),
        (Some(root), Some(leaf)) => (root, leaf),
    };
    if is_presence(root) {
        return Ok(Some(leaf.clone()));
    }
    if root.regex.is_some() || leaf.regex.is_some() {
        return Err(Conflict);
    }
    let fits = match (&root.exact, &root.prefix) {
        (Some(exact), _) => leaf.exact.as_ref() == Some(exact),
        (None, Some(prefix)) => {
            let leaf = leaf.exact.as_ref().or(leaf.prefix.as_ref());
            leaf.is_some_and(|leaf| leaf.starts_with(prefix.as_str()))
        }
        (None, None) => true,
    };
    if fits { Ok(Some(leaf.clone())) } else { Err(Conflict) }
}

fn is_presence(text: &StringMatch) -> bool {
    matches!(text, StringMatch { exact: None, prefix: None, regex: None })
}

type Conditions = BTreeMap<String, StringMatch>;

fn maps(root: &Conditions, leaf: &Conditions) -> Result<Conditions, Conflict> {
    let mut merged = root.clone();
    for (key, text) in leaf {
        let both = narrower(root.get(key), Some(text))?;
        merged.extend(both.map(|text| (key.clone(), text)));
    }
    Ok(merged)
}

fn labels(
    root: &BTreeMap<String, String>,
    leaf: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Conflict> {
    if leaf.iter().any(|(key, value)| root.get(key).is_some_and(|own| own != value)) {
        return Err(Conflict);
    }
    Ok(root.iter().chain(leaf).map(|(key, value)| (key.clone(), value.clone())).collect())
}

fn equal<T: PartialEq>(root: Option<T>, leaf: Option<T>) -> Result<Option<T>, Conflict> {
    match (root, leaf) {
        (None, one) | (one, None) => Ok(one),
        (Some(root), Some(leaf)) if root == leaf => Ok(Some(leaf)),
        (Some(_), Some(_)) => Err(Conflict),
    }
}
