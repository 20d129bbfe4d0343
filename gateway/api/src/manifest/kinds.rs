//! Which kinds are read, which are left out, and which are missed.
//!
//! - **Read**: what routes, load balancers and their endpoints are made of ([`READ`]).
//! - **Left out silently**: kinds of Kubernetes that cannot change how a request is routed, and what
//!   Edgeway's own commands read elsewhere ([`LEFT_OUT`]).
//! - **Missed**: kinds that people rely on for safety or routing and that we do not act on yet
//!   ([`MISSED`]). Each such object is a problem.
//! - Anything else is unknown: an error if it looks like a slip, a warning otherwise.

use super::{Reader, fields::closest, lenient, secret, strict};
use crate::{
    DestinationRule, Gateway, IngressClassParams, ObjectRef, Pod, Problem, ServiceEntry, Severity,
    TargetGroupBinding, VirtualService, WorkloadEntry,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Endpoints, Namespace, Node, Service},
    discovery::v1::EndpointSlice,
    networking::v1::{Ingress, IngressClass},
};

const ISTIO: &str = "networking.istio.io";
const ISTIO_VERSIONS: &[&str] = &["v1", "v1beta1", "v1alpha3"];
const AWS: &str = "elbv2.k8s.aws";
const INGRESS: &str = "networking.k8s.io";

/// Group, versions, kind, and who reads it.
type Known = (&'static str, &'static [&'static str], &'static str, Reader);

const READ: &[Known] = &[
    (ISTIO, ISTIO_VERSIONS, "Gateway", strict::<Gateway>),
    (ISTIO, ISTIO_VERSIONS, "VirtualService", strict::<VirtualService>),
    (ISTIO, ISTIO_VERSIONS, "DestinationRule", strict::<DestinationRule>),
    (ISTIO, ISTIO_VERSIONS, "ServiceEntry", strict::<ServiceEntry>),
    (ISTIO, ISTIO_VERSIONS, "WorkloadEntry", strict::<WorkloadEntry>),
    (AWS, &["v1beta1"], "IngressClassParams", strict::<IngressClassParams>),
    (AWS, &["v1beta1"], "TargetGroupBinding", strict::<TargetGroupBinding>),
    ("", &["v1"], "Service", lenient::<Service>),
    ("", &["v1"], "Endpoints", lenient::<Endpoints>),
    ("", &["v1"], "Pod", lenient::<Pod>),
    ("", &["v1"], "Secret", secret),
    ("", &["v1"], "ConfigMap", lenient::<ConfigMap>),
    ("", &["v1"], "Namespace", lenient::<Namespace>),
    ("", &["v1"], "Node", lenient::<Node>),
    ("apps", &["v1"], "Deployment", lenient::<Deployment>),
    ("discovery.k8s.io", &["v1"], "EndpointSlice", lenient::<EndpointSlice>),
    (INGRESS, &["v1"], "Ingress", lenient::<Ingress>),
    (INGRESS, &["v1"], "IngressClass", lenient::<IngressClass>),
];

/// By group; an empty list is all kinds of the group.
const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "Binding",
            "ComponentStatus",
            "Event",
            "LimitRange",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "ServiceAccount",
        ],
    ),
    ("apps", &["ControllerRevision", "DaemonSet", "ReplicaSet", "StatefulSet"]),
    ("batch", &[]),
    ("autoscaling", &[]),
    ("autoscaling.k8s.io", &[]),
    ("policy", &[]),
    (INGRESS, &["NetworkPolicy", "IPAddress", "ServiceCIDR"]),
    ("policy.networking.k8s.io", &[]),
    ("admissionregistration.k8s.io", &[]),
    ("apiextensions.k8s.io", &[]),
    ("apiregistration.k8s.io", &[]),
    ("authentication.k8s.io", &[]),
    ("authorization.k8s.io", &[]),
    ("certificates.k8s.io", &[]),
    ("coordination.k8s.io", &[]),
    ("events.k8s.io", &[]),
    ("flowcontrol.apiserver.k8s.io", &[]),
    ("internal.apiserver.k8s.io", &[]),
    ("kustomize.config.k8s.io", &[]),
    ("metrics.k8s.io", &[]),
    ("node.k8s.io", &[]),
    ("rbac.authorization.k8s.io", &[]),
    ("resource.k8s.io", &[]),
    ("scheduling.k8s.io", &[]),
    ("snapshot.storage.k8s.io", &[]),
    ("storage.k8s.io", &[]),
    ("storagemigration.k8s.io", &[]),
    ("edgeway.dev", &["EdgeStatus", "Expectations"]),
];

/// By group and kinds (none is all of the group): how bad it is, and what it means for the user.
const MISSED: &[(&str, &[&str], Severity, &str)] = &[
    ("security.istio.io", &[], Severity::Error, "what it is to protect is NOT protected here"),
    (
        ISTIO,
        &["EnvoyFilter"],
        Severity::Error,
        "none of its changes are made, whatever they protect",
    ),
    (ISTIO, &["Sidecar"], Severity::Warning, "the gateway sees all services, not those it selects"),
    (ISTIO, &["ProxyConfig"], Severity::Warning, "it does not configure this gateway"),
    (ISTIO, &["WorkloadGroup"], Severity::Warning, "it makes no endpoints"),
    ("telemetry.istio.io", &[], Severity::Warning, "logs, metrics and traces are the default ones"),
    ("extensions.istio.io", &[], Severity::Warning, "it extends nothing here"),
    ("install.istio.io", &[], Severity::Warning, "it installs nothing here"),
    ("gateway.networking.k8s.io", &[], Severity::Warning, "it routes nothing here"),
    ("gateway.k8s.aws", &[], Severity::Warning, "it configures nothing here"),
    ("aga.k8s.aws", &[], Severity::Warning, "it configures nothing here"),
    (AWS, &["ALBTargetControlConfig"], Severity::Warning, "it configures nothing here"),
];

/// The newest `apiVersion` in which a kind is read.
pub(super) fn api_version(kind: &str) -> Option<String> {
    let (group, versions, ..) = READ.iter().find(|(_, _, known, _)| *known == kind)?;
    let version = versions.first()?;
    Some(if group.is_empty() { (*version).to_owned() } else { format!("{group}/{version}") })
}

/// What becomes of an object.
pub(super) enum Treatment {
    /// It is read.
    Read(Reader),
    /// It is left out, and that is fine.
    LeaveOut,
    /// It is left out, and the user should know.
    Tell(Problem),
}

/// What becomes of `object`, written in `api_version`.
pub(super) fn treatment(api_version: &str, object: &ObjectRef) -> Treatment {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let kind = object.kind.as_str();
    if let Some((_, versions, _, reader)) =
        READ.iter().find(|(g, _, k, _)| (*g, *k) == (group, kind))
    {
        if versions.contains(&version) {
            return Treatment::Read(*reader);
        }
        return Treatment::Tell(
            Problem::error(object.clone(), "apiVersion", "unknown-version")
                .message(format!("`{kind}` is not read in version `{version}`: it is left out"))
                .advice(format!("write it as {}", alternatives(group, versions))),
        );
    }
    if LEFT_OUT.iter().any(|(g, kinds)| *g == group && covers(kinds, kind)) {
        return Treatment::LeaveOut;
    }
    match MISSED.iter().find(|(g, kinds, ..)| *g == group && covers(kinds, kind)) {
        Some((_, _, severity, effect)) => {
            let problem = Problem::warning(object.clone(), "", "kind-not-supported");
            Treatment::Tell(
                Problem { severity: *severity, ..problem }
                    .message(format!("{kind} of {group} is not supported yet: {effect}"))
                    .advice("remove it, or do not rely on it"),
            )
        }
        None => Treatment::Tell(unknown(api_version, group, object)),
    }
}

fn covers(kinds: &[&str], kind: &str) -> bool {
    kinds.is_empty() || kinds.contains(&kind)
}

fn alternatives(group: &str, versions: &[&str]) -> String {
    let version = versions.first().copied().unwrap_or_default();
    if group.is_empty() { format!("`{version}`") } else { format!("`{group}/{version}`") }
}

/// A kind that stands in no table: probably a slip if it is like one that does.
fn unknown(api_version: &str, group: &str, object: &ObjectRef) -> Problem {
    let kind = object.kind.as_str();
    let message = format!("`{kind}` of `{api_version}` is not known: it is left out");
    let elsewhere = READ.iter().find(|(_, _, other, _)| *other == kind);
    let slip = match elsewhere {
        Some((right, versions, ..)) if is_slip(group, right) => {
            Some(format!("write `apiVersion: {}`", alternatives(right, versions).trim_matches('`')))
        }
        Some(_) | None => {
            closest(kind, kinds_of(group)).map(|other| format!("did you mean `{other}`?"))
        }
    };
    let problem = if slip.is_some() || group == ISTIO || group == AWS {
        Problem::error(object.clone(), "kind", "unknown-kind")
    } else {
        Problem::warning(object.clone(), "kind", "unknown-kind")
    };
    let advice = slip.unwrap_or_else(|| "nothing, if another program acts on it".into());
    problem.message(message).advice(advice)
}

/// Whether who wrote `group` meant `right`: a group of Kubernetes that does not have the kind, or a
/// name that is like it. Other groups may have kinds of the same name.
fn is_slip(group: &str, right: &str) -> bool {
    let kubernetes =
        READ.iter().map(|(group, ..)| group).chain(LEFT_OUT.iter().map(|(group, _)| group));
    group == "extensions"
        || kubernetes.into_iter().any(|known| *known == group)
        || closest(group, std::iter::once(right)).is_some()
}

fn kinds_of(group: &str) -> impl Iterator<Item = &'static str> {
    let read = READ.iter().filter(move |(g, ..)| *g == group).map(|(_, _, kind, _)| *kind);
    let left_out = LEFT_OUT.iter().filter(move |(g, _)| *g == group);
    let missed = MISSED.iter().filter(move |(g, ..)| *g == group);
    read.chain(left_out.flat_map(|(_, kinds)| kinds.iter().copied()))
        .chain(missed.flat_map(|(_, kinds, ..)| kinds.iter().copied()))
}
