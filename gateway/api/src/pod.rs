//! Pod, as far as it is read: of the whole kind, which is large, little says where requests go.

use crate::{Resource, shape::shape};
use k8s_openapi::{
    api::core::v1::PodSpec as Template, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

impl Resource for Pod {
    const KIND: &'static str = "Pod";
    const CLUSTER_SCOPED: bool = false;

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

shape! {
    /// A pod. Its other fields are neither read nor kept.
    Pod {
        /// Name, namespace, labels, owners, `deletionTimestamp`.
        metadata: ObjectMeta,
        /// What it is made of.
        spec: PodSpec,
        /// How it is.
        status: PodStatus,
    }

    /// What a pod is made of.
    PodSpec {
        /// Name of its Node, once it has one.
        node_name: Option<String>,
        /// Whether its addresses are those of its Node.
        host_network: bool,
        /// What runs in it.
        containers: Vec<Container>,
        /// What it waits for besides its containers before it is ready.
        readiness_gates: Vec<PodReadinessGate>,
    }

    /// What runs in a pod.
    Container {
        /// The ports that it names.
        ports: Vec<ContainerPort>,
    }

    /// A port of a container.
    ContainerPort {
        /// What a Service may call it.
        name: Option<String>,
        /// Its number.
        container_port: i32,
    }

    /// What a pod waits for.
    PodReadinessGate {
        /// The condition that somebody is to set.
        condition_type: String,
    }

    /// How a pod is.
    PodStatus {
        /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
        phase: Option<String>,
        /// Its address, once it has one.
        #[serde(rename = "podIP")]
        pod_ip: Option<String>,
        /// All of its addresses, that one first.
        #[serde(rename = "podIPs")]
        pod_ips: Vec<PodIp>,
        /// What is known of it.
        conditions: Vec<PodCondition>,
    }

    /// An address of a pod.
    PodIp {
        /// IPv4 or IPv6.
        ip: String,
    }

    /// Something that is known of a pod.
    PodCondition {
        /// What: `Ready`, `ContainersReady`, or whatever somebody sets.
        #[serde(rename = "type")]
        type_: String,
        /// `True`, `False` or `Unknown`.
        status: String,
    }
}

impl Pod {
    /// All of its addresses, each once.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let Self { status, .. } = self;
        let one = status.pod_ip.as_deref();
        let is_listed = one.is_some_and(|one| status.pod_ips.iter().any(|it| it.ip == one));
        let all = status.pod_ips.iter().map(|it| it.ip.as_str());
        all.chain(one.filter(|_| !is_listed))
    }

    /// Whether a condition is known, and true.
    pub fn is(&self, condition: &str) -> bool {
        self.status.conditions.iter().any(|it| it.type_ == condition && it.status == "True")
    }
}

impl PodSpec {
    /// The ports that have names, each with its number.
    pub fn named_ports(&self) -> impl Iterator<Item = (&str, i32)> {
        let ports = self.containers.iter().flat_map(|container| &container.ports);
        ports.filter_map(|port| Some((port.name.as_deref()?, port.container_port)))
    }
}

/// The ports of the pods that a template makes that have names, each with its number.
pub fn template_ports(template: &Template) -> impl Iterator<Item = (&str, i32)> {
    let ports = template.containers.iter().flat_map(|container| container.ports.iter().flatten());
    ports.filter_map(|port| Some((port.name.as_deref()?, port.container_port)))
}
