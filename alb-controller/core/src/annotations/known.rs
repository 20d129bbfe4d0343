//! Every annotation that there is, and what becomes of it here.

use super::{Annotations, Fault, PREFIX, field};
use edgeway_api::{Problem, Resource};

/// What becomes of an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Support {
    /// It is read.
    Yes,
    /// It has no effect yet.
    No,
    /// It has no effect yet, and without it something would be open that should not be: whoever has
    /// it is not served.
    Guard,
}

/// Names, without their prefix. One that ends with a dot begins a family.
const KNOWN: &[(&str, Support)] = &[
    ("group.name", Support::Yes),
    ("group.order", Support::Yes),
    ("load-balancer-name", Support::Yes),
    ("tags", Support::Yes),
    ("scheme", Support::Yes),
    ("ip-address-type", Support::Yes),
    ("subnets", Support::Yes),
    ("security-groups", Support::Yes),
    ("manage-backend-security-group-rules", Support::Yes),
    ("inbound-cidrs", Support::Yes),
    ("security-group-prefix-lists", Support::Yes),
    ("load-balancer-attributes", Support::Yes),
    ("listen-ports", Support::Yes),
    ("ssl-redirect", Support::Yes),
    ("certificate-arn", Support::Yes),
    ("ssl-policy", Support::Yes),
    ("listener-attributes.", Support::Yes),
    ("target-type", Support::Yes),
    ("backend-protocol", Support::Yes),
    ("backend-protocol-version", Support::Yes),
    ("target-group-attributes", Support::Yes),
    ("healthcheck-port", Support::Yes),
    ("healthcheck-protocol", Support::Yes),
    ("healthcheck-path", Support::Yes),
    ("healthcheck-interval-seconds", Support::Yes),
    ("healthcheck-timeout-seconds", Support::Yes),
    ("healthy-threshold-count", Support::Yes),
    ("unhealthy-threshold-count", Support::Yes),
    ("success-codes", Support::Yes),
    ("target-node-labels", Support::Yes),
    ("target-control-port.", Support::Yes),
    ("actions.", Support::Yes),
    ("conditions.", Support::Yes),
    ("transforms.", Support::Yes),
    ("use-regex-path-match", Support::Yes),
    // Written by the AWS Load Balancer Controller itself.
    ("dry-run-plan", Support::Yes),
    ("customer-owned-ipv4-pool", Support::No),
    ("ipam-ipv4-pool-id", Support::No),
    ("minimum-load-balancer-capacity", Support::No),
    ("wafv2-acl-arn", Support::No),
    ("wafv2-acl-name", Support::No),
    ("waf-acl-id", Support::No),
    ("web-acl-id", Support::No),
    ("shield-advanced-protection", Support::No),
    ("enable-frontend-nlb", Support::No),
    ("frontend-nlb-scheme", Support::No),
    ("frontend-nlb-subnets", Support::No),
    ("frontend-nlb-security-groups", Support::No),
    ("frontend-nlb-listener-port-mapping", Support::No),
    ("frontend-nlb-eip-allocations", Support::No),
    ("frontend-nlb-healthcheck-port", Support::No),
    ("frontend-nlb-healthcheck-protocol", Support::No),
    ("frontend-nlb-healthcheck-path", Support::No),
    ("frontend-nlb-healthcheck-interval-seconds", Support::No),
    ("frontend-nlb-healthcheck-timeout-seconds", Support::No),
    ("frontend-nlb-healthcheck-healthy-threshold-count", Support::No),
    ("frontend-nlb-healthcheck-unhealthy-threshold-count", Support::No),
    ("frontend-nlb-healthcheck-success-codes", Support::No),
    ("frontend-nlb-attributes", Support::No),
    ("frontend-nlb-tags", Support::No),
    ("create-acm-cert", Support::No),
    ("acm-pca-arn", Support::No),
    ("multi-cluster-target-group", Support::Guard),
    ("mutual-authentication", Support::Guard),
    ("auth-type", Support::Guard),
    ("auth-idp-cognito", Support::No),
    ("auth-idp-oidc", Support::No),
    ("auth-on-unauthenticated-request", Support::No),
    ("auth-scope", Support::No),
    ("auth-session-cookie", Support::No),
    ("auth-session-timeout", Support::No),
    ("jwt-validation", Support::Guard),
];

/// Values that switch an annotation off.
const OFF: &[&str] = &["", "none", "false", "off"];

/// Says which annotations of an object have no effect. An error is one without which the Ingress
/// must not be served.
pub(crate) fn check<R: Resource>(resource: &R, problems: &mut Vec<Problem>) -> Result<(), Fault> {
    let mut guard = None;
    for (key, value) in resource.meta().annotations.iter().flatten() {
        let Some(name) = key.strip_prefix(PREFIX) else { continue };
        let off = OFF.contains(&value.trim());
        match support(name) {
            Some(Support::Yes) => {}
            Some(Support::No | Support::Guard) if off => {}
            Some(Support::No) => problems.push(not_supported(resource, key)),
            Some(Support::Guard) => {
                let problem = not_supported(resource, key);
                let message =
                    format!("{}, and without it more would be open than is meant", problem.message);
                guard = Some(Box::new(problem.message(message)));
            }
            None => problems.push(unknown(resource, key, name)),
        }
    }
    guard.map_or(Ok(()), Err)
}

fn support(name: &str) -> Option<Support> {
    let exact = KNOWN.iter().find(|(known, _)| *known == name && !known.ends_with('.'));
    let family = || {
        KNOWN.iter().find(|(known, _)| {
            known.ends_with('.') && name.len() > known.len() && name.starts_with(known)
        })
    };
    exact.or_else(family).map(|(_, support)| *support)
}

fn not_supported<R: Resource>(resource: &R, key: &str) -> Problem {
    Problem::error(resource.reference(), field(key), "annotation-not-supported")
        .message("this annotation has no effect here yet")
        .advice("remove it")
}

fn unknown<R: Resource>(resource: &R, key: &str, name: &str) -> Problem {
    let problem = Problem::warning(resource.reference(), field(key), "annotation-unknown")
        .message("there is no such annotation");
    match nearest(name) {
        Some(nearest) => problem.advice(format!("did you mean {PREFIX}{nearest}?")),
        None => problem.advice("remove it"),
    }
}

/// The known name that is spelled most like `name`, if any is near.
fn nearest(name: &str) -> Option<&'static str> {
    let names = KNOWN.iter().map(|(known, _)| *known).filter(|known| !known.ends_with('.'));
    let (distance, nearest) = names.map(|known| (distance(known, name), known)).min()?;
    (distance <= 1 + name.len() / 5).then_some(nearest)
}

/// How many letters must be added, removed or changed to make one word the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, have) in one.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        let mut next = vec![left];
        for (want, above) in other.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(have != *want)).min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Whether the Ingress has any annotation of ours at all.
#[cfg(test)]
fn is_known(name: &str) -> bool {
    support(name).is_some()
}

impl Annotations<'_> {
    /// Names of all annotations of a family, without the family's name.
    pub(crate) fn family(&self, family: &str) -> Vec<String> {
        let prefix = format!("{PREFIX}{family}");
        let keys = self
            .layers
            .iter()
            .flat_map(|layer| layer.annotations.iter().flat_map(|map| map.keys()));
        keys.filter_map(|key| key.strip_prefix(&prefix)).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_api::{Severity, k8s_openapi::api::networking::v1::Ingress};

    fn check_one(key: &str, value: &str) -> (Vec<Problem>, bool) {
        let mut ingress = Ingress::default();
        ingress.metadata.annotations = Some([(format!("{PREFIX}{key}"), value.to_owned())].into());
        let mut problems = Vec::new();
        let served = check(&ingress, &mut problems);
        problems.extend(served.clone().err().map(|fault| *fault));
        (problems, served.is_ok())
    }

    #[test]
    fn a_misspelt_annotation_is_told_what_it_may_have_meant() {
        let (problems, served) = check_one("sheme", "internal");
        assert_eq!(problems[0].code, "annotation-unknown");
        assert_eq!(problems[0].severity, Severity::Warning);
        assert!(
            problems[0].advice.contains("alb.ingress.kubernetes.io/scheme?"),
            "{}",
            problems[0]
        );
        assert!(served);
        let (problems, _) = check_one("something-else-entirely", "1");
        assert_eq!(problems[0].advice, "remove it");
    }

    #[test]
    fn what_would_open_something_keeps_the_ingress_out() {
        assert!(!check_one("auth-type", "oidc").1);
        assert!(!check_one("mutual-authentication", "[]").1);
        assert!(check_one("auth-type", "none").0.is_empty());
        let (problems, served) = check_one("wafv2-acl-arn", "arn:aws:wafv2:x");
        assert!(served && problems[0].code == "annotation-not-supported");
    }

    #[test]
    fn families_have_members() {
        assert!(is_known("actions.x") && is_known("listener-attributes.HTTP-80"));
        assert!(!is_known("actions.") && !is_known("actions"));
    }
}
