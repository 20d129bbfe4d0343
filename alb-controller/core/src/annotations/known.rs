//! Every annotation that there is, and what becomes of it here.

use super::{Annotations, PREFIX, field};
use crate::target::Protocol;
use edgeway_api::{Problem, Resource};

/// What becomes of an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Support {
    /// It is read.
    Yes,
    /// It has no effect yet.
    No,
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
    ("customer-owned-ipv4-pool", Support::Yes),
    ("ipam-ipv4-pool-id", Support::Yes),
    ("minimum-load-balancer-capacity", Support::Yes),
    ("wafv2-acl-arn", Support::Yes),
    ("wafv2-acl-name", Support::Yes),
    ("waf-acl-id", Support::No),
    ("web-acl-id", Support::No),
    ("shield-advanced-protection", Support::Yes),
    ("enable-frontend-nlb", Support::Yes),
    ("frontend-nlb-scheme", Support::Yes),
    ("frontend-nlb-subnets", Support::Yes),
    ("frontend-nlb-security-groups", Support::Yes),
    ("frontend-nlb-listener-port-mapping", Support::Yes),
    ("frontend-nlb-eip-allocations", Support::Yes),
    ("frontend-nlb-healthcheck-port", Support::Yes),
    ("frontend-nlb-healthcheck-protocol", Support::Yes),
    ("frontend-nlb-healthcheck-path", Support::Yes),
    ("frontend-nlb-healthcheck-interval-seconds", Support::Yes),
    ("frontend-nlb-healthcheck-timeout-seconds", Support::Yes),
    ("frontend-nlb-healthcheck-healthy-threshold-count", Support::Yes),
    ("frontend-nlb-healthcheck-unhealthy-threshold-count", Support::Yes),
    ("frontend-nlb-healthcheck-success-codes", Support::Yes),
    ("frontend-nlb-attributes", Support::Yes),
    ("frontend-nlb-tags", Support::Yes),
    ("create-acm-cert", Support::No),
    ("acm-pca-arn", Support::No),
    ("multi-cluster-target-group", Support::Yes),
    ("mutual-authentication", Support::Yes),
    ("auth-type", Support::Yes),
    ("auth-idp-cognito", Support::Yes),
    ("auth-idp-oidc", Support::Yes),
    ("auth-on-unauthenticated-request", Support::Yes),
    ("auth-scope", Support::Yes),
    ("auth-session-cookie", Support::Yes),
    ("auth-session-timeout", Support::Yes),
    ("jwt-validation", Support::Yes),
];

/// A family with a port in each name.
const LISTENER: &str = "listener-attributes.";

/// Values that switch an annotation off.
const OFF: &[&str] = &["", "none", "false", "off"];

/// Says which annotations of an object have no effect.
pub(crate) fn check<R: Resource>(resource: &R, problems: &mut Vec<Problem>) {
    for (key, value) in resource.meta().annotations.iter().flatten() {
        let Some(name) = key.strip_prefix(PREFIX) else { continue };
        let off = OFF.contains(&value.trim());
        match support(name) {
            Some(Support::Yes) => {}
            Some(Support::No) if off => {}
            Some(Support::No) => problems.push(not_supported(resource, key)),
            None => problems.push(unknown(resource, key, name)),
        }
    }
}

fn support(name: &str) -> Option<Support> {
    let exact = KNOWN.iter().find(|(known, _)| *known == name && !known.ends_with('.'));
    let family = || {
        KNOWN.iter().find(|(known, _)| {
            let own = name.strip_prefix(known).filter(|own| !own.is_empty());
            known.ends_with('.') && own.is_some_and(|own| *known != LISTENER || is_port(own))
        })
    };
    exact.or_else(family).map(|(_, support)| *support)
}

/// `HTTPS-443`.
fn is_port(text: &str) -> bool {
    text.split_once('-').is_some_and(|(protocol, port)| {
        Protocol::parse(protocol).is_some() && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn not_supported<R: Resource>(resource: &R, key: &str) -> Problem {
    Problem::error(resource.reference(), field(key), "annotation-not-supported")
        .message("this annotation has no effect here yet")
        .advice("remove it")
}

fn unknown<R: Resource>(resource: &R, key: &str, name: &str) -> Problem {
    let problem = Problem::warning(resource.reference(), field(key), "annotation-unknown")
        .message("there is no such annotation");
    if name.starts_with(LISTENER) {
        return problem.advice(format!("write {PREFIX}{LISTENER}HTTPS-443, or what the port is"));
    }
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

    fn check_one(key: &str, value: &str) -> Vec<Problem> {
        let mut ingress = Ingress::default();
        ingress.metadata.annotations = Some([(format!("{PREFIX}{key}"), value.to_owned())].into());
        let mut problems = Vec::new();
        check(&ingress, &mut problems);
        problems
    }

    #[test]
    fn a_misspelt_annotation_is_told_what_it_may_have_meant() {
        let problems = check_one("sheme", "internal");
        assert_eq!(problems[0].code, "annotation-unknown");
        assert_eq!(problems[0].severity, Severity::Warning);
        assert!(
            problems[0].advice.contains("alb.ingress.kubernetes.io/scheme?"),
            "{}",
            problems[0]
        );
        for (key, is_known) in [("HTTPS-443", true), ("https-443", false), ("HTTPS443", false)] {
            let problems = check_one(&format!("listener-attributes.{key}"), "a=b");
            assert_eq!(problems.is_empty(), is_known, "{key}: {problems:?}");
        }
        let problems = check_one("something-else-entirely", "1");
        assert_eq!(problems[0].advice, "remove it");
    }

    #[test]
    fn what_has_no_effect_is_named_unless_it_is_off() {
        assert!(check_one("auth-type", "oidc").is_empty());
        assert!(check_one("create-acm-cert", "false").is_empty());
        let problems = check_one("create-acm-cert", "true");
        assert_eq!(problems[0].code, "annotation-not-supported");
    }

    #[test]
    fn the_documentation_tells_of_each() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compatibility.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (_, table) = text.split_once("### Annotations").unwrap();
        for (name, support) in KNOWN {
            let cell = format!("`{name}");
            let mut rows = table.lines().filter(|line| line.starts_with('|'));
            let row = rows.find(|row| row.contains(&cell)).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(row.contains("| no"), *support == Support::No, "{row}");
        }
    }

    #[test]
    fn families_have_members() {
        assert!(is_known("actions.x") && is_known("listener-attributes.HTTP-80"));
        assert!(!is_known("actions.") && !is_known("actions"));
    }
}
