//! The tags by which things in AWS are known as ours, the same as the AWS Load Balancer Controller's.

use crate::{id::StackId, pairs::Pairs};
use std::collections::BTreeSet;

/// Keys and values.
pub type Tags = Pairs;

/// Name of the cluster.
pub const CLUSTER: &str = "elbv2.k8s.aws/cluster";
/// The stack: a group's name, or namespace and name of an Ingress.
pub const STACK: &str = "ingress.k8s.aws/stack";
/// Which part of the stack.
pub const RESOURCE: &str = "ingress.k8s.aws/resource";
/// Says of the common security group what it is.
pub const SHARED_RESOURCE: &str = "elbv2.k8s.aws/resource";
/// Value of [`SHARED_RESOURCE`] on the common security group.
pub const BACKEND_SECURITY_GROUP: &str = "backend-sg";
/// The Ingress that a rule comes from. Ours alone: it lets a rule outlive a typing error.
pub const OWNER: &str = "edgeway.dev/ingress";

/// Whose each value of a rule is that several members share: short names of values, and of members. Ours
/// alone, for the same reason.
pub const CLAIMS: &str = "edgeway.dev/claims";

/// A trace of the secret that a login uses, by which another one is noticed: AWS never tells it.
pub const SECRET: &str = "edgeway.dev/secret-trace";

/// The controller whose class a thing is for, on all that we have made or taken over. Ours alone: both
/// controllers can share a cluster, and neither takes the other's for its own. The AWS Load Balancer
/// Controller removes it from what it takes back.
pub const CONTROLLER: &str = "edgeway.dev/controller";

/// Value of [`RESOURCE`] on the load balancer.
pub const LOAD_BALANCER: &str = "LoadBalancer";
/// Value of [`RESOURCE`] on the security group that guards it.
pub const MANAGED_SECURITY_GROUP: &str = "ManagedLBSecurityGroup";

/// Keys that older versions of the AWS Load Balancer Controller wrote, left where they are.
const LEGACY: &[&str] = &[
    "kubernetes.io/cluster-name",
    "kubernetes.io/namespace",
    "kubernetes.io/ingress-name",
    "kubernetes.io/service-name",
    "kubernetes.io/service-port",
    "ingress.k8s.aws/cluster",
];

/// The tags of one part of a stack.
pub fn tracking(cluster: &str, stack: &StackId, resource: &str) -> Tags {
    Tags::from([
        (CLUSTER.to_owned(), cluster.to_owned()),
        (STACK.to_owned(), stack.to_string()),
        (RESOURCE.to_owned(), resource.to_owned()),
    ])
}

/// Whether a key is one of those that say whose a thing is; users cannot set these.
pub fn is_reserved(key: &str) -> bool {
    matches!(key, CLUSTER | STACK | RESOURCE | OWNER | CLAIMS | SECRET | CONTROLLER)
}

/// Whether we have made a thing with these tags, or taken it over.
pub fn is_marked(tags: &Tags) -> bool {
    tags.contains_key(CONTROLLER)
}

/// The controller whose class a thing with these tags is for.
pub fn controller(tags: &Tags) -> &str {
    tags.get(CONTROLLER).map_or(crate::settings::AWS, String::as_str)
}

/// What is to be set, and what is to go.
pub fn difference(wanted: &Tags, found: &Tags) -> (Tags, BTreeSet<String>) {
    let mut set = wanted.clone();
    set.retain(|key, value| found.get(key) != Some(value));
    let gone = found.keys().filter(|key| !wanted.contains_key(*key) && !is_foreign(key));
    (set, gone.cloned().collect())
}

/// The same for a rule: its place may have changed since it was made, and a missing note of whom it
/// belongs to is worth a call only where several share the listener.
pub fn rule_difference(wanted: &Tags, found: &Tags, is_shared: bool) -> (Tags, BTreeSet<String>) {
    let (mut set, mut gone) = difference(wanted, found);
    for key in [RESOURCE, OWNER] {
        gone.remove(key);
    }
    set.remove(RESOURCE);
    if !is_shared && !found.contains_key(OWNER) {
        set.remove(OWNER);
    }
    (set, gone)
}

fn is_foreign(key: &str) -> bool {
    key.starts_with("aws:") || key.starts_with("kubernetes.io/cluster/") || LEGACY.contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_aws_or_an_older_controller_wrote_stays() {
        let found =
            tags(&[("aws:x", "1"), ("kubernetes.io/namespace", "app"), ("old", "1"), ("a", "0")]);
        let (set, gone) = difference(&tags(&[("a", "1")]), &found);
        assert_eq!(set, tags(&[("a", "1")]));
        assert_eq!(gone, BTreeSet::from(["old".to_owned()]));
    }

    #[test]
    fn a_rule_that_moved_is_not_tagged_anew() {
        let wanted = tags(&[(RESOURCE, "80:200"), ("team", "a"), (OWNER, "app/ing")]);
        let found = tags(&[(RESOURCE, "80:1"), ("team", "a")]);
        assert_eq!(rule_difference(&wanted, &found, false), (Tags::new(), BTreeSet::new()));
        assert_eq!(rule_difference(&wanted, &found, true).0, tags(&[(OWNER, "app/ing")]));
        let found = tags(&[(RESOURCE, "80:1"), ("team", "a"), (OWNER, "app/other")]);
        assert_eq!(rule_difference(&wanted, &found, false).0, tags(&[(OWNER, "app/ing")]));
    }
}
