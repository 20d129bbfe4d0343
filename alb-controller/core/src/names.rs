//! Names of at most 32 characters that stay the same, equal to those of the AWS Load Balancer Controller.
//!
//! A name matters only when a thing is made: afterwards things are found by their tags.

use crate::{
    id::StackId,
    stack::Scheme,
    target::{HealthCheck, TargetGroupKind},
};
use sha2::{Digest, Sha256};

/// The longest name that AWS takes for load balancers and target groups.
pub const LONGEST: usize = 32;

/// Name of a stack's load balancer.
pub fn load_balancer(cluster: &str, stack: &StackId, scheme: Scheme) -> String {
    let id = stack.to_string();
    stack_name(stack, &hash(&[cluster, &id, scheme.as_str()]))
}

/// Name of the security group that guards a stack's load balancer.
pub fn security_group(cluster: &str, stack: &StackId) -> String {
    let id = stack.to_string();
    stack_name(stack, &hash(&[cluster, &id]))
}

/// Name of the security group that all load balancers of a cluster have in common.
pub fn backend_security_group(cluster: &str) -> String {
    format!("k8s-traffic-{}-{}", clean(cluster, 232), hash(&[cluster]))
}

/// The same for a controller that leaves the AWS Load Balancer Controller's things alone.
pub fn own_security_group(cluster: &str) -> String {
    format!("k8s-traffic-{}-{}", clean(cluster, 232), hash(&[cluster, crate::settings::EDGEWAY]))
}

/// What tells one target group from another.
#[derive(Clone, Copy, Debug)]
pub struct TargetGroupIdentity<'a> {
    /// Name of the cluster.
    pub cluster: &'a str,
    /// The stack it belongs to.
    pub stack: &'a StackId,
    /// Namespace and name of the Ingress.
    pub ingress: (&'a str, &'a str),
    /// Name of the Service, in the Ingress' namespace.
    pub service: &'a str,
    /// `metadata.uid` of the Service; empty where it comes from a file.
    pub service_uid: &'a str,
    /// The Service's port, spelled as in the Ingress.
    pub port: &'a str,
}

/// Name of a target group.
pub fn target_group(identity: &TargetGroupIdentity<'_>, kind: &TargetGroupKind) -> String {
    let TargetGroupIdentity { cluster, stack, ingress, service, service_uid, port } = *identity;
    let (namespace, ingress) = ingress;
    let (id, own_port) = (stack.to_string(), kind.port.to_string());
    let control = kind.control_port.map(|port| port.to_string()).unwrap_or_default();
    let hash = hash(&[
        cluster,
        &id,
        namespace,
        ingress,
        service_uid,
        port,
        &own_port,
        kind.target_type.as_str(),
        kind.protocol.as_str(),
        kind.version.as_str(),
        &control,
    ]);
    format!("k8s-{}-{}-{hash}", clean(namespace, 8), clean(service, 8))
}

/// Name of a target group whose target is a stack's load balancer.
pub fn front_group(cluster: &str, stack: &StackId, (port, check): (u16, &HealthCheck)) -> String {
    let (id, port) = (stack.to_string(), port.to_string());
    let parts = [cluster, &id, &port, "alb", "TCP", &check.port, check.protocol.as_str()];
    stack_name(stack, &hash(&parts))
}

/// Another name of the same look, for when `name` is taken by a thing that cannot be reused.
pub fn alternate(name: &str, salt: &str) -> String {
    let stem = name.get(..name.len().min(LONGEST - 11)).unwrap_or(name).trim_end_matches('-');
    format!("{stem}-{}", hash(&[name, salt]))
}

fn stack_name(stack: &StackId, hash: &str) -> String {
    match stack {
        StackId::Group(name) => format!("k8s-{}-{hash}", clean(name, 17)),
        StackId::Ingress { namespace, name } => {
            format!("k8s-{}-{}-{hash}", clean(namespace, 8), clean(name, 8))
        }
    }
}

/// The first `longest` letters and digits.
fn clean(text: &str, longest: usize) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).take(longest).collect()
}

/// The first ten hexadecimal digits of the parts' common hash.
pub fn hash(parts: &[&str]) -> String {
    let digest = parts.iter().fold(Sha256::new(), Digest::chain_update);
    let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
    digest.finalize().iter().take(5).fold(String::new(), hex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{IpFamily, Protocol, TargetType, Version};

    #[test]
    fn names_are_those_of_the_aws_load_balancer_controller() {
        let stack = StackId::ingress("ns-1", "ing-1");
        let name = load_balancer("cluster-dummy", &stack, Scheme::Internal);
        assert_eq!(name, "k8s-ns1-ing1-b7e914000d");
        assert_eq!(security_group("cluster-dummy", &stack), "k8s-ns1-ing1-bd83176788");
        let stack = StackId::ingress("app", "ing");
        assert_eq!(load_balancer("corpus", &stack, Scheme::Internal), "k8s-app-ing-3c5da52357");
        assert_eq!(security_group("corpus", &stack), "k8s-app-ing-3177b92c4f");
        let group = StackId::Group("g".into());
        assert_eq!(load_balancer("corpus", &group, Scheme::Internal), "k8s-g-4da31a5745");
        assert_eq!(backend_security_group("corpus"), "k8s-traffic-corpus-6b17b8fcc4");
    }

    #[test]
    fn a_target_group_is_named_after_all_that_cannot_change() {
        let stack = StackId::ingress("app", "ing");
        let identity = TargetGroupIdentity {
            cluster: "corpus",
            stack: &stack,
            ingress: ("app", "ing"),
            service: "web",
            service_uid: "d3fe02bb-ee81-46a2-92dd-eb5ab2ab28cb",
            port: "80",
        };
        let kind = TargetGroupKind {
            target_type: TargetType::Instance,
            protocol: Protocol::Http,
            version: Version::Http1,
            port: 30080,
            family: IpFamily::V4,
            control_port: None,
        };
        assert_eq!(target_group(&identity, &kind), "k8s-app-web-93f948363c");
    }

    #[test]
    fn another_name_fits_as_well() {
        let name = "k8s-namespac-servicex-0123456789";
        let other = alternate(name, "k8s-other");
        assert!(other.len() <= LONGEST && other != name, "{other}");
        assert!(alternate("short", "x").starts_with("short-"));
    }
}
